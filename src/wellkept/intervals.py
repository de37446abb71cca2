"""Numbers with 95 % intervals, by drawing whole patients with all their rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from wellkept.checks import finite


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        value, low, high = (f"{x:z.3f}" for x in (self.value, self.low, self.high))
        return f"{value} [{low}{' to ' if '-' in low else '-'}{high}]"


def members_of(subject: np.ndarray) -> np.ndarray:
    """Each row's patient, counted from 0."""
    if subject.dtype.kind == "f":
        finite("subject", subject)
    return np.unique(subject, return_inverse=True)[1]


def multiplicities(patients: int, seed: int) -> Iterator[np.ndarray]:
    """How often each patient is drawn when as many are drawn as there are, with replacement; without end."""
    random = np.random.default_rng(seed)
    while True:
        yield np.bincount(random.integers(0, patients, patients), minlength=patients).astype(float)


def estimate(value: float, drawn: Sequence[float]) -> Estimate:
    """A value with the 2.5 and 97.5 percentiles of what was drawn; what is not finite is left out.

    Percentiles at r / (draws + 1): of 200 draws, those at r / (draws - 1), numpy's own, cover a hundredth less.
    """
    finite = np.array(drawn)[np.isfinite(drawn)]
    low, high = np.quantile(finite, (0.025, 0.975), method="weibull") if len(finite) else (np.nan, np.nan)
    return Estimate(value, float(low), float(high))


def mean_over(values: np.ndarray, subject: np.ndarray, *, resamples: int = 1000, seed: int = 0) -> Estimate:
    """Mean over rows; the interval is over patients."""
    members = members_of(subject)
    rows, sums = np.bincount(members), np.bincount(members, weights=values)
    drawn = [float(times @ sums / (times @ rows)) for times in islice(multiplicities(len(rows), seed), resamples)]
    return estimate(float(sums.sum() / len(values)), drawn)
