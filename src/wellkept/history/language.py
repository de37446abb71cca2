"""Features as expressions over a patient's past.

An expression is a description, not data: ``past.of("ARRIVAL//LOBBY_WAIT").within("90d").mean()``. It has a JSON
form, so that a bundle carries its own features. `past` holds what was *known* at the prediction time; windows are
counted by when things *happened*. There is no word for anything later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from wellkept.durations import microseconds
from wellkept.errors import SpecRefused

COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
NUMERIC = ("count", "sum", "mean", "max", "min", "last", "first", "since", "since_first")
TEXTUAL = ("last_text", "last_code")


class Expression:
    """Anything that gives one value at a prediction point; null where it cannot be known."""

    def __add__(self, other: Expression | float) -> Expression:
        return Operation("+", self, _expression(other))

    def __sub__(self, other: Expression | float) -> Expression:
        return Operation("-", self, _expression(other))

    def __mul__(self, other: Expression | float) -> Expression:
        return Operation("*", self, _expression(other))

    def __truediv__(self, other: Expression | float) -> Expression:
        """Null where `other` is zero."""
        return Operation("/", self, _expression(other))

    def __lt__(self, other: Expression | float) -> Expression:
        return Operation("<", self, _expression(other))

    def __le__(self, other: Expression | float) -> Expression:
        return Operation("<=", self, _expression(other))

    def __gt__(self, other: Expression | float) -> Expression:
        return Operation(">", self, _expression(other))

    def __ge__(self, other: Expression | float) -> Expression:
        return Operation(">=", self, _expression(other))

    def equals(self, other: Expression | float | str) -> Expression:
        """1 where both are equal, 0 where they differ, null where either is."""
        return Operation("==", self, _expression(other))

    def differs(self, other: Expression | float | str) -> Expression:
        """1 where both differ, 0 where they are equal, null where either is."""
        return Operation("!=", self, _expression(other))

    def coalesce(self, *others: Expression | float | str) -> Expression:
        """The first of these that is not null."""
        return Coalesce((self, *map(_expression, others)))

    def where(self, condition: Expression) -> Expression:
        """The same number where the condition is 1, null where it is 0 or null."""
        return self / condition

    @property
    def is_text(self) -> bool:
        """Does it give a category instead of a number?"""
        return False

    def aggregates(self) -> Iterator[Aggregate]:
        """Every question to the past that this expression asks."""
        return iter(())

    def to_json(self) -> Any:
        """Plain lists, dicts, numbers and strings; `expression_from` reads them back."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(Expression):
    """A number or a category."""

    value: float | str

    @property
    def is_text(self) -> bool:
        return isinstance(self.value, str)

    def to_json(self) -> float | str:
        return self.value


@dataclass(frozen=True)
class Year(Expression):
    """The prediction time in mean calendar years: 2025.5 is the middle of 2025."""

    def to_json(self) -> dict:
        return {"moment": "year"}


@dataclass(frozen=True)
class Operation(Expression):
    """Arithmetic or a comparison (1, 0 or null)."""

    operator: str
    left: Expression
    right: Expression

    def __post_init__(self) -> None:
        if self.operator not in (*"+-*/", *COMPARISONS):
            raise SpecRefused("operator", f"no such operator: {self.operator!r}")
        if self.left.is_text != self.right.is_text or (self.left.is_text and self.operator not in ("==", "!=")):
            raise SpecRefused("operator", f"{self.operator!r} cannot join a number and a category")

    def aggregates(self) -> Iterator[Aggregate]:
        yield from self.left.aggregates()
        yield from self.right.aggregates()

    def to_json(self) -> dict:
        return {"operator": self.operator, "left": self.left.to_json(), "right": self.right.to_json()}


@dataclass(frozen=True)
class Coalesce(Expression):
    """The first part that is not null."""

    parts: tuple[Expression, ...]

    def __post_init__(self) -> None:
        if len({part.is_text for part in self.parts}) != 1:
            raise SpecRefused("operator", "coalesce cannot join a number and a category")

    @property
    def is_text(self) -> bool:
        return self.parts[0].is_text

    def aggregates(self) -> Iterator[Aggregate]:
        for part in self.parts:
            yield from part.aggregates()

    def to_json(self) -> dict:
        return {"coalesce": [part.to_json() for part in self.parts]}


