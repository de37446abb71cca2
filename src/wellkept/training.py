"""Examples in; both contestants, fitted and calibrated, and the one that ships, out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.calibrating import calibrate_logistic, sigmoid
from wellkept.clock import NAME as CLOCK
from wellkept.encoding import Encoder, fit_encoder
from wellkept.errors import NotEnoughData
from wellkept.estimators import fit_trees
from wellkept.examples import Examples
from wellkept.intervals import Estimate
from wellkept.learning import Estimator, Fitted, Outcomes, own_margin
from wellkept.logistic import fit_logistic
from wellkept.performance import paired_difference
from wellkept.spec import Spec
from wellkept.waiting import Waiting

FEW_EVENTS = 100  # below this the report says that little can be told (PROBAST asks for 100 to validate)


@dataclass(frozen=True)
class Contestant:
    """A fitted estimator, its calibrator, and its honest risk for every row.

    Attributes
    ----------
    slope, intercept
        risk = sigmoid(slope * margin + intercept), at the reference way of asking.
    mode_effects
        What each way of asking adds to that, log-odds, the reference first.
    second
        Slope and intercept of the second head, of the same margin; None without one.
    risk, second_risk
        Shape (rows,): of each answer as it was asked for, by the member that never saw the patient.
    """

    estimator: Estimator
    slope: float
    intercept: float
    mode_effects: np.ndarray
    risk: np.ndarray = field(repr=False)
    second: tuple[float, float] | None = None
    second_risk: np.ndarray | None = field(repr=False, default=None)


@dataclass(frozen=True)
class Trained:
    """What training gives: both contestants, and the one that ships."""

    encoder: Encoder
    shipped: Contestant
    contestants: dict[str, Contestant]
    trees_minus_logistic: Estimate
    reference_rate: float
    facts: dict[str, str]


def train(data: Examples, spec: Spec, *, say: Callable[[str], None] = lambda _: None) -> Trained:
    """Fit both contestants, calibrate them, and choose the simpler one unless trees are better."""
    encoder = fit_encoder(data.catalogue, data.features, data.rows("train"))
    if not encoder.features:
        raise NotEnoughData("no_features", "no feature varies over the training rows: is the right data ingested?")
    X = encoder.matrix(data.features)
    say(f"{len(encoder.features)} features in {X.shape[1]} columns, {len(data.rows('train'))} training rows")
    if (events := int(data.label[data.test_rows].sum())) < FEW_EVENTS:
        say(f"caution: only {events} events to judge by; the intervals are wide")
    contestants = {
        "trees": trees_contestant(X, data, encoder, spec),
        "logistic": logistic_contestant(X, data, spec),
    }
    difference = _difference(contestants, data)
    kind = spec.estimator if spec.estimator != "best" else ("trees" if is_better(difference) else "logistic")
    say(f"ships {kind}: log loss of trees minus logistic regression {difference.value:+.4f} "
        f"[{difference.low:+.4f} to {difference.high:+.4f}] on patients that the judging member never saw")
    reference = float(data.label[data.calibration_rows].mean())
    return Trained(encoder, contestants[kind], contestants, difference, reference, _facts(data, encoder))


def is_better(difference: Estimate) -> bool:
    """Is the loss lower by more than a standard error? Else the simpler model ships (Breiman et al. 1984)."""
    standard_error = (difference.high - difference.low) / (2 * 1.96)
    return difference.value < -standard_error


def outcomes_of(data: Examples, rows: np.ndarray) -> Outcomes:
    """What a contestant learns from on these rows.

    Answers count as 1/sqrt(answers of the patient): many of one patient are not as many patients. Where the number of
    rows follows from the outcome itself (who does not come back has all landmarks), such a weight would bias the risk.
    """
    _, back, counts = np.unique(data.subject[rows], return_inverse=True, return_counts=True)
    weight = 1 / np.sqrt(counts[back]) if data.is_answer else np.ones(len(rows))
    everything = Outcomes(data.label, np.ones(len(data.label)), data.fold, data.grade,
                          data.mode if len(data.modes) > 1 else None, len(data.modes))  # fmt: skip
    return replace(everything.where(rows), weight=weight)


def start_of(encoder: Encoder) -> int | None:
    """The column that trees start from: the clock's, where there is one."""
    return next((at for at, (i, _) in enumerate(encoder.columns) if encoder.features[i].name == CLOCK), None)


