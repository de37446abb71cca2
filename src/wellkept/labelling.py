"""Points and labels: for whom and when a risk is stated, and whether it came true.

`cohort` gives the training points, `scoring_points` those of one night, `labels` says true, false or null (not
known). A label is known once its whole window has been observed; one that is tied to an encounter, once that
encounter's event has come. `known_at` says since when, so that nothing is trained on what was not known yet.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.contracts import LABELS, POINTS, TIME
from wellkept.durations import delta, microseconds
from wellkept.errors import SpecRefused
from wellkept.history import Expression, FeatureQuery, engine, past
from wellkept.journeys import Snapshot
from wellkept.spec import Points

SAME_ENCOUNTER = "AND e.encounter_id = p.encounter_id"
CONDITION = re.compile(r"(?P<code>\S+) (?P<compare><=|>=|==|!=|<|>) (?P<constant>\S+|\"[^\"]*\")")


@dataclass(frozen=True)
class Question:
    """What a target's part makes of a sentence: SQL that gives point, label and answered (when it became known).

    `codes` (each may end in ``*``) are those that the label is read from; `is_answer` says that no event of them
    leaves the label not known.
    """

    sql: str
    window: str
    tied_to_encounter: bool = False
    codes: tuple[str, ...] = ()
    is_answer: bool = False


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
    end = pc.add(points["prediction_time"], pa.scalar(delta(asked.window), pa.duration("us")))
    answered = pc.cast(answers["answered"], pa.timestamp("us")).cast(TIME)
    known_at = answered if asked.tied_to_encounter else end
    seen = pc.less_equal(known_at, pa.scalar(snapshot.observed_until, TIME))
    label = pc.if_else(pc.fill_null(seen, fill_value=False), answers["label"], pa.scalar(None, pa.bool_()))
    return LABELS.check(POINTS.check(points).append_column("label", label).append_column("known_at", known_at))


def cohort(snapshot: Snapshot, spec: Points) -> pa.Table:
    """Every point of the past at which the risk could have been stated, sorted by time and subject."""
    if spec.at is not None:
        return _chosen(snapshot, _at(snapshot, spec.at), spec.where)
    until = int(snapshot.observed_until.timestamp() * 1e6)
    selects = [
        f"""SELECT subject_id, known + {microseconds(after)} AS moment, encounter_id FROM occasions
            WHERE known + {microseconds(after)} <= {until}
              AND (next IS NULL OR next > known + {microseconds(after)} OR {microseconds(after)} = 0)"""
        for after in spec.after
    ]
    table = engine.totals(
        f"""WITH occasions AS (
              SELECT subject_id, known, encounter_id,
                     LEAD(known) OVER (PARTITION BY subject_id ORDER BY known, sequence) AS next
              FROM events e WHERE ({sql_any_code([spec.each])}) AND happened IS NOT NULL)
            {' UNION '.join(selects)}""",
        snapshot,
    )
    return _chosen(snapshot, _points(table), spec.where)


def scoring_points(snapshot: Snapshot, spec: Points, as_of: datetime) -> pa.Table:
    """Whom to score at `as_of`: whoever's latest occasion is known by then and not older than `active`."""
    if spec.at is not None:
        return _chosen(snapshot, _at(snapshot, as_of), spec.where)
    at = int(as_of.timestamp() * 1e6)
    per = "subject_id" if spec.per == "subject" else "subject_id, encounter_id"
    table = engine.totals(
        f"""SELECT subject_id, CAST({at} AS BIGINT) AS moment, MAX_BY(encounter_id, sequence) AS encounter_id
            FROM events e WHERE ({sql_any_code([spec.each])}) AND happened IS NOT NULL
             AND known <= {at} AND known > {at - microseconds(spec.active)} GROUP BY {per}""",
        snapshot,
    )
    return _chosen(snapshot, _points(table), spec.where)


def _at(snapshot: Snapshot, at: datetime) -> pa.Table:
    micros = int(at.timestamp() * 1e6)
    table = engine.totals(
        f"SELECT DISTINCT subject_id, CAST({micros} AS BIGINT) AS moment, CAST(NULL AS VARCHAR) AS encounter_id "
        f"FROM events WHERE known <= {micros}",
        snapshot,
    )
    return _points(table)


def _points(table: pa.Table) -> pa.Table:
    times = pc.cast(table["moment"], pa.timestamp("us")).cast(TIME)
    points = pa.table({"subject_id": table["subject_id"], "prediction_time": times,
                       "encounter_id": table["encounter_id"]})
    order = [("prediction_time", "ascending"), ("subject_id", "ascending"), ("encounter_id", "ascending")]
    return POINTS.check(points.sort_by(order))


def _chosen(snapshot: Snapshot, points: pa.Table, where: tuple[str, ...]) -> pa.Table:
    """The points at which every condition on the last known values holds."""
    if not where or points.num_rows == 0:
        return points
    conditions = {f"c{i}": _condition(text) for i, text in enumerate(where)}
    held = FeatureQuery(conditions).run(snapshot, points)
    true = [pc.fill_null(pc.equal(held[name], 1.0), fill_value=False).to_numpy() for name in conditions]
    return points.filter(pa.array(np.logical_and.reduce(true)))


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
