"""A synthetic health system whose truth is known, and a model's definition, in; how near the product comes, out.

Every figure is a ratio to what the observable features could reach at best, the *ceiling*: the true probabilities
regressed on the product's own features. A ratio above 1 is no triumph but a leak. What ships is judged as it ships, on
visits later than all that it learned from; but where a follow-up told how those who do not answer differ, distance and
level are those of the risk that the report corrects with it. With both models, what the recommended steps are worth is
judged as well (`wellkept.judging_steps`). The truth is read here only; no code path of the product leads here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import SecretStr

from wellkept import jobs
from wellkept.bundles import Bundle
from wellkept.catalogue import query_of
from wellkept.ceiling import ceiling, distance, expected_auroc
from wellkept.contracts import TIME
from wellkept.durations import DAY
from wellkept.encoding import fit_encoder
from wellkept.errors import SpecRefused
from wellkept.everybody import everybody
from wellkept.examples import Examples, examples, fold_of
from wellkept.goals import Goal
from wellkept.jobs.training import uncertainty_of
from wellkept.journeys import Snapshot
from wellkept.judging_steps import judge_steps
from wellkept.labelling import cohort
from wellkept.return_rules import fit_bg_nbd, hiatus
from wellkept.settings import Settings
from wellkept.spec import Spec
from wellkept.stability import overlap, refits, risk_by_all
from wellkept.training import Trained, train
from wellkept.visiting import gaps, rhythm

Say = Callable[[str], None]

TRUTH = {"detractor_risk": "p_detractor_reference", "no_return": "p_lost"}
AT = "24h"  # the moment after the visit at which the truth is stated
REFITS = 2
GROUPED = ("sex", "language", "payer", "disability")
FEWEST = 500  # judged rows of a group


@dataclass(frozen=True)
class Judged:
    """The rows that are judged: points just after visits of the test period, with what is true of them."""

    features: pa.Table
    fold: np.ndarray
    truth: np.ndarray
    ceiling: np.ndarray
    days_left: np.ndarray
    groups: dict[str, np.ndarray]


@dataclass(frozen=True)
class Learned:
    """One model, as training made it."""

    spec: Spec
    data: Examples
    trained: Trained

    @property
    def begins(self) -> pa.Scalar:
        """When its test period begins."""
        return pc.min(self.data.points["prediction_time"].take(pa.array(self.data.rows("test"))))

    @property
    def bundle(self) -> Bundle:
        """What scores; without a report, which nobody reads here."""
        shipped = self.trained.shipped
        return Bundle(self.spec, self.trained.encoder, shipped.estimator, shipped.slope, shipped.intercept,
                      uncertainty_of(self.trained, self.data), self.trained.reference_rate, self.trained.facts,
                      metrics={}, profile={})  # fmt: skip


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
        snapshot, told = journeys.snapshot(), pq.read_table(truth)
        goals, bundles, begins = [], {}, []
        for spec in specs:
            learned = learn(snapshot, spec, say=say)
            goals += judge(snapshot, told, learned, say=say)
            bundles[spec.target] = learned.bundle
            begins.append(learned.begins)
        if set(bundles) == set(TRUTH):
            say("steps: what the recommended ones truly prevent")
            arms, later = pq.read_table(system / "truth" / "arms.parquet"), max(begins, key=lambda at: at.value)
            goals += judge_steps(snapshot, told, arms, bundles, later)
        return goals


def learn(snapshot: Snapshot, spec: Spec, *, say: Say) -> Learned:
    """Train one model on a snapshot."""
    if spec.target not in TRUTH:
        raise SpecRefused("truth", f"the truth is known of {', '.join(TRUTH)}, not of {spec.target}")
    data = examples(snapshot, spec)
    return Learned(spec, data, train(data, spec, say=lambda line: say(f"{spec.target}: {line}")))


def judge(snapshot: Snapshot, truth: pa.Table, learned: Learned, *, say: Say) -> list[Goal]:
    """Hold one model against the truth of a snapshot's encounters."""
    spec, data, trained = learned.spec, learned.data, learned.trained
    say(f"{spec.target}: the ceiling, and {REFITS} refits")
    judged = judged_rows(snapshot, truth, spec, data)
    X = trained.encoder.matrix(judged.features)
    risk = {name: risk_by_all(contestant, X) for name, contestant in trained.contestants.items()}
    shipped = trained.shipped.estimator.kind
    refitted = refits(data, trained.encoder, shipped, spec, REFITS)
    again = [contestant.estimator.margins(X).mean(axis=1) for contestant in refitted]
    told = everybody(snapshot, spec, data, trained)
    corrected = told.risk(risk[shipped], X, judged.fold) if told and "shift" in told.levels else None
    return [
        *_ranking(spec.target, judged, risk | _rules(judged, data, spec), shipped),
        _distance(spec.target, judged, risk, shipped, corrected),
        _level(spec.target, judged, risk[shipped], corrected),
        _stability(float(np.mean(overlap(again))), spec.target),
    ]


