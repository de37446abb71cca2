"""CSV and parquet tables through a TOML mapping each.

A folder of exports and mappings in, one batch of events out. Rows that break a rule marked so are set aside with
their number and the rule; a file that breaks any other rule, or too many rows, refuses the whole batch.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from wellkept import converting
from wellkept.contracts import EVENTS, TIME, Batch, Limits
from wellkept.durations import delta
from wellkept.errors import Breach, InputHeld, InputRefused, SpecRefused
from wellkept.mapping import Check, EventMapping, TableMapping, load_mapping
from wellkept.tabular import read_manifest, read_table

SAYS = "CSV and parquet tables, each with a TOML that says how its rows become events"
CLOCK_SKEW = timedelta(minutes=5)
SET_ASIDE = {"id_empty", "date", "future_event", "known_before_happened", "out_of_bounds", "out_of_order",
             "duplicate_row"}
SCHEMA = pa.schema([pa.field("outside_id", pa.string()), *list(EVENTS.schema)[1:]])


def read(path: Path, *, now: datetime, mapping: Path | None = None, limits: Limits = Limits()) -> Batch:
    """Read every mapped table of a folder.

    Parameters
    ----------
    path
        Folder of the tables, with `manifest.json` (rows and sha256 of each file) when the sender writes one.
    now
        Aware time of reading; events later than this are set aside.
    mapping
        One TOML or a folder of them; by default `path` itself.

    Raises
    ------
    InputRefused, InputHeld, SpecRefused
    """
    mappings = _mappings(mapping or path)
    manifest = read_manifest(path)
    tables, inputs, codes, rejected, notes, sizes = [], {}, {}, [], [], {}
    for toml, content in mappings.items():
        table_mapping = load_mapping(toml)
        file = read_table(path, table_mapping.file, max_bytes=limits.max_table_bytes, manifest=manifest,
                          delimiter=table_mapping.delimiter)
        rows = _Rows(file.table, table_mapping, now)
        events, breaches = rows.events(), rows.breaches()
        _refuse_too_many(breaches, file.table.num_rows, table_mapping.file, limits.max_rejected_share)
        rows.hold_if_odd(limits.accept)
        tables.append(events)
        rejected += breaches
        codes |= rows.codes(events)
        sizes[table_mapping.file] = (file.table.num_rows, table_mapping.full_export)
        inputs[f"{table_mapping.file} by {toml.name}"] = f"{file.sha256}:{content}"
    if manifest is None:
        notes.append("no manifest.json: a table cut at a line end cannot be told from a whole one")
    digest = hashlib.sha256(repr(sorted(inputs.items())).encode()).hexdigest()
    full = {name: rows for name, (rows, whole) in sizes.items() if whole}
    return Batch("tables", digest, pa.concat_tables(tables), sum(rows for rows, _ in sizes.values()),
                 tuple(rejected), inputs, codes, tuple(notes), full)


def _mappings(path: Path) -> dict[Path, str]:
    tomls = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    if not tomls or not tomls[0].is_file():
        raise SpecRefused("no_mapping", f"{path} holds no table mapping (*.toml): docs/mapping.md shows one")
    return {toml: hashlib.sha256(toml.read_bytes()).hexdigest() for toml in tomls}


def _refuse_too_many(breaches: list[Breach], rows: int, file: str, share: float) -> None:
    if len({b.row for b in breaches}) > share * rows:
        message = f"{file}: {len(breaches)} of {rows} rows break a rule, more than {share:.1%} of them"
        raise InputRefused("too_many_rejected", message, breaches)


class _Rows:
    """One table on its way to events: converted columns, and which rows break which rule."""

    def __init__(self, table: pa.Table, mapping: TableMapping, now: datetime) -> None:
        self.table, self.mapping, self.now = table, mapping, now
        self.broken: dict[tuple[str, str], np.ndarray] = {}
        self._check_columns()
        self.subject = self._read(mapping.subject, converting.to_text)
        self._note("id_empty", mapping.subject, ~self.subject.is_valid().to_numpy())
        self._check_keys()
        for check in mapping.check:
            self._check_rows(check)

    def events(self) -> pa.Table:
        """The events of all rows that broke no rule."""
        made = [table for event in self.mapping.event for table in self._make(event)]
        bad = self._bad_rows()
        kept = [table.filter(pa.array(~bad[table["row"].to_numpy()])).drop_columns(["row"]) for table in made]
        return pa.concat_tables(kept)

    def breaches(self) -> list[Breach]:
        """Rows set aside; raises when a rule was broken that refuses the file."""
        found = [
            Breach(self.mapping.file, int(row) + 1, rule, column)
            for (rule, column), mask in self.broken.items()
            for row in np.flatnonzero(mask)
        ]
        fatal = [b for b in found if b.rule not in SET_ASIDE]
        if fatal:
            raise InputRefused(fatal[0].rule, f"{self.mapping.file} was refused; nothing was kept", fatal)
        return found

    def codes(self, events: pa.Table) -> dict[str, dict[str, str]]:
        """Words and units that the mapping declares, by the codes that came of it."""
        words = {}
        for event in self.mapping.event:
            if event.says or event.unit:
                pattern = "^" + "".join(".*" if p.startswith("{") else p for p in _split(event.code or event.prefix))
                named = pc.unique(events["code"]).to_pylist()
                words |= {c: {"says": event.says, "unit": event.unit} for c in named if _fits(pattern, c)}
        return words

    def hold_if_odd(self, accept: frozenset[str]) -> None:
        """Hold a delivery whose columns are not what the mapping expects of a healthy one."""
        for expect in self.mapping.expect:
            numbers = self._read(expect.column, converting.to_number)
            share = numbers.null_count / len(numbers)
            if expect.null_share_below is not None and share >= expect.null_share_below:
                self._hold("null_rate", expect.column, f"{share:.0%} of the values are missing", accept)
            middle = pc.approximate_median(numbers).as_py()
            low, high = expect.median_between or (-np.inf, np.inf)
            if middle is not None and not low <= middle <= high:
                self._hold("distribution", expect.column, "the median is not where it is expected (unit?)", accept)

    def _hold(self, rule: str, column: str, message: str, accept: frozenset[str]) -> None:
        if rule not in accept:
            text = f"{self.mapping.file} is held: {message}; look at it, then --accept {rule} lands it"
            raise InputHeld(rule, text, [Breach(self.mapping.file, 0, rule, column)])

    def _check_columns(self) -> None:
        needed, there = set(self.mapping.columns), set(self.table.column_names)
        extra = [] if "*" in self.mapping.ignore else sorted(there - needed - set(self.mapping.ignore))
        breaches = [Breach(self.mapping.file, 0, "column_not_in_contract", c) for c in extra]
        breaches += [Breach(self.mapping.file, 0, "missing_column", c) for c in sorted(needed - there)]
        if breaches:
            raise InputRefused(breaches[0].rule, f"{self.mapping.file} has other columns than its mapping", breaches)

    def _check_keys(self) -> None:
        """Equal repeats of a key are kept once; different rows under one key refuse the file."""
        if not self.mapping.key:
            return
        columns = [c for c in self.mapping.columns if c in self.table.column_names]
        frame = self.table.select(columns).to_pandas()
        repeats = frame.duplicated(columns, keep="first").to_numpy()
        conflicts = frame.duplicated(list(self.mapping.key), keep="first").to_numpy() & ~repeats
        self._note("conflicting_duplicate", self.mapping.key[0], conflicts)
        self._note("duplicate_row", self.mapping.key[0], repeats)

    def _check_rows(self, check: Check) -> None:
        if check.minimum is not None or check.maximum is not None:
            numbers = self._read(check.column, converting.to_number).to_pandas().to_numpy(dtype=float)
            low = numbers < (check.minimum if check.minimum is not None else -np.inf)
            high = numbers > (check.maximum if check.maximum is not None else np.inf)
            self._note("out_of_bounds", check.column, low | high)
        if check.not_after:
            first, second = self._local(check.column), self._local(check.not_after)
            if check.by == "day":
                first, second = first.dt.normalize(), second.dt.normalize()
            self._note("out_of_order", check.column, (first > second).to_numpy())

    def _make(self, event: EventMapping) -> list[pa.Table]:
        happened, known = self._times(event)
        where = np.ones(self.table.num_rows, bool) if event.static else known.is_valid().to_numpy()
        if event.when:
            chosen = self._read(event.when.column, converting.to_category)
            where &= pc.fill_null(pc.is_in(chosen, pa.array(event.when.is_)), fill_value=False).to_numpy()
        return [
            self._table(event, code, happened, known, number, text, where & given)
            for code, number, text, given in self._values(event)
        ]

    def _values(self, event: EventMapping) -> list[tuple]:
        """(code, number, text, rows where the value was recorded) for each column of the event."""
        none, always = None, np.ones(self.table.num_rows, bool)
        if event.code:
            number = self._number(event)
            text_column = event.category or event.text
            text = self._read(text_column, converting.to_category) if text_column else none
            given = always if number is None and text is None else np.zeros_like(always)
            for value in (number, text):
                given = given | value.is_valid().to_numpy() if value is not None else given
            return [(self._code(event), number, text, given)]
        rows = []
        for column in event.numbers:
            number = self._read(column, converting.to_number)
            rows.append((event.prefix + column, number, none, number.is_valid().to_numpy()))
        for column in event.categories:
            text = self._read(column, converting.to_category)
            rows.append((event.prefix + column, none, text, text.is_valid().to_numpy()))
        for column in event.flags:
            flag = pc.fill_null(self._read(column, converting.to_flag), fill_value=False).to_numpy()
            rows.append((event.prefix + column, none, none, flag))
        return rows

    def _number(self, event: EventMapping) -> pa.ChunkedArray | None:
        if event.days_between:
            start, end = (self._local(c).dt.normalize().dt.tz_localize(None) for c in event.days_between)
            return pa.chunked_array([pa.Array.from_pandas((end - start).dt.days.astype("Float64"), type=pa.float64())])
        return self._read(event.number, converting.to_number) if event.number else None

    def _times(self, event: EventMapping) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        rows = self.table.num_rows
        if event.static:
            never = pa.chunked_array([pa.nulls(rows, TIME)])
            return never, never
        constant = pa.chunked_array([pa.array([event.at] * rows, TIME)]) if event.at else None
        happened = constant if constant is not None else self._time(event.event_at)
        known = self._time(event.time) if event.time else happened
        if event.delay:
            known = pc.add(happened, pa.scalar(delta(event.delay), pa.duration("us")))
        place = event.time or event.event_at
        self._note("known_before_happened", place, _true(pc.greater(happened, known)))
        self._note("future_event", place, _true(pc.greater(known, pa.scalar(self.now + CLOCK_SKEW, TIME))))
        return happened, known

    def _table(self, event: EventMapping, code: object, happened: pa.ChunkedArray, known: pa.ChunkedArray,
               number: object, text: object, where: np.ndarray) -> pa.Table:
        rows = np.flatnonzero(where)
        take = pa.array(rows)

        def column(values: object, type_: pa.DataType) -> pa.ChunkedArray | pa.Array:
            if values is None or isinstance(values, str):
                return pa.repeat(pa.scalar(values, type_), len(rows))
            return pc.cast(values.take(take), type_, safe=False)  # type: ignore[attr-defined]

        links = [
            self._read(name, converting.to_category) if name else None
            for name in (event.encounter_id, event.site, event.clinician)
        ]
        values = [self.subject, known, code, number, text, happened, *links]
        arrays = [column(value, field.type) for value, field in zip(values, SCHEMA, strict=True)]
        fields = [pa.field(f.name, f.type) for f in SCHEMA]
        return pa.table([*arrays, take], schema=pa.schema([*fields, pa.field("row", pa.int64())]))

    def _code(self, event: EventMapping) -> object:
        pieces = _split(event.code)
        if len(pieces) == 1 and not event.placeholders:
            return event.code
        parts = [
            pc.fill_null(self._read(p[1:-1], converting.to_category), "unknown") if p.startswith("{") else pa.scalar(p)
            for p in pieces
        ]
        return pc.binary_join_element_wise(*parts, "")

    def _time(self, column: str) -> pa.ChunkedArray:
        return self._read(column, functools.partial(converting.to_time, timezone=self.mapping.timezone))

    def _local(self, column: str) -> pd.Series:
        """A column of times as the clocks of the table's zone show them."""
        times = pd.Series(self._time(column).to_pandas())
        return times.dt.tz_convert(self.mapping.timezone)

    def _read(self, column: str, convert: Callable) -> pa.ChunkedArray:
        values, masks = convert(self.table[column], self.mapping.missing)
        for rule, mask in masks.items():
            self._note(rule, column, mask)
        return values

    def _note(self, rule: str, column: str, mask: np.ndarray) -> None:
        if mask.any():
            self.broken[rule, column] = mask

    def _bad_rows(self) -> np.ndarray:
        return np.logical_or.reduce([*self.broken.values(), np.zeros(self.table.num_rows, bool)])


def _true(values: pa.ChunkedArray) -> np.ndarray:
    return pc.fill_null(values, fill_value=False).to_numpy()


def _split(code: str) -> list[str]:
    import re

    return [piece for piece in re.split(r"(\{[^{}]+\})", code) if piece]


def _fits(pattern: str, code: str) -> bool:
    import re

    return re.match(pattern, code) is not None
