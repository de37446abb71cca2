"""Return pattern: the patient's own rhythm of visits, and how late the next one is.

Code: VISIT//COMPLETED (category: care type). Missed appointments are no visits. Open orders are in `follow_up`.
"""

from wellkept.catalogue import feature
from wellkept.history import Expression, History

COMPLETED = "VISIT//COMPLETED"


@feature(
    says="was last here {value:.0f} days ago",
    otherwise="was here today",
    null="no completed visit on record",
    unit="d",
    touchpoint="visit",
    dimension="customer",
)
def days_since_visit(past: History) -> Expression:
    """Days since the latest completed visit."""
    return past.of(COMPLETED).since()


@feature(
    says="{value:.0%} of the time until the next visit is expected has passed",
    otherwise="was here today",
    null="no visit of a kind of care that expects another",
    unit="share",
    touchpoint="visit",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def overdue_share(past: History) -> Expression:
    """Days since the latest visit / days in which its kind of care expects the next one (365, 120, 60 or 30)."""
    visits = past.of(COMPLETED)
    kind = visits.last_text()
    expected = (
        kind.equals("preventive") * 365
        + kind.equals("chronic") * 120
        + kind.equals("acute") * 60
        + kind.equals("procedure") * 30
    )
    return visits.since() / expected


@feature(
    says="visits in the last year: {value:.0f}",
    otherwise="no visit in the last year",
    null="no completed visit on record",
    unit="visits",
    touchpoint="visit",
    dimension="customer",
)
def visits_365d(past: History) -> Expression:
    """Completed visits in 365 days."""
    return past.of(COMPLETED).within("365d").count()


@feature(
    says="visits so far: {value:.0f}",
    otherwise="no visit so far",
    null="no completed visit on record",
    unit="visits",
    touchpoint="visit",
    dimension="customer",
)
def visits(past: History) -> Expression:
    """Completed visits so far."""
    return past.of(COMPLETED).count()


@feature(
    says="comes every {value:.0f} days on average",
    otherwise="had all visits on one day",
    null="fewer than two completed visits on record",
    unit="d",
    touchpoint="visit",
    dimension="customer",
)
def usual_gap_days(past: History) -> Expression:
    """Mean days between completed visits: (first to latest) / (number of visits - 1)."""
    visits = past.of(COMPLETED)
    return (visits.since_first() - visits.since()) / (visits.count() - 1)


@feature(
    says="has stayed away {value:.1f} times as long as is usual for this patient",
    otherwise="was here today",
    null="fewer than two completed visits on record, or all on one day",
    unit="ratio",
    touchpoint="visit",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def gap_ratio(past: History) -> Expression:
    """Days since the latest visit / the patient's own mean days between visits."""
    visits = past.of(COMPLETED)
    usual = (visits.since_first() - visits.since()) / (visits.count() - 1)
    return visits.since() / usual
