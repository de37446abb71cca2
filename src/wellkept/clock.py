"""Visits and who came back in; a feature out that tells what the time since the visit alone says of a return.

After each kind of care patients come back in a rhythm of its own. A life table on whole intervals (wellkept.hazard) of
all visits before the test period, the newest too, gives S(deadline) / S(now): the share of those still away who will
not come in time. Written as an expression of the history it travels with the model like any other feature, and trees
start from it, so that they learn only what else tells patients apart.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.catalogue import Feature
from wellkept.durations import DAY
from wellkept.hazard import bounds_of, chance_of_none, life_table, person_periods
from wellkept.history import Expression, engine, past
from wellkept.journeys import Snapshot
from wellkept.labelling import Question, first_points
from wellkept.spec import Points

NAME = "away_as_usual"
FEWEST_VISITS = 50  # of a kind of care


def clock(snapshot: Snapshot, points: Points, asked: Question, until: pa.Scalar) -> Feature | None:
    """The feature, from what was known at `until`; None where no kind of care has a deadline and enough visits.

    Where points do not stand at the visits that the question is about, nobody could be seen to return before the
    point, and there is none either.
    """
    if asked.seen_until is None or points.each != asked.codes[0]:
        return None
    visits = first_points(snapshot, points)
    visits = visits.filter(pc.less(visits["prediction_time"], until))
    seen = engine.at_points(asked.seen_until(until.value), snapshot, visits)
    seen = seen.filter(seen["deadline"].is_valid())
    kinds = pc.unique(seen["kind"]).to_pylist()
    tables = {kind: _table(seen.filter(pc.equal(seen["kind"], kind)), until) for kind in kinds}
    known = {kind: table for kind, table in sorted(tables.items()) if table is not None}
    return _feature(asked.codes[0], known) if known else None


def _table(visits: pa.Table, until: pa.Scalar) -> tuple[np.ndarray, np.ndarray] | None:
    """Days since the visit, rising, and the chance of no return by the deadline at each.

    None where there are few visits, or an interval before the deadline that nobody was followed through, or that nobody
    came out of without a return: hazards of 0 and 1 there would tell of patients who never return, or always.
    """
    days = {name: (visits[name].to_numpy() - visits["visited"].to_numpy()) / DAY
            for name in ("deadline", "returned", "ended")}  # fmt: skip
    followed = np.fmin(days["ended"], (until.value - visits["visited"].to_numpy()) / DAY)
    bounds = bounds_of(days["deadline"])
    _, interval, event = person_periods(days["returned"], followed, bounds)
    at_risk, returned = life_table(interval, event, bounds.shape[1] - 1)
    knots = bounds[0] if len(bounds) else np.zeros(1)
    if len(bounds) < FEWEST_VISITS or not returned.any() or (at_risk <= returned)[np.diff(knots) > 0].any():
        return None
    hazard = np.tile(returned / np.maximum(at_risk, 1), (bounds.shape[1], 1))
    return knots, chance_of_none(hazard, np.tile(knots, (len(knots), 1)), knots)


def _feature(code: str, tables: dict[str, tuple[np.ndarray, np.ndarray]]) -> Feature:
    kind = past.of(code).last_text()
    shares = [kind.equals(name) * _line(past.of(code).since(), *table) for name, table in tables.items()]
    among = [kind.equals(name) for name in tables]
    share = _sum(shares).where(_sum(among))
    return Feature(
        NAME, share, "{value:.0%} of patients who stay away as long after such a visit do not come back in time",
        "Share of patients, not back after as long since a visit of the same kind, who do not come back in time.",
        "share", "visit", "customer", "no visit after which another is expected", monotone=+1,
    )  # fmt: skip


def _line(at: Expression, knots: np.ndarray, values: np.ndarray) -> Expression:
    """Straight from knot to knot, and level beyond the last."""
    distinct = np.concatenate([[True], np.diff(knots) > 0])
    knots, values = knots[distinct], values[distinct]
    slopes = np.concatenate([[0.0], np.diff(values) / np.diff(knots), [0.0]])
    bends = [((at > float(t)) * (at - float(t))) * float(b) for t, b in zip(knots, np.diff(slopes), strict=True)]
    return _sum(bends) + float(values[0])


def _sum(parts: list[Expression]) -> Expression:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
