"""Outcomes as they come, each with its stated probability, in; the evidence that the odds have left a band, out.

A Shiryaev-Roberts e-detector (Shin, Ramdas and Rinaldo 2023, arXiv:2203.03532): for each alternative of the odds,

    M_n = (M_{n-1} + 1) L_n,    L_n the likelihood ratio of the alternative to the nearer edge of the band,

averaged over alternatives. As long as the odds lie inside the band, E[L_n | past] <= 1, so that E[M_n] <= n, and the
chance that M reaches A within n outcomes is at most n / A, whatever the probabilities and however often one looks. With
A = sequences x outcomes of some years, fewer than one false alarm is expected in so many from all sequences together.
"""

from __future__ import annotations

import numpy as np

STEPS = (1.25, 1.6, 2.5)  # alternatives, as factors of the odds beyond the edge of the band


def evidence(
    outcome: np.ndarray, p: np.ndarray, band: tuple[float, float], steps: tuple[float, ...] = STEPS
) -> tuple[np.ndarray, np.ndarray]:
    """Natural logarithm of M after each outcome, for odds above the band and for odds below it.

    Parameters
    ----------
    outcome, p
        Shape (n,), in the order in which they became known: did it come true, and with which stated probability.
    band
        Factors of the odds, low <= 1 <= high, that are no news.
    """
    low, high = band
    above = [_shiryaev_roberts(outcome, p, high, high * step) for step in steps]
    below = [_shiryaev_roberts(outcome, p, low, low / step) for step in steps]
    parts = np.log(2 * len(steps))
    return np.logaddexp.reduce(above, axis=0) - parts, np.logaddexp.reduce(below, axis=0) - parts


def odds_band(ratio: tuple[float, float], rate: float) -> tuple[float, float]:
    """Factors of the odds at which observed / expected is `ratio`, where the mean risk is `rate`."""
    low, high = (r * (1 - rate) / (1 - r * rate) if r * rate < 1 else np.inf for r in ratio)
    return float(low), float(high)


def first_beyond(log_evidence: np.ndarray, threshold: float) -> int | None:
    """The position of the first outcome after which the evidence has reached the threshold."""
    reached = np.flatnonzero(log_evidence >= np.log(threshold))
    return int(reached[0]) if len(reached) else None


def _shiryaev_roberts(outcome: np.ndarray, p: np.ndarray, edge: float, alternative: float) -> np.ndarray:
    ratio = _log_chance(outcome, p, alternative) - _log_chance(outcome, p, edge)
    total = np.cumsum(ratio)
    return total + np.logaddexp.accumulate(np.append(0.0, -total[:-1])) if len(total) else total


def _log_chance(outcome: np.ndarray, p: np.ndarray, factor: float) -> np.ndarray:
    return np.where(outcome, np.log(factor * p), np.log1p(-p)) - np.log1p(p * (factor - 1))
