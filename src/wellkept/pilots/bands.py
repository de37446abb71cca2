"""Who got something without a draw, and what came of it, in; how often it happened, band by band, out.

No effect: a way to see that a raw comparison is none. Where who is chosen hangs on what also drives the outcome, the
comparison can even change its sign within every band (Simpson 1951).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

FEWEST = 30  # in each group, for a band to be told


@dataclass(frozen=True)
class Band:
    """How often the outcome came true without and with the step where low <= value < high; shares, and of how many."""

    low: float
    high: float
    without: float
    with_it: float
    many_without: int
    many_with: int

    @property
    def is_lower_with_it(self) -> bool:
        return self.with_it < self.without


def bands(treated: np.ndarray, outcome: np.ndarray, values: np.ndarray, cuts: Sequence[float]) -> tuple[Band, ...]:
    """All together (from minus to plus infinity) and then each band that has enough of both groups.

    Parameters
    ----------
    treated, outcome, values
        Shape (n,): got it; 1 it came true, 0 it did not, NaN not known; what bands are made of, NaN is in none.
    cuts
        Where one band ends and the next begins, rising.
    """
    edges = [-np.inf, *cuts, np.inf]
    ends = [(-np.inf, np.inf), *pairwise(edges)]
    found = [_band(treated, outcome, (low <= values) & (values < high), low, high) for low, high in ends]
    return tuple(band for band in found if min(band.many_without, band.many_with) >= FEWEST)


def reversals(told: Sequence[Band]) -> tuple[int, int]:
    """In how many of the bands it is the other way round than all together, and how many bands there are."""
    if not told:
        return 0, 0
    together, *each = told
    return sum(band.is_lower_with_it != together.is_lower_with_it for band in each), len(each)


def _band(treated: np.ndarray, outcome: np.ndarray, here: np.ndarray, low: float, high: float) -> Band:
    known = here & ~np.isnan(outcome)
    groups = [outcome[known & ~treated], outcome[known & treated]]
    without, with_it = (float(group.mean()) if len(group) else np.nan for group in groups)
    return Band(low, high, without, with_it, len(groups[0]), len(groups[1]))
