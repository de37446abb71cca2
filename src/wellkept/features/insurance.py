"""Insurance: whether cover could be verified before the visit.

Codes: INSURANCE//VERIFIED, INSURANCE//VERIFICATION_FAILED. Days of prior authorisation have no code.
"""

from wellkept.catalogue import feature
from wellkept.history import Expression, History

VERIFIED, FAILED = "INSURANCE//VERIFIED", "INSURANCE//VERIFICATION_FAILED"


@feature(
    says="the insurance could not be verified",
    otherwise="the insurance was verified",
    null="no insurance check on record",
    unit="yes/no",
    touchpoint="insurance",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def verification_failed(past: History) -> Expression:
    """Did the latest check of the insurance fail: of this encounter, else of any."""
    checks = past.of(FAILED, VERIFIED)
    return checks.same_encounter().last_code().coalesce(checks.last_code()).equals(FAILED)


@feature(
    says="failed insurance checks in the last year: {value:.0f}",
    otherwise="no failed insurance check in the last year",
    null="no insurance check on record",
    unit="checks",
    touchpoint="insurance",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def verification_failures_365d(past: History) -> Expression:
    """Insurance checks that failed, in 365 days."""
    return past.of(FAILED).within("365d").count()


@feature(
    says="the insurance has been unverified for {value:.0f} days",
    otherwise="the insurance is verified",
    null="no insurance check on record",
    unit="d",
    touchpoint="insurance",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def days_unverified(past: History) -> Expression:
    """Days since the latest check, if it failed; 0 where it passed, null where there was none."""
    checks = past.of(FAILED, VERIFIED)
    return checks.last_code().equals(FAILED) * checks.since()
