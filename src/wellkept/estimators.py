"""The two contestants, each a bag with one member a fold of patients: boosted trees and logistic regression.

Both take the encoder's matrix and give margins (log-odds) and exact contributions that add up to them. The member
of a patient's own fold never saw that patient, so it can judge them honestly; all members together score.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import xgboost

from wellkept.grading import GradedLoss
from wellkept.spec import Logistic, Spec, Trees
from wellkept.threads import available_threads

LOGISTIC_PARTS = ("center", "scale", "missing_share", "weights", "missing_weights", "intercepts")
ENOUGH_TO_CHOOSE = 20_000  # rows of a fold's others that the penalty is chosen on
LIMIT = 5.0  # standard deviations beyond which logistic regression does not extrapolate


@dataclass(frozen=True)
class Outcomes:
    """What a contestant learns from, one entry a row.

    Attributes
    ----------
    label, weight, fold
        Shape (n,): did it come true, how much the row counts, and the fold of its patient.
    grade
        Shape (n,): the whole answer, the smaller the more it is true; None where the label is all there is.
    mode
        Shape (n,), integers: how the answer was asked for, 0 the reference; None where that is not recorded.
    modes
        How many ways of asking there are.
    """

    label: np.ndarray
    weight: np.ndarray
    fold: np.ndarray
    grade: np.ndarray | None = None
    mode: np.ndarray | None = None
    modes: int = 1

    def where(self, rows: np.ndarray) -> Outcomes:
        """The same of some of the rows."""
        grade, mode = (None if column is None else column[rows] for column in (self.grade, self.mode))
        return replace(self, label=self.label[rows], weight=self.weight[rows], fold=self.fold[rows], grade=grade,
                       mode=mode)  # fmt: skip

    @property
    def way(self) -> np.ndarray:
        """The mode, or the reference for all."""
        return np.zeros(len(self.label), int) if self.mode is None else self.mode


@dataclass(frozen=True)
class Fitted:
    """An estimator, whose margins are at the reference way of asking, and what the others add (modes,), log-odds."""

    estimator: Estimator
    mode_effects: np.ndarray


class Estimator(Protocol):
    """What training, scoring and bundles need of a contestant."""

    @property
    def kind(self) -> str:
        """`trees` or `logistic`."""
        ...

    def margins(self, X: np.ndarray) -> np.ndarray:
        """Rows x members, log-odds, float64."""
        ...

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """Rows x (columns + 1), the members' mean; the last column is the bias; they add up to the mean margin."""
        ...

    def files(self) -> dict[str, bytes]:
        """What a bundle keeps of it."""
        ...

    @property
    def columns(self) -> int:
        """How many columns the matrix must have."""
        ...


@dataclass(frozen=True)
class BoostedTrees:
    """XGBoost boosters; contributions are its exact TreeSHAP values (path-dependent; Lundberg et al. 2020)."""

    members: tuple[xgboost.Booster, ...]
    kind: str = "trees"

    @property
    def columns(self) -> int:
        return self.members[0].num_features()

    def margins(self, X: np.ndarray) -> np.ndarray:
        if len(X) == 0:  # XGBoost 3.4 warns of it
            return np.zeros((0, len(self.members)))
        margins = [m.inplace_predict(X, predict_type="margin") for m in self.members]
        return np.stack(margins, axis=1).astype(float)

    def contributions(self, X: np.ndarray) -> np.ndarray:
        total = np.zeros((len(X), self.columns + 1), np.float32)
        if len(X) == 0:
            return total
        matrix = xgboost.DMatrix(X, nthread=available_threads())
        for member in self.members:
            total += member.predict(matrix, pred_contribs=True)
        return total / np.float32(len(self.members))

    def files(self) -> dict[str, bytes]:
        return {f"trees-{i}.ubj": bytes(m.save_raw("ubj")) for i, m in enumerate(self.members)}


