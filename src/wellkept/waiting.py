"""Points whose deadline was not over when the test period began: what was known of them by then, in; half labels, out.

Half of the points before the test period may be such: their labels are known only later, and to use of them only the
early returns would bias the risk (DECISIONS 4). But all of them say something. Who was back by then is not lost. Who
was not had stayed away for so long already: of them the risk is the model's own with the clock moved on to that day.
This is the expectation step of the mixture cure model (Farewell 1982, doi:10.2307/2529885; Sy & Taylor 2000,
doi:10.1111/j.0006-341X.2000.00227.x), with the clock as the timing of returns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.calibrating import logit, sigmoid
from wellkept.catalogue import Feature
from wellkept.estimators import SUREST
from wellkept.history import FeatureQuery, engine
from wellkept.journeys import Snapshot
from wellkept.labelling import Question


@dataclass(frozen=True)
class Waiting:
    """One row a point that still waited for its deadline when the test period began.

    Attributes
    ----------
    subject, fold
        Shape (n,): the patient, and the patient's fold.
    features
        At the point.
    moved_on
        Shape (n,): how much higher the clock's log-odds stood when the test period began than at the point; -inf of
        those who were back by then.
    """

    subject: np.ndarray
    fold: np.ndarray
    features: pa.Table
    moved_on: np.ndarray

    def take(self, rows: np.ndarray) -> Waiting:
        """Some of the rows, in this order, perhaps more than once."""
        return Waiting(self.subject[rows], self.fold[rows], self.features.take(pa.array(rows)), self.moved_on[rows])

    def chance(self, margin: np.ndarray) -> np.ndarray:
        """Shape (n,): the chance that each comes true, of its margin at the point; 0 of those who were back."""
        return sigmoid(margin + self.moved_on)


def still_waiting(snapshot: Snapshot, points: pa.Table, asked: Question, until: pa.Scalar) -> np.ndarray:
    """Shape (points,): was the deadline not over at `until`, and had nothing known by then ended the wait?"""
    if asked.seen_until is None:
        return np.zeros(points.num_rows, bool)
    open_yet = pc.and_(pc.less(points["prediction_time"], until), pc.greater(points["known_at"], until))
    rows = np.flatnonzero(pc.fill_null(open_yet, fill_value=False))
    seen = _seen(snapshot, points.take(pa.array(rows)), asked, until)
    waiting = np.zeros(points.num_rows, bool)
    waiting[rows] = _back(seen) | seen["ended"].is_null().to_numpy()
    return waiting


def waiting_at(
    snapshot: Snapshot, points: pa.Table, features: pa.Table, fold: np.ndarray, *, asked: Question, clock: Feature,
    until: pa.Scalar,
) -> Waiting:  # fmt: skip
    """What was known at `until` of points of which `still_waiting` is true; `features` are as of the points."""
    bare = points.select(["subject_id", "prediction_time", "encounter_id"])
    then = pa.chunked_array([pa.repeat(until, points.num_rows)])
    query = FeatureQuery({clock.name: clock.expression})
    later = query.run(snapshot, bare.set_column(1, bare.schema.field(1), then))[clock.name]
    moved_on = _log_odds(later) - _log_odds(features[clock.name])
    back = _back(_seen(snapshot, points, asked, until))
    return Waiting(points["subject_id"].to_numpy(), fold, features,
                   np.where(back, -np.inf, np.nan_to_num(np.maximum(moved_on, 0))))  # fmt: skip


def _seen(snapshot: Snapshot, points: pa.Table, asked: Question, until: pa.Scalar) -> pa.Table:
    sql = asked.seen_until(until.value) if asked.seen_until else ""
    return engine.at_points(sql, snapshot, points.select(["subject_id", "prediction_time", "encounter_id"]))


def _back(seen: pa.Table) -> np.ndarray:
    return pc.fill_null(pc.less_equal(seen["returned"], seen["deadline"]), fill_value=False).to_numpy()


def _log_odds(share: pa.ChunkedArray) -> np.ndarray:
    return logit(np.clip(share.to_numpy().astype(float), 1 - SUREST, SUREST))
