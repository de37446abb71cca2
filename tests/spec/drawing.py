"""Read a journey that is drawn as a table of fixed columns; the row `predict` is the prediction point."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from wellkept.catalogue import families

Example = tuple[str, str, str, float | str | None]  # feature, why, the journey as drawn, what the feature is

COLUMNS = {"day": "event_at", "known": "time", "number": "numeric_value", "text": "text_value", "code": "code",
           "encounter": "encounter_id"}  # fmt: skip


def drawn(journey: str) -> tuple[list[dict[str, Any]], float, str | None]:
    """Rows of events, the day of the point, and its encounter."""
    lines = [line for line in journey.splitlines() if line.strip()]
    spans = [(m.group(), m.start(), m.end()) for m in re.finditer(r"\S+", lines[0])]
    rows = [_row(line, spans) for line in lines[1:]]
    point = next(row for row in rows if row["code"] == "predict")
    events = [{"time": row.get("event_at"), **row} for row in rows if row["code"] != "predict"]
    return events, point["event_at"], point.get("encounter_id")


def _row(line: str, spans: list[tuple[str, int, int]]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for word in re.finditer(r"\S+", line):
        # a word belongs to the column whose heading it overlaps, or starts nearest to
        name = min(spans, key=lambda span: _distance(word, span))[0]
        text = word.group()
        row[COLUMNS[name]] = float(text) if name in ("day", "known", "number") else text
    return row


def _distance(word: re.Match, span: tuple[str, int, int]) -> int:
    return max(0, word.start() - span[2] + 1, span[1] - word.end() + 1) or -1


def title(example: Example) -> str:
    """What a test of this example is called."""
    return f"{example[0]}: {example[1]}"


def worked_out(example: Example, value_at: Callable[..., Any]) -> tuple[Any, Any]:
    """What the feature is in the example's journey, and what it should be (to a thousandth)."""
    name, _, journey, expected = example
    feature = next(f for group in families().values() for f in group if f.name == name)
    found = value_at(feature.expression, *drawn(journey))
    return found, pytest.approx(expected, abs=1e-3) if isinstance(expected, float) else expected
