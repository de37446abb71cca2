"""Labels and risks in; the distinct risks, with how often each came true, and a smooth curve through that, out.

A tally is all that a measure needs. So ties are ties everywhere, and a row that was drawn twice weighs two, never
copied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wellkept.calibrating import fit_logistic, logit, sigmoid
from wellkept.checks import labels, risks, same_length, weights
from wellkept.errors import NotEnoughData

FEWEST = 10  # events, and non-events, and patients with each, below which nothing is stated
RIDGE = 1e-4  # prior precision that keeps a fit finite where events and non-events separate
KNOT_QUANTILES = (0.05, 0.35, 0.65, 0.95)  # of four knots: Harrell 2015, section 2.4.6
ROUNDING = 1e-9  # weights nearer to each other than this share are equal
NARROWEST = 1e-6  # log-odds within which risks count as all equal


@dataclass(frozen=True)
class Tally:
    """Distinct risks, ascending, with the weight of the events and of the non-events that have each."""

    risk: np.ndarray
    events: np.ndarray
    others: np.ndarray

    @property
    def total(self) -> np.ndarray:
        return self.events + self.others

    @property
    def base_rate(self) -> float:
        return float(self.events.sum() / self.total.sum())

    def from_top(self) -> tuple[np.ndarray, np.ndarray]:
        """Events and non-events at each risk or above it, from the highest risk down."""
        return np.cumsum(self.events[::-1]), np.cumsum(self.others[::-1])


def tally(label: np.ndarray, risk: np.ndarray, weight: np.ndarray | None = None) -> Tally:
    """Count events and non-events at each distinct risk; the other functions say what to do with them.

    Raises
    ------
    ValueError
        Shapes differ, something is missing, or a risk lies outside [0, 1].
    NotEnoughData
        Fewer than 10 events or 10 non-events.
    """
    label, risk = labels(label), risks(risk)
    weight = np.ones(len(risk)) if weight is None else weights(weight)
    same_length(label=label, risk=risk, weight=weight)
    check_enough(int(label.sum()), int((~label).sum()), "rows")
    return tallier(label, risk)(weight)


def tallier(label: np.ndarray, risk: np.ndarray) -> Callable[[np.ndarray], Tally]:
    """Sort once; what comes back tallies the rows by their weights and leaves out risks without any."""
    levels, level = np.unique(risk, return_inverse=True)

    def tallied(weight: np.ndarray) -> Tally:
        events = np.bincount(level, weights=weight * label, minlength=len(levels))
        others = np.bincount(level, weights=weight * ~label, minlength=len(levels))
        kept = events + others > 0
        return Tally(levels[kept], events[kept], others[kept])

    return tallied


def smooth_calibration(counted: Tally) -> np.ndarray:
    """How often it came true at each risk of the tally: logistic regression on a restricted cubic spline.

    The spline is of logit(risk), with up to four knots at its weighted 5, 35, 65 and 95 % quantiles, rounded
    to 0.001. Where fewer than three differ, it is a straight line; where all risks are equal, the base rate.
    """
    x = logit(counted.risk)
    columns = [x] if np.ptp(x) > NARROWEST else []
    knots = np.unique(np.round(x[positions_at(counted.total, KNOT_QUANTILES)], 3))
    if len(knots) > 2:
        columns += _spline(x, knots)
    design = np.column_stack([np.ones(len(x)), *(_standardised(column, counted.total) for column in columns)])
    prior = np.zeros(design.shape[1]), np.full(design.shape[1], RIDGE)
    return sigmoid(design @ fit_logistic(design, counted.events, counted.total, prior=prior))


def acted_on(counted: Tally, capacity: float) -> tuple[np.ndarray, float]:
    """The share of each distinct risk that can be acted on, and the risk where that ends."""
    total = counted.total
    above = total.sum() - np.cumsum(total)
    acted = np.clip((capacity * total.sum() - above) / total, 0, 1)
    return acted, float(counted.risk[np.flatnonzero(acted > ROUNDING)[0]])


def acted_rows(risk: np.ndarray, capacity: float) -> np.ndarray:
    """How much of each row is acted on, shape (n,): 1 above the cut-off, 0 below; rows tied there share the rest."""
    levels, level, counts = np.unique(risk, return_inverse=True, return_counts=True)
    return acted_on(Tally(levels, counts.astype(float), np.zeros(len(levels))), capacity)[0][level]


def positions_at(weight: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """Positions at which the sum of the weights first reaches these shares of it."""
    reached = np.cumsum(weight)
    return np.searchsorted(reached, np.array(shares) * reached[-1] * (1 - ROUNDING))


def check_enough(events: int, others: int, unit: str) -> None:
    """Refuse to state anything of fewer than 10 events or 10 non-events, counted in `unit`."""
    if min(events, others) < FEWEST:
        raise NotEnoughData(
            "too_few_labels",
            f"{events} {unit} with events and {others} with non-events; at least {FEWEST} of each are needed "
            "to state how good the risks are: wait for more labels",
        )


def _spline(x: np.ndarray, knots: np.ndarray) -> list[np.ndarray]:
    """The non-linear terms of a restricted cubic spline (Harrell 2015, section 2.4.5)."""
    *_, before_last, last = knots

    def cubed(knot: float) -> np.ndarray:
        return np.maximum(x - knot, 0) ** 3

    return [
        cubed(k)
        - cubed(before_last) * (last - k) / (last - before_last)
        + cubed(last) * (before_last - k) / (last - before_last)
        for k in knots[:-2]
    ]


def _standardised(column: np.ndarray, weight: np.ndarray) -> np.ndarray:
    centered = column - np.average(column, weights=weight)
    spread = np.sqrt(np.average(centered**2, weights=weight))
    return centered / spread if spread > 0 else centered
