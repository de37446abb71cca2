"""At which points one patient is scored: `labelling.scoring_sql`, of one journey and without a query."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wellkept.durations import microseconds
from wellkept.history.engine import SINCE_EVER
from wellkept.history.one_journey import CODE, ENCOUNTER, HAPPENED, KNOWN, TEXT, Row, naming, usable
from wellkept.spec import Points

Whom = Callable[[int, Sequence[Row]], list[str | None]]


def whom(spec: Points) -> Whom:
    """Gives the encounters of the points at a moment, in their order; None where a point has no encounter.

    Before the conditions of `where` and `unless`, which are asked as features are.
    """
    if spec.at is not None:
        return lambda moment, rows: [None] if any(usable(row, moment) for row in rows) else []
    is_occasion, is_recent = naming([spec.each]), _recent(spec)

    def encounters(moment: int, rows: Sequence[Row]) -> list[str | None]:
        occasions: dict[str | None, list[Row]] = {}
        for row in rows:
            if row[HAPPENED] is not None and is_occasion(row[CODE]) and usable(row, moment):
                occasions.setdefault(row[ENCOUNTER] if spec.per == "encounter" else None, []).append(row)
        recent = [those for those in occasions.values() if is_recent(moment, those)]
        return sorted((_latest(those, ENCOUNTER) for those in recent), key=lambda e: (e is None, e))

    return encounters


def _recent(spec: Points) -> Callable[[int, Sequence[Row]], bool]:
    """Is the latest of these occasions not too old for its category?"""
    if isinstance(spec.active, str):
        limit = microseconds(spec.active)
        return lambda moment, occasions: moment - _known(occasions) < limit
    limits: dict[str | None, int] = {kind: microseconds(most) for kind, most in spec.active.items()}
    return lambda moment, occasions: moment - _known(occasions) < limits.get(_latest(occasions, TEXT), 0)


def _known(occasions: Sequence[Row]) -> int:
    return max(SINCE_EVER if row[KNOWN] is None else row[KNOWN] for row in occasions)


def _latest(occasions: Sequence[Row], column: int) -> str | None:
    """The latest of these that one has."""
    return next((row[column] for row in reversed(occasions) if row[column] is not None), None)
