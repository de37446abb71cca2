"""A synthetic health system whose truth is known, and a model's definition, in; how near the product comes, out.

Every figure is a ratio to what the observable features could reach at best, the *ceiling*: the true probabilities
regressed on the product's own features. A ratio above 1 is no triumph but a leak. Patients and periods are those that
the model never saw. The truth is read here and nowhere else; no code path of the product leads here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import SecretStr

from wellkept import jobs
from wellkept.calibrating import sigmoid
from wellkept.contracts import TIME
from wellkept.encoding import fit_encoder
from wellkept.errors import SpecRefused
from wellkept.history import FeatureQuery
from wellkept.intervals import multiplicities
from wellkept.journeys import Snapshot
from wellkept.labelling import cohort
from wellkept.settings import Settings
from wellkept.spec import Spec
from wellkept.threads import available_threads
from wellkept.training import Contestant, Examples, Trained, examples, fold_of, train

Say = Callable[[str], None]

TRUTH = {"detractor_risk": "p_detractor", "no_return": "p_no_return"}
AT = "24h"  # the moment after the visit at which the truth is stated
LISTED = 0.05  # share of the rows on the list whose stability is judged
REFITS = 3
CEILING = {"objective": "reg:logistic", "tree_method": "hist", "max_depth": 4, "eta": 0.05, "min_child_weight": 20,
           "subsample": 0.8, "colsample_bytree": 0.5, "base_score": 0.2}  # fmt: skip
CEILING_ROUNDS = 300


@dataclass(frozen=True)
class Judged:
    """The rows that are judged: points just after visits of the test period, with what is true of them."""

    features: pa.Table
    fold: np.ndarray
    seen: np.ndarray
    truth: np.ndarray
    ceiling: np.ndarray
    care_type: np.ndarray
    came_true: np.ndarray


@dataclass(frozen=True)
class Goal:
    """One goal of METHOD.md section 10: the figure, its bar, whether it holds, and where it is worst."""

    goal: str
    what: str
    value: float
    bar: str
    holds: bool
    worst: Mapping[str, Any]


def judge_system(system: Path, specs: Sequence[Spec], settings: Settings, *, say: Say) -> list[Goal]:
    """Ingest what `wellkept simulate` wrote, train each model on it, and hold it against the truth.

    Raises
    ------
    SpecRefused
        `truth`: there is none in the folder, or it says nothing of a target.
    """
    truth = system / "truth" / "encounters.parquet"
    if not truth.is_file():
        raise SpecRefused("truth", f"{system} holds no truth/: it is not what `wellkept simulate` wrote")
    keyed = settings.model_copy(update={"subject_key": SecretStr("judge")})
    with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
        journeys = jobs.open_journeys(Path(folder), keyed)
        jobs.land(journeys, jobs.read_batch("tables", system, now=datetime.now(UTC), settings=keyed))
        return [goal for spec in specs for goal in judge(journeys.snapshot(), pq.read_table(truth), spec, say=say)]


def judge(snapshot: Snapshot, truth: pa.Table, spec: Spec, *, say: Say) -> list[Goal]:
    """Train one model on a snapshot and hold it against the truth of its encounters."""
    if spec.target not in TRUTH:
        raise SpecRefused("truth", f"the truth is known of {', '.join(TRUTH)}, not of {spec.target}")
    data = examples(snapshot, spec)
    trained = train(data, spec, say=lambda line: say(f"{spec.target}: {line}"))
    say(f"{spec.target}: the ceiling, and {REFITS} refits")
    judged = _judged(snapshot, truth, spec, data)
    risk = {name: _risk(contestant, trained, judged) for name, contestant in trained.contestants.items()}
    stable = _overlap(list(_refits(judged, data, trained, spec)))
    return [*_goals(spec.target, judged, risk, trained.shipped.estimator.kind), _stability(stable, spec.target)]


def lines_of(goals: Sequence[Goal]) -> list[str]:
    """One line a goal for people, and under it the figures that it was judged by."""
    return [
        line
        for g in goals
        for line in (
            f"{'holds ' if g.holds else 'MISSED'}  {g.goal:3} {g.what}: {g.value:.3f} (bar {g.bar})",
            " " * 12 + ", ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in g.worst.items()),
        )
    ]


def _judged(snapshot: Snapshot, truth: pa.Table, spec: Spec, data: Examples) -> Judged:
    """Points of the test period, and the ceiling, which learns from the truth of the periods before."""
    points = cohort(snapshot, spec.points.model_copy(update={"after": (AT,)}))
    known = _aligned(points, truth)
    points, rows = points.filter(pa.array(known >= 0)), known[known >= 0]
    at = points["prediction_time"].cast(pa.int64()).to_numpy()
    later = at >= data.points["prediction_time"].cast(pa.int64()).to_numpy()[data.rows("test")].min()
    features = FeatureQuery({f.name: f.expression for f in data.catalogue}).run(snapshot, points)
    p = truth[TRUTH[spec.target]].to_numpy()[rows]
    X = fit_encoder(data.catalogue, features, np.flatnonzero(~later)).matrix(features)
    fold = fold_of(points["subject_id"].to_numpy(), spec.split.folds, spec.seed)
    return Judged(
        features=features.filter(pa.array(later)),
        fold=fold[later],
        seen=np.isin(points["subject_id"].to_numpy()[later], data.subject[data.rows("train")]),
        truth=p[later],
        ceiling=_ceiling(X, p, fold, later),
        care_type=np.array(truth["care_type"].take(pa.array(rows[later])).to_pylist()),
        came_true=_lost(truth)[rows[later]] if spec.target == "no_return" else p[later],
    )


def _aligned(points: pa.Table, truth: pa.Table) -> np.ndarray:
    """The truth's row of each point, -1 where there is none."""
    return pc.fill_null(pc.index_in(points["encounter_id"], truth["encounter_id"].combine_chunks()), -1).to_numpy()


