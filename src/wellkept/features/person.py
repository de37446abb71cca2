"""Person: who they are and how far away, as on record at the prediction point.

Codes: PERSON//birth_year, //sex, //language, //payer, //disability, //interpreter_needed, //portal_active,
//distance_km, //deprivation, //chronic_conditions. No constraint and nothing to modify. Language, disability and payer
are here only because interventions of access depend on them. Race is audited and never a feature.
"""

from wellkept.catalogue import feature
from wellkept.history import Expression, History


@feature(
    says="is about {value:.0f} years old",
    otherwise="was just born",
    null="the year of birth is not on record",
    unit="years",
    touchpoint="person",
    dimension="patient",
)
def age(past: History) -> Expression:
    """Age in years, as if born in the middle of the birth year."""
    return past.year() - past.of("PERSON//birth_year").last() - 0.5


@feature(
    says="sex: {value}",
    null="sex is not on record",
    unit="category",
    touchpoint="person",
    dimension="patient",
)
def sex(past: History) -> Expression:
    """Sex."""
    return past.of("PERSON//sex").last_text()


@feature(
    says="language: {value}",
    null="language is not on record",
    unit="category",
    touchpoint="person",
    dimension="patient",
)
def language(past: History) -> Expression:
    """Language."""
    return past.of("PERSON//language").last_text()


@feature(
    says="payer: {value}",
    null="payer is not on record",
    unit="category",
    touchpoint="person",
    dimension="customer",
)
def payer(past: History) -> Expression:
    """Payer."""
    return past.of("PERSON//payer").last_text()


@feature(
    says="has a disability",
    otherwise="no disability on record",
    null="nothing on record",
    unit="yes/no",
    touchpoint="person",
    dimension="patient",
)
def disability(past: History) -> Expression:
    """A disability is on record."""
    return past.of("PERSON//disability").count() > 0


@feature(
    says="needs an interpreter",
    otherwise="no need for an interpreter on record",
    null="nothing on record",
    unit="yes/no",
    touchpoint="person",
    dimension="patient",
)
def interpreter_needed(past: History) -> Expression:
    """A need for an interpreter is on record."""
    return past.of("PERSON//interpreter_needed").count() > 0


@feature(
    says="uses the portal",
    otherwise="no use of the portal on record",
    null="nothing on record",
    unit="yes/no",
    touchpoint="person",
    dimension="customer",
)
def portal_active(past: History) -> Expression:
    """The portal was activated."""
    return past.of("PERSON//portal_active").count() > 0


@feature(
    says="lives {value:.0f} km away",
    otherwise="lives next door",
    null="distance to the clinic is not on record",
    unit="km",
    touchpoint="person",
    dimension="customer",
)
def distance_km(past: History) -> Expression:
    """Distance to the clinic, in kilometres."""
    return past.of("PERSON//distance_km").last()


@feature(
    says="deprivation of the area, 0 to 100: {value:.0f}",
    null="deprivation of the area is not on record",
    unit="points of 0-100",
    touchpoint="person",
    dimension="patient",
)
def deprivation(past: History) -> Expression:
    """Deprivation of the area, 0 (least) to 100 (most)."""
    return past.of("PERSON//deprivation").last()


@feature(
    says="chronic conditions: {value:.0f}",
    otherwise="no chronic condition",
    null="number of chronic conditions is not on record",
    unit="conditions",
    touchpoint="person",
    dimension="patient",
)
def chronic_conditions(past: History) -> Expression:
    """Number of chronic conditions."""
    return past.of("PERSON//chronic_conditions").last()
