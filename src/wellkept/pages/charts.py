"""Curves in, as a bundle's metrics hold them; what the chart template draws, out: lines scaled to a box, and ticks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 460, 300
TICKS = 5
STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Line:
    """A named line of the chart, as an SVG path; `kind` is its style."""

    name: str
    kind: str
    path: str


@dataclass(frozen=True)
class Chart:
    """A picture of lines. `says` is its text for who does not see it; ticks are (place, words)."""

    title: str
    says: str
    x: str
    y: str
    lines: tuple[Line, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    width: int = WIDTH
    height: int = HEIGHT


def charts(curves: Mapping) -> dict[str, Chart]:
    """The calibration curve and the decision curve, as far as there are any."""
    drawn = {}
    if (told := curves.get("calibration")) and _drawable(told, "stated", "observed"):
        drawn["calibration"] = _calibration(told)
    if (told := curves.get("decision")) and _drawable(told, "threshold", "model", "all"):
        drawn["decision_curve"] = _decision(told)
    return drawn


def trade_off(facts: Mapping) -> Chart | None:
    """What a plan's effort buys: most gain by effort, and where the plan lies on it; None where there is nothing."""
    curve, effort, gain = [tuple(pair) for pair in facts["curve"]], facts["effort"], facts["joint"][0]
    most_effort, most_gain = max(e for e, _ in curve), max(g for _, g in curve)
    if most_effort <= 0 or most_gain <= 0:
        return None
    half = next(e for e, g in curve if g >= most_gain / 2)
    says = (f"Half of what can be reached, {most_gain:.2f}, takes effort {half:g} of {most_effort:g}; this plan takes "
            f"{effort:g} for {gain:.2f}.")  # fmt: skip
    lines = {"this plan": ("reference", [(0.0, gain), (effort, gain), (effort, 0.0)]),
             "most gain for the effort": ("model", curve)}
    return _chart("Gain by effort", says, "effort", "expected gain", lines, (0, 1.02 * most_effort),
                  (0, 1.1 * most_gain), shares=False)  # fmt: skip


def _calibration(told: Mapping) -> Chart:
    pairs = _pairs(told["stated"], told["observed"])
    top = min(1.0, 1.05 * max(max(pair) for pair in pairs))
    ends = [(0.0, 0.0), (top, top)]
    (low, of_low), (high, of_high) = pairs[0], pairs[-1]
    says = (f"Where {low:.0%} is stated it came true for {of_low:.0%}, where {high:.0%} is stated for {of_high:.0%}; "
            "on the dashed line both are equal.")  # fmt: skip
    lines = {"stated equals came true": ("reference", ends), "model": ("model", pairs)}
    return _chart("Calibration", says, "stated risk", "came true", lines, (0, top), (0, top))


def _decision(told: Mapping) -> Chart:
    at = told["threshold"]
    model, everybody = _pairs(at, told["model"]), _pairs(at, told["all"])
    nobody = _pairs(at, told.get("nobody") or [0.0] * len(at))
    top = 1.1 * max(1e-9, *(benefit for _, benefit in (*model, *everybody)))
    better = [t for (t, mine), (_, all_) in zip(model, everybody, strict=False) if mine > max(0.0, all_)]
    where = f"for thresholds from {min(better):.0%} to {max(better):.0%}" if better else "at no threshold"
    says = f"Acting by the model has more net benefit than calling everybody or nobody {where}."
    lines = {"call everybody": ("reference", everybody), "call nobody": ("second", nobody),
             "by the model": ("model", model)}
    return _chart("Decision curve", says, "threshold: the risk from which one would call", "net benefit a patient",
                  lines, (0, max(t for t, _ in model)), (-0.2 * top, top), places=3)  # fmt: skip


def _chart(
    title: str, says: str, x: str, y: str, lines: Mapping[str, tuple[str, list]], across: tuple[float, float],
    up: tuple[float, float], places: int = 2, *, shares: bool = True,
) -> Chart:  # fmt: skip
    def left(value: float) -> float:
        return round(WIDTH * (value - across[0]) / (across[1] - across[0]), 1)

    def down(value: float) -> float:
        return round(HEIGHT * (up[1] - value) / (up[1] - up[0]), 1)

    drawn = tuple(
        Line(name, kind, "M" + " L".join(f"{left(a)},{down(b)}" for a, b in pairs))
        for name, (kind, pairs) in lines.items()
    )
    x_ticks = tuple((left(tick), f"{100 * tick:g} %" if shares else f"{tick:g}") for tick in _ticks(*across))
    return Chart(title, says, x, y, drawn, x_ticks, tuple((down(t), f"{t:.{places}f}") for t in _ticks(*up)))


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers between the ends."""
    rough = (high - low) / TICKS
    size = 10 ** math.floor(math.log10(rough))
    step = next(s * size for s in STEPS if s * size >= rough * (1 - 1e-9))
    first = math.ceil(low / step)
    return [round(i * step, 12) + 0.0 for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _pairs(a: Sequence, b: Sequence) -> list[tuple[float, float]]:
    return [(x, y) for x, y in zip(a, b, strict=False) if x is not None and y is not None]


def _drawable(told: Mapping, *names: str) -> bool:
    """Are there at least two points that differ along the first axis?"""
    axis, *others = (told.get(name) or [] for name in names)
    return all(len({x for x, _ in _pairs(axis, other)}) > 1 for other in others) and max(
        x for x in axis if x is not None
    ) > 0
