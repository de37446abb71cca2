"""The same feature query for a few patients at a time: planned once, then asked again and again.

Planning the features of one model costs several times what running them over one journey does, and DuckDB plans a
prepared statement anew each time unless its optimizer is off. What it would gain on a few hundred events is nothing.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from wellkept.history.query import FeatureQuery

EVENTS = ("subject_id BIGINT, known BIGINT, happened BIGINT, code VARCHAR, value FLOAT, text VARCHAR, "
          "encounter_id VARCHAR, site VARCHAR, clinician VARCHAR, sequence BIGINT")  # fmt: skip
MEMORY = "512MB"


class PreparedFeatures:
    """A compiled query and the points that it is asked at, which are chosen by SQL over the same events.

    Parameters
    ----------
    query
        The features.
    points_sql
        Gives subject_id, moment and encounter_id; it reads `events` and the one row of `asked (moment)`.
    """

    def __init__(self, query: FeatureQuery, points_sql: str) -> None:
        self._lock = threading.Lock()
        self._connection = duckdb.connect(config={"threads": 1, "memory_limit": MEMORY})
        self._execute("SET TimeZone = 'UTC'")
        self._execute("PRAGMA disable_optimizer")
        self._execute(f"CREATE TABLE events ({EVENTS})")
        self._execute("CREATE TABLE asked (moment BIGINT)")
        self._execute(f"""
            CREATE VIEW points AS
            SELECT row_number() OVER (ORDER BY subject_id, encounter_id) - 1 AS point, * FROM ({points_sql})""")
        self._execute("PREPARE chosen AS SELECT subject_id, moment, encounter_id FROM points ORDER BY point")
        self._execute(f"PREPARE computed AS SELECT * EXCLUDE (point) FROM ({query.sql}) ORDER BY point")

    def at(self, moment: int, events: Sequence[Sequence[Any]]) -> tuple[pa.Table, pa.Table]:
        """The points at this moment (microseconds) and their features.

        `events` are ten columns as in `EVENTS`, each subject's in the order in which the journey store sorts them.
        """
        with self._lock:
            self._execute("BEGIN")  # nothing is left behind: what was inserted is rolled back
            try:
                self._execute(INSERT, list(events))
                self._execute("INSERT INTO asked VALUES (?)", [moment])
                return self._table("chosen"), self._table("computed")
            finally:
                self._execute("ROLLBACK")

    def _table(self, name: str) -> pa.Table:
        with warnings.catch_warnings():  # DuckDB's advice to use a relation does not reach prepared statements
            warnings.simplefilter("ignore", UserWarning)
            return self._connection.execute(f"EXECUTE {name}").to_arrow_table()

    def _execute(self, sql: str, parameters: list[Any] | None = None) -> None:
        self._connection.execute(sql, parameters)


INSERT = "INSERT INTO events SELECT " + ", ".join(
    f"UNNEST(?::{column.split()[1]}[])" for column in EVENTS.split(", "))  # fmt: skip
