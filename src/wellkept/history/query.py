"""Compile features into one query over (points x events), in two grouping steps.

Step one groups the usable events by (point, code) with one CASE a window; step two turns each group's figures into
columns by code. The text uses integers (microseconds) for time and 128-bit decimals for sums, so that neither the
order of events nor the number of threads can change a bit of the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Unpack

import pyarrow as pa

from wellkept.contracts import POINTS
from wellkept.durations import microseconds
from wellkept.errors import SpecRefused
from wellkept.history import engine
from wellkept.history.language import Aggregate, Coalesce, Constant, Expression, Operation, Selection, Year
from wellkept.journeys import Snapshot

MEAN_YEAR = 31_556_952 * 10**6  # microseconds, of the Gregorian calendar
SQL_OPERATORS = {"==": "=", "!=": "<>"}


class FeatureQuery:
    """One compiled query for many features.

    Parameters
    ----------
    columns
        Expression by column name.

    Examples
    --------
    >>> from wellkept.history import past
    >>> FeatureQuery({"calls_90d": past.of("CALL//HOLD").within("90d").count()}).columns
    ['calls_90d']
    """

    def __init__(self, columns: Mapping[str, Expression]) -> None:
        if not columns:
            raise SpecRefused("features", "there are no features to compute")
        self.columns = list(columns)
        self.sql = _Compiler().compile(columns)

    def run(self, snapshot: Snapshot, points: pa.Table, **limits: Unpack[engine.Limits]) -> pa.Table:
        """Features at many points of a snapshot, shard by shard, in the order of `points`."""
        return engine.at_points(self.sql, snapshot, POINTS.check(points), **limits)

    def run_on(self, events: pa.Table, points: pa.Table, **limits: Unpack[engine.Limits]) -> pa.Table:
        """The same query over events at hand, sorted as the journey store sorts them (one patient, online)."""
        return engine.at_points_of(self.sql, events, POINTS.check(points), **limits)


class _Compiler:
    """Collects the figures of step one and the columns of step two while it walks the expressions."""

    def __init__(self) -> None:
        self.figures: dict[str, str] = {}
        self.leaves: dict[str, str] = {}

    def compile(self, columns: Mapping[str, Expression]) -> str:
        outputs = [f"{self._output(expression)} AS {_name(name)}" for name, expression in columns.items()]
        codes = {c for e in columns.values() for a in e.aggregates() for c in a.selection.codes}
        if not codes:
            raise SpecRefused("features", "at least one feature must ask something of the past")
        figures = [f"{sql} AS {name}" for sql, name in self.figures.items()]
        leaves = [f"{sql} AS {name}" for sql, name in self.leaves.items()]
        return f"""
