"""Ways to draw at random that read like what they mean."""

from __future__ import annotations

from typing import Any

import numpy as np

Columns = dict[str, np.ndarray]
"""A table as it is lived: one array per column, one entry per row."""


def logistic(logit: Any) -> np.ndarray:
    """Probability whose log-odds are `logit`."""
    return 1 / (1 + np.exp(-np.asarray(logit, dtype=float)))


def happens(rng: np.random.Generator, probability: np.ndarray) -> np.ndarray:
    """True with the given probability, for each entry on its own."""
    return rng.random(len(probability)) < probability


def lognormal(rng: np.random.Generator, median: Any, spread: float, count: int) -> np.ndarray:
    """Positive and skewed: half of the draws below `median`, log standard deviation `spread`."""
    return rng.lognormal(np.log(median), spread, count)


def choose(rng: np.random.Generator, weights: np.ndarray) -> np.ndarray:
    """One column number for each row of `weights`, in proportion to the weights in that row."""
    ladder = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    return np.minimum((rng.random((len(weights), 1)) > ladder).sum(axis=1), weights.shape[1] - 1)


def opaque(rng: np.random.Generator, prefix: str, count: int) -> np.ndarray:
    """Identifiers that say nothing, least of all an order."""
    return np.array([f"{prefix}-{number:016x}" for number in rng.integers(0, 2**63, count)], dtype=object)
