"""What a model learns where coordinators help and help works: from all labels, or from those of whom nobody helped.

    python benchmarks/helping.py --patients 100000 --seeds 411 412

SYNTHETIC systems in which coordinators help after nine in ten visits at which something serious went wrong, from month
30 on (drift `outreach`). Each model is trained twice on one system: with ` before any INTERVENTION//DONE` in its label,
as it ships, and without. The truth is the risk if nobody helps: the share of the reachable AUROC, and true over stated,
of all and of the 5 % with the highest risk in truth that features could tell, whom a coordinator should call.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from measuring import described, machine, say, show
from wellkept import jobs
from wellkept.ceiling import expected_auroc
from wellkept.encoding import fit_encoder
from wellkept.examples import examples
from wellkept.journeys import Snapshot
from wellkept.judging import Judged, judged_rows
from wellkept.settings import Settings
from wellkept.simulator import simulate
from wellkept.spec import load_spec
from wellkept.stability import risk_by_all
from wellkept.training import trees_contestant

MODELS = Path(__file__).resolve().parents[1] / "models"
SUFFIX = " before any INTERVENTION//DONE"
LISTED = 0.05
DRIFTS = {"usual": (), "outreach": ("outreach",)}


def main() -> None:
    """Each system and target, both ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--patients", type=int, default=100_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[411])
    parser.add_argument("--world", default="interacting")
    parser.add_argument("--help-is", nargs="+", choices=DRIFTS, default=["outreach"])
    parser.add_argument("--targets", nargs="+", default=["detractor_risk", "no_return"])
    chosen = parser.parse_args()
    facts = []
    for seed in chosen.seeds:
        for help_is in chosen.help_is:
            with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
                told = system(Path(folder), seed, help_is, chosen)
            facts += [{"seed": seed, "help": help_is, **one} for one in told]
    about = f"SYNTHETIC, {chosen.world}, {chosen.patients} patients; trees, judged on later visits"
    lines = [
        f"{f['seed']} help {f['help']:9}{f['target']:15} {f['learned from']:22} {f['labels']:8} labels; "
        f"{f['reached']:.3f} of the reachable AUROC; true over stated {f['all']:.2f}, of the top 5 % {f['top']:.2f}"
        for f in facts
    ]
    show(facts, [described(machine("wellkept", "xgboost")), about, *lines], as_json=chosen.json)


def system(folder: Path, seed: int, help_is: str, chosen: argparse.Namespace) -> list[dict]:
    """One system, simulated and ingested: both targets, both ways."""
    settings = Settings(subject_key="benchmark")
    export = folder / "export"
    simulate(export, patients=chosen.patients, seed=seed, world=chosen.world, drift=DRIFTS[help_is])
    journeys = jobs.open_journeys(folder / "journeys", settings)
    jobs.land(journeys, jobs.read_batch("tables", export, now=datetime.now(UTC), settings=settings))
    truth = pq.read_table(export / "truth" / "encounters.parquet")
    return [told for target in chosen.targets for told in both_ways(journeys.snapshot(), truth, target)]


def both_ways(snapshot: Snapshot, truth: pa.Table, target: str) -> list[dict]:
    """As it ships, and from everybody's labels; judged on the same rows."""
    ships = load_spec(MODELS / f"{target}.toml")
    if not ships.label.true_when.endswith(SUFFIX):
        raise SystemExit(f"the label of {target} does not end in {SUFFIX!r}")
    sentence = ships.label.true_when.removesuffix(SUFFIX)
    label = ships.label.model_copy(update={"true_when": sentence})
    told = []
    for name, spec in {"of whom nobody helped": ships, "all": ships.model_copy(update={"label": label})}.items():
        data = examples(snapshot, spec)
        judged = judged_rows(snapshot, truth, spec, data)  # each with its own clock
        encoder = fit_encoder(data.catalogue, data.features, data.rows("train"))
        trees = trees_contestant(encoder.matrix(data.features), data, encoder, spec)
        risk = risk_by_all(trees, encoder.matrix(judged.features))
        told.append({"target": target, "learned from": name, "labels": len(data.label), **near(risk, judged)})
        say(f"{target}: {name}")
    return told


def near(risk: np.ndarray, judged: Judged) -> dict[str, float]:
    """How near to the truth: ranking, level, and the level of whom one should call."""
    top = judged.ceiling >= np.quantile(judged.ceiling, 1 - LISTED)
    reachable = expected_auroc(judged.ceiling, judged.truth) - 0.5
    return {"reached": (expected_auroc(risk, judged.truth) - 0.5) / reachable,
            "all": float(judged.truth.mean() / risk.mean()),
            "top": float(judged.truth[top].mean() / risk[top].mean())}  # fmt: skip


if __name__ == "__main__":
    main()
