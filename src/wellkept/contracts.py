"""The tables that pass between the stages, declared once: columns, types, units and what null means.

Every stage takes and gives `pyarrow.Table`s or `pandas.DataFrame`s that fit one of these contracts.
Events follow MEDS 0.4 (https://github.com/Medical-Event-Data-Standard/meds) with four optional columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from wellkept.errors import Breach, InputRefused

TIME = pa.timestamp("us", tz="UTC")
LARGEST_NUMBER = 1e15  # sums stay exact to 1e-12 in 128-bit decimals below this (history/query.py)


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type, what it says, its unit, and what null means (None: never null)."""

    name: str
    type: pa.DataType
    says: str
    unit: str = ""
    null: str | None = None
    optional: bool = False


@dataclass(frozen=True)
class Table:
    """A named, ordered list of columns that a table must have; what it has beyond them is refused."""

    name: str
    columns: tuple[Column, ...]
    schema: pa.Schema = field(init=False, repr=False)

    def __post_init__(self) -> None:
        fields = [pa.field(c.name, c.type, nullable=c.null is not None) for c in self.columns]
        object.__setattr__(self, "schema", pa.schema(fields))

    def check(self, table: pa.Table) -> pa.Table:
        """Order, fill optional columns and cast; raise one `InputRefused` that lists all breaches."""
        breaches, arrays = [], []
        known = {c.name for c in self.columns}
        breaches += [self._breach("column_not_in_contract", name) for name in table.column_names if name not in known]
        breaches += [
            self._breach("duplicate_column", name)
            for name in dict.fromkeys(table.column_names)
            if table.column_names.count(name) > 1
        ]
        for column in self.columns:
            if table.column_names.count(column.name) > 1:
                continue
            array, rule = self._column(table, column)
            arrays.append(array)
            breaches += [self._breach(rule, column.name)] if rule else []
        if breaches:
            raise InputRefused(breaches[0].rule, f"the table does not fit the contract '{self.name}'", breaches)
        return pa.table(arrays, schema=self.schema)

    def _column(self, table: pa.Table, column: Column) -> tuple[pa.ChunkedArray | pa.Array, str]:
        if column.name not in table.column_names:
            missing = pa.nulls(table.num_rows, column.type)
            return missing, "" if column.optional else "missing_column"
        array = table.column(column.name)
        try:
            array = array.cast(column.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return array, "dtype"
        if pa.types.is_floating(column.type) and not pc.all(pc.is_finite(array), min_count=0).as_py():
            return array, "non_finite"
        return array, "null" if column.null is None and array.null_count else ""

    def _breach(self, rule: str, column: str) -> Breach:
        return Breach(self.name, 0, rule, column)


EVENTS = Table(
    "events",
    (
        Column("subject_id", pa.int64(), "the patient, as the journey store numbers them"),
        Column("time", TIME, "when it became known to the health system", null="always known (static)"),
        Column("code", pa.string(), "what happened: touchpoint and kind, parts joined by //"),
        Column("numeric_value", pa.float32(), "the number that was recorded", null="no number"),
        Column("text_value", pa.string(), "the category or text that was recorded", null="no text"),
        Column("event_at", TIME, "when it happened", null="same as time", optional=True),
        Column("encounter_id", pa.string(), "the encounter that it belongs to", null="none", optional=True),
        Column("site", pa.string(), "where it happened", null="not recorded", optional=True),
        Column("clinician", pa.string(), "with whom", null="not recorded", optional=True),
    ),
)

POINTS = Table(
    "points",
    (
        Column("subject_id", pa.int64(), "the patient"),
        Column("prediction_time", TIME, "the moment at which a risk is stated; nothing later may be used"),
        Column("encounter_id", pa.string(), "the encounter that the point belongs to", null="none", optional=True),
    ),
)

LABELS = Table(
    "labels",
    (
        *POINTS.columns,
        Column("label", pa.bool_(), "did it come true", null="not known: never the same as false"),
        Column("known_at", TIME, "since when the label is known", null="not yet known"),
        Column("grade", pa.float32(), "the answer: the smaller, the more it is true", null="no number", optional=True),
        Column("mode", pa.string(), "how it was asked for", null="not recorded", optional=True),
    ),
)

SCORES = Table(
    "scores",
    (
        *POINTS.columns,
        Column("target", pa.string(), "what is predicted"),
        Column("risk", pa.float32(), "calibrated probability", unit="probability"),
        Column("risk_low", pa.float32(), "the risk of patients who look like this one: 95 % interval", "probability"),
        Column("risk_high", pa.float32(), "its upper end", "probability"),
        Column("reference_rate", pa.float32(), "how often it came true where the risk was calibrated", "probability"),
        Column("margin", pa.float32(), "the model's output that the contributions add up to", "log-odds"),
        Column("expected_nps", pa.float32(), "P(promoter) - P(detractor)", null="no second head", optional=True),
        Column("model_version", pa.string(), "the bundle that scored"),
    ),
)

REASONS = Table(
    "reasons",
    (
        *POINTS.columns,
        Column("target", pa.string(), "what is predicted"),
        Column("rank", pa.int8(), "1 is the largest contribution in size"),
        Column("feature", pa.string(), "the feature that gives the words, by its name in the catalogue"),
        Column("contribution", pa.float32(), "exact SHAP contribution of all features on its topic", "log-odds"),
        Column("sentence", pa.string(), "the reason in words, with the patient's own number"),
        Column("touchpoint", pa.string(), "the stage of the journey"),
        Column("dimension", pa.string(), "patient (care itself) or customer (service)"),
        Column("modifiable", pa.bool_(), "can somebody still do something about it"),
    ),
)

RECOMMENDATIONS = Table(
    "recommendations",
    (
        *POINTS.columns,
        Column("rank", pa.int32(), "1 is what is owed or worth most"),
        Column("intervention", pa.string(), "what to do, by its name in the catalogue"),
        Column("title", pa.string(), "what to do, in words"),
        Column("because", pa.string(), "the fact in the record that it answers"),
        Column("script", pa.string(), "how to begin"),
        Column("roles", pa.string(), "who may do it"),
        Column("minutes", pa.float32(), "of their time; 0 is a machine's", unit="min"),
        Column("due_at", TIME, "by when it should be done"),
        Column("grade", pa.string(), "on what evidence: assumed, what-if, observational or randomised"),
        Column("channel", pa.string(), "call, text, or task: nobody is contacted", null="not recorded", optional=True),
        Column("expected", pa.string(), "change of each tried outcome, of 100 such patients, with its 95 % interval",
               null="no trial of the step and this patient's outcomes: no number is shown", optional=True),
        Column("others", pa.string(), "up to two other steps that make sense, the better first"),
        Column("pilot", pa.string(), "the pilot that drew for this patient", null="nobody drew", optional=True),
        Column("team", pa.string(), "who does it today", null="no staff file, a machine, or nobody can", optional=True),
        Column("by_interpreter", pa.bool_(), "no team of the role speaks the language: with one on the line",
               null="no staff file", optional=True),
        Column("holdout", pa.bool_(), "drawn to get nothing: a row for the log, and for no coordinator"),
        Column("propensity", pa.float64(), "chance to get the step", "probability", null="nobody drew", optional=True),
    ),
)

ASSIGNMENTS = Table(
    "assignments",
    (
        *POINTS.columns,
        Column("arm", pa.string(), "the step that they would get, by its name in the catalogue"),
        Column("epoch", TIME, "since when the draw stands", null="nobody drew"),
        Column("holdout", pa.bool_(), "got nothing; of a pilot: was drawn to get nothing, whatever was done then"),
        Column("propensity", pa.float64(), "chance to get the step, known before", "probability", null="nobody drew"),
        Column("minutes", pa.float32(), "of staff that the step takes", unit="min", null="not known", optional=True),
    ),
)

TABLES = (EVENTS, POINTS, LABELS, SCORES, REASONS, RECOMMENDATIONS, ASSIGNMENTS)


@dataclass(frozen=True)
class Batch:
    """What a source read: events that passed every rule, and an account of what did not.

    `events` fits EVENTS, except that a source of outside identifiers gives `outside_id` (a string) in the
    place of `subject_id`; the journey store turns one into the other, there and nowhere else. `full_exports` are
    the rows of tables that always come whole, so that a short one can be held. `lineage` names the tables that each
    code came from, where the source knows. `observes`: is all here that became known up to its last event, so that what
    is absent did not happen? Where it is not, the journeys end where they ended before (`Snapshot.observed_until`).
    """

    source: str
    digest: str
    events: pa.Table
    rows: int
    rejected: tuple[Breach, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    full_exports: Mapping[str, int] = field(default_factory=dict)
    lineage: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    observes: bool = True


@dataclass(frozen=True)
class Limits:
    """What a reader may take in: bytes a table, share of rows set aside, and held rules a person accepted."""

    max_table_bytes: int = 4 * 2**30
    max_rejected_share: float = 0.005
    accept: frozenset[str] = frozenset()
