"""Run SQL over two relations, `points` and `events`, in process, with DuckDB.

``points``: point (position in the table given), subject_id, moment, encounter_id.
``events``: subject_id, known, happened, code, value, text, encounter_id, site, clinician, sequence.

`moment`, `known` and `happened` are microseconds since 1970 (UTC). A static event is known since ever and happened
at no time. `sequence` orders the events of one subject. Memory is bounded by the largest shard; beyond
`memory_limit` DuckDB spills to disk.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict, Unpack

import duckdb
import numpy as np
import pyarrow as pa

from wellkept.contracts import EVENTS, POINTS
from wellkept.journeys import Snapshot
from wellkept.snapshots import together
from wellkept.threads import available_threads

MEMORY_LIMIT = "3GB"
AT_ONCE = 1_000_000  # events of one query; a shard that holds more is asked alone
SINCE_EVER = -(2**62)
NO_EVENTS = EVENTS.schema.append(pa.field("sequence", pa.int64())).empty_table()


class Limits(TypedDict, total=False):
    """What a query may take; by default all threads that this process may use, and MEMORY_LIMIT."""

    threads: int
    memory_limit: str


def at_points(sql: str, snapshot: Snapshot, points: pa.Table, **limits: Unpack[Limits]) -> pa.Table:
    """Run `sql`, which gives one row with a column `point` for each point; answers in the order of `points`."""
    answers = list(_by_shard(sql, snapshot, points, **limits))
    if not answers:
        return at_points_of(sql, NO_EVENTS, points, **limits)
    place = np.concatenate([rows[table["point"].to_numpy()] for rows, table in answers])
    table = pa.concat_tables([table.drop_columns(["point"]) for _, table in answers])
    return table.take(pa.array(np.argsort(place, kind="stable"))).combine_chunks()


def at_points_of(sql: str, events: pa.Table, points: pa.Table, **limits: Unpack[Limits]) -> pa.Table:
    """The same over events at hand, as `Snapshot.of_subject` gives them."""
    with _connection(**limits) as connection:
        connection.register("given_events", events)
        return _answer(connection, sql, "given_events", points).sort_by("point").drop_columns(["point"])


def totals(sql: str, snapshot: Snapshot, points: pa.Table | None = None, **limits: Unpack[Limits]) -> pa.Table:
    """Run `sql` for some shards at a time and stack the answers; with `points`, only where one of them is."""
    points = POINTS.schema.empty_table() if points is None else points
    return pa.concat_tables([table for _, table in _by_shard(sql, snapshot, points, everywhere=points.num_rows == 0,
                                                             **limits)])


def everybody(sql: str, snapshot: Snapshot, **limits: Unpack[Limits]) -> pa.Table:
    """Run `sql` once over the events of all subjects, for what joins one subject's events with others'."""
    paths = [path for s in range(snapshot.shards) if (path := snapshot.path(s))]
    with _connection(**limits) as connection:
        return _answer(connection, sql, _parquet(paths) if paths else "no_events", POINTS.schema.empty_table())


def _by_shard(
    sql: str, snapshot: Snapshot, points: pa.Table, *, everywhere: bool = False, **limits: Unpack[Limits]
) -> Iterator[tuple[np.ndarray, pa.Table]]:
    shard_of = snapshot.shard_of(points["subject_id"].to_numpy())
    asked = [s for s in range(snapshot.shards) if (everywhere and snapshot.events_of(s)) or (shard_of == s).any()]
    with _connection(**limits) as connection:
        for shards in together({s: snapshot.events_of(s) for s in asked}, AT_ONCE):
            rows = np.flatnonzero(np.isin(shard_of, shards))
            paths = [path for s in shards if (path := snapshot.path(s))]
            source = _parquet(paths) if paths else "no_events"
            yield rows, _answer(connection, sql, source, points.take(pa.array(rows)))


def _connection(*, threads: int = 0, memory_limit: str = MEMORY_LIMIT) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        config={
            "threads": threads or available_threads(),
            "memory_limit": memory_limit,
            "temp_directory": tempfile.gettempdir(),
            "preserve_insertion_order": False,
        }
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("no_events", NO_EVENTS)
    return connection


def _answer(connection: duckdb.DuckDBPyConnection, sql: str, source: str, points: pa.Table) -> pa.Table:
    connection.register("given_points", points.append_column("point", pa.array(np.arange(points.num_rows))))
    connection.execute("""
        CREATE OR REPLACE TEMP VIEW points AS
        SELECT point, subject_id, epoch_us(prediction_time) AS moment, encounter_id FROM given_points""")
    connection.execute(f"""
        CREATE OR REPLACE TEMP VIEW events AS
        SELECT subject_id, COALESCE(epoch_us("time"), {SINCE_EVER}) AS known, epoch_us(event_at) AS happened,
               code, numeric_value AS value, text_value AS text, encounter_id, site, clinician, sequence
        FROM {source}""")
    return connection.sql(sql).to_arrow_table()


def _parquet(paths: list[Path]) -> str:
    quoted = ["'" + str(path).replace("'", "''") + "'" for path in paths]
    return f"read_parquet([{', '.join(quoted)}])"