@dataclass(frozen=True)
class LogisticRegression:
    """Linear log-odds on standardised columns; missing values have a weight of their own.

    Contributions are weight x (value - training mean): the Shapley values of a linear model, beside a patient who is
    average in every column.

    Attributes
    ----------
    center, scale
        Shape (columns,): training mean and standard deviation of what is known.
    weights, missing_weights
        Shape (members, columns).
    missing_share
        Shape (columns,): how often a column is missing in training.
    intercepts
        Shape (members,).
    """

    center: np.ndarray
    scale: np.ndarray
    missing_share: np.ndarray
    weights: np.ndarray
    missing_weights: np.ndarray
    intercepts: np.ndarray
    kind: str = "logistic"

    @property
    def columns(self) -> int:
        return len(self.center)

    def margins(self, X: np.ndarray) -> np.ndarray:
        Z, missing = _standardised(X, self.center, self.scale)
        return Z @ self.weights.T + missing @ self.missing_weights.T + self.intercepts

    def contributions(self, X: np.ndarray) -> np.ndarray:
        Z, missing = _standardised(X, self.center, self.scale)
        weights, missing_weights = self.weights.mean(0), self.missing_weights.mean(0)
        bias = self.intercepts.mean() + self.missing_share @ missing_weights
        return np.column_stack([Z * weights + (missing - self.missing_share) * missing_weights,
                                np.full(len(X), bias)])

    def files(self) -> dict[str, bytes]:
        plain = {name: getattr(self, name).tolist() for name in LOGISTIC_PARTS}
        return {"logistic.json": json.dumps(plain, allow_nan=False).encode()}


def estimator_from(files: Mapping[str, bytes], kind: str) -> Estimator:
    """Read back what `files` gave; other files do not disturb.

    Raises
    ------
    ValueError
        There is not exactly a model of this kind among them, or it cannot be read.
    """
    there = {name for name in files if name.endswith(".ubj") or name == "logistic.json"}
    boosters = [f"trees-{i}.ubj" for i in range(len(there))]
    if not there or there != {"logistic": {"logistic.json"}, "trees": set(boosters)}.get(kind):
        raise ValueError("not exactly one model of the kind that is named")
    try:
        if kind == "logistic":
            return _logistic(json.loads(files["logistic.json"]))
        return _trees([_booster(files[name]) for name in boosters])
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise ValueError("the model cannot be read") from error


def fit_trees(X: np.ndarray, outcomes: Outcomes, monotone: tuple[int, ...], spec: Spec) -> Fitted:
    """One booster a fold, on the rows of all other folds; from the whole answers where there are any."""
    settings = _tree_settings(spec.trees, monotone, spec.seed)
    members, effects = [], []
    for k in range(spec.split.folds):
        rows = outcomes.fold != k
        booster, effect = _boosted(X[rows], outcomes.where(rows), {**settings, "seed": spec.seed + k}, spec.trees)
        members.append(booster)
        effects.append(effect)
    return Fitted(BoostedTrees(tuple(members)), np.mean(effects, axis=0))


def _boosted(X: np.ndarray, outcomes: Outcomes, settings: dict, trees: Trees) -> tuple[xgboost.Booster, np.ndarray]:
    label, weight = outcomes.label, outcomes.weight
    matrix = xgboost.QuantileDMatrix(X, label, weight=weight, nthread=settings["nthread"])
    if outcomes.grade is None and outcomes.mode is None:
        return xgboost.train(settings, matrix, trees.rounds), np.zeros(outcomes.modes)
    grade = 1.0 - label if outcomes.grade is None else outcomes.grade
    loss = GradedLoss(grade, outcomes.way, weight, outcomes.modes)
    # the cuts hold the level, so boosting starts at a margin of 0
    return xgboost.train({**settings, "base_score": 0.5}, matrix, trees.rounds, obj=loss), loss.mode_effects


def fit_logistic(X: np.ndarray, outcomes: Outcomes, folds: int, settings: Logistic) -> Fitted:
    """One logistic regression a fold, on the rows of all other folds, its penalty chosen inside those rows."""
    center, scale = _mean(X), _spread(X)
    Z, missing = _standardised(X, center, scale)
    share = missing.mean(0)
    # a column that is hardly ever missing gets no weight for it: there is nothing to learn it from
    asked = np.eye(outcomes.modes)[outcomes.way][:, 1:]
    design = np.column_stack([Z, missing * (share > 0.001), asked])
    label, weight, fold = outcomes.label, outcomes.weight, outcomes.fold
    members = [_fit_member(design, label, weight, fold, k, folds, settings) for k in range(folds)]
    weights, intercepts = np.array([w for w, _ in members]), np.array([i for _, i in members])
    of_features, of_missing, of_modes = np.split(weights, [X.shape[1], 2 * X.shape[1]], axis=1)
    model = LogisticRegression(center, scale, share, of_features, of_missing, intercepts)
    return Fitted(model, np.concatenate([[0.0], of_modes.mean(axis=0)]))


