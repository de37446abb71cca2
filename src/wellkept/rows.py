"""One table and its mapping in; its converted columns, and which rows break which rule, out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from wellkept import converting
from wellkept.converting import mask_of
from wellkept.errors import Breach, InputHeld, InputRefused
from wellkept.mapping import Check, Expect, TableMapping

CLOCK_SKEW = timedelta(minutes=5)
SET_ASIDE = {"id_empty", "date", "future_event", "known_before_happened", "out_of_bounds", "out_of_order",
             "duplicate_row"}
LISTED = 1000  # rows that an error names for each rule and column
FEWEST = 20  # numbers of a site, say, in a month: the median of fewer is anywhere


class Rows:
    """The rows of one table: each column is converted once, each offence is noted by rule and column.

    Raises
    ------
    InputRefused
        `missing_column`, `column_not_in_contract`: the table has other columns than its mapping. `dtype`: one of them
        is neither text nor number, boolean, date nor time.
    """

    def __init__(self, table: pa.Table, mapping: TableMapping, now: datetime) -> None:
        self.table, self.mapping, self.now = table, mapping, now
        self.count = table.num_rows
        self._broken: dict[tuple[str, str], np.ndarray] = {}
        self._converted: dict[tuple[str, str], pa.ChunkedArray] = {}
        self._check_columns()
        self._check_types()
        self.subject = self._read(mapping.subject, converting.to_text)
        self.note("id_empty", mapping.subject, ~mask_of(self.subject.is_valid()))
        self._check_keys()
        for check in mapping.check:
            self._check_rows(check)

    def number(self, column: str) -> pa.ChunkedArray:
        """A column as float64."""
        return self._read(column, converting.to_number)

    def category(self, column: str) -> pa.ChunkedArray:
        """A column as texts."""
        return self._read(column, converting.to_category)

    def flag(self, column: str) -> pa.ChunkedArray:
        """A column as booleans."""
        return self._read(column, converting.to_flag)

    def time(self, column: str) -> pa.ChunkedArray:
        """A column as instants in UTC."""
        return self._read(column, functools.partial(converting.to_time, timezone=self.mapping.timezone), "time")

    def local_time(self, column: str) -> pd.Series:
        """A column of times as the clocks of the table's zone show them."""
        return pd.Series(self.time(column).to_pandas()).dt.tz_convert(self.mapping.timezone)

    @property
    def unzoned(self) -> list[str]:
        """Columns of times without an offset, read as UTC only because the mapping names no zone."""
        if "timezone" in self.mapping.model_fields_set:
            return []
        times = sorted(column for column, kind in self._converted if kind == "time")
        return [column for column in times if converting.lacks_offset(self.table[column])]

    def note(self, rule: str, column: str, mask: np.ndarray) -> None:
        """Remember which rows break a rule."""
        if mask.any():
            self._broken[rule, column] = self._broken.get((rule, column), False) | mask

    def sound(self) -> np.ndarray:
        """The rows that have broken no rule so far."""
        return ~np.logical_or.reduce([*self._broken.values(), np.zeros(self.count, bool)])

    def set_aside(self, most: float) -> list[Breach]:
        """What goes to quarantine.

        Raises
        ------
        InputRefused
            A rule was broken that refuses the file, or more than the share `most` of the rows would be set aside.
        """
        fatal = {place: mask for place, mask in self._broken.items() if place[0] not in SET_ASIDE}
        if fatal:
            counts = "; ".join(f"{rule} ({column}): {self._rows(rule, mask)}" for (rule, column), mask in fatal.items())
            message = f"{self.mapping.file} was refused, nothing was kept: {counts}"
            raise InputRefused(next(iter(fatal))[0], message, self._breaches(fatal, LISTED))
        wrong = int((~self.sound()).sum())
        if wrong > most * self.count:
            message = f"{self.mapping.file}: {wrong} of {self.count} rows break a rule, more than {most:.1%} of them"
            raise InputRefused("too_many_rejected", message, self._breaches(self._broken, LISTED))
        return self._breaches(self._broken, self.count)

    def hold_if_odd(self, accept: frozenset[str]) -> None:
        """Hold a delivery whose columns are not what the mapping expects of a healthy one."""
        for expect in self.mapping.expect:
            share, middle = self._facts(expect)
            if share >= (1 if expect.null_share_below is None else expect.null_share_below):
                self._hold("null_rate", expect.column, f"{share:.0%} of the values are missing", accept)
            low, high = expect.median_between or (-np.inf, np.inf)
            if middle is not None and not low <= middle <= high:
                self._hold("distribution", expect.column, "the median is not where it is expected (unit?)", accept)
            first = self._first_rows(expect, low, high)
            if len(first):
                by = " and ".join(expect.groups)
                message = f"{len(first)} medians by {by} are not where they are expected (unit?)"
                self._hold("distribution", expect.column, message, accept, first)

    def check_expected(self) -> None:
        """Convert what `hold_if_odd` looks at, so that a cell that does not fit refuses the file."""
        for expect in self.mapping.expect:
            self._facts(expect)
            self._groups(expect)

    def _facts(self, expect: Expect) -> tuple[float, float | None]:
        """The share of missing values, and the median where the mapping expects one."""
        if expect.median_between is None:
            return converting.missing_share(self.table[expect.column], self.mapping.missing), None
        numbers = self.number(expect.column)
        return numbers.null_count / self.count, pc.quantile(numbers, 0.5)[0].as_py()

    def _groups(self, expect: Expect) -> list[pd.Series]:
        """The value of `each` and the calendar month, by row, of what the mapping names of the two."""
        each = [self.category(expect.each).to_pandas().rename("each")] if expect.each else []
        at = self.local_time(expect.monthly) if expect.monthly else None
        return each if at is None else [*each, (at.dt.year * 12 + at.dt.month).rename("month")]

    def _first_rows(self, expect: Expect, low: float, high: float) -> list[int]:
        """The first row of each group whose median lies outside, from 1; a unit changes at one site and one day."""
        if not (groups := self._groups(expect)):
            return []
        numbers = self.number(expect.column).to_pandas()
        of_group = numbers.groupby(groups)
        median, enough = of_group.median(), of_group.count() >= FEWEST
        first = pd.Series(np.arange(1, self.count + 1)).groupby(groups).first()
        return sorted(first[enough & ~median.between(low, high)].tolist())

    def _hold(self, rule: str, column: str, message: str, accept: frozenset[str], at: Sequence[int] = (0,)) -> None:
        if rule not in accept:
            text = f"{self.mapping.file} is held: {message}; look at it, then --accept {rule} lands it"
            raise InputHeld(rule, text, [Breach(self.mapping.file, row, rule, column) for row in at[:LISTED]])

    def _check_columns(self) -> None:
        """Strange columns go by their name only where the first line is a header: it may be somebody's row."""
        needed, there = set(self.mapping.columns), self.table.column_names
        known = needed | set(self.mapping.ignore)
        extra = [] if "*" in self.mapping.ignore else [(i, c) for i, c in enumerate(there, 1) if c not in known]
        names = [c if needed & set(there) else f"column {i}" for i, c in extra]
        breaches = [Breach(self.mapping.file, 0, "column_not_in_contract", name) for name in names]
        breaches += [Breach(self.mapping.file, 0, "missing_column", c) for c in sorted(needed - set(there))]
        if breaches:
            raise InputRefused(breaches[0].rule, f"{self.mapping.file} has other columns than its mapping", breaches)

    def _check_types(self) -> None:
        columns = [c for c in self.mapping.columns if not converting.is_readable(self.table[c].type)]
        if columns:
            breaches = [Breach(self.mapping.file, 0, "dtype", c) for c in columns]
            raise InputRefused("dtype", f"{self.mapping.file} has columns of lists, bytes or the like", breaches)

    def _check_keys(self) -> None:
        """Equal repeats of a key are kept once; different rows under one key refuse the file."""
        if not self.mapping.key:
            return
        key = list(self.mapping.key)
        frame = self.table.select(list(self.mapping.columns)).to_pandas()
        repeats = frame.duplicated(keep="first").to_numpy()
        conflicts = frame.duplicated(key, keep="first").to_numpy() & ~repeats
        self.note("conflicting_duplicate", key[0], conflicts)
        self.note("duplicate_row", key[0], repeats)

    def _check_rows(self, check: Check) -> None:
        if check.minimum is not None or check.maximum is not None:
            numbers = self.number(check.column).to_pandas().to_numpy(dtype=float)
            low = numbers < (check.minimum if check.minimum is not None else -np.inf)
            high = numbers > (check.maximum if check.maximum is not None else np.inf)
            self.note("out_of_bounds", check.column, low | high)
        if check.not_after:
            first, second = self.local_time(check.column), self.local_time(check.not_after)
            if check.by == "day":
                first, second = first.dt.normalize(), second.dt.normalize()
            self.note("out_of_order", check.column, (first > second).to_numpy())

    def _read(self, column: str, convert: Callable, kind: str = "") -> pa.ChunkedArray:
        place = (column, kind or convert.__name__)
        if place not in self._converted:
            self._converted[place], masks = convert(self.table[column], self.mapping.missing)
            for rule, mask in masks.items():
                self.note(rule, column, mask)
        return self._converted[place]

    def _breaches(self, broken: dict[tuple[str, str], np.ndarray], most: int) -> list[Breach]:
        return [
            Breach(self.mapping.file, int(row), rule, column)
            for (rule, column), mask in broken.items()
            for row in (np.flatnonzero(mask)[:most] + 1 if rule != "dtype" else [0])
        ]

    def _rows(self, rule: str, mask: np.ndarray) -> str:
        return "the whole column" if rule == "dtype" else f"{mask.sum()} of {self.count} rows"
