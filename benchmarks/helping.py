"""What a model learns where coordinators help and help works: is a flagged patient soon said to be safe?

    python benchmarks/helping.py --patients 60000 --seeds 411 412

The risk to state is that of whom nobody helps; the labels are those of whoever was helped, too. SYNTHETIC systems, as
usual (coordinators help after 7.5 % of visits) and with an `outreach` to nearly everybody to whom something serious
happened. They see more than the tables show, and the worse it was the more they help, as they should. Detractors are
learned from all answers, and, as METHOD.md section 8 would have it, from those of whom nobody helped. The share of the
reachable AUROC, and true over stated, of all and of the 5 % with the highest risk that features could tell.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from measuring import described, machine, say, show
from wellkept import jobs
from wellkept.ceiling import expected_auroc
from wellkept.encoding import fit_encoder
from wellkept.examples import Examples, examples
from wellkept.journeys import Snapshot
from wellkept.judging import Judged, judged_rows
from wellkept.settings import Settings
from wellkept.simulator import simulate
from wellkept.simulator.worlds import World
from wellkept.spec import load_spec
from wellkept.stability import risk_by_all
from wellkept.training import trees_contestant

MODELS = Path(__file__).resolve().parents[1] / "models"
LISTED = 0.05
WORLDS = {"usual": World(), "outreach": replace(World(), helped_major=6.0)}  # log-odds to be helped after a failure


def main() -> None:
    """Each system and target, both ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--patients", type=int, default=60_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[411])
    parser.add_argument("--targets", nargs="+", default=["detractor_risk", "no_return"])
    chosen = parser.parse_args()
    facts = []
    for seed in chosen.seeds:
        for world in WORLDS:
            with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
                told = list(of_system(Path(folder), seed, world, chosen))
            facts += [{"seed": seed, "help": world, **one} for one in told]
    about = f"SYNTHETIC, {chosen.patients} patients; trees, judged on later visits"
    lines = [
        f"{f['seed']} help {f['help']:9}{f['target']:15} {f['learned from']:22} {f['labels']:8} labels; "
        f"{f['reached']:.3f} of the reachable AUROC; true over stated {f['all']:.2f}, of the top 5 % {f['top']:.2f}"
        for f in facts
    ]
    show(facts, [described(machine("wellkept", "xgboost")), about, *lines], as_json=chosen.json)


def of_system(folder: Path, seed: int, world: str, chosen: argparse.Namespace) -> Iterator[dict]:
    """One system, simulated and ingested: each target, and the answers of whom nobody helped."""
    settings = Settings(subject_key="benchmark")
    export = folder / "export"
    simulate(export, patients=chosen.patients, seed=seed, world=WORLDS[world])
    journeys = jobs.open_journeys(folder / "journeys", settings)
    jobs.land(journeys, jobs.read_batch("tables", export, now=datetime.now(UTC), settings=settings))
    truth = pq.read_table(export / "truth" / "encounters.parquet")
    for target in chosen.targets:
        yield from of_target(journeys.snapshot(), truth, target)
        say(f"{seed} {world}: {target}")


def of_target(snapshot: Snapshot, truth: pa.Table, target: str) -> Iterator[dict]:
    """Learned from all labels and, of answers, from those of whom nobody helped; judged on the same rows."""
    spec = load_spec(MODELS / f"{target}.toml")
    data = examples(snapshot, spec)
    judged = judged_rows(snapshot, truth, spec, data)
    ways = {"all": data}
    if data.is_answer:
        ways["of whom nobody helped"] = unhelped(data, truth)
    for name, told in ways.items():
        encoder = fit_encoder(told.catalogue, told.features, told.rows("train"))
        trees = trees_contestant(encoder.matrix(told.features), told, encoder, spec)
        risk = risk_by_all(trees, encoder.matrix(judged.features))
        yield {"target": target, "learned from": name, "labels": len(told.label), **near(risk, judged)}


def unhelped(data: Examples, truth: pa.Table) -> Examples:
    """Without the visits after which somebody was helped."""
    helped = truth["encounter_id"].filter(pc.not_equal(pc.cast(truth["arm"], pa.string()), "none"))
    kept = pc.invert(pc.is_in(data.points["encounter_id"], helped.combine_chunks()))
    rows = kept.to_numpy()
    return replace(data, points=data.points.filter(kept), features=data.features.filter(kept), role=data.role[rows],
                   fold=data.fold[rows])  # fmt: skip


def near(risk: np.ndarray, judged: Judged) -> dict[str, float]:
    """How near to the truth: ranking, level, and the level of whom one should call."""
    top = judged.ceiling >= np.quantile(judged.ceiling, 1 - LISTED)
    reachable = expected_auroc(judged.ceiling, judged.truth) - 0.5
    return {"reached": (expected_auroc(risk, judged.truth) - 0.5) / reachable,
            "all": float(judged.truth.mean() / risk.mean()),
            "top": float(judged.truth[top].mean() / risk[top].mean())}  # fmt: skip


if __name__ == "__main__":
    main()