def _fit_member(
    design: np.ndarray, label: np.ndarray, weight: np.ndarray, fold: np.ndarray, k: int, folds: int, settings: Logistic
) -> tuple[np.ndarray, float]:
    """Weights and intercept without fold k; the next fold, which member k may see, chooses the penalty."""
    mine, judge = fold != k, fold == (k + 1) % folds
    penalties = settings.inverse_penalties
    if len(penalties) > 1:
        every = max(1, np.count_nonzero(mine & ~judge) // ENOUGH_TO_CHOOSE)
        losses = _losses(design, label, weight, np.flatnonzero(mine & ~judge)[::every], judge, penalties)
        penalties = (penalties[int(np.argmin(losses))],)
    model = next(_regressions(design[mine], label[mine], weight[mine], penalties))
    return model.coef_[0].copy(), float(model.intercept_[0])


def _losses(
    design: np.ndarray, label: np.ndarray, weight: np.ndarray, fit: np.ndarray, judge: np.ndarray,
    penalties: tuple[float, ...],
) -> list[float]:  # fmt: skip
    """Log loss on the judging rows for each penalty."""
    sign = np.where(label[judge], 1.0, -1.0)
    return [
        float(np.average(np.logaddexp(0, -sign * model.decision_function(design[judge])), weights=weight[judge]))
        for model in _regressions(design[fit], label[fit], weight[fit], penalties)
    ]


def _regressions(
    design: np.ndarray, label: np.ndarray, weight: np.ndarray, penalties: tuple[float, ...]
) -> Iterator[Any]:
    """The same model under weaker and weaker penalties, each starting where the last one ended."""
    from sklearn.linear_model import LogisticRegression as Regression

    model = Regression(max_iter=2000, warm_start=True)
    for inverse_penalty in penalties:
        yield model.set_params(C=inverse_penalty).fit(design, label, sample_weight=weight)


def _logistic(plain: Mapping[str, list]) -> LogisticRegression:
    model = LogisticRegression(*(np.array(plain[name], float) for name in LOGISTIC_PARTS))  # type: ignore[arg-type]
    members, columns = model.weights.shape
    shapes = [getattr(model, name).shape for name in LOGISTIC_PARTS]
    if shapes != [(columns,)] * 3 + [(members, columns)] * 2 + [(members,)]:
        raise ValueError("the parts' shapes do not fit each other")
    return model


def _trees(members: list[xgboost.Booster]) -> BoostedTrees:
    if len({member.num_features() for member in members}) != 1:
        raise ValueError("the members do not have the same columns")
    return BoostedTrees(tuple(members))


def _booster(content: bytes) -> xgboost.Booster:
    if not content.endswith(b"}"):  # XGBoost 3.2 ends the process when an object does not end
        raise ValueError("a tree file that was cut off")
    booster = xgboost.Booster({"nthread": available_threads()})
    booster.load_model(bytearray(content))
    return booster


def _tree_settings(trees: Trees, monotone: tuple[int, ...], seed: int) -> dict:
    return {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_depth": trees.depth,
        "eta": trees.learning_rate,
        "min_child_weight": trees.min_child_weight,
        "subsample": trees.subsample,
        "colsample_bytree": trees.columns,
        "lambda": trees.l2,
        "monotone_constraints": monotone,
        "nthread": available_threads(),
        "seed": seed,
        "verbosity": 1,
    }


def _standardised(X: np.ndarray, center: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    missing = np.isnan(X)
    Z = np.clip((X.astype(float) - center) / scale, -LIMIT, LIMIT)
    Z[missing] = 0.0
    return Z, missing.astype(float)


def _mean(X: np.ndarray) -> np.ndarray:
    known = np.maximum((~np.isnan(X)).sum(0), 1)
    return np.nansum(X.astype(float), 0) / known


def _spread(X: np.ndarray) -> np.ndarray:
    known = np.maximum((~np.isnan(X)).sum(0), 1)
    spread = np.sqrt(np.nansum((X.astype(float) - _mean(X)) ** 2, 0) / known)
    return np.where(spread > 0, spread, 1.0)