def judged_rows(snapshot: Snapshot, truth: pa.Table, spec: Spec, data: Examples) -> Judged:
    """Points of the test period, and the ceiling, which learns from the truth of the periods before."""
    points, truth, p = true_points(snapshot, truth, spec)
    at = _micros(points["prediction_time"])
    later = at >= _micros(data.points["prediction_time"])[data.rows("test")].min()
    features = query_of(data.catalogue).run(snapshot, points)
    X = fit_encoder(data.catalogue, features, np.flatnonzero(~later)).matrix(features)
    fold = fold_of(points["subject_id"].to_numpy(), spec.split.folds, spec.seed)
    deadline = _micros(truth["end_at"].cast(TIME)) + truth["deadline_days"].to_numpy() * DAY
    judged = features.filter(pa.array(later))
    return Judged(
        features=judged,
        fold=fold[later],
        truth=p[later],
        ceiling=ceiling(X, p, fold, later),
        days_left=((deadline - at) / DAY)[later],
        groups=_groups(judged, truth["care_type"].filter(pa.array(later))),
    )


def true_points(snapshot: Snapshot, truth: pa.Table, spec: Spec) -> tuple[pa.Table, pa.Table, np.ndarray]:
    """Points just after visits, the truth's row of each, and the chance in truth; without who has booked to return."""
    points = cohort(snapshot, spec.points.model_copy(update={"after": (AT,)}))
    rows = _aligned(points, truth)
    points, truth = points.filter(pa.array(rows >= 0)), truth.take(pa.array(rows[rows >= 0]))
    p = truth[TRUTH[spec.target]].to_numpy()
    if spec.target == "no_return":
        p, undecided = _undecided(points, truth, p)
        points, truth, p = points.filter(pa.array(undecided)), truth.filter(pa.array(undecided)), p[undecided]
    return points, truth, p


