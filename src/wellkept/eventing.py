"""The rows of a table in, the events that its mapping makes of them out."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.contracts import EVENTS, TIME
from wellkept.converting import mask_of
from wellkept.durations import delta
from wellkept.mapping import EventMapping
from wellkept.rows import CLOCK_SKEW, Rows

SCHEMA = pa.schema([pa.field("outside_id", pa.string()), *[pa.field(f.name, f.type) for f in list(EVENTS.schema)[1:]]])
WITH_ROW = SCHEMA.append(pa.field("row", pa.int64()))

Column: TypeAlias = pa.ChunkedArray | None
Value: TypeAlias = tuple[Column, Column, Column, np.ndarray]


def events_of(rows: Rows) -> tuple[pa.Table, int]:
    """The events of all rows that break no rule, and how many more will be known only after their `delay`."""
    made = [_make(rows, event) for event in rows.mapping.event]
    sound = rows.sound()
    tables = [table.filter(pa.array(sound[table["row"].to_numpy()])) for several, _ in made for table in several]
    waiting = sum(int((mask & sound).sum()) for _, mask in made)
    return pa.concat_tables(tables).drop_columns(["row"]), waiting


def _make(rows: Rows, event: EventMapping) -> tuple[list[pa.Table], np.ndarray]:
    where = _chosen(rows, event)
    happened, known = _times(rows, event, where)
    waiting = np.zeros(rows.count, bool)
    if event.delay:
        waiting = where & mask_of(pc.greater(known, pa.scalar(rows.now, TIME)))
    if not event.static:
        where = where & mask_of(known.is_valid()) & ~waiting
    tables = [
        _table(rows, event, (known, code, number, text, happened), where & given)
        for code, number, text, given in _values(rows, event)
    ]
    return tables, waiting


def _chosen(rows: Rows, event: EventMapping) -> np.ndarray:
    if not event.when:
        return np.ones(rows.count, bool)
    return mask_of(pc.is_in(rows.category(event.when.column), pa.array(event.when.is_, pa.string())))


def _times(rows: Rows, event: EventMapping, where: np.ndarray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """When it happened and when it became known; notes the rows whose times cannot be."""
    if event.static:
        never = pa.chunked_array([pa.nulls(rows.count, TIME)])
        return never, never
    happened = pa.chunked_array([pa.array([event.at] * rows.count, TIME)]) if event.at else rows.time(event.event_at)
    known = rows.time(event.time) if event.time else happened
    place = event.time or event.event_at
    soon = pa.scalar(rows.now + CLOCK_SKEW, TIME)
    rows.note("known_before_happened", place, where & mask_of(pc.greater(happened, known)))
    rows.note("future_event", place, where & mask_of(pc.greater(known, soon)))
    if event.delay:
        known = pc.add(happened, pa.scalar(delta(event.delay), pa.duration("us")))
    return happened, known


def _values(rows: Rows, event: EventMapping) -> list[Value]:
    """(code, number, text, rows where the value was recorded) for each column of the event."""
    if event.code:
        return [_value(rows, event)]
    codes = {c: _constant(rows, event.prefix + c) for c in (*event.numbers, *event.categories, *event.flags)}
    numbers = {c: rows.number(c) for c in event.numbers}
    texts = {c: rows.category(c) for c in event.categories}
    return [
        *[(codes[c], number, None, mask_of(number.is_valid())) for c, number in numbers.items()],
        *[(codes[c], None, text, mask_of(text.is_valid())) for c, text in texts.items()],
        *[(codes[c], None, None, mask_of(rows.flag(c))) for c in event.flags],
    ]


def _value(rows: Rows, event: EventMapping) -> Value:
    number = _number(rows, event)
    text = rows.category(event.category or event.text) if event.category or event.text else None
    there = [mask_of(value.is_valid()) for value in (number, text) if value is not None]
    given = np.logical_or.reduce(there) if there else np.ones(rows.count, bool)
    return _code(rows, event), number, text, given


def _number(rows: Rows, event: EventMapping) -> Column:
    if event.days_between:
        start, end = (rows.local_time(c).dt.normalize().dt.tz_localize(None) for c in event.days_between)
        return pa.chunked_array([pa.Array.from_pandas((end - start).dt.days.astype("Float64"), type=pa.float64())])
    return rows.number(event.number) if event.number else None


def _code(rows: Rows, event: EventMapping) -> Column:
    if not event.placeholders:
        return _constant(rows, event.code)
    parts = [pc.fill_null(rows.category(column), "unknown") if column else pa.scalar(text)
             for text, column in event.pieces]
    return pc.binary_join_element_wise(*parts, "")


def _constant(rows: Rows, text: str) -> pa.ChunkedArray:
    return pa.chunked_array([pa.repeat(pa.scalar(text), rows.count)])


def _table(rows: Rows, event: EventMapping, values: tuple[Column, ...], where: np.ndarray) -> pa.Table:
    """Events of the rows in `where`; `values` are time, code, number, text and event_at of every row."""
    links = [rows.category(name) if name else None for name in (event.encounter_id, event.site, event.clinician)]
    take = pa.array(np.flatnonzero(where), pa.int64())
    arrays = [
        pa.nulls(len(take), field.type) if column is None else pc.cast(column.take(take), field.type, safe=False)
        for column, field in zip((rows.subject, *values, *links), SCHEMA, strict=True)
    ]
    return pa.table([*arrays, take], schema=WITH_ROW)
