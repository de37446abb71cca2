"""Features as trained on in; whether anything that was not known at the point can change a bit of them, out."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.catalogue import query_of
from wellkept.contracts import TIME
from wellkept.leaks.evidence import Evidence, Finding

SAMPLE = 500
TO_DO = "it reads what was not known yet: look at how it is computed; nothing but wellkept.history may compute features"


def time_travel_replay(evidence: Evidence) -> Finding:
    """Features from events cut off at each point must be bit for bit those that training saw."""
    rows = evidence.sample(np.arange(evidence.data.points.num_rows), SAMPLE)
    points = evidence.points.take(pa.array(rows))
    known = evidence.events_of(points, "e.known <= p.moment")
    renumbered = _put(known, sequence=pa.array(np.arange(known.num_rows)))
    return _compared("time_travel_replay", evidence, rows, renumbered, "rebuilt from what was known by then")


def future_shuffle(evidence: Evidence) -> Finding:
    """Features must not change when codes, numbers and texts of later events change places."""
    rows = evidence.sample(np.arange(evidence.data.points.num_rows), SAMPLE)
    points = evidence.points.take(pa.array(rows))
    shuffled, later = _shuffled(evidence.events_of(points), points, evidence.spec.seed)
    if not later:
        return Finding("future_shuffle", None, None, 0.0, "", "nothing is known after the points: there is no future")
    return _compared("future_shuffle", evidence, rows, shuffled, f"rebuilt with {later} later events shuffled")


def _shuffled(events: pa.Table, points: pa.Table, seed: int) -> tuple[pa.Table, int]:
    """Events known after the patient's point with codes, numbers and texts of one another; and how many they are."""
    moment = points["prediction_time"].take(pc.index_in(events["subject_id"], points["subject_id"].combine_chunks()))
    later = np.flatnonzero(pc.fill_null(pc.greater(events["time"].cast(TIME), moment), fill_value=False).to_numpy())
    order = np.arange(events.num_rows)
    order[later] = np.random.default_rng(seed).permutation(later)
    taken = events.take(pa.array(order))
    return _put(events, **{name: taken[name] for name in ("code", "numeric_value", "text_value")}), len(later)


def _compared(check: str, evidence: Evidence, rows: np.ndarray, events: pa.Table, how: str) -> Finding:
    query = query_of(evidence.data.catalogue)
    rebuilt = query.run_on(events, evidence.points.take(pa.array(rows)))
    trained_on = evidence.data.features.take(pa.array(rows))
    differing = {name: _differing(rebuilt[name], trained_on[name]) for name in query.columns}
    worst = max(differing, key=lambda name: differing[name])
    if not differing[worst]:
        return Finding(check, True, 0.0, 0.0, "", f"{len(differing)} features of {len(rows)} points {how}: equal bits")
    count = sum(n > 0 for n in differing.values())
    says = f"{count} features differ when {how}, {worst} at {differing[worst]} of {len(rows)} points: {TO_DO}"
    return Finding(check, False, differing[worst] / len(rows), 0.0, worst, says)


def _differing(a: pa.ChunkedArray, b: pa.ChunkedArray) -> int:
    both = zip(_bits(a), _bits(b), strict=True)
    return sum(x != y for x, y in both)


def _bits(column: pa.ChunkedArray) -> list:
    """Values that are equal exactly where their bits are."""
    if pa.types.is_floating(column.type):
        return column.to_numpy().astype(np.float32).view(np.int32).tolist()
    return column.to_pylist()


def _put(table: pa.Table, **columns: pa.Array | pa.ChunkedArray) -> pa.Table:
    for name, column in columns.items():
        table = table.set_column(table.column_names.index(name), name, column)
    return table
