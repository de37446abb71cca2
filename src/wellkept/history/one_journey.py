"""The same features of one patient's journey at a time, without a query: to the bits that the query gives.

A query spends five microseconds on each of its thousand steps, whether for one patient or for a thousand. Here an
expression becomes functions, made once, over rows in the order of the store. The query stays what features mean: the
service holds each bundle's functions against it before it uses them (`serving.agreeing`).
"""

from __future__ import annotations

import ctypes
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from wellkept.durations import DAY, microseconds
from wellkept.errors import SpecRefused
from wellkept.history.language import Aggregate, Coalesce, Constant, Expression, Operation, Selection, Year
from wellkept.history.query import MEAN_YEAR

Row = tuple[Any, ...]  # of the columns FIELDS; times in microseconds, `known` null where it was since ever
FIELDS = ("subject_id", "happened", "known", "code", "value", "text", "encounter_id", "site", "clinician")
SUBJECT, HAPPENED, KNOWN, CODE, VALUE, TEXT, ENCOUNTER = range(7)
UNIT = 10**12  # of the decimals that the query adds up
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne}
ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}

Value = float | str | None
Figures = Sequence[Any]  # what the aggregates are, then the moment


class TooLarge(ArithmeticError):
    """A number on the way is larger than a double: only the query says what then."""


class Past(NamedTuple):
    """What is known of one patient at a point; `of_code` has the same rows by their code."""

    rows: Sequence[Row]
    of_code: Mapping[str, Sequence[Row]]
    moment: int
    encounter_id: str | None


class JourneyFeatures:
    """Many features of one journey.

    Parameters
    ----------
    columns
        Expression by column name, as `FeatureQuery` takes them.

    Raises
    ------
    SpecRefused
        A condition asks for what only the query has a word for.

    Examples
    --------
    >>> from wellkept.history import past
    >>> calls = JourneyFeatures({"calls_90d": past.of("CALL//HOLD").within("90d").count()})
    >>> calls.at(100, None, [(1, 60, 60, "CALL//HOLD", 240.0, None, None, None, None)])
    {'calls_90d': 1.0}
    """

    def __init__(self, columns: Mapping[str, Expression]) -> None:
        asked = list(dict.fromkeys(a for expression in columns.values() for a in expression.aggregates()))
        chosen = list(dict.fromkeys(aggregate.selection for aggregate in asked))
        self._selections = [_selecting(selection) for selection in chosen]
        self._aggregates = [(chosen.index(aggregate.selection), AGGREGATES[aggregate.how]) for aggregate in asked]
        place = {aggregate: i for i, aggregate in enumerate(asked)}
        self._texts = [(n, _function(e, place)) for n, e in columns.items() if e.is_text]
        self._numbers = [(n, _function(e, place)) for n, e in columns.items() if not e.is_text]

    def at(self, moment: int, encounter_id: str | None, rows: Sequence[Row]) -> dict[str, Value]:
        """The features at a moment (microseconds), by column name; numbers as float32 holds them.

        `rows` are one patient's, in the order in which the journey store sorts them.

        Raises
        ------
        TooLarge
            Ask the query.
        """
        past = _past(rows, moment, encounter_id)
        selected = [select(past) for select in self._selections]
        figures = [aggregate(selected[i], moment) for i, aggregate in self._aggregates]
        figures.append(moment)
        found: dict[str, Value] = {name: function(figures) for name, function in self._texts}
        for name, function in self._numbers:
            found[name] = _single(function(figures))
        return found


def usable(row: Row, moment: int) -> bool:
    """Was it known by then?"""
    return row[KNOWN] is None or row[KNOWN] <= moment


def naming(codes: Sequence[str]) -> Callable[[str], bool]:
    """Tells these codes from others; a trailing * stands for any ending."""
    exact, beginnings = _told_apart(codes)
    return lambda code: code in exact or code.startswith(beginnings)


def _past(rows: Sequence[Row], moment: int, encounter_id: str | None) -> Past:
    known = [row for row in rows if usable(row, moment)]
    of_code: dict[str, list[Row]] = {}
    for row in known:
        of_code.setdefault(row[CODE], []).append(row)
    return Past(known, of_code, moment, encounter_id)


