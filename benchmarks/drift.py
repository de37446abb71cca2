"""PSI of 100 columns of 20,000 rows between two data sets: CPU seconds of ours beside `evidently`, in one run.

    python -m venv /tmp/evidently && /tmp/evidently/bin/pip install evidently
    python benchmarks/drift.py --evidently-python /tmp/evidently/bin/python

Each is a process of its own that reads the same two files with one thread; what it says itself is the check alone,
what the kernel says is the whole process, imports and reading included. The bar is for the check. Random numbers,
nobody's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from measuring import Failed, cost_of, described, machine, say, show, verdict

ROWS, COLUMNS = 20_000, 100
BAR = 100
EVIDENTLY = """
import json, sys, time
import numpy as np, pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
names = [f"c{i}" for i in range(int(sys.argv[3]))]
before, now = (pd.DataFrame(np.load(path), columns=names) for path in sys.argv[1:3])
started = time.process_time()
result = Report([DataDriftPreset(method="psi")]).run(now, before)
metrics = json.loads(result.json())["metrics"]
spent = time.process_time() - started
values = [m["value"] for m in metrics if "ValueDrift" in str(m.get("metric_name", m.get("metric_id", "")))]
print(json.dumps({"cpu_s": spent, "columns": len(values), "largest": max(values)}))
"""


def main() -> None:
    """Write both data sets, run both in turn, print the ratio."""
    chosen = _arguments()
    if chosen.role:
        ROLES[chosen.role](chosen.folder)
        return
    with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
        cost_of([sys.executable, __file__, "--role", "make", "--folder", folder])
        result = _measured(Path(folder), chosen)
    show(result, _lines(result), as_json=chosen.json)
    sys.exit(0 if result.get("ratio", 0) >= BAR else 1)


def _measured(folder: Path, chosen: argparse.Namespace) -> dict:
    commands = {"ours": [sys.executable, __file__, "--role", "ours", "--folder", folder]}
    if chosen.evidently_python:
        told = [folder / "before.npy", folder / "now.npy", str(COLUMNS)]
        commands["evidently"] = [chosen.evidently_python, "-c", EVIDENTLY, *told]
    runs: dict[str, list[dict]] = {name: [] for name in commands}
    skipped = "" if chosen.evidently_python else "no --evidently-python was given"
    for turn in range(1 if chosen.quick else 3):
        for name, command in commands.items():
            if name == "evidently" and skipped:
                continue
            try:
                cost, said = cost_of(command, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
            except (Failed, OSError) as error:
                if name == "ours":
                    raise
                skipped = str(error).strip()[-700:]
                continue
            told = json.loads(said.strip().splitlines()[-1])
            runs[name].append({**told, "process_cpu_s": cost.cpu})
            say(f"  {turn + 1} {name:10}{told['cpu_s']:8.3f} CPU s for the check, {cost.cpu:.2f} for the process")
    medians = {name: _median(each) for name, each in runs.items() if each}
    found: dict = {"machine": machine("wellkept", "numpy"), "contestants": medians, "skipped": skipped}
    if "evidently" in medians:
        ours, theirs = medians["ours"], medians["evidently"]
        found |= {"ratio": theirs["cpu_s"] / ours["cpu_s"],
                  "process_ratio": theirs["process_cpu_s"] / ours["process_cpu_s"]}  # fmt: skip
    return found


def _median(each: list[dict]) -> dict:
    times = {key: statistics.median(run[key] for run in each) for key in ("cpu_s", "process_cpu_s")}
    return {**each[0], **times}


def make(folder: Path) -> None:
    """Lognormal columns, some of them sparse; a tenth of them moved."""
    import numpy as np

    random = np.random.default_rng(5)
    for name in ("before", "now"):
        values = random.lognormal(0, 1, (ROWS, COLUMNS))
        if name == "now":
            values[:, ::10] *= 1.5
        np.save(folder / f"{name}.npy", values)


def ours(folder: Path) -> None:
    """What `wellkept monitor` calls, on columns."""
    import numpy as np

    from wellkept.monitoring.distributions import psi_of_columns

    before, now = (np.load(folder / f"{name}.npy") for name in ("before", "now"))
    started = time.process_time()
    values = psi_of_columns(before, now)
    spent = time.process_time() - started
    print(json.dumps({"cpu_s": spent, "columns": len(values), "largest": float(values.max())}))


ROLES = {"make": make, "ours": ours}


def _lines(result: dict) -> list[str]:
    lines = [described(result["machine"]), f"PSI of {COLUMNS} columns, {ROWS} rows each"]
    for name, told in result["contestants"].items():
        lines.append(f"{name:10}{told['cpu_s']:8.3f} CPU s for the check, {told['process_cpu_s']:6.2f} for the process"
                     f"; {told['columns']} columns, the largest PSI {told['largest']:.3f}")  # fmt: skip
    if result["skipped"]:
        return [*lines, f"SKIPPED evidently, so that nothing is compared: {result['skipped']}"]
    return [*lines, verdict("CPU of the check, evidently to ours", result["ratio"], BAR, at_least=True),
            f"CPU of the whole process, evidently to ours: {result['process_ratio']:.1f}"]  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="each once")
    parser.add_argument("--evidently-python", default="", help="a Python that has evidently installed")
    parser.add_argument("--role", choices=ROLES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
