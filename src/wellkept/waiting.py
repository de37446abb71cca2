"""Points whose deadline was not over when the test period began: what was known of them by then, in; half labels, out.

Half of the points before the test period may be such: their labels are known only later, and to use of them only the
early returns would bias the risk (DECISIONS 4). But all of them say something. Who was back by then is not lost. Of the
others the risk is the model's own, over the chance to be away for so long. This is the expectation step of the mixture
cure model (Farewell 1982, doi:10.2307/2529885; Sy & Taylor 2000, doi:10.1111/j.0006-341X.2000.00227.x), with the clock
as the timing of returns, corrected by how many were seen to be away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.calibrating import fit_logistic, logit, sigmoid
from wellkept.catalogue import Feature
from wellkept.estimators import SUREST
from wellkept.history import FeatureQuery, engine
from wellkept.journeys import Snapshot
from wellkept.labelling import Question

MOST_OVER = 100_000  # points whose deadline is over, to count on
MOSTLY = 0.995  # a chance to be away, whose log-odds are a number that a line can go by
BY_CLOCK = np.array([1.0, 0.0, 0.0, 0.0]), np.array([25.0, 25.0, 25.0, 1.0])  # what the clock says, until many say else


@dataclass(frozen=True)
class Waiting:
    """One row a point that still waited for its deadline when the test period began; each of shape (n,).

    Attributes
    ----------
    subject, fold
        The patient, and the patient's fold.
    features
        At the point.
    kind
        A number for each kind of the latest visit.
    back
        Was the patient back when the test period began?
    moved_on
        How much higher the clock's log-odds stood then than at the point.
    part
        How much of the time from the visit to the deadline was over by then.
    counts
        The chance to have a label in the end. Of those who are still away some will turn out to have died or moved away
        in time; were all of them counted, too many would seem to be lost.
    """

    subject: np.ndarray
    fold: np.ndarray
    features: pa.Table
    kind: np.ndarray
    back: np.ndarray
    moved_on: np.ndarray
    part: np.ndarray
    counts: np.ndarray

    def take(self, rows: np.ndarray) -> Waiting:
        """Some of the rows, in this order, perhaps more than once."""
        return Waiting(self.subject[rows], self.fold[rows], self.features.take(pa.array(rows)), self.kind[rows],
                       self.back[rows], self.moved_on[rows], self.part[rows], self.counts[rows])  # fmt: skip

    def chance(self, margin: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Shape (n,): the chance that each comes true; 0 of those who were back.

        Whoever is lost is away: of those away it is the risk at the point over the chance to be away for so long. The
        clock says that chance of patients who come back alike; it is corrected by how many are away of those that may
        be `seen`, by their risk and how long ago the visit was. Else who comes back late as a rule would seem lost.

        Parameters
        ----------
        margin
            Shape (n,): log-odds of the risk at the point.
        seen
            Shape (n,): may it be known of this row who is away?
        """
        risk, away = sigmoid(margin), np.zeros(len(margin))
        by_clock = logit(np.minimum(risk + (1 - risk) * np.exp(-self.moved_on), MOSTLY))
        design = np.column_stack([by_clock, margin, self.part, np.ones(len(margin))])
        for kind in np.unique(self.kind):
            mine = self.kind == kind
            fit, weight = mine & seen, self.counts[mine & seen]
            line = fit_logistic(design[fit], weight * ~self.back[fit], weight, prior=BY_CLOCK)
            away[mine] = sigmoid(design[mine] @ line)
        return np.where(self.back, 0.0, np.minimum(risk / away, SUREST))


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
    snapshot: Snapshot, points: pa.Table, features: pa.Table, fold: np.ndarray, *, over: pa.Table, asked: Question,
    clock: Feature, until: pa.Scalar,
) -> Waiting:  # fmt: skip
    """What was known at `until` of points of which `still_waiting` is true; `features` are as of the points.

    `over` are the points whose deadline was over by then.
    """
    bare = points.select(["subject_id", "prediction_time", "encounter_id"])
    then = pa.chunked_array([pa.repeat(until, points.num_rows)])
    query = FeatureQuery({clock.name: clock.expression})
    later = _log_odds(query.run(snapshot, bare.set_column(1, bare.schema.field(1), then))[clock.name])
    seen = _seen(snapshot, points, asked, until)
    back, part = _back(seen), _part(seen, until.value)
    kind = seen["kind"].combine_chunks().dictionary_encode().indices.to_numpy()
    moved_on = _had_all_stayed_away(later, back, part, kind) - _log_odds(features[clock.name])
    counts = np.where(back, 1.0, _chance_to_count(snapshot, seen, over, asked, until))
    return Waiting(points["subject_id"].to_numpy(), fold, features, kind, back,
                   np.nan_to_num(np.maximum(moved_on, 0)), part, counts)  # fmt: skip


def _had_all_stayed_away(clock: np.ndarray, back: np.ndarray, part: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """The clock of who is back runs from the return: what it says of those who are away as long after the same care."""
    told = clock.copy()
    for k in np.unique(kind):
        away = np.flatnonzero((kind == k) & ~back & ~np.isnan(clock))
        away, mine = away[np.argsort(part[away])], (kind == k) & back
        told[mine] = np.interp(part[mine], part[away], clock[away]) if len(away) else np.nan
    return told


def _chance_to_count(
    snapshot: Snapshot, seen: pa.Table, over: pa.Table, asked: Question, until: pa.Scalar
) -> np.ndarray:
    """Of who is still away: the share with a label, of those who were away as long after the same kind of care."""
    some = over.take(pa.array(np.arange(0, over.num_rows, max(1, over.num_rows // MOST_OVER))))
    then = _seen(snapshot, some, asked, until)
    known = _back(then) | then["ended"].is_null().to_numpy()
    part, of_then = _part(seen, until.value), _part(then, then["moment"].to_numpy())
    counts = np.ones(len(part))
    for kind in pc.unique(seen["kind"]).to_pylist():
        mine, like = (pc.equal(table["kind"], kind).to_numpy() for table in (seen, then))
        counts[mine] = _by_tenth(part[mine], of_then[like], known[like])
    return counts


def _by_tenth(part: np.ndarray, of_known: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Straight lines between the shares of tenths that anybody is in, to 1 at the deadline."""
    tenth = np.minimum((10 * of_known).astype(int), 9)
    rows = np.bincount(tenth, minlength=10)
    there = rows > 0
    at, share = (np.bincount(tenth, x, minlength=10)[there] / rows[there] for x in (of_known, known.astype(float)))
    return np.interp(part, np.append(at, 1.0), np.append(share, 1.0))


def _part(seen: pa.Table, at: np.ndarray | int) -> np.ndarray:
    """How much of the time from the visit to the deadline is over."""
    visited, deadline = seen["visited"].to_numpy(), seen["deadline"].to_numpy()
    return np.clip((at - visited) / (deadline - visited), 0, 1)


def _seen(snapshot: Snapshot, points: pa.Table, asked: Question, until: pa.Scalar) -> pa.Table:
    sql = asked.seen_until(until.value) if asked.seen_until else ""
    return engine.at_points(sql, snapshot, points.select(["subject_id", "prediction_time", "encounter_id"]))


def _back(seen: pa.Table) -> np.ndarray:
    return pc.fill_null(pc.less_equal(seen["returned"], seen["deadline"]), fill_value=False).to_numpy()


def _log_odds(share: pa.ChunkedArray) -> np.ndarray:
    return logit(np.clip(share.to_numpy().astype(float), 1 - SUREST, SUREST))
