"""A tally in; single figures of how good its risks are, out (`wellkept.performance` gives them intervals and words)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from wellkept.calibrating import CLIP, clipped, fit_logistic, logit
from wellkept.tallying import NARROWEST, RIDGE, Tally, acted_on, positions_at, smooth_calibration

CURVE_POINTS = 60


def all_measures(counted: Tally, capacity: float, thresholds: Sequence[float]) -> dict[str, float]:
    return {
        "base_rate": counted.base_rate,
        **discrimination(counted),
        **accuracy(counted),
        **_calibration(counted),
        **_at_capacity(counted, capacity),
        **{f"net_benefit_{_written(t)}": net_benefit(counted, t) for t in thresholds},
    }


def essential_measures(counted: Tally) -> dict[str, float]:
    auroc = discrimination(counted)["auroc"]
    return {"base_rate": counted.base_rate, "auroc": auroc, **accuracy(counted), **_level(counted)}


def discrimination(counted: Tally) -> dict[str, float]:
    events, others = counted.events, counted.others
    below = np.cumsum(others) - others / 2
    true, false = counted.from_top()
    precision = true / (true + false)
    return {
        "auroc": float(events @ below / (events.sum() * others.sum())),
        "auprc": float(events[::-1] @ precision / events.sum()),
    }


def accuracy(counted: Tally) -> dict[str, float]:
    yes, no = np.ones(len(counted.risk), bool), np.zeros(len(counted.risk), bool)
    n, rate = counted.total.sum(), counted.base_rate

    def mean(loss: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float:
        return float((counted.events @ loss(yes, counted.risk) + counted.others @ loss(no, counted.risk)) / n)

    brier = mean(brier_losses)
    return {"brier": brier, "brier_skill": 1 - brier / (rate * (1 - rate)), "log_loss": mean(log_losses)}


def _calibration(counted: Tally) -> dict[str, float]:
    x, total = logit(counted.risk), counted.total
    shift = fit_logistic(
        np.ones((len(x), 1)), counted.events, total, prior=(np.zeros(1), np.full(1, RIDGE)), offset=x
    )
    gap = np.abs(smooth_calibration(counted) - counted.risk)
    order = np.argsort(gap)
    return {
        "calibration_intercept": float(shift[0]),
        **_level(counted),
        "ici": float(total @ gap / total.sum()),
        "e90": float(gap[order][positions_at(total[order], (0.9,))][0]),
    }


def _level(counted: Tally) -> dict[str, float]:
    x, total = logit(counted.risk), counted.total
    prior = np.array([0.0, 1.0]), np.full(2, RIDGE)
    line = fit_logistic(np.column_stack([np.ones(len(x)), x]), counted.events, total, prior=prior)
    return {
        "calibration_slope": float(line[1]) if np.ptp(x) > NARROWEST else np.nan,
        "observed_expected": float(counted.events.sum() / max(total @ counted.risk, CLIP * total.sum())),
    }


def _at_capacity(counted: Tally, capacity: float) -> dict[str, float]:
    acted, cut_off = acted_on(counted, capacity)
    room, found = capacity * counted.total.sum(), float(acted @ counted.events)
    return {
        "recall_at_capacity": found / float(counted.events.sum()),
        "ppv_at_capacity": found / float(room),
        "lift_at_capacity": found / float(room) / counted.base_rate,
        "net_benefit_at_capacity": benefit(counted, acted, cut_off),
    }


def net_benefit(counted: Tally, threshold: float) -> float:
    """(true positives - false positives t / (1 - t)) / n when acting on every risk of at least t."""
    return benefit(counted, counted.risk >= threshold, threshold)


def curves(counted: Tally) -> dict[str, dict[str, list[float]]]:
    """The smooth calibration curve and the decision curve, at CURVE_POINTS places each, as plain data."""
    smooth = smooth_calibration(counted)
    at = np.unique(np.linspace(0, len(smooth) - 1, CURVE_POINTS).astype(int))
    top = min(0.99, max(2 * counted.base_rate, float(counted.risk[-1])))
    thresholds, rate = np.linspace(top / CURVE_POINTS, top, CURVE_POINTS), counted.base_rate
    return {
        "calibration": {"stated": _rounded(counted.risk[at]), "observed": _rounded(smooth[at])},
        "decision": {
            "threshold": _rounded(thresholds),
            "model": _rounded(np.array([net_benefit(counted, t) for t in thresholds])),
            "all": _rounded(rate - (1 - rate) * thresholds / (1 - thresholds)),
        },
    }


def benefit(counted: Tally, acted: np.ndarray, threshold: float) -> float:
    odds = threshold / max(1 - threshold, CLIP)
    return float((acted @ counted.events - odds * (acted @ counted.others)) / counted.total.sum())


def log_losses(label: np.ndarray, risk: np.ndarray) -> np.ndarray:
    return -np.log(clipped(np.where(label, risk, 1 - risk)))


def brier_losses(label: np.ndarray, risk: np.ndarray) -> np.ndarray:
    return (label - risk) ** 2


def _written(threshold: float) -> str:
    return f"{threshold:.2f}" if round(threshold, 2) == threshold else f"{threshold:g}"


def _rounded(numbers: np.ndarray) -> list[float]:
    return [round(float(number), 6) for number in numbers]
