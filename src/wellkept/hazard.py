"""Days until patients returned in; the chance that they return, interval by interval of a clock of their care, out.

A discrete-time hazard (Cox 1972, section 8): of those who are not back when an interval of the clock begins, how many
come in it. Patients who are still out say what they know, so that the newest visits count too. An interval is used only
where it lies wholly inside what was observed, returns included: with half-seen intervals, who came early is kept and
who may still come is dropped (METHOD.md, section 2.2, measures an O/E of 1.32 for that).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xgboost

from wellkept.calibrating import CLIP, logit, sigmoid
from wellkept.checks import finite, same_length
from wellkept.errors import NotEnoughData
from wellkept.threads import available_threads

CUTS = (0.0, 0.25, 0.5, 0.75, 0.9, 1.05, 1.2, 1.4, 1.6, 2.0, 2.6)  # in usual intervals of the kind of care
ROUNDS = 120
BOOSTED = {"objective": "binary:logistic", "base_score": 0.5, "tree_method": "hist", "max_depth": 3, "eta": 0.06,
           "min_child_weight": 20, "subsample": 0.8, "colsample_bytree": 0.4, "lambda": 5.0}  # fmt: skip
NEWTON_STEPS = 20


class Periods(NamedTuple):
    """One row an interval in which somebody could have been seen to return: whose, which interval, and who did."""

    row: np.ndarray
    interval: np.ndarray
    event: np.ndarray


def usual_interval(deadline: np.ndarray) -> np.ndarray:
    """Days in which a kind of care expects the next visit, from its deadline of 1.5 intervals and 90 days.

    A deadline too short for that rule (below 135 days) counts as 4.5 intervals, as the rule has it at 135 days.
    """
    return np.maximum((deadline - 90) / 1.5, deadline / 4.5)


def bounds_of(deadline: np.ndarray) -> np.ndarray:
    """Shape (n, 12), days: where the intervals begin and end; those beyond the deadline have no length."""
    starts = np.minimum(np.outer(usual_interval(deadline), CUTS), deadline[:, None])
    return np.column_stack([starts, deadline])


def person_periods(returned: np.ndarray, followed: np.ndarray, bounds: np.ndarray) -> Periods:
    """The intervals that lie wholly inside the follow-up, up to the one of the return.

    Parameters
    ----------
    returned
        Shape (n,), days from the visit until the next; NaN: none yet.
    followed
        Shape (n,), days from the visit until observation ends, whether or not a return came before.
    bounds
        Shape (n, intervals + 1), days. A return on a bound belongs to the interval that ends there.
    """
    start, end = bounds[:, :-1], bounds[:, 1:]
    used = (end > start) & (end <= followed[:, None]) & ~(returned[:, None] <= start)
    row, interval = np.nonzero(used)
    return Periods(row, interval, returned[row] <= end[row, interval])


def life_table(cell: np.ndarray, event: np.ndarray, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Shape (cells,) twice: how many were at risk in each cell, and how many of these returned."""
    return np.bincount(cell, minlength=cells), np.bincount(cell[event], minlength=cells)


