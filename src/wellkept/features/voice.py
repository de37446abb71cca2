"""Voice: what people answered before, and how long ago.

Codes: SURVEY//NPS (0-10), SURVEY//CSAT (1-5), SURVEY//CES (1-7, 7: easiest). An unanswered survey is no answer at all.
Who is invited is no feature: that is the health system's choice. Comments (COMMENT//TEXT) are free text.
"""

from wellkept.catalogue import feature
from wellkept.history import Expression, History

NPS, CSAT, CES = "SURVEY//NPS", "SURVEY//CSAT", "SURVEY//CES"
DETRACTOR = 6  # the highest answer of a detractor


@feature(
    says="last answered {value:.0f} of 10 to how likely to recommend us",
    null="never answered how likely to recommend us",
    unit="points of 0-10",
    touchpoint="survey",
    dimension="customer",
    monotone=-1,
)
def last_nps(past: History) -> Expression:
    """Latest answer to how likely to recommend us, 0-10."""
    return past.of(NPS).last()


@feature(
    says="answered how likely to recommend us {value:.0f} days ago",
    otherwise="answered how likely to recommend us today",
    null="never answered how likely to recommend us",
    unit="d",
    touchpoint="survey",
    dimension="customer",
)
def last_nps_days(past: History) -> Expression:
    """Days since the latest answer to how likely to recommend us."""
    return past.of(NPS).since()


@feature(
    says="last answered {value:.0f} of 5 to how satisfied",
    null="never answered how satisfied",
    unit="points of 1-5",
    touchpoint="survey",
    dimension="customer",
    monotone=-1,
)
def last_csat(past: History) -> Expression:
    """Latest answer to how satisfied, 1-5."""
    return past.of(CSAT).last()


@feature(
    says="answered how satisfied {value:.0f} days ago",
    otherwise="answered how satisfied today",
    null="never answered how satisfied",
    unit="d",
    touchpoint="survey",
    dimension="customer",
)
def last_csat_days(past: History) -> Expression:
    """Days since the latest answer to how satisfied."""
    return past.of(CSAT).since()


@feature(
    says="last answered {value:.0f} of 7 to how easy it was",
    null="never answered how easy it was",
    unit="points of 1-7",
    touchpoint="survey",
    dimension="customer",
    monotone=-1,
)
def last_ces(past: History) -> Expression:
    """Latest answer to how easy it was, 1-7."""
    return past.of(CES).last()


@feature(
    says="answered how easy it was {value:.0f} days ago",
    otherwise="answered how easy it was today",
    null="never answered how easy it was",
    unit="d",
    touchpoint="survey",
    dimension="customer",
)
def last_ces_days(past: History) -> Expression:
    """Days since the latest answer to how easy it was."""
    return past.of(CES).since()


@feature(
    says="answers to how likely to recommend us so far: {value:.0f}",
    otherwise="never answered how likely to recommend us",
    null="no survey on record",
    unit="answers",
    touchpoint="survey",
    dimension="customer",
)
def answers(past: History) -> Expression:
    """Answers to how likely to recommend us so far."""
    return past.of(NPS).count()


@feature(
    says="answers of a detractor (0-6) so far: {value:.0f}",
    otherwise="no answer of a detractor on record",
    null="no survey on record",
    unit="answers",
    touchpoint="survey",
    dimension="customer",
    monotone=+1,
)
def detractor_answers(past: History) -> Expression:
    """Answers of 0-6 to how likely to recommend us so far."""
    return past.of(NPS).valued("<=", DETRACTOR).count()
