"""A MEDS dataset folder, as it is (https://github.com/Medical-Event-Data-Standard/meds).

`data/**/*.parquet` with subject_id, time, code, numeric_value and text_value; words for codes from
`metadata/codes.parquet` when it is there. `time` is when something became known; a dataset may add `event_at`,
`encounter_id`, `site` and `clinician`. Columns beyond these are left out and named in the batch's notes.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wellkept.contracts import EVENTS, LARGEST_NUMBER, TIME, Batch, Limits
from wellkept.errors import Breach, InputRefused
from wellkept.tabular import read_table

SAYS = "a MEDS dataset folder, as it is"
CLOCK_SKEW = timedelta(minutes=5)
OPTIONAL = [c.name for c in EVENTS.columns if c.optional] + ["text_value"]


def read(path: Path, *, now: datetime, mapping: Path | None = None, limits: Limits = Limits()) -> Batch:
    """Read the whole dataset.

    Raises
    ------
    InputRefused
        There is no data, a file is damaged or breaks the MEDS schema, or too many rows break a rule.
    """
    if mapping is not None:
        raise InputRefused("mapping_not_used", "a MEDS dataset needs no --mapping: its columns are fixed")
    files = sorted(p for p in (path / "data").rglob("*.parquet") if not p.name.startswith("."))
    if not files:
        raise InputRefused("no_data", f"{path} is no MEDS dataset: it holds no data/**/*.parquet")
    tables, inputs, rejected, notes = [], {}, [], set()
    for file in files:
        name = str(file.relative_to(path))
        content = read_table(path, name, max_bytes=limits.max_table_bytes)
        events, breaches, left_out = _events(content.table, name, now)
        notes |= {f"column '{column}' is not used" for column in left_out}
        tables.append(events)
        rejected += breaches
        inputs[name] = content.sha256
    rows = sum(t.num_rows for t in tables) + len(rejected)
    if len(rejected) > limits.max_rejected_share * rows:
        raise InputRefused("too_many_rejected", f"{len(rejected)} of {rows} rows break a rule", rejected)
    digest = hashlib.sha256(repr(sorted(inputs.items())).encode()).hexdigest()
    return Batch("meds", digest, pa.concat_tables(tables), rows, tuple(rejected), inputs, _codes(path),
                 tuple(sorted(notes)))


def _events(table: pa.Table, name: str, now: datetime) -> tuple[pa.Table, list[Breach], list[str]]:
    left_out = [c for c in table.column_names if c not in EVENTS.schema.names]
    table = table.drop_columns(left_out)
    missing = [c for c in EVENTS.schema.names if c not in table.column_names and c not in OPTIONAL]
    if missing:
        breaches = [Breach(name, 0, "missing_column", c) for c in missing]
        raise InputRefused("missing_column", f"{name} does not have the columns of MEDS", breaches)
    try:
        events = pa.table({f.name: _cast(table, f, name) for f in EVENTS.schema})
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputRefused("dtype", f"{name} has a column of another type than MEDS") from error
    masks = _broken(events, now)
    breaches = [Breach(name, int(r) + 1, rule) for rule, mask in masks.items() for r in np.flatnonzero(mask)]
    return events.filter(pa.array(~np.logical_or.reduce(list(masks.values())))), breaches, left_out


def _cast(table: pa.Table, field: pa.Field, name: str) -> pa.ChunkedArray:
    if field.name not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, field.type)])
    column = table[field.name]
    if field.type == TIME and pa.types.is_timestamp(column.type) and column.type.tz is None:
        column = pc.assume_timezone(pc.cast(column, pa.timestamp("us"), safe=False), "UTC")
    if field.name == "subject_id" and not pa.types.is_integer(column.type):
        raise InputRefused("dtype", f"{name}: subject_id is a 64-bit integer in MEDS",
                           [Breach(name, 0, "dtype", "subject_id")])
    if pa.types.is_floating(field.type):
        column = pc.cast(column, field.type, safe=False)
        return pc.if_else(pc.is_nan(column), pa.scalar(None, field.type), column)
    return pc.cast(column, field.type, safe=field.type != TIME)


def _broken(events: pa.Table, now: datetime) -> dict[str, np.ndarray]:
    soon = pa.scalar(now + CLOCK_SKEW, TIME)
    happened = pc.coalesce(events["event_at"], events["time"])
    size = pc.abs(events["numeric_value"])
    return {
        "missing_value": _true(pc.or_(pc.is_null(events["subject_id"]), pc.is_null(events["code"]))),
        "future_event": _true(pc.greater(events["time"], soon)),
        "known_before_happened": _true(pc.greater(happened, events["time"])),
        "non_finite": _true(pc.is_inf(size)),
        "out_of_range": _true(pc.greater(size, pa.scalar(LARGEST_NUMBER, pa.float32()))),
    }


def _true(values: pa.ChunkedArray) -> np.ndarray:
    return pc.fill_null(values, fill_value=False).to_numpy()


def _codes(path: Path) -> dict[str, dict[str, str]]:
    file = path / "metadata" / "codes.parquet"
    if not file.is_file():
        return {}
    table = pq.read_table(file)
    if not {"code", "description"} <= set(table.column_names):
        return {}
    pairs = zip(table["code"].to_pylist(), table["description"].to_pylist(), strict=True)
    return {code: {"says": says, "unit": ""} for code, says in pairs if code and says}
