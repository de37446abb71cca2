"""How many patients and answers in; which change would be seen, and with what chance, out, before a pilot begins.

Two proportions by the normal approximation with their own variances (Fleiss, Levin & Paik 2003, section 4.2), for
groups of any two sizes; a stepped wedge of cross-sections by Hussey & Hughes (2007, Contemporary Clinical Trials 28).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from wellkept.errors import SpecRefused
from wellkept.pilots.plans import Wedge

TWO_SIDED, SURE_ENOUGH = 0.05, 0.8
CRITICAL = float(ndtri(1 - TWO_SIDED / 2))
WANTED = CRITICAL + float(ndtri(SURE_ENOUGH))


@dataclass(frozen=True)
class Needed:
    """With the step and held out: outcomes that must become known, and patients for that."""

    known: tuple[int, int]
    patients: tuple[int, int]


def needed(rate: float, change: float, *, share: float = 0.5, known: float = 1.0) -> Needed:
    """How many it takes to see a change with power .8 at a two-sided 5 %.

    Parameters
    ----------
    rate, change
        How often it comes true without the step, and by how much the step changes that; probability.
    share
        Held out of all.
    known
        Share of patients whose outcome becomes known: who answers.
    """
    total = (WANTED / change) ** 2 * _variance(rate, change, share)
    of_each = (total * (1 - share), total * share)
    return Needed(_whole(of_each), _whole(tuple(size / known for size in of_each)))


def power(rate: float, change: float, outcomes: float, *, share: float = 0.5) -> float:
    """Chance that the interval leaves out 0, with this many known outcomes of both groups together."""
    if outcomes <= 0:
        return TWO_SIDED
    apart = abs(change) / math.sqrt(_variance(rate, change, share) / outcomes)
    return float(ndtr(apart - CRITICAL) + ndtr(-apart - CRITICAL))


def smallest_seen(rate: float, outcomes: float, *, share: float = 0.5) -> float | None:
    """The smallest fall that is seen with power .8 (below 0); None where even a fall to almost nothing is not."""
    def short(change: float) -> float:
        return power(rate, change, outcomes, share=share) - SURE_ENOUGH

    most = -rate * 0.999
    return brentq(short, most, -rate * 1e-6) if short(most) > 0 else None


def wedge_power(rate: float, change: float, wedge: Wedge) -> float:
    """Chance to see a change when all sites cross over, the same number after each period.

    Raises
    ------
    SpecRefused
        `wedge`: fewer sites than crossings.
    """
    steps = wedge.periods - 1
    if wedge.sites < steps:
        raise SpecRefused("wedge", f"{wedge.sites} sites cannot cross over in {steps} steps: name fewer periods")
    given = np.zeros((wedge.sites, wedge.periods))
    for step, crossing in enumerate(np.array_split(np.arange(wedge.sites), steps)):
        given[crossing, step + 1 :] = 1
    variance = rate * (1 - rate)
    between, within = wedge.icc * variance, (1 - wedge.icc) * variance / wedge.answers
    sites, periods = given.shape
    U, W, V = given.sum(), (given.sum(0) ** 2).sum(), (given.sum(1) ** 2).sum()
    above = sites * within * (within + periods * between)
    below = (sites * U - W) * within + (U**2 + sites * periods * U - periods * W - sites * V) * between
    apart = abs(change) / math.sqrt(above / below)
    return float(ndtr(apart - CRITICAL) + ndtr(-apart - CRITICAL))


def _variance(rate: float, change: float, share: float) -> float:
    """Of the difference of both rates, times the outcomes of both groups."""
    with_it = rate + change
    return rate * (1 - rate) / share + with_it * (1 - with_it) / (1 - share)


def _whole(sizes: tuple[float, ...]) -> tuple[int, int]:
    first, second = (math.ceil(size - 1e-9) for size in sizes)
    return first, second
