"""Two thousand labels at distinct times over a small MEDS dataset: ours beside meds-tab 0.2.0, each as whole processes.

Ours is one process: read the MEDS folder, land it in a new journey store, compute count, sum, minimum and maximum of 20
codes in 4 windows, write parquet. meds-tab does the same windows and aggregations, by the Python that
--meds-tab-python names, in two ways:

    meds-tab            its four commands as its guide has them: describe, tabularize-static, tabularize-time-series,
                        cache-task
    meds-tab-labels     told the labels beforehand (input_label_dir), which spares it all other moments; three commands

Without such a Python, or where it cannot be made to run, its 41 CPU seconds are quoted from an earlier measurement on
another dataset and labelled so. Prints CPU seconds and their ratios, and how many of our cells differ from a plain
Python loop over the same files. The bars: meds-tab takes at least 20 times our CPU seconds; no cell differs.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from measuring import Cost, Failed, as_plain, cost_of, described, machine, median, say, show, verdict

CODES = [f"LAB//{k:02d}" for k in range(20)]
STATIC = "PERSON//SEX"
WINDOWS = {"30d": 30, "90d": 90, "365d": 365, "all": None}  # days
AGGREGATES = ("count", "sum", "min", "max")
SUBJECTS, EVENTS = 2_000, 12  # events of each subject, on average: with 100 meds-tab takes 273 CPU s
START = datetime(2020, 1, 1, tzinfo=UTC)
ROUTES = {
    "meds-tab": ("describe", "tabularize-static", "tabularize-time-series", "cache-task"),
    "meds-tab-labels": ("describe", "tabularize-static", "tabularize-time-series"),
}
BAR, QUOTED = 20, 41.0
MEDS_TAB = ["tabularization.window_sizes=[30d,90d,365d,full]", "tabularization.min_code_inclusion_count=1",
            "tabularization.aggs=[static/present,code/count,value/sum,value/min,value/max]"]  # fmt: skip


def main() -> None:
    """Make the dataset, run both, check ours."""
    chosen = _arguments()
    if chosen.role:
        ROLES[chosen.role](chosen)
        return
    with tempfile.TemporaryDirectory(prefix="wellkept-") as scratch:
        chosen.folder = Path(scratch)
        result = measure(chosen)
    show(result, _lines(result), as_json=chosen.json)


def measure(chosen: argparse.Namespace) -> dict:
    """Everything that is printed, as plain data."""
    cost_of(_command("make", chosen))
    repeats = 1 if chosen.quick else 3
    runs, why = _runs(chosen, repeats)
    checked = json.loads(cost_of(_command("check", chosen))[1])
    medians = {name: as_plain(median(costs)) for name, costs in runs.items()}
    if "meds-tab" not in medians:
        medians["meds-tab"] = {"cpu_s": QUOTED}
    mine = medians["ours"]["cpu_s"]
    return {
        "machine": machine("wellkept", "duckdb", "pyarrow"), "labels": SUBJECTS, "repeats": repeats,
        "contestants": medians,
        "meds_tab_is": "measured" if "meds-tab" in runs else "quoted, not measured", "left_out": why,
        "cpu_ratio": {name: cost["cpu_s"] / mine for name, cost in medians.items() if name != "ours"},
        **checked,
    }  # fmt: skip


def _runs(chosen: argparse.Namespace, repeats: int) -> tuple[dict[str, list[Cost]], dict[str, str]]:
    """Every contestant in turn, and why one was left out."""
    runs: dict[str, list[Cost]] = {"ours": []}
    why = {} if chosen.meds_tab_python else dict.fromkeys(ROUTES, "no --meds-tab-python was given")
    for turn in range(repeats):
        runs["ours"].append(cost_of(_command("ours", chosen))[0])
        say(f"  {turn + 1}/{repeats} {'ours':18}{runs['ours'][-1]}")
        for name in [route for route in ROUTES if route not in why]:
            try:
                runs.setdefault(name, []).append(_meds_tab(chosen, name, chosen.folder / f"{name}-{turn}"))
                say(f"  {turn + 1}/{repeats} {name:18}{runs[name][-1]}")
            except (Failed, OSError) as error:
                why[name] = str(error).strip()[-700:]
    return {name: costs for name, costs in runs.items() if costs}, why


def make(chosen: argparse.Namespace) -> None:
    """A MEDS dataset with one label a subject: some events lie on the label's moment and on a window's edge."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(7)
    after = 365 * 86_400 + 37 * 60 * np.arange(SUBJECTS) + random.integers(0, 2000, SUBJECTS)
    points = {subject: START + timedelta(seconds=int(seconds)) for subject, seconds in enumerate(after)}
    rows = [
        row
        for subject, at in points.items()
        for row in [(subject, None, STATIC, None), *sorted(_events(random, subject, at), key=lambda row: row[1])]
    ]
    moment = pa.timestamp("us", tz="UTC")
    types = {"subject_id": pa.int64(), "time": moment, "code": pa.string(), "numeric_value": pa.float32()}
    columns = dict(zip(types, zip(*rows, strict=True), strict=True))
    events = pa.table({name: pa.array(columns[name], type_) for name, type_ in types.items()})
    labels = pa.table({"subject_id": pa.array(list(points), pa.int64()),
                       "prediction_time": pa.array(list(points.values()), moment),
                       "boolean_value": pa.array([bool(s % 2) for s in points])})  # fmt: skip
    _write(pq, _without_zone(events), chosen.folder / "meds" / "data" / "train" / "0.parquet")
    _write(pq, _without_zone(labels), chosen.folder / "labels" / "train" / "0.parquet")


