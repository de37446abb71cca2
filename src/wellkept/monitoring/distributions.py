"""Columns in; how they are distributed, in few numbers that can be kept, and how far two of them are apart, out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BINS = 10
FLOOR = 1e-4  # an empty bin counts as this share, so that the logarithm is finite
DIGITS = 4  # of an edge: enough to tell, and nobody's own number

OCTAVE = 8  # parts of a factor of two: a median is known within 1/16 of an octave, 4.4 %
OCTAVES = 40  # numbers from 2^-40 to 2^40; what is beyond counts as that
SCALE = 2 * OCTAVES * OCTAVE + 2  # the first place is for what is not above zero


@dataclass(frozen=True)
class Bins:
    """Places of a column's values: numbers by upper edges, categories by levels; then what is else, then null.

    Attributes
    ----------
    edges
        Of a number, ascending; bin i ends with edges[i], the last but one is above all edges, the last is null.
    levels
        Of a category; the last bin but one is any other category, the last is null.
    """

    edges: tuple[float, ...] = ()
    levels: tuple[str, ...] | None = None

    @property
    def count(self) -> int:
        return len(self.edges if self.levels is None else self.levels) + 2

    @property
    def plain(self) -> dict:
        """Plain data for a sketch."""
        return {"edges": list(self.edges)} if self.levels is None else {"levels": list(self.levels)}

    @classmethod
    def of(cls, data: Mapping) -> Bins:
        """Read `plain` back."""
        if "levels" in data:
            return cls(levels=tuple(map(str, data["levels"])))
        return cls(edges=tuple(map(float, data["edges"])))

    def places(self, column: pa.ChunkedArray) -> np.ndarray:
        """The bin of each value of a column of numbers or of categories, shape (n,)."""
        if self.levels is None:
            return self.of_numbers(column.cast(pa.float32()).to_numpy())
        found = pc.fill_null(pc.index_in(column.cast(pa.string()), pa.array(self.levels, pa.string())), -1).to_numpy()
        other = np.where(column.is_valid().to_numpy(), len(self.levels), len(self.levels) + 1)
        return np.where(found < 0, other, found).astype(np.int64)

    def of_numbers(self, values: np.ndarray) -> np.ndarray:
        """The bin of each number; NaN is null."""
        found = np.searchsorted(np.array(self.edges, np.float32), values, side="left")
        return np.where(np.isnan(values), len(self.edges) + 1, found)


def quantile_bins(values: np.ndarray, bins: int = BINS) -> Bins:
    """Bins of about equal shares of what is known; fewer where many values are equal."""
    return _bins_of_sorted(_sorted(values), bins)


def _sorted(values: np.ndarray) -> np.ndarray:
    """As float32, ascending, without NaN: sorting once is cheaper than finding the place of each value."""
    ascending = np.sort(values.astype(np.float32, copy=False))
    return ascending[: len(ascending) - np.count_nonzero(np.isnan(ascending))]


def _bins_of_sorted(known: np.ndarray, bins: int) -> Bins:
    if len(known) == 0:
        return Bins()
    edges = known[(np.arange(1, bins) / bins * (len(known) - 1)).astype(int)]
    return Bins(tuple(dict.fromkeys(rounded(edge) for edge in edges.tolist())))


def rounded(number: float) -> float:
    """To four significant digits."""
    return float(f"{number:.{DIGITS}g}")


def psi(now: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Population stability index over the last axis: sum of (q - p) ln(q / p); 0 where both are equal.

    Parameters
    ----------
    now, before
        Shares that add up to 1, shape (..., bins). Empty bins count as FLOOR.
    """
    q, p = np.maximum(now, FLOOR), np.maximum(before, FLOOR)
    return ((q - p) * np.log(q / p)).sum(axis=-1)


def psi_by_chance(bins: int, rows_now: float, rows_before: float) -> float:
    """What it comes to on average where nothing changed: (bins - 1)(1/n + 1/m) (Yurdakul and Naranjo 2020)."""
    return (bins - 1) * (1 / max(rows_now, 1) + 1 / max(rows_before, 1))


def psi_of_columns(before: np.ndarray, now: np.ndarray, bins: int = BINS) -> np.ndarray:
    """PSI of each column of two matrices of numbers, rows x columns, NaN is null."""
    return np.array([_psi_of_column(before[:, j], now[:, j], bins) for j in range(before.shape[1])])


def _psi_of_column(before: np.ndarray, now: np.ndarray, bins: int) -> float:
    sorted_before, sorted_now = _sorted(before), _sorted(now)
    edges = np.array(_bins_of_sorted(sorted_before, bins).edges, np.float32)
    p, q = (_shares_of_sorted(k, edges, len(v)) for k, v in ((sorted_before, before), (sorted_now, now)))
    return float(psi(q, p))


def _shares_of_sorted(known: np.ndarray, edges: np.ndarray, rows: int) -> np.ndarray:
    """Shares of the rows by bin, as `Bins.of_numbers` has them, null the last."""
    reached = np.concatenate([[0], np.searchsorted(known, edges, side="right"), [len(known), rows]])
    return np.diff(reached) / rows


def scale_places(values: np.ndarray) -> np.ndarray:
    """Where positive numbers lie on a scale of eighths of octaves, place 0 for zero and below."""
    positive = values > 0
    octaves = np.log2(np.where(positive, values, 1.0)) * OCTAVE
    place = np.clip(np.rint(octaves) + OCTAVES * OCTAVE + 1, 1, SCALE - 1)
    return np.where(positive, place, 0).astype(np.int64)


def scale_medians(counts: np.ndarray) -> np.ndarray:
    """Median of each histogram on that scale, over the last axis; 0 for zero and below, NaN without rows."""
    reached = np.cumsum(counts, axis=-1)
    total = reached[..., -1:]
    place = (reached * 2 >= np.maximum(total, 1)).argmax(axis=-1)
    median = np.where(place == 0, 0.0, 2.0 ** ((place - 1 - OCTAVES * OCTAVE) / OCTAVE))
    return np.where(total[..., 0] > 0, median, np.nan)


def shares(counts: np.ndarray) -> np.ndarray:
    """Counts as shares of their sum over the last axis; zeros where there is none."""
    return counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)


def plain_shares(values: Sequence[float] | np.ndarray) -> list[float]:
    """As a sketch keeps them: six decimals."""
    return [round(float(v), 6) for v in values]