def _undecided(points: pa.Table, truth: pa.Table, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The chance to be lost of those whose next appointment had not been made by the point, and who they are.

    The truth is stated at the end of the visit. Who has booked since is nearly sure to come, which the product may
    know; of the others it knows that they have not: P(lost | not booked) = p / (p + (1 - p) (1 - b)), where b is the
    share of those who come back, after this kind of care, who had booked by then.
    """
    booked_at = pc.fill_null(pc.cast(truth["next_booked_at"].cast(TIME), pa.int64()), np.iinfo(np.int64).max)
    booked = booked_at.to_numpy() <= _micros(points["prediction_time"])
    returned = pc.equal(truth["outcome"].cast(pa.string()), "returned").to_numpy()
    care, kind = np.unique(np.array(truth["care_type"].to_pylist()), return_inverse=True)
    share = np.array([booked[returned & (kind == k)].mean() for k in range(len(care))])[kind]
    return p / (p + (1 - p) * (1 - share)), ~booked


def _groups(features: pa.Table, care_type: pa.ChunkedArray) -> dict[str, np.ndarray]:
    """Rows by kind of care and by who the patient is, where there are enough."""
    named = {"care": care_type} | {name: features[name] for name in GROUPED if name in features.column_names}
    groups = {
        f"{name} {level}": np.array(column.to_pylist(), object) == level
        for name, column in named.items() for level in pc.unique(column).to_pylist() if level is not None
    }  # fmt: skip
    groups["age under 40"] = features["age"].to_numpy() < 40
    return {name: rows for name, rows in groups.items() if rows.sum() >= FEWEST}


def _aligned(points: pa.Table, truth: pa.Table) -> np.ndarray:
    """The truth's row of each point, -1 where there is none."""
    return pc.fill_null(pc.index_in(points["encounter_id"], truth["encounter_id"].combine_chunks()), -1).to_numpy()


def _micros(times: pa.ChunkedArray) -> np.ndarray:
    return pc.cast(times, pa.int64()).to_numpy()


def _rules(judged: Judged, data: Examples, spec: Spec) -> dict[str, np.ndarray]:
    """The rules of thumb that the model's TOML names."""
    rules = {}
    if "hiatus" in spec.beside:
        away, gap = gaps(judged.features)
        rules["hiatus"] = hiatus(away, gap, np.nanmean(gap))
    if "bg_nbd" in spec.beside and data.visiting is not None:
        rules["bg_nbd"] = fit_bg_nbd(*rhythm(data.visiting)).chance_of_none(*rhythm(judged.features), judged.days_left)
    return rules


def _ranking(target: str, judged: Judged, risk: Mapping[str, np.ndarray], shipped: str) -> Iterator[Goal]:
    reachable = expected_auroc(judged.ceiling, judged.truth) - 0.5
    excess = {name: (expected_auroc(r, judged.truth) - 0.5) / reachable for name, r in risk.items()}
    name, low = ("G1", 0.97) if target == "detractor_risk" else ("G4", 0.93)
    yield Goal(name, f"{target}: excess AUROC over the ceiling's", excess[shipped], f">= {low} and <= 1.01",
               low <= excess[shipped] <= 1.01,
               {"ships": shipped, **excess, "ceiling AUROC": reachable + 0.5})  # fmt: skip


def _distance(
    target: str, judged: Judged, risk: Mapping[str, np.ndarray], shipped: str, corrected: np.ndarray | None
) -> Goal:
    told = {**risk, **({} if corrected is None else {"corrected": corrected})}
    ratio = {name: distance(r, judged.truth) / distance(judged.ceiling, judged.truth) for name, r in told.items()}
    value = ratio.get("corrected", ratio[shipped])
    return Goal("G2", f"{target}: RMSE to the truth over the ceiling's", value, "<= 1.05", value <= 1.05, ratio)


def _level(target: str, judged: Judged, risk: np.ndarray, corrected: np.ndarray | None) -> Goal:
    """What is true over what is stated, of everybody and in each group; stated by the report, where a follow-up told.

    no_return must be right for each kind of care. Detractors must be right over all once a follow-up has told how
    those who do not answer differ; before that the product claims no level of theirs, and none is asked of it.
    """
    stated = risk if corrected is None else corrected
    ratio = {"all": judged.truth.mean() / stated.mean()} | {
        name: judged.truth[rows].mean() / stated[rows].mean() for name, rows in judged.groups.items()
    }
    by_care = {name: value for name, value in ratio.items() if name.startswith("care ")}
    if target == "detractor_risk" and corrected is None:
        return Goal("G3", f"{target}: true over stated, no follow-up", ratio["all"], "none is claimed", True, ratio)
    name, low, high = ("G4", 0.93, 1.07) if target == "no_return" else ("G3", 0.85, 1.15)
    held = by_care if target == "no_return" else {"all": ratio["all"]}
    value = max(held.values(), key=lambda ratio: abs(np.log(ratio)))
    return Goal(name, f"{target}: true over stated, where it is worst", value, f"{low} to {high}",
                low <= value <= high, ratio)  # fmt: skip


def _stability(shared: float, target: str) -> Goal:
    return Goal("G8", f"{target}: top-5 % overlap between refits", shared, ">= 0.75", shared >= 0.75,
                {"refits": REFITS})  # fmt: skip
