"""Log-odds and labels in, the line that turns one into calibrated risks out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit

from wellkept.checks import finite, labels, same_length, weights

CLIP = 1e-9  # logarithms see risks no nearer to 0 and 1 than this (log-odds of +-20.7)
NEWTON_STEPS = 50
HALVINGS = 30


def sigmoid(margin: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-margin)) without overflow; beyond about +-37 and -745 it rounds to exactly 1 and 0."""
    return expit(np.asarray(margin, float))


def logit(risk: np.ndarray) -> np.ndarray:
    """log(risk / (1 - risk)) of risks clipped to [1e-9, 1 - 1e-9], so that 0 and 1 give -20.7 and 20.7."""
    inside = clipped(np.asarray(risk, float))
    return np.log(inside) - np.log1p(-inside)


def calibrate_logistic(
    label: np.ndarray,
    margin: np.ndarray,
    weight: np.ndarray | None = None,
    *,
    prior_precision: tuple[float, float] = (4.0, 0.01),
) -> tuple[float, float]:
    """Slope and intercept of risk = sigmoid(slope margin + intercept), drawn to 1 and 0 where labels are few.

    Platt (1999) scaling as a maximum a posteriori: slope ~ N(1, 0.5^2), intercept ~ N(0, 10^2) in log-odds.
    It refuses no number of labels: without any, it gives (1, 0).

    Parameters
    ----------
    label, margin, weight
        Shape (n,): did it come true, the model's log-odds, and how much the row counts (default 1).
    prior_precision
        1 / variance of the slope and of the intercept.

    Raises
    ------
    ValueError
        Shapes differ, something is missing or infinite, or a weight is negative.
    """
    label, margin = labels(label), finite("margin", margin)
    weight = np.ones(len(margin)) if weight is None else weights(weight)
    same_length(label=label, margin=margin, weight=weight)
    design = np.column_stack([margin, np.ones(len(margin))])
    prior = np.array([1.0, 0.0]), np.array(prior_precision, float)
    slope, intercept = fit_logistic(design, weight * label, weight, prior=prior)
    return float(slope), float(intercept)


def clipped(risk: np.ndarray) -> np.ndarray:
    """Risks that a logarithm can take."""
    return np.clip(risk, CLIP, 1 - CLIP)


def fit_logistic(
    design: np.ndarray,
    events: np.ndarray,
    total: np.ndarray,
    *,
    prior: tuple[np.ndarray, np.ndarray],
    offset: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Most probable coefficients under a Gaussian prior (center, precision), by Newton's method."""
    center, precision = prior
    columns = np.ascontiguousarray(design.T)  # few and long

    def loss(at: np.ndarray) -> float:
        margin = offset + at @ columns
        # log(1 + e^margin), by what numpy computes many at a time, which its logaddexp does not
        surprise = np.maximum(margin, 0) + np.log1p(np.exp(-np.abs(margin)))
        return total @ surprise - events @ margin + precision @ (at - center) ** 2 / 2

    at, now = center, loss(center)
    for _ in range(NEWTON_STEPS):
        chance = expit(offset + at @ columns)
        gradient = columns @ (total * chance - events) + precision * (at - center)
        curvature = (columns * (total * chance * (1 - chance))) @ columns.T + np.diag(precision)
        step = np.linalg.solve(curvature, gradient)
        if gradient @ step < 1e-10 * (1 + abs(now)):
            break
        at, now = _descended(loss, at, now, step)
    return at


def _descended(
    loss: Callable[[np.ndarray], float], at: np.ndarray, now: float, step: np.ndarray
) -> tuple[np.ndarray, float]:
    """Take the step, halved until the loss does not rise."""
    for _ in range(HALVINGS):
        then = loss(at - step)
        if then <= now:
            return at - step, then
        step = step / 2
    return at, now