def trees_contestant(X: np.ndarray, data: Examples, encoder: Encoder, spec: Spec) -> Contestant:
    """Boosted trees on the encoder's matrix, calibrated; they start from the clock where there is one.

    What a member learns of those who wait comes from its own first guess: from another's, it would have seen the fold
    that it is not to see, and members would differ less than learning from other patients makes them differ.
    """
    rows, start = data.fitted_rows, start_of(encoder)
    learned, known = X[rows], outcomes_of(data, rows)
    if data.waiting is None or start is None:
        return _calibrated(fit_trees(learned, known, encoder.monotone, spec, start=start), X, data, spec)
    first = fit_trees(learned, known, encoder.monotone, _quick(spec), start=start).estimator
    of_waiting = encoder.matrix(data.waiting.features)
    outcomes = [_with_waiting(known, data.waiting, margin, k) for k, margin in enumerate(first.margins(of_waiting).T)]
    learned = np.concatenate([learned, of_waiting])
    return _calibrated(fit_trees(learned, outcomes, encoder.monotone, spec, start=start), X, data, spec)


def _quick(spec: Spec) -> Spec:
    """A first guess, in a fifth of the rounds: it only says what to think of those who still wait."""
    trees = spec.trees
    sooner = {"rounds": -(-trees.rounds // 5), "learning_rate": min(1.0, 3 * trees.learning_rate)}
    return spec.model_copy(update={"trees": trees.model_copy(update=sooner)})


def _with_waiting(outcomes: Outcomes, waiting: Waiting, margin: np.ndarray, k: int) -> Outcomes:
    """With points whose label is a chance to the member without fold k; else they count alike, as all labels do."""
    chance = waiting.chance(margin, waiting.fold != k)
    return replace(outcomes, label=np.concatenate([outcomes.label, chance]),
                   fold=np.concatenate([outcomes.fold, waiting.fold]),
                   weight=np.concatenate([outcomes.weight, waiting.counts]))  # fmt: skip


def logistic_contestant(X: np.ndarray, data: Examples, spec: Spec) -> Contestant:
    """Logistic regression on the matrix, calibrated."""
    rows = data.fitted_rows
    return _calibrated(fit_logistic(X[rows], outcomes_of(data, rows), spec.split.folds, spec.logistic), X, data, spec)


def _calibrated(fitted: Fitted, X: np.ndarray, data: Examples, spec: Spec) -> Contestant:
    """Calibrate on margins of members that did not see the patient; where rows must serve twice, across folds."""
    margin = own_margin(fitted.estimator, X, data.fold) + fitted.mode_effects[data.mode]
    slope, intercept, risk = _head(data.label, margin, data)
    contestant = Contestant(fitted.estimator, slope, intercept, slope * fitted.mode_effects, risk)
    if spec.label.second_cut is None or data.grade is None:
        return contestant
    *line, second_risk = _head(data.grade <= spec.label.second_cut, margin, data)
    return replace(contestant, second=(line[0], line[1]), second_risk=np.maximum(second_risk, risk))


def _head(label: np.ndarray, margin: np.ndarray, data: Examples) -> tuple[float, float, np.ndarray]:
    """Slope, intercept, and the risk of every row."""
    rows = data.calibration_rows
    slope, intercept = calibrate_logistic(label[rows], margin[rows])
    risk = sigmoid(slope * margin + intercept)
    if "test" not in data.role:
        for k in np.unique(data.fold):
            others = data.fold != k
            a, b = calibrate_logistic(label[others], margin[others])
            risk[~others] = sigmoid(a * margin[~others] + b)
    return slope, intercept, risk


def _difference(contestants: dict[str, Contestant], data: Examples) -> Estimate:
    rows = data.fitted_rows
    trees, logistic = contestants["trees"].risk[rows], contestants["logistic"].risk[rows]
    return paired_difference(data.label[rows], trees, logistic, data.subject[rows], loss="log_loss")


def _facts(data: Examples, encoder: Encoder) -> dict[str, str]:
    at = data.points["prediction_time"]
    spans = {
        f"{role}_{end}": str(getattr(pc, how)(at.filter(pa.array(data.role == role))).as_py())
        for role in dict.fromkeys(data.role)
        for end, how in (("from", "min"), ("until", "max"))
    }
    counts = {f"{role}_rows": str(int((data.role == role).sum())) for role in dict.fromkeys(data.role)}
    if data.waiting is not None:
        counts["waiting_rows"] = str(len(data.waiting.fold))
    return {**spans, **counts, "features": str(len(encoder.features)), "columns": str(len(encoder.columns))}
