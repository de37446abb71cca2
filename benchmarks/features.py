"""Features over events: 20 codes x 4 windows x count and sum = 160 columns at one point per subject.

Prints what it costs to land the events in a journey store, and then, for each contestant as a process of its own with
two threads, in turn, CPU seconds, wall seconds and peak memory (medians of three), parquet to parquet:

    ours      FeatureQuery over the store's snapshot
    duckdb    the two-step SQL that a competent person writes by hand, over the very same shard files
    polars    streaming, over the same files (needs --polars-python, a Python that has polars; else skipped in words)
    pandas    over the same files

The bars: ours takes at most 1.3 times the CPU seconds of the hand-written SQL, its peak stays below 4 GiB, and each
cell of every contestant agrees with ours (sums within 1e-6 of each other, relatively).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from measuring import THREADS, Failed, as_plain, cost_of, described, interleaved, machine, median, say, show, verdict

CODES = [f"CODE//{k:02d}" for k in range(20)]
WINDOWS = {"30d": 30, "90d": 90, "365d": 365, "all": None}  # days
DAY = 86_400_000_000  # microseconds
BAR, MOST_MIB = 1.3, 4096
FIRST, SPAN = 1_600_000_000, 94_608_000  # seconds: when events begin, and the three years that they fill
CHECKED_AT_ONCE = 8  # columns that are compared at a time


def main() -> None:
    """Make the events, land them, measure the contestants, compare their cells."""
    chosen = _arguments()
    if chosen.role:
        ROLES[chosen.role](chosen)
        return
    with tempfile.TemporaryDirectory(prefix="wellkept-") as scratch:
        chosen.folder = chosen.folder or Path(scratch)
        result = measure(chosen)
    show(result, _lines(result), as_json=chosen.json)


def measure(chosen: argparse.Namespace) -> dict:
    """Everything that is printed, as plain data."""
    say("making events and landing them")
    making, _ = cost_of(_command("make", chosen))
    landing, landed = cost_of(_command("land", chosen))
    commands = {name: _command(name, chosen) for name in ("ours", "duckdb", "pandas")}
    if _has_polars(chosen.polars_python):
        commands["polars"] = _command("polars", chosen, python=chosen.polars_python)
    costs = interleaved(commands, 1 if chosen.quick else 3)
    compared = {
        name: json.loads(cost_of(_command("compare", chosen, other=name))[1]) for name in commands if name != "ours"
    }
    medians = {name: median(runs) for name, runs in costs.items()}
    return {
        "machine": machine("wellkept", "duckdb", "pyarrow", "pandas"), "events": chosen.events,
        "subjects": chosen.subjects, "columns": len(CODES) * len(WINDOWS) * 2, "threads": THREADS,
        "making": as_plain(making), "landing": {**as_plain(landing), **json.loads(landed)},
        "contestants": {name: as_plain(cost) for name, cost in medians.items()},
        "cpu_ratio": medians["ours"].cpu / medians["duckdb"].cpu, "runs": len(costs["ours"]),
        "wall_ratio": medians["ours"].wall / medians["duckdb"].wall, "cells": compared,
    }  # fmt: skip


def make(chosen: argparse.Namespace) -> None:
    """A MEDS-like table of events, and one prediction point a subject, some of whose events follow it."""
    import duckdb

    connection = duckdb.connect(config={"threads": THREADS})
    connection.execute(f"""
        COPY (SELECT (i % {chosen.subjects})::BIGINT AS subject_id,
                     make_timestamp(({FIRST} + (hash(i) % {SPAN})::BIGINT) * 1000000)::TIMESTAMPTZ AS "time",
                     'CODE//' || lpad((hash(i * 7) % {len(CODES)})::VARCHAR, 2, '0') AS code,
                     ((hash(i * 13) % 100000) / 1000.0)::FLOAT AS numeric_value, NULL::VARCHAR AS text_value
              FROM range({chosen.events}) t(i) ORDER BY subject_id, "time")
        TO '{chosen.folder}/events.parquet' (ROW_GROUP_SIZE 200000)""")
    connection.execute(f"""
        COPY (SELECT i::BIGINT AS subject_id,
                     make_timestamp(({FIRST + SPAN} - (hash(i) % 2592000)::BIGINT) * 1000000)::TIMESTAMPTZ
                     AS prediction_time
              FROM range({chosen.subjects}) t(i))
        TO '{chosen.folder}/points.parquet'""")


def land(chosen: argparse.Namespace) -> None:
    """The events, through the store's own door; prints how many landed and the shards' bytes."""
    import pyarrow.parquet as pq

    from wellkept.contracts import Batch
    from wellkept.journeys import Journeys

    events = pq.read_table(chosen.folder / "events.parquet")
    landing = Journeys(chosen.folder / "journeys").land(Batch("benchmark", "benchmark", events, events.num_rows))
    size = sum(path.stat().st_size for path in _shards(chosen))
    print(json.dumps({"added": landing.added, "shard_mib": round(size / 2**20, 1)}))


def ours(chosen: argparse.Namespace) -> None:
    """The store's snapshot -> features, through the language of features."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from wellkept.history import FeatureQuery, past
    from wellkept.journeys import Journeys

    columns = {}
    for code in CODES:
        for window, days in WINDOWS.items():
            selection = past.of(code).within(window) if days else past.of(code)
            columns |= {f"{code}.n_{window}": selection.count(), f"{code}.s_{window}": selection.sum()}
    points = pq.read_table(chosen.folder / "points.parquet")
    features = FeatureQuery(columns).run(Journeys(chosen.folder / "journeys").snapshot(), points, threads=THREADS)
    table = pa.table({**{name: points[name] for name in points.column_names},
                      **{name: features[name] for name in features.column_names}})  # fmt: skip
    pq.write_table(table, chosen.folder / "ours.parquet", use_dictionary=False)  # numbers that seldom repeat


