"""Complaints that were filed.

Code: COMPLAINT//FILED. None on record is none on record, not a satisfied patient.
"""

from wellkept.catalogue import feature
from wellkept.history import Expression, History

FILED = "COMPLAINT//FILED"


@feature(
    says="complaints about this visit: {value:.0f}",
    otherwise="no complaint about this visit on record",
    null="no visit that the complaint could be about",
    unit="complaints",
    touchpoint="complaint",
    dimension="customer",
    monotone=+1,
)
def complaint_here(past: History) -> Expression:
    """Complaints about this encounter."""
    visit = past.of("VISIT//COMPLETED").same_encounter()
    return past.of(FILED).same_encounter().count().where(visit.count() > 0)


@feature(
    says="complaints in the last 90 days: {value:.0f}",
    otherwise="no complaint on record in the last 90 days",
    null="no complaint on record",
    unit="complaints",
    touchpoint="complaint",
    dimension="customer",
    monotone=+1,
)
def complaints_90d(past: History) -> Expression:
    """Complaints in 90 days."""
    return past.of(FILED).within("90d").count()


@feature(
    says="complaints in the last year: {value:.0f}",
    otherwise="no complaint on record in the last year",
    null="no complaint on record",
    unit="complaints",
    touchpoint="complaint",
    dimension="customer",
    monotone=+1,
)
def complaints_365d(past: History) -> Expression:
    """Complaints in 365 days."""
    return past.of(FILED).within("365d").count()


@feature(
    says="complained {value:.0f} days ago",
    otherwise="complained today",
    null="no complaint on record",
    unit="d",
    touchpoint="complaint",
    dimension="customer",
)
def days_since_complaint(past: History) -> Expression:
    """Days since the latest complaint."""
    return past.of(FILED).since()
