"""The hazard of returning as a control beside a model of no return: visits and who came back in, a second risk out.

It learns from every visit before the test period, the newest too, where the model waits until a deadline is over.
It sees what the model sees, just after the visit, but nothing that only tells how long ago that was: its clock does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.catalogue import Feature, query_of
from wellkept.durations import DAY
from wellkept.encoding import fit_encoder
from wellkept.errors import NotEnoughData, SpecRefused
from wellkept.hazard import fit_hazard
from wellkept.history import engine, past
from wellkept.journeys import Snapshot
from wellkept.labelling import Question, first_points
from wellkept.spec import Spec

MOST_VISITS = 30_000
GROWING = ("overdue_share", "gap_ratio")  # days since the visit, divided
SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: neighbouring ids come to lie far apart


@dataclass(frozen=True)
class Control:
    """What the control learns from, one row a visit, and the visit that each row of the model is about.

    `visits` and `rows` are answers of `Question.seen_until`; `subject` and `features` belong to `visits`, and no
    feature in `catalogue` tells the time since a visit. Nothing later than `until` (microseconds) is in `visits`.
    """

    subject: np.ndarray
    features: pa.Table
    visits: pa.Table
    rows: pa.Table
    catalogue: list[Feature]
    until: int


def followed_visits(
    snapshot: Snapshot, points: pa.Table, spec: Spec, asked: Question, *, catalogue: Sequence[Feature], until: pa.Scalar
) -> Control:
    """The visits before `until` as they were known then, at most MOST_VISITS, and those that `points` are about.

    Raises
    ------
    SpecRefused
        The model's question has no deadline by kind of care.
    NotEnoughData
        No such visit.
    """
    if asked.seen_until is None:
        raise SpecRefused("beside", "hazard needs the deadline of each kind of care: [label] true_when = "
                          f"'no event of {spec.points.each} by chronic: 270d after the last'")  # fmt: skip
    visits = first_points(snapshot, spec.points)
    visits = _sample(visits.filter(pc.less(visits["prediction_time"], until)))
    sql = asked.seen_until(until.value)
    seen = engine.at_points(sql, snapshot, visits)
    expected = seen["deadline"].is_valid()
    visits, seen = visits.filter(expected), seen.filter(expected)
    if visits.num_rows == 0:
        raise NotEnoughData("hazard", "before the test period there is no visit after which another is expected")
    kept = [f for f in catalogue if not _tells_time_since(spec.points.each, f)]
    features = query_of(kept).run(snapshot, visits)
    rows = engine.at_points(sql, snapshot, points.select(visits.column_names))
    return Control(visits["subject_id"].to_numpy(), features, seen, rows, kept, until.value)


def control_risk(
    control: Control, features: pa.Table, *, of_visits: np.ndarray, of_rows: np.ndarray, seed: int
) -> np.ndarray:
    """Shape (n,): the chance of no return by the deadline, given none by the moment of the row.

    Parameters
    ----------
    features
        Of the model's rows.
    of_visits, of_rows
        Booleans: which half the patient is of. Each half is judged by what was learned from the other.
    """
    encoder = fit_encoder(control.catalogue, control.features, np.arange(len(control.subject)))
    X, judged = encoder.matrix(control.features), encoder.matrix(features)
    kind, kind_of_row, deadline = _kinds(control)
    followed = np.fmin(_days(control.visits, "ended"), (control.until - control.visits["visited"].to_numpy()) / DAY)
    returned, now = _days(control.visits, "returned"), _days(control.rows, "moment")
    risk = np.empty(len(judged))
    for half in (False, True):
        mine, others = of_visits == half, of_rows != half
        model = fit_hazard(X[mine], kind[mine], returned[mine], followed[mine], deadline=deadline,
                           monotone=encoder.monotone, seed=seed)  # fmt: skip
        risk[others] = model.chance_of_none(judged[others], kind_of_row[others], now[others])
    return risk


def _tells_time_since(code: str, feature: Feature) -> bool:
    """Does it grow with every day after such an event? Just after a visit nothing can be learned of it."""
    return feature.expression == past.of(code).since() or feature.name in GROWING


def _sample(visits: pa.Table) -> pa.Table:
    """Whole patients, by a hash of their ids, until there are MOST_VISITS."""
    order = np.argsort(visits["subject_id"].to_numpy().astype(np.uint64) * SPREAD, kind="stable")
    return visits.take(pa.array(np.sort(order[:MOST_VISITS])))


def _kinds(control: Control) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each visit's and each row's kind of care, as a position in the deadlines (days) of all kinds."""
    both = pa.concat_tables([control.visits, control.rows])
    kind = both["kind"].combine_chunks().dictionary_encode().indices.to_numpy()
    deadline = np.zeros(int(kind.max()) + 1)
    deadline[kind] = _days(both, "deadline")
    visits = control.visits.num_rows
    return kind[:visits], kind[visits:], deadline


def _days(table: pa.Table, column: str) -> np.ndarray:
    """Days since the visit; NaN where nothing is known."""
    return (table[column].to_numpy() - table["visited"].to_numpy()) / DAY