def _events(random: object, subject: int, at: datetime) -> list[tuple]:
    count = int(random.poisson(EVENTS)) + 1
    seconds, codes = random.integers(0, 730 * 86_400, count), random.integers(0, len(CODES), count)
    values = random.normal(50, 20, count).round(2)
    rows = [
        (subject, START + timedelta(seconds=int(second)), CODES[code], None if value > 80 else float(value))
        for second, code, value in zip(seconds, codes, values, strict=True)
    ]
    edges = [at, at - timedelta(days=30), at + timedelta(microseconds=1)]
    return rows + [(subject, edge, CODES[subject % len(CODES)], 1.5) for edge in edges[: subject % 4]]


def _without_zone(table: object) -> object:
    """MEDS keeps times without a zone."""
    import pyarrow as pa

    fields = [f.with_type(pa.timestamp("us")) if pa.types.is_timestamp(f.type) else f for f in table.schema]
    return table.cast(pa.schema(fields))


def _write(pq: object, table: object, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def ours(chosen: argparse.Namespace) -> None:
    """The MEDS folder -> a new journey store -> features."""
    import pyarrow.parquet as pq

    from wellkept.history import FeatureQuery, past
    from wellkept.journeys import Journeys
    from wellkept.sources import meds

    batch = meds.read(chosen.folder / "meds", now=datetime.now(UTC))
    columns = {f"{STATIC}.count.all": past.of(STATIC).count()}
    for code in CODES:
        for window, days in WINDOWS.items():
            selection = past.of(code).within(window) if days else past.of(code)
            columns |= {f"{code}.{how}.{window}": getattr(selection, how)() for how in AGGREGATES}
    labels = pq.read_table(chosen.folder / "labels").select(["subject_id", "prediction_time"])
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        journeys = Journeys(Path(folder))
        journeys.land(batch)
        features = FeatureQuery(columns).run(journeys.snapshot(), _zoned(labels))
    pq.write_table(features, chosen.folder / "ours.parquet")


def _zoned(labels: object) -> object:
    import pyarrow.compute as pc

    return labels.set_column(1, "prediction_time", pc.assume_timezone(labels["prediction_time"], "UTC"))


def check(chosen: argparse.Namespace) -> None:
    """Compare each cell of ours with a loop over the rows of the files; sums within 1e-6, all else exactly."""
    import pyarrow.parquet as pq

    past_of = defaultdict(list)
    for event in pq.read_table(chosen.folder / "meds" / "data").to_pylist():
        past_of[event["subject_id"]].append(event)
    features = pq.read_table(chosen.folder / "ours.parquet").to_pylist()
    labels = pq.read_table(chosen.folder / "labels").to_pylist()
    cells = differ = 0
    for label, row in zip(labels, features, strict=True):
        expected = _expected(past_of[label["subject_id"]], label["prediction_time"])
        cells += len(row)
        differ += sum(not _same(value, expected.get(name, 0 if ".count." in name else None), 1e-6 * (".sum." in name))
                      for name, value in row.items())  # fmt: skip
    print(json.dumps({"cells": cells, "differ": differ}))


def _expected(events: list[dict], at: datetime) -> dict[str, float]:
    """What is not null or zero, by column."""
    found = defaultdict(list)
    for event in events:
        if event["time"] is not None and event["time"] > at:
            continue
        for window, days in WINDOWS.items():
            if days is None or (event["time"] is not None and at - event["time"] < timedelta(days=days)):
                found[event["code"], window].append(event["numeric_value"])
    expected = {}
    for (code, window), values in found.items():
        numbers = [v for v in values if v is not None]
        expected[f"{code}.count.{window}"] = len(values)
        if numbers:
            expected[f"{code}.sum.{window}"] = math.fsum(numbers)
            expected[f"{code}.min.{window}"], expected[f"{code}.max.{window}"] = min(numbers), max(numbers)
    return expected


def _same(value: float | None, expected: float | None, tolerance: float) -> bool:
    if value is None or expected is None:
        return value is expected
    return math.isclose(value, expected, rel_tol=tolerance, abs_tol=tolerance)


def _meds_tab(chosen: argparse.Namespace, name: str, out: Path) -> Cost:
    """What its commands cost together."""
    labels = f"input_label_dir={chosen.folder / 'labels'}"
    costs = []
    for step in ROUTES[name]:
        told = [labels] if step == "cache-task" or (step == "tabularize-time-series" and "labels" in name) else []
        task = ["task_name=benchmark"] if step == "cache-task" else []
        command = [Path(chosen.meds_tab_python).parent / f"meds-tab-{step}", f"input_dir={chosen.folder}/meds/data",
                   f"output_dir={out}", *(() if step == "describe" else MEDS_TAB), *told, *task]  # fmt: skip
        costs.append(cost_of(command)[0])
    return Cost(sum(c.cpu for c in costs), sum(c.wall for c in costs), max(c.peak_mib for c in costs))


ROLES = {"make": make, "ours": ours, "check": check}


def _command(role: str, chosen: argparse.Namespace) -> list[str]:
    return [sys.executable, __file__, "--role", role, "--folder", str(chosen.folder)]


def _lines(result: dict) -> list[str]:
    return [
        described(result["machine"]),
        f"{result['labels']} labels at distinct times, {len(CODES)} codes, {len(WINDOWS)} windows, medians of "
        + str(result["repeats"]),
        *(f"{name:18}{cost['cpu_s']:8.2f} CPU s" for name, cost in result["contestants"].items()),
        f"meds-tab is {result['meds_tab_is']}",
        *(f"SKIPPED {name}: {why}" for name, why in result["left_out"].items()),
        *(f"CPU seconds, {name} to ours: {x:.1f}" for name, x in result["cpu_ratio"].items() if name != "meds-tab"),
        verdict("CPU seconds, meds-tab to ours", result["cpu_ratio"]["meds-tab"], BAR, at_least=True),
        verdict(f"cells of {result['cells']} that differ from a plain loop", result["differ"], 0),
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="each once")
    parser.add_argument("--meds-tab-python", default="", help="a Python that has meds-tab 0.2.0 installed")
    parser.add_argument("--role", choices=ROLES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
