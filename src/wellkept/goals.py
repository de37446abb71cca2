"""A goal of the judge: what was measured, its bar, whether it holds, and what it was judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Goal:
    """One goal of METHOD.md section 10: the figure, its bar, whether it holds, and where it is worst."""

    goal: str
    what: str
    value: float
    bar: str
    holds: bool
    worst: Mapping[str, Any]

    def __post_init__(self) -> None:
        plain = {name: value if isinstance(value, str) else float(value) for name, value in self.worst.items()}
        for name, value in (("value", float(self.value)), ("holds", bool(self.holds)), ("worst", plain)):
            object.__setattr__(self, name, value)  # numbers of numpy are no JSON


def lines_of(goals: Sequence[Goal]) -> list[str]:
    """One line a goal for people, and under it the figures that it was judged by."""
    return [
        line
        for g in goals
        for line in (
            f"{'holds ' if g.holds else 'MISSED'}  {g.goal:3} {g.what}: {g.value:.3f} (bar {g.bar})",
            " " * 12 + ", ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in g.worst.items()),
        )
    ]
