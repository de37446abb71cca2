"""Traps of METHOD.md (9.4) that the simulator plants into its exports, and clean seeds: which leak tests fail on each.

    python benchmarks/leaks.py --patients 6000 --seeds 20 --trap-seeds 3

Right is: no test fails on a clean seed, and at least one on each trap that is a leak and that one export can show
(docs/leaks.md says which cannot). Prints a line a run; exits with 1 when either is not so.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from wellkept import jobs
from wellkept.examples import examples
from wellkept.leaks import CHECKS, Evidence, Finding
from wellkept.settings import Settings
from wellkept.simulator import simulate
from wellkept.spec import Automatic, load_spec
from wellkept.training import train

MODELS = Path(__file__).resolve().parents[1] / "models"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TRAPS = {  # the simulator's name -> the target that it flatters
    "loop-closed": "detractor_risk", "account-status": "no_return", "early-comment": "detractor_risk",
    "ordered-ids": "no_return", "cancelled-at-deactivation": "no_return", "site-score": "detractor_risk",
    "late-bills": "detractor_risk",
}  # fmt: skip
NEVER = ("SURVEY//INVITED", "COMMENT//TEXT", "INTERVENTION//DONE")  # our own doing, and free text
BLIND = {"cancelled-at-deactivation", "site-score", "late-bills"}  # docs/leaks.md says why, and how a person finds them
HARMLESS = {"early-comment", "ordered-ids"}  # nothing reads free text, and the store's own ids carry no order


def main() -> None:
    """Clean seeds first, then each trap."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=6000)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trap-seeds", type=int, default=3)
    chosen = parser.parse_args()
    wrong = 0
    for seed in range(1, chosen.seeds + 1):
        for target in ("detractor_risk", "no_return"):
            wrong += len(report(f"clean {target}", seed, run((), target, chosen.patients, seed)))
    for name, target in TRAPS.items():
        for seed in range(1, chosen.trap_seeds + 1):
            failed = report(name, seed, run((name,), target, chosen.patients, seed))
            wrong += not failed and name not in BLIND | HARMLESS
    print(f"{wrong} runs were wrong")
    sys.exit(1 if wrong else 0)


def run(traps: tuple[str, ...], target: str, patients: int, seed: int) -> tuple[list[Finding], float, float]:
    """Findings, seconds of training, seconds of the leak tests."""
    settings = Settings(subject_key="benchmark")
    written = load_spec(MODELS / f"{target}.toml")
    # hand-written features read none of the planted codes; automatic ones do
    spec = written.model_copy(update={"features": (*written.families, "auto"), "automatic": Automatic(exclude=NEVER)})
    with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
        export = Path(folder) / "export"
        simulate(export, patients=patients, seed=seed, traps=traps)
        journeys = jobs.open_journeys(Path(folder) / "journeys", settings)
        journeys.land(jobs.read_batch("tables", export, now=NOW, settings=settings))
        snapshot, started = journeys.snapshot(), time.perf_counter()
        data = examples(snapshot, spec)
        evidence = Evidence(snapshot, spec, data, train(data, spec))
        trained = time.perf_counter()
        findings = [check(evidence) for check in CHECKS.values()]
        return findings, trained - started, time.perf_counter() - trained


def report(name: str, seed: int, result: tuple[list[Finding], float, float]) -> list[str]:
    """Print a line; gives the names of the checks that failed."""
    findings, training, testing = result
    failed = [f.check for f in findings if f.holds is False]
    figures = " ".join(f"{f.check}={'-' if f.value is None else f'{f.value:.3f}'}{'*' * (f.holds is False)}"
                       for f in findings)  # fmt: skip
    features = ", ".join(sorted({f.feature for f in findings if f.holds is False}))
    print(f"{name} seed {seed}: train {training:.1f} s, checks {testing:.1f} s; {figures} {features}", flush=True)
    return failed


if __name__ == "__main__":
    main()