def by_hand(chosen: argparse.Namespace) -> None:
    """Group by subject and code with one CASE a window, then one column a code and window."""
    import duckdb

    grouped, pivoted = [], []
    for window, days in WINDOWS.items():
        within = f"age < {days * DAY}" if days else "true"
        grouped.append(f"count(CASE WHEN {within} THEN 1 END) n_{window}")
        grouped.append(f"sum(CASE WHEN {within} THEN v END) s_{window}")
    for code in CODES:
        for window in WINDOWS:
            n, s = (f"max(CASE WHEN code = '{code}' THEN {part}_{window} END)" for part in "ns")
            pivoted.append(f'coalesce({n}, 0)::FLOAT "{code}.n_{window}", {s}::FLOAT "{code}.s_{window}"')
    connection = duckdb.connect(config={"threads": THREADS})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"""
        COPY (WITH e AS (SELECT subject_id, prediction_time, code, numeric_value::DOUBLE AS v,
                                epoch_us(prediction_time) - epoch_us(e."time") AS age
                         FROM '{chosen.folder}/journeys/shards/*.parquet' e
                         JOIN '{chosen.folder}/points.parquet' p USING (subject_id)
                         WHERE e."time" <= p.prediction_time),
              g AS (SELECT subject_id, prediction_time, code, {", ".join(grouped)} FROM e GROUP BY ALL)
              SELECT subject_id, prediction_time, {", ".join(pivoted)} FROM g GROUP BY ALL)
        TO '{chosen.folder}/duckdb.parquet'""")


def with_polars(chosen: argparse.Namespace) -> None:
    """The same two steps as a lazy plan, run by the streaming engine."""
    import polars as pl

    points = pl.scan_parquet(chosen.folder / "points.parquet")
    events = pl.scan_parquet(chosen.folder / "journeys" / "shards" / "*.parquet")
    value, age = pl.col("numeric_value").cast(pl.Float64), pl.col("age")
    grouped, pivoted = [], []
    for window, days in WINDOWS.items():
        within = age < days * DAY if days else age >= 0
        grouped.append(within.sum().alias(f"n_{window}"))
        grouped.append(pl.when(within).then(value).sum().alias(f"s_{window}"))
        grouped.append(pl.when(within).then(value).count().alias(f"k_{window}"))
    for code in CODES:
        this = pl.col("code") == code
        for window in WINDOWS:
            n, s, k = (pl.col(f"{part}_{window}").filter(this) for part in "nsk")
            pivoted.append(n.sum().cast(pl.Float32).alias(f"{code}.n_{window}"))
            pivoted.append(pl.when(k.sum() > 0).then(s.sum()).cast(pl.Float32).alias(f"{code}.s_{window}"))
    (
        events.select("subject_id", "time", "code", "numeric_value").join(points, on="subject_id")
        .filter(pl.col("time") <= pl.col("prediction_time"))
        .with_columns((pl.col("prediction_time") - pl.col("time")).dt.total_microseconds().alias("age"))
        .group_by("subject_id", "prediction_time", "code").agg(grouped)
        .group_by("subject_id", "prediction_time").agg(pivoted)
        .sink_parquet(chosen.folder / "polars.parquet", engine="streaming")
    )  # fmt: skip


