"""Portal: how long messages wait for an answer.

Codes: PORTAL//MESSAGE (sent), PORTAL//RESPONSE_HOURS (number: hours until the answer; known when it came),
PERSON//portal_active. Results released have no code.
"""

from wellkept.catalogue import feature
from wellkept.history import Expression, History

MESSAGE, RESPONSE, ACTIVE = "PORTAL//MESSAGE", "PORTAL//RESPONSE_HOURS", "PERSON//portal_active"


@feature(
    says="waited {value:.0f} hours for an answer on the portal",
    otherwise="was answered on the portal at once",
    null="no answered portal message on record",
    unit="h",
    touchpoint="portal",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def response_hours(past: History) -> Expression:
    """Hours until the answer to the latest message that was answered."""
    return past.of(RESPONSE).last()


@feature(
    says="waited {value:.0f} hours on average for answers on the portal in the last year",
    otherwise="was answered on the portal at once in the last year",
    null="no answered portal message in the last year",
    unit="h",
    touchpoint="portal",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def response_hours_mean_365d(past: History) -> Expression:
    """Mean hours until the answer to messages of 365 days."""
    return past.of(RESPONSE).within("365d").mean()


@feature(
    says="has waited {value:.0f} hours for an answer on the portal",
    otherwise="the latest portal message is answered",
    null="no portal message in the last 90 days",
    unit="h",
    touchpoint="portal",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def message_waiting_hours(past: History) -> Expression:
    """Hours that the latest message of 90 days has waited; 0 where it is answered."""
    sent, answered = past.of(MESSAGE).within("90d").since(), past.of(RESPONSE).since()
    return (answered > sent).coalesce(1) * sent * 24


@feature(
    says="portal messages in the last 90 days: {value:.0f}",
    otherwise="no portal message in the last 90 days",
    null="no portal message on record",
    unit="messages",
    touchpoint="portal",
    dimension="customer",
)
def messages_90d(past: History) -> Expression:
    """Portal messages sent in 90 days."""
    return past.of(MESSAGE).within("90d").count()


@feature(
    says="does not use the portal",
    otherwise="uses the portal",
    null="no completed visit on record",
    unit="yes/no",
    touchpoint="portal",
    dimension="customer",
)
def portal_not_applicable(past: History) -> Expression:
    """The portal is not used: no activation, message or answer is on record."""
    return past.of(ACTIVE, MESSAGE, RESPONSE).count().equals(0).where(past.of("VISIT//COMPLETED").count() > 0)