@dataclass(frozen=True)
class Selection:
    """Some of the past events: of these codes, in this window, with these values.

    `codes` may end in ``*`` (any ending). `conditions` are (column, comparison, constant) with column ``value``
    or ``text``. `window` is a duration back from the prediction time, by when the events happened.
    """

    codes: tuple[str, ...]
    window: str | None = None
    conditions: tuple[tuple[str, str, float | str], ...] = ()
    in_encounter: bool = False

    def within(self, window: str) -> Selection:
        """Only what happened less than `window` before the prediction time."""
        microseconds(window)
        return replace(self, window=window)

    def valued(self, comparison: str, number: float) -> Selection:
        """Only events whose number compares so: ``valued("<=", 6)``."""
        return self._where("value", comparison, float(number))

    def saying(self, text: str) -> Selection:
        """Only events with this category."""
        return self._where("text", "==", text)

    def same_encounter(self) -> Selection:
        """Only events of the encounter that the prediction point belongs to."""
        return replace(self, in_encounter=True)

    def count(self) -> Aggregate:
        """How many events; 0 when there is none."""
        return Aggregate("count", self)

    def sum(self) -> Aggregate:
        """Sum of the numbers, exact to 1e-12; null when there is none."""
        return Aggregate("sum", self)

    def mean(self) -> Aggregate:
        """Mean of the numbers; null when there is none."""
        return Aggregate("mean", self)

    def max(self) -> Aggregate:
        """Largest number; null when there is none."""
        return Aggregate("max", self)

    def min(self) -> Aggregate:
        """Smallest number; null when there is none."""
        return Aggregate("min", self)

    def last(self) -> Aggregate:
        """The latest number; null when there is none."""
        return Aggregate("last", self)

    def first(self) -> Aggregate:
        """The earliest number; null when there is none."""
        return Aggregate("first", self)

    def since(self) -> Aggregate:
        """Days since the latest event happened; null when there is none."""
        return Aggregate("since", self)

    def since_first(self) -> Aggregate:
        """Days since the earliest event happened; null when there is none."""
        return Aggregate("since_first", self)

    def last_text(self) -> Aggregate:
        """The latest category; null when there is none."""
        return Aggregate("last_text", self)

    def last_code(self) -> Aggregate:
        """The code of the latest event; null when there is none."""
        return Aggregate("last_code", self)

    def share_of(self, others: Selection) -> Expression:
        """How many of these for each of `others`; null when there are no others."""
        return self.count() / others.count()

    def _where(self, column: str, comparison: str, constant: float | str) -> Selection:
        if comparison not in COMPARISONS:
            raise SpecRefused("operator", f"no such comparison: {comparison!r}")
        return replace(self, conditions=(*self.conditions, (column, comparison, constant)))


@dataclass(frozen=True)
class Aggregate(Expression):
    """One value made of the selected events."""

    how: str
    selection: Selection

    def __post_init__(self) -> None:
        if self.how not in (*NUMERIC, *TEXTUAL):
            raise SpecRefused("aggregate", f"no such aggregate: {self.how!r}")

    @property
    def is_text(self) -> bool:
        return self.how in TEXTUAL

    def aggregates(self) -> Iterator[Aggregate]:
        yield self

    def to_json(self) -> dict:
        chosen = self.selection
        return {
            "how": self.how,
            "codes": list(chosen.codes),
            **({"window": chosen.window} if chosen.window else {}),
            **({"conditions": [list(c) for c in chosen.conditions]} if chosen.conditions else {}),
            **({"in_encounter": True} if chosen.in_encounter else {}),
        }


class History:
    """What is known of one patient at a prediction point."""

    def of(self, *codes: str) -> Selection:
        """The events of these codes; a code may end in ``*``."""
        if not codes or not all(codes):
            raise SpecRefused("codes", "of() needs at least one code")
        return Selection(tuple(codes))

    def year(self) -> Year:
        """The prediction time in years, to subtract a year on record from."""
        return Year()


past = History()


def expression_from(data: Any) -> Expression:
    """Read an expression's JSON form."""
    if isinstance(data, int | float | str):
        return Constant(data)
    if not isinstance(data, Mapping):
        raise SpecRefused("expression", "an expression is a number, a category or an object")
    if data.get("moment") == "year":
        return Year()
    if "operator" in data:
        return Operation(data["operator"], expression_from(data["left"]), expression_from(data["right"]))
    if "coalesce" in data:
        return Coalesce(tuple(map(expression_from, data["coalesce"])))
    conditions = tuple((column, comparison, constant) for column, comparison, constant in data.get("conditions", ()))
    chosen = Selection(tuple(data["codes"]), data.get("window"), conditions, data.get("in_encounter", False))
    return Aggregate(data["how"], chosen)


def _expression(value: Expression | float | str) -> Expression:
    return value if isinstance(value, Expression) else Constant(value)
