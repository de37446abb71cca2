"""Discharge: whether people leave with instructions.

Codes: DISCHARGE//INSTRUCTIONS, DISCHARGE//NO_INSTRUCTIONS. Whether they were taught back has no code.
"""

from wellkept.catalogue import feature
from wellkept.history import Expression, History

NOT_GIVEN, GIVEN = "DISCHARGE//NO_INSTRUCTIONS", "DISCHARGE//INSTRUCTIONS"


@feature(
    says="left with instructions",
    otherwise="left without instructions",
    null="no visit on record says whether instructions were given",
    unit="yes/no",
    touchpoint="discharge",
    dimension="patient",
    monotone=-1,
    modifiable=True,
)
def instructions_given(past: History) -> Expression:
    """Were instructions given: at this encounter, else at the latest visit that says so."""
    said = past.of(NOT_GIVEN, GIVEN)
    return said.same_encounter().last_code().coalesce(said.last_code()).equals(GIVEN)


@feature(
    says="visits of the last year that ended without instructions: {value:.0f}",
    otherwise="no visit of the last year on record that ended without instructions",
    null="no visit on record",
    unit="visits",
    touchpoint="discharge",
    dimension="patient",
    monotone=+1,
    modifiable=True,
)
def no_instructions_365d(past: History) -> Expression:
    """Visits of 365 days that ended without instructions."""
    return past.of(NOT_GIVEN).within("365d").count()
