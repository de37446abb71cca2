"""Continuity: whether people see the clinician they know, and what others had answered about the clinician they saw.

Codes: VISIT//USUAL_CLINICIAN, VISIT//OTHER_CLINICIAN (neither on a first visit), VISIT//COMPLETED,
CLINICIAN//DETRACTOR_SHARE (number: share; made at ingest).
"""

from wellkept.catalogue import feature
from wellkept.history import Expression, History

USUAL, OTHER, COMPLETED = "VISIT//USUAL_CLINICIAN", "VISIT//OTHER_CLINICIAN", "VISIT//COMPLETED"
SHARE = "CLINICIAN//DETRACTOR_SHARE"


@feature(
    says="saw the usual clinician",
    otherwise="saw another clinician than usual",
    null="had no usual clinician yet, or the visits do not say who it was",
    unit="yes/no",
    touchpoint="visit",
    dimension="patient",
    monotone=-1,
    modifiable=True,
)
def usual_clinician(past: History) -> Expression:
    """Was it the usual clinician: at this encounter, else at the latest visit that says so."""
    seen = past.of(USUAL, OTHER)
    return seen.same_encounter().last_code().coalesce(seen.last_code()).equals(USUAL)


@feature(
    says="saw the usual clinician at {value:.0%} of the visits of the last year",
    otherwise="saw the usual clinician at no visit of the last year",
    null="no visit in the last year that could be with a usual clinician",
    unit="share",
    touchpoint="visit",
    dimension="patient",
    monotone=-1,
    modifiable=True,
)
def usual_clinician_share_365d(past: History) -> Expression:
    """Share of the visits of 365 days, first visits aside, with the usual clinician."""
    return past.of(USUAL).within("365d").share_of(past.of(USUAL, OTHER).within("365d"))


@feature(
    says="has no usual clinician yet: this was the first visit",
    otherwise="has been here more than once, or a visit says whether it was the usual clinician",
    null="no completed visit on record",
    unit="yes/no",
    touchpoint="visit",
    dimension="patient",
)
def continuity_not_applicable(past: History) -> Expression:
    """Continuity cannot be yet: one visit is completed, and it does not say who it was."""
    visits = past.of(COMPLETED).count()
    return (past.of(USUAL, OTHER).count().equals(0) * visits.equals(1)).where(visits > 0)


@feature(
    says="had several visits, and none says whether it was the usual clinician",
    otherwise="a visit says whether it was the usual clinician, or there was at most one",
    null="nothing on record",
    unit="yes/no",
    touchpoint="visit",
    dimension="patient",
)
def continuity_unknown(past: History) -> Expression:
    """Continuity is not recorded: several visits were completed, and none says who it was."""
    return past.of(USUAL, OTHER).count().equals(0) * (past.of(COMPLETED).count() >= 2)


@feature(
    says="about {value:.0%} of the earlier answers about the clinician of the visit were 0-6",
    null="fewer than 30 answers about the clinician of the visit were known",
    unit="share",
    touchpoint="visit",
    dimension="patient",
    monotone=+1,
)
def clinician_detractor_share(past: History) -> Expression:
    """Shrunk share of 0-6 about the clinician of this encounter, else of the latest visit; never told as a reason."""
    shares = past.of(SHARE)
    # where the latest visit has no share, an older one is about somebody else
    latest = shares.last().where(shares.since().equals(past.of(COMPLETED).since()))
    return shares.same_encounter().last().coalesce(latest)
