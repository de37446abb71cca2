"""What each decision on how models learn is worth, beside its alternative, against the truth of synthetic systems.

    python benchmarks/learning.py --patients 100000 --seed 3

Whole answers or only 0-6 or not; all labels that were known before the test period or the older three quarters; with or
without the points whose deadline was not over when it began; rows alike or by 1/sqrt(rows of the patient); trees that
start from the clock or do not; as many columns a tree as ship or twice as many. Trees alone are compared, in one run on
one system, by the share of the reachable AUROC, by the distance to the truth over the ceiling's, by true over stated,
and by the CPU that learning took. SYNTHETIC throughout.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from measuring import described, machine, say, show
from wellkept import jobs
from wellkept.calibrating import sigmoid
from wellkept.ceiling import distance, expected_auroc
from wellkept.clock import NAME as CLOCK
from wellkept.encoding import fit_encoder
from wellkept.examples import Examples, examples
from wellkept.judging import Judged, judged_rows
from wellkept.settings import Settings
from wellkept.simulator import simulate
from wellkept.spec import Spec, load_spec
from wellkept.training import trees_contestant

MODELS = Path(__file__).resolve().parents[1] / "models"
COLUMNS = "twice the columns a tree, at most all"


def main() -> None:
    """One system, each decision beside its alternative."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--patients", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=3)
    chosen = parser.parse_args()
    settings = Settings(subject_key="benchmark")
    facts = []
    with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
        export = Path(folder) / "export"
        simulate(export, patients=chosen.patients, seed=chosen.seed)
        journeys = jobs.open_journeys(Path(folder) / "journeys", settings)
        jobs.land(journeys, jobs.read_batch("tables", export, now=datetime.now(UTC), settings=settings))
        snapshot, truth = journeys.snapshot(), pq.read_table(export / "truth" / "encounters.parquet")
        for target, ways in {"detractor_risk": of_answers, "no_return": of_returns}.items():
            spec = load_spec(MODELS / f"{target}.toml")
            data = examples(snapshot, spec)
            judged = judged_rows(snapshot, truth, spec, data)
            tried = [(name, told, spec) for name, told in ways(data)]
            for name, told, by in [*tried, (COLUMNS, data, more_columns(spec))]:
                facts.append({"target": target, "learned from": name, **near(told, by, judged)})
                say(f"{target}: {name}")
    about = f"SYNTHETIC, {chosen.patients} patients, seed {chosen.seed}; trees, judged on later visits"
    show(facts, [described(machine("wellkept", "xgboost")), about, *map(_line, facts)], as_json=chosen.json)


def _line(told: dict) -> str:
    level = ", ".join(f"{name} {value:.2f}" for name, value in told["level"].items())
    return (f"{told['target']:15} {told['learned from']:58} {told['reached']:.3f} of the reachable AUROC; RMSE "
            f"{told['rmse']:.3f} of the ceiling's; {told['cpu_s']:.0f} CPU s; true over stated {level}")  # fmt: skip


def of_answers(data: Examples) -> Iterator[tuple[str, Examples]]:
    """As it is, and each alternative."""
    yield "whole answers, all before the test (ships)", data
    grade = data.points.column_names.index("grade")
    nulls = pa.nulls(data.points.num_rows, pa.float32())
    yield "0-6 or not", replace(data, points=data.points.set_column(grade, "grade", nulls))
    yield "the older three quarters", older(data)


def of_returns(data: Examples) -> Iterator[tuple[str, Examples]]:
    """As it is, without those who wait, and each alternative to that."""
    yield "rows alike, all before the test, clock, who waits (ships)", data
    alone = replace(data, waiting=None)
    yield "without those who wait for their deadline", alone
    yield "the same, rows by 1/sqrt(rows of the patient)", replace(alone, is_answer=True)
    yield "the same, the older three quarters", older(alone)
    without = [f for f in data.catalogue if f.name != CLOCK]
    yield "the same, no clock to start from", replace(alone, catalogue=without)


def older(data: Examples) -> Examples:
    """Without the labels that became known last: what learns is calibrated on what it learns from, across folds."""
    rows = data.rows("train", "test", "embargo")
    return replace(data, points=data.points.take(pa.array(rows)), features=data.features.take(pa.array(rows)),
                   role=data.role[rows], fold=data.fold[rows])  # fmt: skip


def more_columns(spec: Spec) -> Spec:
    """Trees that may see twice as much: nearer to the truth, and lists that change more with a refit."""
    trees = {"columns": min(1.0, 2 * spec.trees.columns)}
    return spec.model_copy(update={"trees": spec.trees.model_copy(update=trees)})


def near(data: Examples, spec: Spec, judged: Judged) -> dict:
    """The share of the reachable AUROC, RMSE over the ceiling's, true over stated of all and by kind of care, CPU s."""
    encoder = fit_encoder(data.catalogue, data.features, data.rows("train"))
    X, begun = encoder.matrix(data.features), time.process_time()
    trees = trees_contestant(X, data, encoder, spec)
    cpu = time.process_time() - begun
    margin = trees.estimator.margins(encoder.matrix(judged.features)).mean(axis=1)
    risk = sigmoid(trees.slope * margin + trees.intercept)
    reachable = expected_auroc(judged.ceiling, judged.truth) - 0.5
    groups = {"all": np.ones(len(risk), bool)} | {k: v for k, v in judged.groups.items() if k.startswith("care ")}
    level = {name: float(judged.truth[rows].mean() / risk[rows].mean()) for name, rows in groups.items()}
    return {"reached": (expected_auroc(risk, judged.truth) - 0.5) / reachable, "level": level, "cpu_s": cpu,
            "rmse": distance(risk, judged.truth) / distance(judged.ceiling, judged.truth)}  # fmt: skip


if __name__ == "__main__":
    main()
