"""Contact centre: how long callers hold, are passed on, and give up.

Codes: CALL//HOLD (number: seconds on hold), CALL//TRANSFERS (number: times passed on), CALL//ABANDONED.
"""

from wellkept.catalogue import feature
from wellkept.history import Expression, History

HOLD, TRANSFERS, ABANDONED = "CALL//HOLD", "CALL//TRANSFERS", "CALL//ABANDONED"
TARGET = 50  # seconds: the target that healthcare call centres name; their mean is 4.4 minutes


@feature(
    says="was on hold for {value:.0f} seconds in the latest call",
    otherwise="was not put on hold in the latest call",
    null="no call on record",
    unit="s",
    touchpoint="contact centre",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def hold_seconds(past: History) -> Expression:
    """Seconds on hold in the latest call."""
    return past.of(HOLD).last()


@feature(
    says="was on hold {value:.0f} seconds longer than the target in the latest call",
    otherwise="was on hold no longer than the target in the latest call",
    null="no call on record",
    unit="s",
    touchpoint="contact centre",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def hold_over_target(past: History) -> Expression:
    """Seconds on hold above the target of 50 s in the latest call; 0 where the target was met."""
    over = past.of(HOLD).last() - TARGET
    return over * (over > 0)


@feature(
    says="was on hold for {value:.0f} seconds on average in the last 90 days",
    otherwise="was never on hold in the last 90 days",
    null="no call in the last 90 days",
    unit="s",
    touchpoint="contact centre",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def hold_mean_90d(past: History) -> Expression:
    """Mean seconds on hold in the calls of 90 days."""
    return past.of(HOLD).within("90d").mean()


@feature(
    says="was on hold longer than the target in {value:.0%} of the calls in the last year",
    otherwise="was never on hold longer than the target in the last year",
    null="no call in the last year",
    unit="share",
    touchpoint="contact centre",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def hold_over_target_share_365d(past: History) -> Expression:
    """Share of the calls of 365 days that held longer than the target of 50 s."""
    calls = past.of(HOLD).within("365d")
    return calls.valued(">", TARGET).share_of(calls)


@feature(
    says="was passed on {value:.0f} times in the latest call",
    otherwise="was not passed on in the latest call",
    null="no call on record",
    unit="transfers",
    touchpoint="contact centre",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def transfers_last(past: History) -> Expression:
    """Times passed on in the latest call."""
    return past.of(TRANSFERS).last()


@feature(
    says="was passed on in calls of the last year, times: {value:.0f}",
    otherwise="was never passed on in the last year",
    null="no call in the last year",
    unit="transfers",
    touchpoint="contact centre",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def transfers_365d(past: History) -> Expression:
    """Times passed on in all calls of 365 days; null where there was no call."""
    return past.of(TRANSFERS).within("365d").sum()


@feature(
    says="calls given up in the last 90 days: {value:.0f}",
    otherwise="gave up no call in the last 90 days",
    null="no call on record",
    unit="calls",
    touchpoint="contact centre",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def abandoned_calls_90d(past: History) -> Expression:
    """Calls of 90 days in which the caller hung up waiting."""
    return past.of(ABANDONED).within("90d").count()


@feature(
    says="calls in the last 90 days: {value:.0f}",
    otherwise="made no call in the last 90 days",
    null="no call on record",
    unit="calls",
    touchpoint="contact centre",
    dimension="customer",
)
def calls_90d(past: History) -> Expression:
    """Calls in 90 days."""
    return past.of(HOLD).within("90d").count()