def log_survival(hazard: np.ndarray, bounds: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Shape (n,): log of the chance of no return within so many days, linear in time inside an interval.

    Parameters
    ----------
    hazard
        Shape (n, intervals), chance to return in each interval of who is not back when it begins.
    bounds
        Shape (n, intervals + 1), days.
    days
        Shape (n,), since the visit.
    """
    start, length = bounds[:, :-1], np.diff(bounds, axis=1)
    past = np.clip((days[:, None] - start) / np.where(length > 0, length, 1), 0, 1) * (length > 0)
    return (np.log1p(-np.minimum(hazard, 1 - CLIP)) * past).sum(axis=1)


def chance_of_none(hazard: np.ndarray, bounds: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Shape (n,): the chance of no return by the deadline, of who is not back `now` days after the visit.

    S(deadline) / S(now): with nobody back it rises from S(deadline) at the visit to 1 at the deadline.
    """
    ahead = log_survival(hazard, bounds, bounds[:, -1]) - log_survival(hazard, bounds, now)
    return np.exp(np.minimum(ahead, 0))  # rounding may leave it above 0


@dataclass(frozen=True)
class HazardModel:
    """Log-odds of returning in an interval: one number a kind of care and interval, and one a patient.

    Attributes
    ----------
    deadline
        Shape (kinds,), days.
    level
        Shape (kinds, intervals), log-odds.
    booster
        Gives what a patient adds to the level in every interval.
    """

    deadline: np.ndarray
    level: np.ndarray
    booster: xgboost.Booster

    def hazard(self, X: np.ndarray, kind: np.ndarray) -> np.ndarray:
        """Shape (n, intervals), of the encoder's matrix and the position of each row's kind in `deadline`."""
        return sigmoid(self.level[kind] + _added(self.booster, X)[:, None])

    def chance_of_none(self, X: np.ndarray, kind: np.ndarray, now: np.ndarray) -> np.ndarray:
        """Shape (n,): `chance_of_none` of each row, `now` days after its visit."""
        return chance_of_none(self.hazard(X, kind), bounds_of(self.deadline)[kind], now)


def fit_hazard(
    X: np.ndarray, kind: np.ndarray, returned: np.ndarray, followed: np.ndarray,
    *, deadline: np.ndarray, monotone: tuple[int, ...], seed: int = 0,
) -> HazardModel:  # fmt: skip
    """Learn from visits, one row each.

    The life table of each kind is where boosting starts; afterwards each of its cells is set once more, so that as many
    returns are stated as were seen. A cell that nobody reached has the hazard of all cells together.

    Parameters
    ----------
    X
        Shape (n, columns): the encoder's matrix.
    kind
        Shape (n,): position of the visit's kind of care in `deadline`.
    returned, followed
        As in `person_periods`.
    deadline
        Shape (kinds,), days.
    monotone
        By column, the sign in which it moves the risk of *no* return.

    Raises
    ------
    NotEnoughData
        No return, or nothing but returns, in any interval that was wholly seen.
    """
    followed = finite("followed", followed)
    same_length(kind=kind, returned=returned, followed=followed)
    bounds = bounds_of(finite("deadline", deadline))
    row, interval, event = person_periods(returned, followed, bounds[kind])
    if event.all() or not event.any():
        raise NotEnoughData("hazard", f"{int(event.sum())} returns in {len(event)} intervals that were wholly seen: "
                            "a longer history is needed")  # fmt: skip
    shape = len(deadline), bounds.shape[1] - 1
    cell = kind[row] * shape[1] + interval
    at_risk, events = life_table(cell, event, shape[0] * shape[1])
    seen = at_risk > 0
    goal = np.clip(events, 0.5, np.maximum(at_risk - 0.5, 0.5))  # finite where none or all returned
    level = logit(np.where(seen, goal / np.maximum(at_risk, 1), event.mean()))
    booster = _boosted(X[row], event, level[cell], monotone, seed)
    return HazardModel(deadline, _matched(level, _added(booster, X)[row], cell, goal).reshape(shape), booster)


def _boosted(
    X: np.ndarray, event: np.ndarray, start: np.ndarray, monotone: tuple[int, ...], seed: int
) -> xgboost.Booster:
    threads = available_threads()
    matrix = xgboost.QuantileDMatrix(X, event, base_margin=start, nthread=threads)
    signs = tuple(-int(sign) for sign in monotone)  # what raises the risk of no return lowers the hazard of returning
    return xgboost.train({**BOOSTED, "monotone_constraints": signs, "nthread": threads, "seed": seed}, matrix, ROUNDS)


def _added(booster: xgboost.Booster, X: np.ndarray) -> np.ndarray:
    return booster.inplace_predict(X, predict_type="margin").astype(float) if len(X) else np.zeros(0)


def _matched(level: np.ndarray, added: np.ndarray, cell: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Levels at which the chances of a cell's rows add up to its goal, by Newton's method."""
    seen = np.bincount(cell, minlength=len(level)) > 0
    for _ in range(NEWTON_STEPS):
        chance = sigmoid(level[cell] + added)
        missing = np.where(seen, goal - np.bincount(cell, chance, len(level)), 0)
        curvature = np.bincount(cell, chance * (1 - chance), len(level))
        level = level + np.clip(missing / np.maximum(curvature, CLIP), -1, 1)
    return level
