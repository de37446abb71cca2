"""Read a journey that is drawn as a table of fixed columns; the row `predict` is the prediction point."""

from __future__ import annotations

import re
from typing import Any

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
