"""Journeys drawn as tables, and the stores and points that tests make of them."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from wellkept.contracts import EVENTS, POINTS, TIME, Batch
from wellkept.history import Expression, FeatureQuery
from wellkept.journeys import Journeys, Snapshot

START = datetime(2025, 1, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    """A moment, in days since the first of January 2025."""
    return START + timedelta(days=number)


def events_table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Events from rows of days: subject_id, time, code, and any other column of the contract."""
    columns = {}
    for field in EVENTS.schema:
        values = [row.get(field.name) for row in rows]
        if field.type == TIME:
            values = [day(v) if isinstance(v, int | float) else v for v in values]
        columns[field.name] = pa.array(values, field.type)
    return pa.table(columns)


def points_table(*points: tuple) -> pa.Table:
    """Points from (subject_id, day) or (subject_id, day, encounter_id)."""
    rows = [(*point, None)[:3] for point in points]
    return POINTS.check(pa.table({
        "subject_id": pa.array([r[0] for r in rows], pa.int64()),
        "prediction_time": pa.array([day(r[1]) for r in rows], TIME),
        "encounter_id": pa.array([r[2] for r in rows], pa.string()),
    }))


def batch_of(events: pa.Table, digest: str = "a batch", **facts: Any) -> Batch:
    """A batch as a source gives it."""
    return Batch("test", digest, events, events.num_rows, **facts)


@pytest.fixture
def store(tmp_path: Path) -> Callable[[Sequence[dict[str, Any]]], Snapshot]:
    """Land rows of events in a new store; gives its snapshot."""

    def land(rows: Sequence[dict[str, Any]], shards: int = 4) -> Snapshot:
        journeys = Journeys(tmp_path / "journeys", shards=shards, key="test")
        journeys.land(batch_of(events_table(rows)))
        return journeys.snapshot()

    return land


@pytest.fixture
def value_at(store: Callable) -> Callable[..., Any]:
    """What an expression is at one point of one journey."""

    def compute(expression: Expression, rows: Sequence[dict[str, Any]], at: float, encounter: str | None = None) -> Any:
        rows = [{"subject_id": 1, **row} for row in rows] + [{"subject_id": 2, "time": 0, "code": "SOMEBODY ELSE"}]
        table = FeatureQuery({"value": expression}).run(store(rows), points_table((1, at, encounter)))
        return table["value"][0].as_py()

    return compute
