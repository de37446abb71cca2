"""Labels and risks in; matplotlib figures for the tracking server out. Nothing here opens a window.

The points carry no intervals: those over patients stand in the report (`evaluating.metrics`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wellkept.measures import net_benefit
from wellkept.tallying import Tally, smooth_calibration, tally

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GROUPS = 10
THRESHOLDS = 200
MODEL, REFERENCE = "#1f5a94", "#8a8a8a"


def calibration_figure(label: np.ndarray, risk: np.ndarray) -> Figure:
    """Stated risk against how often it came true: smooth curve, tenths of the rows, and where the risks lie.

    Parameters
    ----------
    label, risk
        Shape (n,): did it come true, and the probability that was stated.

    Raises
    ------
    ValueError, NotEnoughData
        As in `evaluating.tally`; the same holds for the other figures.
    """
    counted = tally(label, risk)
    figure = _figure(1)
    curve, spread = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    stated, observed = _tenths(counted)
    ends = [0, min(1.0, 1.05 * max(counted.risk[-1], observed.max()))]
    curve.plot(ends, ends, "--", color=REFERENCE, label="ideal")
    curve.plot(counted.risk, smooth_calibration(counted), color=MODEL, label="smooth curve")
    curve.plot(stated, observed, "o", color=MODEL, label="tenths of the rows")
    spread.hist(counted.risk, bins=50, weights=counted.total, color=MODEL)
    _dress(curve, f"Calibration\n{_counts(counted)}", "", "came true (proportion)")
    _dress(spread, "", "stated risk (probability)", "rows (count)")
    return figure


def discrimination_figure(label: np.ndarray, risk: np.ndarray) -> Figure:
    """The ROC curve and, beside it, the precision-recall curve; dashed is what chance gives."""
    counted = tally(label, risk)
    true, false = counted.from_top()
    recall = true / true[-1]
    figure = _figure(2)
    roc, pr = figure.subplots(1, 2)
    precision = true / (true + false)
    roc.plot([0, 1], [0, 1], "--", color=REFERENCE, label="chance")
    roc.plot([0, *false / false[-1]], [0, *recall], color=MODEL, label="risk")
    pr.axhline(counted.base_rate, linestyle="--", color=REFERENCE, label="chance: the base rate")
    pr.step([0, *recall], [precision[0], *precision], color=MODEL, label="risk")
    found, right = "recall (share of events)", "precision (share of the flagged)"
    _dress(roc, f"ROC\n{_counts(counted)}", "false alarms (share of non-events)", found)
    _dress(pr, f"Precision and recall\n{_counts(counted)}", found, right)
    return figure


def decision_curve_figure(label: np.ndarray, risk: np.ndarray) -> Figure:
    """Net benefit over the thresholds that somebody might act from, beside acting for all and for nobody."""
    counted = tally(label, risk)
    top = min(0.99, max(2 * counted.base_rate, float(counted.risk[-1])))
    at = np.linspace(top / THRESHOLDS, top, THRESHOLDS)
    rate = counted.base_rate
    figure = _figure(1)
    axes = figure.subplots()
    axes.plot(at, [net_benefit(counted, t) for t in at], color=MODEL, label="by risk")
    axes.plot(at, rate - (1 - rate) * at / (1 - at), "--", color=REFERENCE, label="treat all")
    axes.axhline(0, color=REFERENCE, label="treat none")
    axes.set_ylim(-0.15 * rate, 1.1 * rate)
    benefit = "net benefit (true positives per row)"
    _dress(axes, f"Decision curve\n{_counts(counted)}", "threshold (probability)", benefit)
    return figure


def _figure(panels: int) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(6.4 * panels, 5.6), layout="constrained")


def _dress(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False)


def _counts(counted: Tally) -> str:
    return f"n = {counted.total.sum():,.0f}, events = {counted.events.sum():,.0f}"


def _tenths(counted: Tally) -> tuple[np.ndarray, np.ndarray]:
    """Mean risk and share that came true in ten groups by rank; rows of one risk stay together."""
    middle = (np.cumsum(counted.total) - counted.total / 2) / counted.total.sum()
    group = np.unique((middle * GROUPS).astype(int), return_inverse=True)[1]
    rows = np.bincount(group, weights=counted.total)
    return (
        np.bincount(group, weights=counted.total * counted.risk) / rows,
        np.bincount(group, weights=counted.events) / rows,
    )
