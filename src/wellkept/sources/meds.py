"""A MEDS dataset folder, as it is (https://github.com/Medical-Event-Data-Standard/meds).

`data/**/*.parquet` with subject_id, time, code, numeric_value and text_value; words for codes from
`metadata/codes.parquet` when it is there. `time` is when something became known; a dataset may add `event_at`,
`encounter_id`, `site` and `clinician`. Columns beyond these are left out and named in the batch's notes. With a
`manifest.json` beside `data` (as docs/mapping.md says), every file must be the one that was sent.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.contracts import EVENTS, LARGEST_NUMBER, TIME, Batch, Limits
from wellkept.converting import FIRST_MOMENT, mask_of, stamps_in_utc
from wellkept.errors import Breach, InputRefused
from wellkept.tabular import TableFile, read_manifest, read_table

SAYS = "a MEDS dataset folder, as it is"
CLOCK_SKEW = timedelta(minutes=5)
OPTIONAL = [c.name for c in EVENTS.columns if c.optional] + ["text_value"]
CODES = "metadata/codes.parquet"


def read(path: Path, *, now: datetime, mapping: Path | None = None, limits: Limits = Limits()) -> Batch:
    """Read the whole dataset.

    Raises
    ------
    InputRefused
        There is no data, a file is damaged or breaks the MEDS schema, or too many rows break a rule.
    """
    if mapping is not None:
        raise InputRefused("mapping_not_used", "a MEDS dataset needs no --mapping: its columns are fixed")
    files = _files(path, limits)
    codes = files.pop(CODES, None)
    events: list[pa.Table] = []
    rejected: list[Breach] = []
    left_out: set[str] = set()
    for name, file in files.items():
        kept, breaches = _events(file.table, name, now)
        events.append(kept)
        rejected += breaches
        left_out |= set(file.table.column_names) - set(EVENTS.schema.names)
    rows, wrong = sum(file.table.num_rows for file in files.values()), len({(b.file, b.row) for b in rejected})
    if wrong > limits.max_rejected_share * rows:
        raise InputRefused("too_many_rejected", f"{wrong} of {rows} rows break a rule", rejected)
    inputs = {name: file.sha256 for name, file in files.items()} | ({CODES: codes.sha256} if codes else {})
    digest = hashlib.sha256(repr(sorted(inputs.items())).encode()).hexdigest()
    notes = tuple(f"column '{column}' is not used" for column in sorted(left_out))
    return Batch("meds", digest, pa.concat_tables(events), rows, tuple(rejected), inputs, _words(codes), notes)


def _files(path: Path, limits: Limits) -> dict[str, TableFile]:
    """Every file of the dataset, by its name below `path`."""
    data = sorted(p for p in (path / "data").rglob("*.parquet") if not p.name.startswith("."))
    if not data:
        raise InputRefused("no_data", f"{path} is no MEDS dataset: it holds no data/**/*.parquet")
    names = [str(p.relative_to(path)) for p in data] + ([CODES] if (path / CODES).exists() else [])
    manifest = read_manifest(path)
    return {name: read_table(path, name, max_bytes=limits.max_table_bytes, manifest=manifest) for name in names}


def _events(table: pa.Table, name: str, now: datetime) -> tuple[pa.Table, list[Breach]]:
    missing = [c for c in EVENTS.schema.names if c not in table.column_names and c not in OPTIONAL]
    if missing:
        breaches = [Breach(name, 0, "missing_column", c) for c in missing]
        raise InputRefused("missing_column", f"{name} does not have the columns of MEDS", breaches)
    events = pa.table({field.name: _column(table, field, name) for field in EVENTS.schema})
    masks = _broken(events, now)
    breaches = [Breach(name, int(r) + 1, rule) for rule, mask in masks.items() for r in np.flatnonzero(mask)]
    return events.filter(pa.array(~np.logical_or.reduce(list(masks.values())))), breaches


def _column(table: pa.Table, field: pa.Field, name: str) -> pa.ChunkedArray:
    """One column in the contract's type; a number stays a number, a time a time: nothing is read out of a text."""
    if field.name not in table.column_names or pa.types.is_null(table[field.name].type):
        return pa.chunked_array([pa.nulls(table.num_rows, field.type)])
    column = table[field.name]
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    wrong = InputRefused("dtype", f"{name} has a column of another type than MEDS",
                         [Breach(name, 0, "dtype", field.name)])
    if not _fits(column.type, field.type):
        raise wrong
    try:
        if field.type == TIME:
            return stamps_in_utc(column, "UTC")
        if not pa.types.is_floating(field.type):
            return pc.cast(column, field.type)
    except pa.ArrowInvalid:
        raise wrong from None
    numbers = pc.cast(column, field.type, safe=False)
    return pc.if_else(pc.is_nan(numbers), pa.scalar(None, field.type), numbers)


def _fits(found: pa.DataType, wanted: pa.DataType) -> bool:
    if wanted == TIME:
        return pa.types.is_timestamp(found)
    if pa.types.is_integer(wanted):
        return pa.types.is_integer(found)
    if pa.types.is_floating(wanted):
        return pa.types.is_floating(found) or pa.types.is_integer(found)
    return pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found)


def _broken(events: pa.Table, now: datetime) -> dict[str, np.ndarray]:
    soon = pa.scalar(now + CLOCK_SKEW, TIME)
    size = pc.abs(events["numeric_value"])
    static_yet_happened = pc.and_(pc.is_null(events["time"]), pc.is_valid(events["event_at"]))
    texts = [c for c in EVENTS.schema.names if EVENTS.schema.field(c).type == pa.string()]
    named = mask_of(pc.greater(pc.binary_length(events["code"]), 0))
    infinite = mask_of(pc.is_inf(size))
    return {
        "missing_value": mask_of(events["subject_id"].is_null()) | ~named,
        "control_character": np.logical_or.reduce([mask_of(pc.match_substring(events[c], "\0")) for c in texts]),
        "date": mask_of(pc.less(events["time"], FIRST_MOMENT)) | mask_of(pc.less(events["event_at"], FIRST_MOMENT)),
        "future_event": mask_of(pc.greater(events["time"], soon)),
        "known_before_happened": mask_of(static_yet_happened) | mask_of(pc.greater(events["event_at"], events["time"])),
        "non_finite": infinite,
        "out_of_range": mask_of(pc.greater(size, pa.scalar(LARGEST_NUMBER, pa.float32()))) & ~infinite,
    }


def _words(codes: TableFile | None) -> dict[str, dict[str, str]]:
    if codes is None or not {"code", "description"} <= set(codes.table.column_names):
        return {}
    pairs = zip(codes.table["code"].to_pylist(), codes.table["description"].to_pylist(), strict=True)
    return {code: {"says": says, "unit": ""} for code, says in pairs if code and isinstance(says, str)}