def _lost(truth: pa.Table) -> np.ndarray:
    """1 who was lost, 0 who returned, NaN of whom it is not known: dead, moved away, or the deadline is still ahead.

    An early return counts only once its deadline is over, as in the label.
    """
    end = truth["end_at"].cast(TIME).cast(pa.int64()).to_numpy()
    over = end + truth["deadline_days"].to_numpy() * 86_400e6 <= end.max()
    outcome = np.array(truth["outcome"].to_pylist())
    return np.select([over & (outcome == "lost"), over & (outcome == "returned")], [1.0, 0.0], np.nan)


def _ceiling(X: np.ndarray, p: np.ndarray, fold: np.ndarray, later: np.ndarray) -> np.ndarray:
    """The best that these features give: trained on the truth of earlier rows, of other patients."""
    import xgboost

    best = np.empty(int(later.sum()))
    for k in np.unique(fold):
        rows, mine = ~later & (fold != k), later & (fold == k)
        matrix = xgboost.QuantileDMatrix(X[rows], p[rows], nthread=available_threads())
        booster = xgboost.train({**CEILING, "nthread": available_threads()}, matrix, CEILING_ROUNDS)
        best[(fold == k)[later]] = booster.inplace_predict(X[mine])
    return best


def _risk(contestant: Contestant, trained: Trained, judged: Judged) -> np.ndarray:
    """The risk by all members, and of patients that training saw, by the member that never did."""
    margins = contestant.estimator.margins(trained.encoder.matrix(judged.features))
    own = np.take_along_axis(margins, judged.fold[:, None], 1)[:, 0]
    margin = np.where(judged.seen, own, margins.mean(axis=1))
    return sigmoid(contestant.slope * margin + contestant.intercept)


