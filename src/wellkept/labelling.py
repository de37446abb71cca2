"""Points and labels: for whom and when a risk is stated, and whether it came true.

`cohort` gives the training points, `scoring_points` those of one night, `labels` says true, false or null (not
known). `known_at` says since when a label is known, so that nothing is trained on what was not known yet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.contracts import LABELS, POINTS, TIME
from wellkept.durations import microseconds
from wellkept.errors import SpecRefused
from wellkept.history import Expression, FeatureQuery, engine, past
from wellkept.journeys import Snapshot
from wellkept.spec import Points

SAME_ENCOUNTER = "AND e.encounter_id = p.encounter_id"
CONDITION = re.compile(r"(?P<code>\S+) (?P<compare><=|>=|==|!=|<|>) (?P<constant>\S+|\"[^\"]*\")")


@dataclass(frozen=True)
class Question:
    """What a target's part makes of a sentence: SQL that gives one row a point, with `label` and `known`.

    `known` is since when the label is known, in microseconds since 1970; null means that it never will be. `codes`
    (each may end in ``*``) are those that the label is read from; `is_answer` says that no event of them leaves the
    label not known; `graded` that a column `grade` has the whole answer (1) or its negative (-1), such that the smaller
    it is the more the label is true.
    `seen_until`, of a target that waits for a return, makes SQL of what is known at a moment (microseconds): one row a
    point with its `moment`, the visit before it (`visited`, `kind`, `deadline`) and when the patient `returned` after
    it or the chance to do so `ended`.
    """

    sql: str
    codes: tuple[str, ...]
    is_answer: bool = False
    graded: int = 0
    seen_until: Callable[[int], str] | None = None


def question(sentence: str, parts: dict[str, ModuleType]) -> Question:
    """Let each part of targets/ try the sentence.

    Raises
    ------
    SpecRefused
        None of them can read it.
    """
    for part in parts.values():
        if found := part.parse(sentence):
            return found
    known = "; ".join(f"{part.EXAMPLE!r} ({name})" for name, part in parts.items())
    raise SpecRefused("label", f"no target understands {sentence!r}; examples that one does: {known}")


def labels(snapshot: Snapshot, points: pa.Table, asked: Question) -> pa.Table:
    """Label each point with what is known by the end of the snapshot."""
    answers = engine.at_points(asked.sql, snapshot, points)
    known_at = pc.cast(answers["known"], pa.timestamp("us")).cast(TIME)
    seen = pc.less_equal(known_at, pa.scalar(snapshot.observed_until, TIME))
    label = pc.if_else(pc.fill_null(seen, fill_value=False), answers["label"], pa.scalar(None, pa.bool_()))
    table = POINTS.check(points).append_column("label", label).append_column("known_at", known_at)
    return LABELS.check(table.append_column("grade", answers["grade"]) if asked.graded else table)


def cohort(snapshot: Snapshot, spec: Points) -> pa.Table:
    """Every point of the past at which the risk could have been stated, sorted by time and subject."""
    if spec.at is not None:
        return _chosen(snapshot, _at(snapshot, spec, spec.at), spec)
    until = int(snapshot.observed_until.timestamp() * 1e6)
    selects = [
        f"""SELECT subject_id, known + {microseconds(after)} AS moment, encounter_id FROM occasions e
            WHERE known + {microseconds(after)} <= {until}
              AND (next IS NULL OR next > known + {microseconds(after)} OR {microseconds(after)} = 0)
              AND {_at_most_as_old(spec, microseconds(after))}"""
        for after in spec.after
    ]
    table = engine.totals(
        f"""WITH occasions AS (
              SELECT subject_id, known, encounter_id, text,
                     LEAD(known) OVER (PARTITION BY subject_id ORDER BY known, sequence) AS next
              FROM events e WHERE ({sql_any_code([spec.each])}) AND happened IS NOT NULL)
            {' UNION '.join(selects)}""",
        snapshot,
    )
    return _chosen(snapshot, _points(table), spec)


def first_points(snapshot: Snapshot, spec: Points) -> pa.Table:
    """The training points at the first of the model's moments after each occasion."""
    return cohort(snapshot, spec.model_copy(update={"after": (min(spec.after, key=microseconds),)}))


def scoring_points(snapshot: Snapshot, spec: Points, as_of: datetime) -> pa.Table:
    """Whom to score at `as_of`: whoever's latest occasion is known by then and not older than `active`."""
    return _chosen(snapshot, _at(snapshot, spec, as_of), spec)


