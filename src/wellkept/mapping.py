"""The TOML that says how the rows of one table become events (docs/mapping.md shows all of it)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from wellkept.durations import microseconds
from wellkept.errors import SpecRefused
from wellkept.toml import Strict, load_toml

DELIMITERS = (",", ";", "|", "\t", ":", "^", "~")


class When(Strict):
    """Only the rows whose `column` holds one of these texts."""

    column: str
    is_: tuple[str, ...] = Field(alias="is")


class EventMapping(Strict):
    """One event a row (`code`), or one event for each of many columns (`prefix` + column)."""

    code: str = ""
    prefix: str = ""
    says: str = ""
    unit: str = ""
    at: datetime | None = None
    event_at: str = ""
    static: bool = False
    time: str = ""
    delay: str = ""
    number: str = ""
    days_between: tuple[str, str] | None = None
    category: str = ""
    text: str = ""
    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    encounter_id: str = ""
    site: str = ""
    clinician: str = ""
    when: When | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if bool(self.code) == bool(self.prefix):
            raise ValueError("an [[event]] has either `code` (one event a row) or `prefix` (one a column)")
        if [bool(self.at), bool(self.event_at), self.static].count(True) != 1:
            raise ValueError("an [[event]] has exactly one of `event_at` (a column), `at` (a constant), `static`")
        if self.static and (self.time or self.delay):
            raise ValueError("a static event has no `time` or `delay`: it is always known")
        if bool(self.time) and bool(self.delay):
            raise ValueError("an [[event]] is known at `time` or after `delay`, not both")
        if self.prefix and not (self.numbers or self.categories or self.flags):
            raise ValueError("an [[event]] with `prefix` names its `numbers`, `categories` or `flags`")
        if self.code and (self.numbers or self.categories or self.flags):
            raise ValueError("`numbers`, `categories` and `flags` go with `prefix`, not with `code`")
        if self.number and self.days_between:
            raise ValueError("an [[event]] has one number: `number` or `days_between`")
        if self.category and self.text:
            raise ValueError("an [[event]] has one text: `category` or `text`")
        return self

    @field_validator("at")
    @classmethod
    def _aware(cls, at: datetime | None) -> datetime | None:
        if at is not None and at.tzinfo is None:
            raise ValueError("a constant time carries an offset: 2021-12-31T00:00:00Z")
        return at.astimezone(UTC) if at else None

    @field_validator("delay")
    @classmethod
    def _duration(cls, delay: str) -> str:
        try:
            if delay:
                microseconds(delay)
        except SpecRefused as error:
            raise ValueError(error.args[0]) from None
        return delay

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Columns named in `code` as ``{column}``."""
        return tuple(column for _, column in self.pieces if column)

    @property
    def pieces(self) -> tuple[tuple[str, str], ...]:
        """`code` in order, as (text, "") or ("", column)."""
        parts = re.split(r"\{([^{}]+)\}", self.code)
        return tuple(("", part) if i % 2 else (part, "") for i, part in enumerate(parts) if part)

    def names(self, code: str) -> bool:
        """Can this event have made `code`?"""
        if self.prefix:
            return code in {self.prefix + column for column in (*self.numbers, *self.categories, *self.flags)}
        return bool(re.fullmatch("".join(".*" if column else re.escape(text) for text, column in self.pieces), code))

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of the table that this event reads."""
        single = (self.event_at, self.time, self.number, self.category, self.text)
        where = (self.encounter_id, self.site, self.clinician, self.when.column if self.when else "")
        many = (*(self.days_between or ()), *self.numbers, *self.categories, *self.flags, *self.placeholders)
        return tuple(c for c in (*single, *where, *many) if c)


class Check(Strict):
    """A rule for rows; a row that breaks it goes to quarantine."""

    column: str
    minimum: float | None = None
    maximum: float | None = None
    not_after: str = ""
    by: str = Field("instant", pattern="^(instant|day)$")

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.minimum is None and self.maximum is None and not self.not_after:
            raise ValueError("a [[check]] has `minimum`, `maximum` or `not_after`")
        return self


class Expect(Strict):
    """What a healthy delivery looks like; one that does not is held for a person."""

    column: str
    median_between: tuple[float, float] | None = None
    null_share_below: float | None = None
    each: str = ""
    monthly: str = ""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.median_between is None and self.null_share_below is None:
            raise ValueError("an [[expect]] has `median_between` or `null_share_below`")
        if self.groups and self.median_between is None:
            raise ValueError("`each` and `monthly` go with `median_between`")
        return self

    @property
    def groups(self) -> tuple[str, ...]:
        """The columns that make the groups whose medians are looked at, too."""
        return tuple(column for column in (self.each, self.monthly) if column)


class TableMapping(Strict):
    """How the rows of one table become events."""

    file: str
    subject: str
    key: tuple[str, ...] = ()
    timezone: str = "UTC"
    delimiter: str = ","
    missing: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    full_export: bool = False
    event: tuple[EventMapping, ...] = Field(min_length=1)
    check: tuple[Check, ...] = ()
    expect: tuple[Expect, ...] = ()

    @field_validator("delimiter")
    @classmethod
    def _separates(cls, delimiter: str) -> str:
        if delimiter not in DELIMITERS:
            raise ValueError(f"a delimiter is one of {' '.join(map(repr, DELIMITERS))}")
        return delimiter

    @field_validator("timezone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"no such time zone: {name}") from None
        return name

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that the mapping reads, once, in order of first use."""
        checked = [c for check in self.check for c in (check.column, check.not_after) if c]
        events = [c for event in self.event for c in event.columns]
        expected = [c for expect in self.expect for c in (expect.column, *expect.groups)]
        return tuple(dict.fromkeys([self.subject, *self.key, *events, *checked, *expected]))


def load_mapping(path: Path) -> TableMapping:
    """Read a mapping.

    Raises
    ------
    SpecRefused
        It is no TOML, has unknown keys, or contradicts itself; the message names the place.
    """
    return load_toml(path, TableMapping)
