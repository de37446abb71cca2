"""Logistic regression that takes missing values: the simple contestant, which trees must beat to be shipped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from wellkept.learning import Explained, Fitted, Outcomes
from wellkept.spec import Logistic
from wellkept.topics import mean_and_agreement

PARTS = ("center", "scale", "missing_share", "weights", "missing_weights", "intercepts")
ENOUGH_TO_CHOOSE = 20_000  # rows of a fold's others that the penalty is chosen on
HARDLY_PENALISED = 30.0  # the unit of a way of asking: it is to be taken out whole, not to be chosen among features
LIMIT = 5.0  # standard deviations beyond which logistic regression does not extrapolate


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
        # einsum, not @: a matrix product gives one row alone other last bits than the same row among many
        by_value = np.einsum("ij,kj->ik", Z, self.weights)
        return by_value + np.einsum("ij,kj->ik", missing, self.missing_weights) + self.intercepts

    def member_contributions(self, X: np.ndarray) -> Iterator[np.ndarray]:
        Z, missing = _standardised(X, self.center, self.scale)
        missing -= self.missing_share
        for weight, of_missing, intercept in zip(self.weights, self.missing_weights, self.intercepts, strict=True):
            bias = np.full(len(X), intercept + self.missing_share @ of_missing)
            yield np.column_stack([Z * weight + missing * of_missing, bias])

    def explained(self, X: np.ndarray, topic: np.ndarray) -> Explained:
        return Explained(*mean_and_agreement(self.member_contributions(X), topic), self.margins(X))

    def files(self) -> dict[str, bytes]:
        plain = {name: getattr(self, name).tolist() for name in PARTS}
        return {"logistic.json": json.dumps(plain, allow_nan=False).encode()}


def fit_logistic(X: np.ndarray, outcomes: Outcomes, folds: int, settings: Logistic) -> Fitted:
    """One logistic regression a fold, on the rows of all other folds, its penalty chosen inside those rows."""
    center, scale = _mean(X), _spread(X)
    Z, missing = _standardised(X, center, scale)
    share = missing.mean(0)
    # a column that is hardly ever missing gets no weight for it: there is nothing to learn it from
    asked = HARDLY_PENALISED * np.eye(outcomes.modes)[outcomes.way][:, 1:]
    design = np.column_stack([Z, missing * (share > 0.001), asked])
    label, weight, fold = outcomes.label, outcomes.weight, outcomes.fold
    members = [_fit_member(design, label, weight, fold, k, folds, settings) for k in range(folds)]
    weights, intercepts = np.array([w for w, _ in members]), np.array([i for _, i in members])
    of_features, of_missing, of_modes = np.split(weights, [X.shape[1], 2 * X.shape[1]], axis=1)
    model = LogisticRegression(center, scale, share, of_features, of_missing, intercepts)
    return Fitted(model, np.concatenate([[0.0], HARDLY_PENALISED * of_modes.mean(axis=0)]))


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


def read_logistic(content: bytes) -> LogisticRegression:
    """Read back what `files` gave; what it raises is for `estimator_from` to tell."""
    plain = json.loads(content)
    model = LogisticRegression(*(np.array(plain[name], float) for name in PARTS))  # type: ignore[arg-type]
    members, columns = model.weights.shape
    shapes = [getattr(model, name).shape for name in PARTS]
    if shapes != [(columns,)] * 3 + [(members, columns)] * 2 + [(members,)]:
        raise ValueError("the parts' shapes do not fit each other")
    return model


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