def _told_apart(codes: Sequence[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    return frozenset(c for c in codes if not c.endswith("*")), tuple(c[:-1] for c in codes if c.endswith("*"))


def _selecting(chosen: Selection) -> Callable[[Past], Sequence[Row]]:
    """The rows of a selection."""
    find, conditions = _finding(chosen.codes), [_condition(*condition) for condition in chosen.conditions]
    window = microseconds(chosen.window) if chosen.window else None

    def select(past: Past) -> Sequence[Row]:
        rows = find(past)
        if rows and window is not None:
            after = past.moment - window
            rows = [row for row in rows if row[HAPPENED] is not None and row[HAPPENED] > after]
        if rows and chosen.in_encounter:
            rows = [r for r in rows if r[ENCOUNTER] is not None and r[ENCOUNTER] == past.encounter_id]
        for holds in conditions:
            rows = [row for row in rows if holds(row)]
        return rows

    return select


def _finding(codes: Sequence[str]) -> Callable[[Past], Sequence[Row]]:
    """All known rows of these codes, in their order."""
    exact, beginnings = _told_apart(codes)
    if len(exact) == 1 and not beginnings:
        (code,) = exact
        return lambda past: past.of_code.get(code, ())
    is_one = naming(codes)

    def find(past: Past) -> Sequence[Row]:
        there = {code for code in past.of_code if is_one(code)}
        if len(there) == 1:
            return past.of_code[there.pop()]
        return [row for row in past.rows if row[CODE] in there] if there else ()

    return find


def _condition(column: str, comparison: str, constant: float | str) -> Callable[[Row], bool]:
    at = {("value", False): VALUE, ("text", True): TEXT}.get((column, isinstance(constant, str)))
    if at is None or comparison not in COMPARE:
        raise SpecRefused("condition", f"no such condition: {column} {comparison}")
    compare, with_this = COMPARE[comparison], constant if isinstance(constant, str) else float(constant)
    return lambda row: row[at] is not None and compare(row[at], with_this)


def _function(expression: Expression, place: Mapping[Aggregate, int]) -> Callable[[Figures], Any]:
    """What an expression is, of the figures."""
    match expression:
        case Aggregate():
            return operator.itemgetter(place[expression])
        case Constant(value=value):
            constant = value if isinstance(value, str) else float(value)
            return lambda _: constant
        case Year():
            return lambda figures: 1970 + figures[-1] / float(MEAN_YEAR)
        case Coalesce(parts=parts):
            return _first([_function(part, place) for part in parts])
        case Operation(operator=sign, left=left, right=right) if sign in ARITHMETIC:
            return _arithmetic(sign, _function(left, place), _function(right, place))
        case Operation(operator=sign, left=left, right=right):
            return _comparison(COMPARE[sign], _function(left, place), _function(right, place))
    raise SpecRefused("expression", f"cannot read {type(expression).__name__}")


def _first(parts: Sequence[Callable[[Figures], Any]]) -> Callable[[Figures], Any]:
    return lambda figures: next((value for part in parts if (value := part(figures)) is not None), None)


def _arithmetic(
    sign: str, left: Callable[[Figures], Any], right: Callable[[Figures], Any]
) -> Callable[[Figures], float | None]:
    calculate, divides = ARITHMETIC[sign], sign == "/"

    def result(figures: Figures) -> float | None:
        one, other = left(figures), right(figures)
        if one is None or other is None or (divides and other == 0):
            return None
        value = calculate(one, other)
        if not math.isfinite(value):
            raise TooLarge
        return value

    return result


def _comparison(
    compare: Callable[[Any, Any], bool], left: Callable[[Figures], Any], right: Callable[[Figures], Any]
) -> Callable[[Figures], float | None]:
    def result(figures: Figures) -> float | None:
        one, other = left(figures), right(figures)
        return None if one is None or other is None else float(compare(one, other))

    return result


def _numbers(rows: Sequence[Row]) -> list[float]:
    return [row[VALUE] for row in rows if row[VALUE] is not None]


def _exact(value: float) -> int:
    """In units of 1e-12, halves away from zero, as the query makes a decimal of a number."""
    scaled = abs(value) * UNIT
    whole = int(scaled)
    whole += scaled - whole >= 0.5
    return whole if value > 0 else -whole


def _count(rows: Sequence[Row], _moment: int) -> float:
    return float(len(rows))


def _sum(rows: Sequence[Row], _moment: int) -> float | None:
    """Added up without an error, and rounded once."""
    values = _numbers(rows)
    return sum(map(_exact, values)) / UNIT if values else None


def _mean(rows: Sequence[Row], _moment: int) -> float | None:
    values = _numbers(rows)
    return sum(map(_exact, values)) / UNIT / len(values) if values else None


def _max(rows: Sequence[Row], _moment: int) -> float | None:
    return max(_numbers(rows), default=None)


def _min(rows: Sequence[Row], _moment: int) -> float | None:
    return min(_numbers(rows), default=None)


def _last(rows: Sequence[Row], _moment: int) -> float | None:
    return next((row[VALUE] for row in reversed(rows) if row[VALUE] is not None), None)


def _first_number(rows: Sequence[Row], _moment: int) -> float | None:
    return next((row[VALUE] for row in rows if row[VALUE] is not None), None)


def _since(rows: Sequence[Row], moment: int) -> float | None:
    """Of the latest; static facts happened at no time, and stand first."""
    happened = rows[-1][HAPPENED] if rows else None
    return None if happened is None else (moment - happened) / DAY


def _since_first(rows: Sequence[Row], moment: int) -> float | None:
    happened = next((row[HAPPENED] for row in rows if row[HAPPENED] is not None), None)
    return None if happened is None else (moment - happened) / DAY


def _last_text(rows: Sequence[Row], _moment: int) -> str | None:
    return next((row[TEXT] for row in reversed(rows) if row[TEXT] is not None), None)


def _last_code(rows: Sequence[Row], _moment: int) -> str | None:
    return rows[-1][CODE] if rows else None


AGGREGATES: dict[str, Callable[[Sequence[Row], int], Any]] = {
    "count": _count, "sum": _sum, "mean": _mean, "max": _max, "min": _min, "last": _last, "first": _first_number,
    "since": _since, "since_first": _since_first, "last_text": _last_text, "last_code": _last_code,
}  # fmt: skip


def _single(number: float | None) -> float | None:
    """As float32; null where that has no such number."""
    if number is None:
        return None
    single = ctypes.c_float(number).value
    return single if math.isfinite(single) else None
