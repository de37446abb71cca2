"""What each decision on how models learn is worth, beside its alternative, against the truth of synthetic systems.

    python benchmarks/learning.py --patients 100000 --seed 3

Whole answers or only 0-6 or not; all labels that were known before the test period or the older three quarters; with or
without the points whose deadline was not over when it began; rows alike or by 1/sqrt(rows of the patient); trees that
start from the clock or do not; trees of two decisions, of three, or of a quarter of the columns; many small steps from
few rows or fewer large ones from most. Trees alone are compared, in one run on one system, by the share of the
reachable AUROC, the distance to the truth over the ceiling's, true over stated, the CPU that learning took, and in the
last four also by the overlap of the lists of two refits. SYNTHETIC throughout.
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
from wellkept.ceiling import distance, expected_auroc
from wellkept.clock import NAME as CLOCK
from wellkept.encoding import fit_encoder
from wellkept.examples import Examples, examples
from wellkept.judging import Judged, judged_rows
from wellkept.settings import Settings
from wellkept.simulator import simulate
from wellkept.spec import Spec, Trees, load_spec
from wellkept.stability import overlap, refits, risk_by_all
from wellkept.training import trees_contestant

MODELS = Path(__file__).resolve().parents[1] / "models"
TREES = {"two decisions a tree": {"depth": 2}, "three decisions a tree": {"depth": 3},
         "three, a quarter of the columns a tree": {"depth": 3, "columns": 0.25}}  # fmt: skip


def main() -> None:
    """One system, each decision beside its alternative."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--patients", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=3)
    chosen = parser.parse_args()
    keyed = Settings(subject_key="benchmark")
    facts = []
    with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
        export = Path(folder) / "export"
        simulate(export, patients=chosen.patients, seed=chosen.seed)
        journeys = jobs.open_journeys(Path(folder) / "journeys", keyed)
        jobs.land(journeys, jobs.read_batch("tables", export, now=datetime.now(UTC), settings=keyed))
        snapshot, truth = journeys.snapshot(), pq.read_table(export / "truth" / "encounters.parquet")
        for target, ways in {"detractor_risk": of_answers, "no_return": of_returns}.items():
            spec = load_spec(MODELS / f"{target}.toml")
            data = examples(snapshot, spec)
            judged = judged_rows(snapshot, truth, spec, data)
            tried = [(name, told, spec, False) for name, told in ways(data)]
            trees = [(name, data, with_trees(spec, settings), True) for name, settings in of_trees(spec.trees).items()]
            for name, told, by, again in [*tried, *trees]:
                facts.append({"target": target, "learned from": name, **near(told, by, judged, again=again)})
                say(f"{target}: {name}")
    about = f"SYNTHETIC, {chosen.patients} patients, seed {chosen.seed}; trees, judged on later visits"
    show(facts, [described(machine("wellkept", "xgboost")), about, *map(_line, facts)], as_json=chosen.json)


def _line(told: dict) -> str:
    level = ", ".join(f"{name} {value:.2f}" for name, value in told["level"].items())
    lists = f"; lists of two refits overlap by {told['overlap']:.2f}" if "overlap" in told else ""
    reached = f"{told['reached']:.3f} of the reachable AUROC; RMSE {told['rmse']:.3f} of the ceiling's"
    spent = f"{told['cpu_s']:.0f} CPU s{lists}; true over stated {level}"
    return f"{told['target']:15} {told['learned from']:58} {reached}; {spent}"


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


def of_trees(trees: Trees) -> dict[str, dict[str, float]]:
    """What ships, by another name, and each alternative to it."""
    small = {"rounds": 2 * trees.rounds, "learning_rate": trees.learning_rate / 2, "subsample": 0.15}
    return {**TREES, "twice the rounds, half the step, .15 of the rows a tree": small}


def with_trees(spec: Spec, settings: dict[str, float]) -> Spec:
    """The same model with other trees."""
    return spec.model_copy(update={"trees": spec.trees.model_copy(update=settings)})


def near(data: Examples, spec: Spec, judged: Judged, *, again: bool) -> dict:
    """Shares of the reachable AUROC and RMSE over the ceiling's, true over stated of all and by kind of care, CPU s.

    `again`: with the overlap of the lists of two refits on resampled patients.
    """
    encoder = fit_encoder(data.catalogue, data.features, data.rows("train"))
    X, begun = encoder.matrix(data.features), time.process_time()
    trees = trees_contestant(X, data, encoder, spec)
    cpu, of_judged = time.process_time() - begun, encoder.matrix(judged.features)
    risk = risk_by_all(trees, of_judged)
    reachable = expected_auroc(judged.ceiling, judged.truth) - 0.5
    groups = {"all": np.ones(len(risk), bool)} | {k: v for k, v in judged.groups.items() if k.startswith("care ")}
    level = {name: float(judged.truth[rows].mean() / risk[rows].mean()) for name, rows in groups.items()}
    lists = [risk_by_all(refit, of_judged) for refit in refits(data, encoder, "trees", spec, 2)] if again else []
    return {"reached": (expected_auroc(risk, judged.truth) - 0.5) / reachable, "level": level, "cpu_s": cpu,
            "rmse": distance(risk, judged.truth) / distance(judged.ceiling, judged.truth),
            **({"overlap": overlap(lists)[0]} if again else {})}  # fmt: skip


if __name__ == "__main__":
    main()