def scoring_sql(spec: Points, at: str) -> str:
    """SQL for whom to score at the moment `at` (SQL too): one row each, before the conditions of `where` and `unless`.

    The nightly run asks it of everybody, the service of one patient.
    """
    if spec.at is not None:
        return (f"SELECT DISTINCT subject_id, CAST({at} AS BIGINT) AS moment, CAST(NULL AS VARCHAR) AS encounter_id "
                f"FROM events WHERE known <= {at}")  # fmt: skip
    per = "subject_id" if spec.per == "subject" else "subject_id, encounter_id"
    return f"""SELECT subject_id, CAST({at} AS BIGINT) AS moment, encounter_id
            FROM (SELECT subject_id, MAX(known) AS known, MAX_BY(encounter_id, sequence) AS encounter_id,
                         MAX_BY(text, sequence) AS text
                  FROM events e WHERE ({sql_any_code([spec.each])}) AND happened IS NOT NULL AND known <= {at}
                  GROUP BY {per}) e
            WHERE {_at_most_as_old(spec, f"{at} - known")}"""


def conditions_of(spec: Points) -> dict[str, Expression]:
    """What must be 1 at a point, by name: every condition of `where`, and that nothing of `unless` is known."""
    expected = [*map(_condition, spec.where), *([past.of(*spec.unless).count().equals(0)] if spec.unless else [])]
    return {f"condition {i}": condition for i, condition in enumerate(expected)}


def holding(held: pa.Table, conditions: Iterable[str]) -> np.ndarray:
    """The rows at which every one of these columns is 1."""
    true = [pc.fill_null(pc.equal(held[name], 1.0), fill_value=False).to_numpy() for name in conditions]
    return np.logical_and.reduce(true) if true else np.ones(held.num_rows, bool)


def _at_most_as_old(spec: Points, age: str | int) -> str:
    """SQL that is true where an occasion `e` of this age is not too old for its category."""
    if isinstance(spec.active, str):
        return f"{age} < {microseconds(spec.active)}"
    limits = " ".join(f"WHEN {sql_text(kind)} THEN {microseconds(most)}" for kind, most in spec.active.items())
    return f"{age} < CASE e.text {limits} ELSE 0 END"


def _at(snapshot: Snapshot, spec: Points, at: datetime) -> pa.Table:
    return _points(engine.totals(scoring_sql(spec, str(int(at.timestamp() * 1e6))), snapshot))


def _points(table: pa.Table) -> pa.Table:
    times = pc.cast(table["moment"], pa.timestamp("us")).cast(TIME)
    points = pa.table({"subject_id": table["subject_id"], "prediction_time": times,
                       "encounter_id": table["encounter_id"]})
    order = [("prediction_time", "ascending"), ("subject_id", "ascending"), ("encounter_id", "ascending")]
    return POINTS.check(points.sort_by(order))


def _chosen(snapshot: Snapshot, points: pa.Table, spec: Points) -> pa.Table:
    """The points at which every condition on the last known values holds, and nothing is known that ends it all."""
    conditions = conditions_of(spec)
    if not conditions or points.num_rows == 0:
        return points
    held = FeatureQuery(conditions).run(snapshot, points)
    return points.filter(pa.array(holding(held, conditions)))


def _condition(text: str) -> Expression:
    match = CONDITION.fullmatch(text)
    if not match:
        raise SpecRefused("condition", f"a condition reads like 'PERSON//AGE >= 18' or 'CARE == \"chronic\"': {text!r}")
    events, constant = past.of(match["code"]), match["constant"]
    compare: dict[str, Callable] = {
        "<": lambda e, c: e < c, "<=": lambda e, c: e <= c, ">": lambda e, c: e > c, ">=": lambda e, c: e >= c,
        "==": lambda e, c: e.equals(c), "!=": lambda e, c: e.differs(c),
    }  # fmt: skip
    if constant.startswith('"'):
        return compare[match["compare"]](events.last_text(), constant.strip('"'))
    return compare[match["compare"]](events.last(), float(constant))


def sql_text(text: str) -> str:
    """A literal in SQL."""
    return "'" + text.replace("'", "''") + "'"


def sql_any_code(codes: list[str]) -> str:
    """SQL that is true where `e.code` is one of these; a trailing * stands for any ending."""
    return " OR ".join(
        f"SUBSTR(e.code, 1, {len(c) - 1}) = {sql_text(c[:-1])}" if c.endswith("*") else f"e.code = {sql_text(c)}"
        for c in codes
    )
