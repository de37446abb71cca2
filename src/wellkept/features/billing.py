"""Billing: surprises, denials and disputes, and how long they stay open.

Codes: BILLING//SURPRISE, //DENIAL, //DISPUTE (happened with the service, known when the bill is),
BILLING//RESOLVED. Amounts and payments have no code, so the age of a balance is that of an open dispute.
"""

from wellkept.catalogue import feature
from wellkept.history import Expression, History

SURPRISE, DENIAL, DISPUTE = "BILLING//SURPRISE", "BILLING//DENIAL", "BILLING//DISPUTE"
RESOLVED, COMPLETED = "BILLING//RESOLVED", "VISIT//COMPLETED"


@feature(
    says="surprise bills in the last year: {value:.0f}",
    otherwise="no surprise bill known in the last year",
    null="no bill on record",
    unit="bills",
    touchpoint="billing",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def surprise_bills_365d(past: History) -> Expression:
    """Surprise bills known for services of 365 days."""
    return past.of(SURPRISE).within("365d").count()


@feature(
    says="claims that the insurer denied in the last year: {value:.0f}",
    otherwise="no denied claim known in the last year",
    null="no claim on record",
    unit="claims",
    touchpoint="billing",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def denials_365d(past: History) -> Expression:
    """Denied claims known for services of 365 days."""
    return past.of(DENIAL).within("365d").count()


@feature(
    says="bills disputed in the last year: {value:.0f}",
    otherwise="disputed no bill in the last year",
    null="no bill on record",
    unit="bills",
    touchpoint="billing",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def disputes_365d(past: History) -> Expression:
    """Bills disputed for services of 365 days."""
    return past.of(DISPUTE).within("365d").count()


@feature(
    says="the bill for this visit was a surprise, denied or disputed",
    otherwise="no trouble with the bill for this visit is known",
    null="no visit that the bill could be for",
    unit="yes/no",
    touchpoint="billing",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def billing_problem_here(past: History) -> Expression:
    """Is a surprise bill, a denial or a dispute known of this encounter's visit."""
    visit = past.of(COMPLETED).same_encounter()
    return (past.of(SURPRISE, DENIAL, DISPUTE).same_encounter().count() > 0).where(visit.count() > 0)


@feature(
    says="a dispute about a bill has been open for {value:.0f} days",
    otherwise="the dispute about a bill was settled",
    null="no dispute about a bill in the last year",
    unit="d",
    touchpoint="billing",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def dispute_open_days(past: History) -> Expression:
    """Days since the latest dispute of 365 days; 0 where something was settled since."""
    disputed = past.of(DISPUTE).within("365d").since()
    return (past.of(RESOLVED).since() > disputed).coalesce(1) * disputed
