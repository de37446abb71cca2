"""Follow-up: the call after a procedure, and next steps that are due.

Codes: FOLLOW_UP//CONTACTED (a call within 48 h of a procedure), FOLLOW_UP//DUE (number: days from the order to its due
date), VISIT//COMPLETED (category: care type). An order is open until a visit is completed after it: which visit was
meant is not on record.
"""

from wellkept.catalogue import feature
from wellkept.history import Expression, History

CONTACTED, DUE, COMPLETED = "FOLLOW_UP//CONTACTED", "FOLLOW_UP//DUE", "VISIT//COMPLETED"
HOURS_48 = 2  # days


@feature(
    says="was called within 48 hours of the procedure",
    otherwise="was not called within 48 hours of the procedure",
    null="no procedure in the last 90 days, or its 48 hours are not over",
    unit="yes/no",
    touchpoint="follow-up",
    dimension="patient",
    monotone=-1,
    modifiable=True,
)
def contacted_48h(past: History) -> Expression:
    """Was there a call within 48 h of the latest procedure of 90 days; null while the 48 h run."""
    procedure = past.of(COMPLETED).saying("procedure").within("90d").since()
    contacted = (past.of(CONTACTED).since() <= procedure).coalesce(0).where(procedure >= 0)
    return contacted.where((contacted > 0) + (procedure >= HOURS_48) > 0)


@feature(
    says="had no procedure in the last 90 days",
    otherwise="had a procedure in the last 90 days",
    null="no completed visit on record",
    unit="yes/no",
    touchpoint="follow-up",
    dimension="patient",
)
def contact_not_applicable(past: History) -> Expression:
    """No procedure in 90 days that a call should follow."""
    visits = past.of(COMPLETED)
    return visits.saying("procedure").within("90d").count().equals(0).where(visits.count() > 0)


@feature(
    says="a next step is ordered and still open",
    otherwise="no next step is open",
    null="no next step on record",
    unit="yes/no",
    touchpoint="follow-up",
    dimension="patient",
    modifiable=True,
)
def next_step_open(past: History) -> Expression:
    """Is a next step ordered and no visit completed since; null where none was ever ordered."""
    ordered = past.of(DUE).since()
    return (past.of(COMPLETED).since() >= ordered).coalesce(ordered >= 0)


@feature(
    says="days past the due date of the next step, before it where negative: {value:.0f}",
    otherwise="the next step is due today",
    null="no next step is open",
    unit="d",
    touchpoint="follow-up",
    dimension="patient",
    monotone=+1,
    modifiable=True,
)
def next_step_overdue_days(past: History) -> Expression:
    """Days by which the open next step is overdue, negative before its date; null where none is open."""
    ordered = past.of(DUE).since()
    is_open = (past.of(COMPLETED).since() >= ordered).coalesce(ordered >= 0)
    return (ordered - past.of(DUE).last()).where(is_open)
