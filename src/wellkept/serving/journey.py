"""Events as a request or the database gives them -> the rows that the feature query reads, as the store sorts them."""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from wellkept.history.engine import SINCE_EVER
from wellkept.history.one_journey import FIELDS, Row

STORED = ("subject_id", "event_at", "time", "code", "numeric_value", "text_value", "encounter_id", "site", "clinician")


def row_of(event: Mapping[str, Any], subject_id: int) -> Row:
    """One event that a request sent or the database keeps; its number as the store keeps it."""
    number = event.get("value")
    # as float32, and adding 0 turns -0.0 into 0.0: equal numbers have equal bits
    value = None if number is None else ctypes.c_float(number).value + 0.0
    return (subject_id, event.get("happened"), event.get("known"), event["code"], value, event.get("text"),
            event.get("encounter_id"), event.get("site"), event.get("clinician"))  # fmt: skip


def rows_of(stored: pa.Table) -> list[Row]:
    """The events of a snapshot."""
    columns = [stored[name] for name in STORED]
    plain = [pc.cast(c, pa.int64()) if pa.types.is_timestamp(c.type) else c for c in columns]
    return list(zip(*(c.to_pylist() for c in plain), strict=True))


def joined(stored: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """Both, with what both hold kept once: as often as in that one of the two that holds it more often."""
    return list((Counter(stored) | Counter(new)).elements())


def in_order(rows: Iterable[Row]) -> list[Row]:
    """As the journey store sorts them: by when they happened, then when they were known, nulls first."""
    return sorted(rows, key=lambda row: [(value is not None, value) for value in row])


def columns_of(rows: Sequence[Row]) -> list[list[Any]]:
    """The columns of `history.prepared.EVENTS`."""
    subject, happened, known, *others = (list(c) for c in zip(*rows, strict=True)) if rows else ([] for _ in FIELDS)
    return [subject, [SINCE_EVER if k is None else k for k in known], happened, *others, list(range(len(rows)))]