WITH usable AS (
  SELECT p.point, e.code, p.moment - e.happened AS age, e.sequence, e.value, e.text,
         CAST(e.value AS DECIMAL(38, 12)) AS exact, e.encounter_id = p.encounter_id AS same_encounter
  FROM points p JOIN events e ON e.subject_id = p.subject_id
  WHERE e.known <= p.moment AND ({_any_code(sorted(codes), "e.code")})
), by_code AS (
  SELECT point, code, {_lines(figures)}
  FROM usable GROUP BY point, code
), by_point AS (
  SELECT point, {_lines(leaves)}
  FROM by_code GROUP BY point
)
SELECT p.point, {_lines(outputs)}
FROM points p LEFT JOIN by_point b ON b.point = p.point"""

    def _output(self, expression: Expression) -> str:
        sql = self._sql(expression)
        return sql if expression.is_text else f"TRY_CAST({sql} AS FLOAT)"

    def _sql(self, expression: Expression) -> str:
        match expression:
            case Constant(value=str() as text):
                return _text(text)
            case Constant(value=number):
                return f"CAST({number!r} AS DOUBLE)"
            case Year():
                return f"(1970 + p.moment / CAST({MEAN_YEAR} AS DOUBLE))"
            case Coalesce(parts=parts):
                return f"COALESCE({', '.join(map(self._sql, parts))})"
            case Operation(operator="/", left=left, right=right):
                return f"({self._sql(left)} / NULLIF({self._sql(right)}, 0))"
            case Operation(operator=operator, left=left, right=right):
                joined = f"({self._sql(left)} {SQL_OPERATORS.get(operator, operator)} {self._sql(right)})"
                return joined if operator in "+-*" else f"CAST({joined} AS DOUBLE)"
            case Aggregate():
                return self._aggregate(expression)
        raise SpecRefused("expression", f"cannot compile {type(expression).__name__}")

    def _aggregate(self, aggregate: Aggregate) -> str:
        """What an aggregate is in the last SELECT, in terms of step two's columns."""
        chosen = aggregate.selection
        match aggregate.how:
            case "count":
                return f"COALESCE(CAST({self._leaf('SUM', self._count(chosen), chosen)} AS DOUBLE), 0)"
            case "sum":
                return self._total(chosen)
            case "mean":
                numbered = replace(chosen, conditions=(*chosen.conditions, ("value", "known", 0)))
                total, count = self._total(chosen), self._leaf("SUM", self._count(numbered), chosen)
                return f"({total} / CAST({count} AS DOUBLE))"
            case "max" | "min" as extreme:
                figure = self._figure(f"{extreme.upper()}({_when(chosen, 'value')})")
                return f"CAST({self._leaf(extreme.upper(), figure, chosen)} AS DOUBLE)"
            case "since" | "since_first" as which:
                end = "MIN" if which == "since" else "MAX"
                figure = self._figure(f"{end}({_when(chosen, 'age')})")
                return f"({self._leaf(end, figure, chosen)} / CAST(86400000000 AS DOUBLE))"
            case "last_code":
                return self._extreme_by("MAX", "code", self._figure(f"MAX({_when(chosen, 'sequence')})"), chosen)
            case "last":
                return f"CAST({self._nearest('MAX', 'value', chosen)} AS DOUBLE)"
            case "first":
                return f"CAST({self._nearest('MIN', 'value', chosen)} AS DOUBLE)"
        return self._nearest("MAX", "text", chosen)

    def _count(self, chosen: Selection) -> str:
        return self._figure(f"COUNT({_when(chosen, '1')})")

    def _total(self, chosen: Selection) -> str:
        """The sum, rounded to a double only once it is whole."""
        exact = f"SUM({_when(chosen, 'exact')})"
        if _is_one_code(chosen):
            return self._leaf("MAX", self._figure(f"CAST({exact} AS DOUBLE)"), chosen)
        return f"CAST({self._leaf('SUM', self._figure(exact), chosen)} AS DOUBLE)"

    def _nearest(self, extreme: str, column: str, chosen: Selection) -> str:
        """The value of the latest or earliest selected event that has one."""
        has = replace(chosen, conditions=(*chosen.conditions, (column, "known", 0)))
        position = _when(has, "sequence")
        value = self._figure(f"{extreme}_BY({column}, {position})")
        if _is_one_code(chosen):
            return self._leaf("MAX", value, chosen)
        return self._extreme_by(extreme, value, self._figure(f"{extreme}({position})"), chosen)

    def _extreme_by(self, extreme: str, value: str, position: str, chosen: Selection) -> str:
        """A code's figure (or name), of the selected code whose position is the extreme."""
        leaf = f"{extreme}_BY({value}, CASE WHEN {_any_code(chosen.codes, 'code')} THEN {position} END)"
        return self.leaves.setdefault(leaf, f"l{len(self.leaves)}")

    def _figure(self, sql: str) -> str:
        return self.figures.setdefault(sql, f"f{len(self.figures)}")

    def _leaf(self, combine: str, figure: str, chosen: Selection) -> str:
        if _is_one_code(chosen):
            combine = "MAX"  # there is one figure to combine, and this costs least
        sql = f"{combine}(CASE WHEN {_any_code(chosen.codes, 'code')} THEN {figure} END)"
        return self.leaves.setdefault(sql, f"l{len(self.leaves)}")


def _is_one_code(chosen: Selection) -> bool:
    return len(chosen.codes) == 1 and not chosen.codes[0].endswith("*")


def _when(chosen: Selection, value: str) -> str:
    """`value` of the events of a selection, null for others (codes are told apart by the grouping)."""
    parts = []
    if chosen.window:
        parts.append(f"age < {microseconds(chosen.window)}")
    if chosen.in_encounter:
        parts.append("same_encounter")
    for column, comparison, constant in chosen.conditions:
        if comparison == "known":
            parts.append(f"{column} IS NOT NULL")
        else:
            literal = _text(constant) if isinstance(constant, str) else f"CAST({float(constant)!r} AS DOUBLE)"
            parts.append(f"{column} {SQL_OPERATORS.get(comparison, comparison)} {literal}")
    return f"CASE WHEN {' AND '.join(parts)} THEN {value} END" if parts else value


def _any_code(codes: tuple[str, ...] | list[str], column: str) -> str:
    """SQL that is true for these codes; a trailing * stands for any ending."""
    exact = [c for c in codes if not c.endswith("*")]
    parts = [f"{column} IN ({', '.join(map(_text, exact))})"] if len(exact) > 1 else []
    parts += [f"{column} = {_text(exact[0])}"] if len(exact) == 1 else []
    parts += [f"SUBSTR({column}, 1, {len(c) - 1}) = {_text(c[:-1])}" for c in codes if c.endswith("*")]
    return " OR ".join(parts)


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _lines(parts: list[str]) -> str:
    return ",\n         ".join(parts)