def with_pandas(chosen: argparse.Namespace) -> None:
    """One group-by a window over integer codes, spread by code."""
    import pandas as pd

    points = pd.read_parquet(chosen.folder / "points.parquet").set_index("subject_id")["prediction_time"]
    events = pd.concat([
        pd.read_parquet(path, columns=["subject_id", "time", "code", "numeric_value"]).astype({"code": "category"})
        for path in _shards(chosen)
    ], ignore_index=True)  # fmt: skip
    events["code"] = events["code"].astype(pd.CategoricalDtype(CODES)).cat.codes
    events["age"] = events["subject_id"].map(points) - events["time"]
    events = events[events["age"] >= pd.Timedelta(0)].drop(columns="time")
    events["numeric_value"] = events["numeric_value"].astype(float)
    parts = [points.reset_index().set_index("subject_id")]
    for window, days in WINDOWS.items():
        chosen_events = events[events["age"] < pd.Timedelta(days=days)] if days else events
        groups = chosen_events.groupby(["subject_id", "code"])["numeric_value"]
        for name, values in (("n", groups.size()), ("s", groups.sum(min_count=1))):
            spread = values.unstack("code")  # noqa: PD010 - groups to columns, nothing to aggregate
            spread = spread.reindex(index=points.index, columns=range(len(CODES))).astype("float32")
            spread.columns = [f"{code}.{name}_{window}" for code in CODES]
            parts.append(spread.fillna(0) if name == "n" else spread)
    pd.concat(parts, axis=1).reset_index().to_parquet(chosen.folder / "pandas.parquet")


def compare(chosen: argparse.Namespace) -> None:
    """Print how many cells of another contestant were compared with ours, and how many differ."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    files = [pq.ParquetFile(chosen.folder / f"{name}.parquet") for name in ("ours", chosen.other)]
    orders = [np.argsort(file.read(["subject_id"])["subject_id"].to_numpy()) for file in files]
    names = [f"{code}.{part}_{window}" for code in CODES for window in WINDOWS for part in "ns"]
    cells = differ = 0
    for start in range(0, len(names), CHECKED_AT_ONCE):
        some = names[start : start + CHECKED_AT_ONCE]
        mine, theirs = (file.read(some).take(pa.array(order)) for file, order in zip(files, orders, strict=True))
        for name in some:
            a, b = (pc.fill_null(t[name].cast(pa.float64()), float("nan")).to_numpy() for t in (mine, theirs))
            tolerance = 1e-6 if ".s_" in name else 0
            cells += len(a)
            differ += int((~np.isclose(a, b, rtol=tolerance, atol=0, equal_nan=True)).sum())
    print(json.dumps({"compared": cells, "differ": differ}))


ROLES = {"make": make, "land": land, "ours": ours, "duckdb": by_hand, "polars": with_polars, "pandas": with_pandas,
         "compare": compare}  # fmt: skip


def _shards(chosen: argparse.Namespace) -> list[Path]:
    return sorted((chosen.folder / "journeys" / "shards").glob("*.parquet"))


def _command(role: str, chosen: argparse.Namespace, *, python: str = sys.executable, other: str = "") -> list[str]:
    return [python, __file__, "--role", role, "--folder", str(chosen.folder), "--events", str(chosen.events),
            "--subjects", str(chosen.subjects), "--other", other]  # fmt: skip


def _has_polars(python: str) -> bool:
    try:
        say(f"polars {cost_of([python, '-c', 'import polars; print(polars.__version__)'])[1].strip()}")
    except (Failed, OSError):
        say(f"SKIPPED polars: {python} cannot import it; name a Python that can with --polars-python")
        return False
    return True


def _lines(result: dict) -> list[str]:
    peak = result["contestants"]["ours"]["peak_mib"] / MOST_MIB
    return [
        described(result["machine"]),
        "{events} events, {subjects} subjects, {columns} columns, {threads} threads, median of {runs}".format(**result),
        f"{'landing':10}{_cost(result['landing'])}  {result['landing']['shard_mib']:.0f} MiB of shards",
        *(f"{name:10}{_cost(cost)}" for name, cost in result["contestants"].items()),
        *(f"{name}: {c['differ']} of {c['compared']} cells differ from ours" for name, c in result["cells"].items()),
        f"wall seconds, ours to the hand-written SQL: {result['wall_ratio']:.2f}",
        verdict("CPU seconds, ours to the hand-written SQL", result["cpu_ratio"], BAR),
        verdict("our peak memory, in 4 GiB", peak, 1),
        verdict("cells that differ from the hand-written SQL", result["cells"]["duckdb"]["differ"], 0),
    ]


def _cost(cost: dict) -> str:
    return f"{cost['cpu_s']:8.1f} CPU s {cost['wall_s']:8.1f} s {cost['peak_mib']:8.0f} MiB"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--subjects", type=int, default=500_000)
    parser.add_argument("--quick", action="store_true", help="every contestant once")
    parser.add_argument("--polars-python", default=sys.executable, help="a Python that has polars")
    parser.add_argument("--folder", type=Path, help="work here and leave the files (default: a temporary folder)")
    parser.add_argument("--role", choices=ROLES, help=argparse.SUPPRESS)
    parser.add_argument("--other", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
