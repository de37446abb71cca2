"""Options with a gain and an effort in, at most one of each group to be taken; the best of them, out.

A multiple-choice knapsack, solved exactly by HiGHS (scipy's `milp`; Kellerer, Pferschy and Pisinger 2004,
Knapsack Problems, chapter 11). Gains are taken to add up: whoever chooses by them asks the model again what
the chosen ones do together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import LinearConstraint, milp
from scipy.sparse import csr_matrix, vstack

GAP = 1e-6  # of the optimum, by which a solution may miss it
SLACK = 1e-9  # sums in floating point


@dataclass(frozen=True)
class Options:
    """What can be taken, one entry an option.

    Attributes
    ----------
    group
        Shape (n,), integers: of the options of one group, one is taken at most.
    gain, effort
        Shape (n,): what it brings, above 0, and what it takes, at least 0.
    """

    group: np.ndarray
    gain: np.ndarray
    effort: np.ndarray


def least_effort(options: Options, gain: float) -> np.ndarray | None:
    """Positions of the options that bring at least `gain` for the least effort; None where all together do not."""
    if gain <= 0:
        return np.zeros(0, int)
    if len(options.gain) == 0 or options.gain[everything(options)].sum() < gain:
        return None
    return _solved(options.effort, options, LinearConstraint(options.gain[None], gain * (1 - SLACK), np.inf))


def most_gain(options: Options, effort: float) -> np.ndarray:
    """Positions of the options that bring the most within `effort`."""
    if len(options.gain) == 0:
        return np.zeros(0, int)
    within = LinearConstraint(options.effort[None], -np.inf, effort * (1 + SLACK))
    return _solved(-options.gain, options, within)


def everything(options: Options) -> np.ndarray:
    """Positions of the option of each group that brings the most; the one with less effort where two bring as much."""
    order = np.lexsort((options.effort, -options.gain, options.group))
    first = np.r_[True, np.diff(options.group[order]) > 0] if len(order) else np.zeros(0, bool)
    return np.sort(order[first])


def _solved(cost: np.ndarray, options: Options, limit: LinearConstraint) -> np.ndarray:
    n = len(cost)
    groups, group = np.unique(options.group, return_inverse=True)
    one_each = csr_matrix((np.ones(n), (group, np.arange(n))), shape=(len(groups), n))
    rows = vstack([one_each, csr_matrix(limit.A)])
    constraints = LinearConstraint(rows, np.r_[np.zeros(len(groups)), limit.lb], np.r_[np.ones(len(groups)), limit.ub])
    found = milp(cost, constraints=constraints, integrality=np.ones(n), bounds=(0, 1), options={"mip_rel_gap": GAP})
    if found.x is None:
        raise RuntimeError(f"HiGHS found no solution of a problem that has one: {found.message}")
    return np.flatnonzero(found.x > 0.5)