def _goals(target: str, judged: Judged, risk: Mapping[str, np.ndarray], shipped: str) -> Iterator[Goal]:
    p, best = judged.truth, judged.ceiling
    reachable = expected_auroc(best, p) - 0.5
    excess = {name: (expected_auroc(r, p) - 0.5) / reachable for name, r in risk.items()}
    name, low = ("G1", 0.97) if target == "detractor_risk" else ("G4", 0.93)
    yield Goal(name, f"{target}: excess AUROC over the ceiling's", excess[shipped], f">= {low} and <= 1.01",
               low <= excess[shipped] <= 1.01,
               {"ships": shipped, **excess, "ceiling AUROC": reachable + 0.5})  # fmt: skip
    ratio = {name: _rmse(r, p) / _rmse(best, p) for name, r in risk.items()}
    yield Goal("G2", f"{target}: RMSE to the truth over the ceiling's", ratio[shipped], "<= 1.05",
               ratio[shipped] <= 1.05, ratio)  # fmt: skip
    yield _level(target, judged, risk[shipped])


def _level(target: str, judged: Judged, risk: np.ndarray) -> Goal:
    """What came true over what was stated: of everybody, and in each care type; no_return must be right in each."""
    known = np.isfinite(judged.came_true)

    def ratio(rows: np.ndarray) -> float:
        return float(judged.came_true[rows].mean() / risk[rows].mean())

    kinds = {str(kind): known & (judged.care_type == kind) for kind in np.unique(judged.care_type[known])}
    by_care, overall = {kind: ratio(rows) for kind, rows in kinds.items()}, {"all": ratio(known)}
    name, low, high, held = ("G4", 0.93, 1.07, by_care) if target == "no_return" else ("G3", 0.85, 1.15, overall)
    value = max(held.values(), key=lambda ratio: abs(np.log(ratio)))
    return Goal(name, f"{target}: came true over stated, where it is worst", value, f"{low} to {high}",
                low <= value <= high, {**overall, **by_care})  # fmt: skip


def _refits(judged: Judged, data: Examples, trained: Trained, spec: Spec) -> Iterator[np.ndarray]:
    """Risks of the judged rows by models that were trained on resampled patients."""
    training = data.rows("train")
    others = np.flatnonzero(data.role != "train")
    subjects, member = np.unique(data.subject[training], return_inverse=True)
    pinned = spec.model_copy(update={"estimator": trained.shipped.estimator.kind})
    draws = multiplicities(len(subjects), seed=7)
    for _ in range(REFITS):
        rows = np.sort(np.concatenate([np.repeat(training, next(draws)[member].astype(int)), others]))
        again = replace(data, points=data.points.take(pa.array(rows)), features=data.features.take(pa.array(rows)),
                        role=data.role[rows], fold=data.fold[rows])  # fmt: skip
        refit = train(again, pinned)
        matrix = refit.encoder.matrix(judged.features)
        yield refit.shipped.estimator.margins(matrix).mean(axis=1)


def _overlap(scores: list[np.ndarray]) -> float:
    """Mean Jaccard overlap of the top rows between every two refits."""
    most = max(1, round(LISTED * len(scores[0])))
    tops = [set(np.argsort(-score, kind="stable")[:most].tolist()) for score in scores]
    pairs = [(a, b) for i, a in enumerate(tops) for b in tops[i + 1 :]]
    return float(np.mean([len(a & b) / len(a | b) for a, b in pairs]))


def _stability(overlap: float, target: str) -> Goal:
    return Goal("G8", f"{target}: top-5 % overlap between refits", overlap, ">= 0.75", overlap >= 0.75,
                {"refits": REFITS})  # fmt: skip


def expected_auroc(score: np.ndarray, p: np.ndarray) -> float:
    """AUROC that a score is expected to have where row i comes true with probability p_i; ties count half."""
    levels, level = np.unique(score, return_inverse=True)
    events = np.bincount(level, weights=p, minlength=len(levels))
    others = np.bincount(level, weights=1 - p, minlength=len(levels))
    below = np.cumsum(others) - others / 2
    return float(events @ below / (events.sum() * others.sum()))


def _rmse(risk: np.ndarray, p: np.ndarray) -> float:
    return float(np.sqrt(np.mean((risk - p) ** 2)))

