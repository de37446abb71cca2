"""Visit: what kind it was, where, how long it took, and whether interpreter and accommodation were there.

Codes: VISIT//COMPLETED (category: care type), VISIT//LENGTH (number: minutes), VISIT//TELEHEALTH,
VISIT//INTERPRETER_USED and //INTERPRETER_MISSED, VISIT//ACCOMMODATION_MET and //ACCOMMODATION_MISSED (only where one
was needed), PERSON//interpreter_needed, SITE//DETRACTOR_SHARE (number: share; made at ingest).
"""

from wellkept.catalogue import feature
from wellkept.history import Expression, History

COMPLETED, TELEHEALTH, LENGTH = "VISIT//COMPLETED", "VISIT//TELEHEALTH", "VISIT//LENGTH"
INTERPRETER = ("VISIT//INTERPRETER_MISSED", "VISIT//INTERPRETER_USED")
ACCOMMODATION = ("VISIT//ACCOMMODATION_MISSED", "VISIT//ACCOMMODATION_MET")
NEEDED = "PERSON//interpreter_needed"
SITE_SHARE = "SITE//DETRACTOR_SHARE"


@feature(
    says="kind of care at the visit: {value}",
    null="no completed visit on record",
    unit="category",
    touchpoint="visit",
    dimension="patient",
)
def care_type(past: History) -> Expression:
    """Kind of care: of this encounter, else of the latest completed visit."""
    visits = past.of(COMPLETED)
    return visits.same_encounter().last_text().coalesce(visits.last_text())


@feature(
    says="had {value:.0f} minutes with the clinician",
    otherwise="had less than a minute with the clinician",
    null="the length of the visit is not on record",
    unit="min",
    touchpoint="visit",
    dimension="patient",
)
def visit_minutes(past: History) -> Expression:
    """Minutes with the clinician: of this encounter, else of the latest visit."""
    lengths = past.of(LENGTH)
    return lengths.same_encounter().last().coalesce(lengths.last())


@feature(
    says="was seen by video or telephone",
    otherwise="was seen in person",
    null="no completed visit on record",
    unit="yes/no",
    touchpoint="visit",
    dimension="customer",
)
def telehealth(past: History) -> Expression:
    """Was it by video or telephone: this encounter, else the latest completed visit."""
    visits, remote = past.of(COMPLETED), past.of(TELEHEALTH)
    here = (remote.same_encounter().count() > 0).where(visits.same_encounter().count() > 0)
    latest = (remote.since() <= visits.since()).coalesce(0).where(visits.count() > 0)
    return here.coalesce(latest)


@feature(
    says="needed an interpreter and had none",
    otherwise="needed an interpreter and had one",
    null="no visit on record that needed an interpreter",
    unit="yes/no",
    touchpoint="visit",
    dimension="patient",
    monotone=+1,
    modifiable=True,
)
def interpreter_missed(past: History) -> Expression:
    """Was an interpreter missing: at this encounter, else at the latest visit that needed one."""
    needs = past.of(*INTERPRETER)
    return needs.same_encounter().last_code().coalesce(needs.last_code()).equals(INTERPRETER[0])


@feature(
    says="had no interpreter at {value:.0%} of the visits of the last year that needed one",
    otherwise="had an interpreter at every visit of the last year that needed one",
    null="no visit in the last year that needed an interpreter",
    unit="share",
    touchpoint="visit",
    dimension="patient",
    monotone=+1,
    modifiable=True,
)
def interpreter_missed_share_365d(past: History) -> Expression:
    """Share of the visits of 365 days that needed an interpreter and had none."""
    return past.of(INTERPRETER[0]).within("365d").share_of(past.of(*INTERPRETER).within("365d"))


@feature(
    says="needs no interpreter",
    otherwise="needs an interpreter",
    null="no completed visit on record",
    unit="yes/no",
    touchpoint="visit",
    dimension="patient",
)
def interpreter_not_applicable(past: History) -> Expression:
    """No need for an interpreter is on record, of the person or of a visit."""
    return past.of(NEEDED, *INTERPRETER).count().equals(0).where(past.of(COMPLETED).count() > 0)


@feature(
    says="needs an interpreter, and no visit on record says whether there was one",
    otherwise="whether an interpreter was there is on record, or none was needed",
    null="nothing on record",
    unit="yes/no",
    touchpoint="visit",
    dimension="patient",
)
def interpreter_unknown(past: History) -> Expression:
    """An interpreter is needed, but no visit says whether there was one."""
    return (past.of(NEEDED).count() > 0) * past.of(*INTERPRETER).count().equals(0)


@feature(
    says="needed an accommodation that was not there",
    otherwise="had the accommodation that was needed",
    null="no visit on record that needed an accommodation",
    unit="yes/no",
    touchpoint="visit",
    dimension="patient",
    monotone=+1,
    modifiable=True,
)
def accommodation_missed(past: History) -> Expression:
    """Was an accommodation missing: at this encounter, else at the latest visit that needed one."""
    needs = past.of(*ACCOMMODATION)
    return needs.same_encounter().last_code().coalesce(needs.last_code()).equals(ACCOMMODATION[0])


@feature(
    says="lacked the accommodation at {value:.0%} of the visits of the last year that needed one",
    otherwise="had the accommodation at every visit of the last year that needed one",
    null="no visit in the last year that needed an accommodation",
    unit="share",
    touchpoint="visit",
    dimension="patient",
    monotone=+1,
    modifiable=True,
)
def accommodation_missed_share_365d(past: History) -> Expression:
    """Share of the visits of 365 days that needed an accommodation and lacked it."""
    return past.of(ACCOMMODATION[0]).within("365d").share_of(past.of(*ACCOMMODATION).within("365d"))


@feature(
    says="about {value:.0%} of the earlier answers about the site of the visit were 0-6",
    null="fewer than 30 answers about the site of the visit were known",
    unit="share",
    touchpoint="visit",
    dimension="customer",
    monotone=+1,
)
def site_detractor_share(past: History) -> Expression:
    """Shrunk share of 0-6 about the site of this encounter, else of the latest visit."""
    shares = past.of(SITE_SHARE)
    # where the latest visit has no share, an older one is about another site
    latest = shares.last().where(shares.since().equals(past.of(COMPLETED).since()))
    return shares.same_encounter().last().coalesce(latest)
