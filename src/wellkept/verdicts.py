"""Figures of a group of patients in; what they mean, in a sentence, out.

Calibration within groups comes first: a stated risk must mean the same whoever it is stated of. Only what an interval
can tell is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from wellkept.subgroups import FEWEST_EVENTS

CALIBRATED = (0.9, 1.1)  # O/E in a group (METHOD.md, section 6)
SMALLEST = 0.02  # a smaller change of O/E or of the share of events found is nothing to tell anybody

Triple = list[float]


def of_group(figures: Mapping[str, Triple], events: int) -> str:
    """A sentence on calibration, on who is found, and on attention beside need."""
    if not figures:
        return f"too few to tell: {events} events, and {FEWEST_EVENTS} of each kind are needed"
    return f"{_calibration(figures['observed_expected'])}; {_attention(figures)}"


def of_variant(change: Mapping[str, Triple], groups: Mapping[str, Mapping[str, Mapping]]) -> str:
    """What other features change: overall, and for which groups calibration or finding gets worse or better."""
    worse, better = calibration_moves(groups)
    fewer, more = (_moved(groups, "recall_at_capacity", sign) for sign in (-1, +1))
    parts = [f"AUROC {signed(change['auroc'])}, Brier {signed(change['brier'], 4)}"]
    for says, found in (("O/E further from 1 for", worse), ("nearer to 1 for", better),
                        ("finds fewer events of", fewer), ("more of", more)):  # fmt: skip
        if found:
            parts.append(f"{says} {', '.join(found)}")
    return "; ".join(parts if len(parts) > 1 else [*parts, "no group's O/E or share of events found moves for sure"])


def calibration_moves(groups: Mapping[str, Mapping[str, Mapping]]) -> tuple[list[str], list[str]]:
    """Groups whose O/E moved for sure: further from 1, and nearer to it."""
    moved: tuple[list[str], list[str]] = ([], [])
    for name, level, told in _every(groups):
        before, now = _before(told, "observed_expected"), told["metrics"]["observed_expected"][0]
        if is_sure(told["change"]["observed_expected"]):
            nearer = abs(math.log(now)) < abs(math.log(before))
            moved[nearer].append(f"{name} {level} ({before:.2f} -> {now:.2f})")
    return moved


def signed(triple: Triple, digits: int = 3) -> str:
    """A change with its interval."""
    value, low, high = (f"{number:+z.{digits}f}" for number in triple)
    return f"{value} [{low} to {high}]"


def _moved(groups: Mapping[str, Mapping[str, Mapping]], metric: str, sign: int) -> list[str]:
    return [
        f"{name} {level} ({_before(told, metric):.2f} -> {told['metrics'][metric][0]:.2f})"
        for name, level, told in _every(groups)
        if is_sure(told["change"][metric]) and sign * told["change"][metric][0] > 0
    ]


def is_sure(change: Triple) -> bool:
    """Is it large enough to tell, and on one side of 0?"""
    value, low, high = change
    return abs(value) >= SMALLEST and (low > 0 or high < 0)


def _before(told: Mapping, metric: str) -> float:
    return told["metrics"][metric][0] - told["change"][metric][0]


def _every(groups: Mapping[str, Mapping[str, Mapping]]) -> list[tuple[str, str, Mapping]]:
    return [(name, level, told) for name, levels in groups.items() for level, told in levels.items()]


def _calibration(ratio: Triple) -> str:
    value, low, high = ratio
    told = f"O/E {value:.2f} [{low:.2f}-{high:.2f}]"
    if CALIBRATED[0] <= low and high <= CALIBRATED[1]:
        return f"calibrated: {told}"
    if low > 1:
        return f"its risks are stated too low: {told}"
    if high < 1:
        return f"its risks are stated too high: {told}"
    return f"cannot be told from calibrated: {told}"


def _attention(figures: Mapping[str, Triple]) -> str:
    _, low, high = figures["attention_over_need"]
    attention, need = (100 * figures[name][0] for name in ("attention", "need"))
    odd = ", less than its share" if high < 1 else ", more than its share" if low > 1 else ""
    return f"gets {attention:.0f} % of the attention for {need:.0f} % of the need{odd}"
