"""The two contestants, each a bag with one member a fold of patients: boosted trees and logistic regression.

Both take the encoder's matrix and give margins (log-odds) and exact contributions that add up to them. The member
of a patient's own fold never saw that patient, so it can judge them honestly; all members together score.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import xgboost

from wellkept.errors import BundleRefused
from wellkept.history.engine import available_threads
from wellkept.spec import Logistic, Spec, Trees

LIMIT = 5.0  # standard deviations beyond which logistic regression does not extrapolate


class Estimator(Protocol):
    """What training, scoring and bundles need of a contestant."""

    kind: str

    def margins(self, X: np.ndarray) -> np.ndarray:
        """Rows x members, log-odds, float64."""
        ...

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """Rows x (columns + 1), averaged over members; the last column is the bias; they add up to the margin."""
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
        return np.stack([m.inplace_predict(X, predict_type="margin") for m in self.members], axis=1).astype(float)

    def contributions(self, X: np.ndarray) -> np.ndarray:
        matrix = xgboost.DMatrix(X, nthread=available_threads())
        total = np.zeros((len(X), self.columns + 1), np.float32)
        for member in self.members:
            total += member.predict(matrix, pred_contribs=True)
        return total / np.float32(len(self.members))

    def files(self) -> dict[str, bytes]:
        return {f"trees-{i}.ubj": bytes(m.save_raw("ubj")) for i, m in enumerate(self.members)}


@dataclass(frozen=True)
class LogisticRegression:
    """Linear log-odds on standardised columns; missing values have a weight of their own.

    Contributions are weight x (value - training mean), the Shapley values of a linear model with independent
    columns.

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
        names = ("center", "scale", "missing_share", "weights", "missing_weights", "intercepts")
        plain = {name: getattr(self, name).tolist() for name in names}
        return {"logistic.json": json.dumps(plain).encode()}


def estimator_from(files: Mapping[str, bytes]) -> Estimator:
    """Read back what `files` gave.

    Raises
    ------
    BundleRefused
        There is no model among them, or it cannot be read.
    """
    boosters = sorted((n for n in files if n.endswith(".ubj")), key=lambda n: int(n.split("-")[1].split(".")[0]))
    try:
        if boosters:
            return BoostedTrees(tuple(_booster(files[name]) for name in boosters))
        plain = json.loads(files["logistic.json"])
        return LogisticRegression(**{name: np.array(values, float) for name, values in plain.items()})
    except (xgboost.core.XGBoostError, KeyError, ValueError, TypeError) as error:
        raise BundleRefused("model", "the bundle's model cannot be read") from error


def fit_trees(
    X: np.ndarray, label: np.ndarray, weight: np.ndarray, fold: np.ndarray, monotone: tuple[int, ...], spec: Spec
) -> BoostedTrees:
    """One booster a fold, on the rows of all other folds."""
    settings = _tree_settings(spec.trees, monotone, spec.seed)
    members = []
    for k in range(spec.split.folds):
        rows = fold != k
        matrix = xgboost.QuantileDMatrix(X[rows], label[rows], weight=weight[rows], nthread=settings["nthread"])
        members.append(xgboost.train({**settings, "seed": spec.seed + k}, matrix, spec.trees.rounds))
    return BoostedTrees(tuple(members))


def fit_logistic(
    X: np.ndarray, label: np.ndarray, weight: np.ndarray, fold: np.ndarray, folds: int, settings: Logistic
) -> LogisticRegression:
    """One logistic regression a fold, on the rows of all other folds."""
    from sklearn.linear_model import LogisticRegression as Regression

    center, scale = _mean(X), _spread(X)
    Z, missing = _standardised(X, center, scale)
    share = missing.mean(0)
    # a column that is hardly ever missing gets no weight for it: there is nothing to learn it from
    design = np.column_stack([Z, missing * (share > 0.001)])
    weights, intercepts = [], []
    for k in range(folds):
        rows = fold != k
        model = Regression(C=settings.inverse_penalty, max_iter=2000)
        model.fit(design[rows], label[rows], sample_weight=weight[rows])
        weights.append(model.coef_[0])
        intercepts.append(model.intercept_[0])
    both = np.array(weights)
    columns = X.shape[1]
    return LogisticRegression(center, scale, share, both[:, :columns], both[:, columns:], np.array(intercepts))


def _booster(content: bytes) -> xgboost.Booster:
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
