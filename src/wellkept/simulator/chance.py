"""Ways to draw at random that read like what they mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

Columns = dict[str, np.ndarray]
"""A table as it is lived: one array per column, one entry per row."""

HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


def logistic(logit: Any) -> np.ndarray:
    """Probability whose log-odds are `logit`."""
    return 1 / (1 + np.exp(-np.asarray(logit, dtype=float)))


def happens(rng: np.random.Generator, probability: np.ndarray) -> np.ndarray:
    """True with the given probability, for each entry on its own."""
    return rng.random(len(probability)) < probability


def lognormal(rng: np.random.Generator, median: Any, spread: float, count: int) -> np.ndarray:
    """Positive and skewed: half of the draws below `median`, log standard deviation `spread`."""
    return median * rng.lognormal(0, spread, count)


def choose(rng: np.random.Generator, weights: np.ndarray) -> np.ndarray:
    """One column number for each row of `weights`, in proportion to the weights in that row."""
    ladder = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    return np.minimum((rng.random((len(weights), 1)) > ladder).sum(axis=1), weights.shape[1] - 1)


def draw_from(rng: np.random.Generator, shares: Any, count: int) -> np.ndarray:
    """`count` numbers of entries of `shares`, in proportion to them; they need not add up to 1."""
    return choose(rng, np.broadcast_to(np.asarray(shares, dtype=float), (count, len(shares))))


def opaque(rng: np.random.Generator, prefix: str, count: int) -> pa.Array:
    """Identifiers that say nothing, least of all an order: the prefix and 16 random hexadecimal digits."""
    start = np.frombuffer(f"{prefix}-".encode(), np.uint8)
    letters = np.concatenate([np.tile(start, (count, 1)), HEX[rng.integers(0, 16, (count, 16), np.uint8)]], axis=1)
    width = letters.shape[1]
    offsets = np.arange(count + 1, dtype=np.int32) * width
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(letters)))
