"""Traps of METHOD.md (9.4) planted into the simulator's exports, and clean seeds: which leak tests fail on each.

    python benchmarks/leaks.py --patients 6000 --seeds 20 --trap-seeds 3

A trap is an edit of the CSV files and their mappings, as a hospital might send them by mistake. Right is: no test
fails on a clean seed, and at least one on each trap. Prints a line a run; exits with 1 when either is not so.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from wellkept import jobs
from wellkept.leaks import CHECKS, Evidence, Finding
from wellkept.settings import Settings
from wellkept.simulator import simulate
from wellkept.spec import Spec, load_spec
from wellkept.training import examples, train

MODELS = Path(__file__).resolve().parents[1] / "models"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
IDLE = pd.Timedelta(days=250)
Trap = Callable[[Path], None]


def close_the_loop(export: Path) -> None:
    """T1: staff call back whoever answered 0-6; the export carries the flag on the visit."""
    visits, surveys = pd.read_csv(export / "visits.csv"), pd.read_csv(export / "surveys.csv")
    unhappy = set(surveys.loc[surveys["nps"] <= 6, "visit_id"])
    visits["called_back"] = visits["visit_id"].isin(unhappy).map({True: "yes", False: "no"})
    visits.to_csv(export / "visits.csv", index=False)
    add(export / "visits.toml", 'code = "CASE//CALLED_BACK"', 'event_at = "end_at"', 'category = "called_back"',
        'encounter_id = "visit_id"')


def account_status(export: Path) -> None:
    """T2: the account as it stands on the day of the export, known "from registration on"."""
    _status(export, 'event_at = "registered_at"')


def account_status_static(export: Path) -> None:
    """T2 again, loaded as a static fact."""
    _status(export, "static = true")


def _status(export: Path, when: str) -> None:
    patients, visits = pd.read_csv(export / "patients.csv"), pd.read_csv(export / "visits.csv")
    last = pd.to_datetime(visits["end_at"]).groupby(visits["patient_id"]).max()
    gone = patients["patient_id"].map(last) < pd.Timestamp(NOW) - IDLE
    patients["account_status"] = gone.map({True: "inactive", False: "active"})
    patients.to_csv(export / "patients.csv", index=False)
    add(export / "patients.toml", 'code = "PERSON//account_status"', when, 'category = "account_status"')


def comment(export: Path) -> None:
    """T5: the length of the comment of the same answer, stamped with the survey's invitation."""
    surveys = pd.read_csv(export / "surveys.csv", dtype={"nps": "Int64"})
    surveys["comment_words"] = (60 - 4 * surveys["nps"]).astype("Int64")
    surveys.to_csv(export / "surveys.csv", index=False)
    add(export / "surveys.toml", 'code = "COMMENT//WORDS"', 'event_at = "invited_at"', 'number = "comment_words"',
        'encounter_id = "visit_id"')


def comment_that_says_nothing(export: Path) -> None:
    """T5 again: only that there is a comment is known, and not what it says."""
    surveys = pd.read_csv(export / "surveys.csv", dtype={"nps": "Int64"})
    surveys["commented"] = surveys["nps"].notna().map({True: "yes", False: ""})
    surveys.to_csv(export / "surveys.csv", index=False)
    add(export / "surveys.toml", 'code = "COMMENT//THERE"', 'event_at = "invited_at"',
        'when = { column = "commented", is = ["yes"] }', 'encounter_id = "visit_id"')


def bills_known_at_once(export: Path) -> None:
    """T3: bills by the day of service, not by the day on which they came."""
    mapping = export / "billing.toml"
    text = mapping.read_text().replace('time = "available_at"\n', "")
    mapping.write_text(text.replace('key = ["bill_id"]', 'key = ["bill_id"]\nignore = ["available_at"]'))


TRAPS: dict[str, tuple[Trap, str]] = {
    "T1 close-the-loop flag": (close_the_loop, "detractor_risk"),
    "T2 account status at registration": (account_status, "no_return"),
    "T2 account status, static": (account_status_static, "no_return"),
    "T5 comment's length": (comment, "detractor_risk"),
    "T5 comment's existence": (comment_that_says_nothing, "detractor_risk"),
    "T3 bills at once": (bills_known_at_once, "detractor_risk"),
}
BLIND = {"T3 bills at once"}  # docs/leaks.md: one export does not show when its rows arrived


def add(mapping: Path, *lines: str) -> None:
    """One more [[event]] of a mapping; tables come before it, as TOML asks."""
    mapping.write_text(mapping.read_text() + "\n[[event]]\n" + "\n".join(lines) + "\n")


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
            wrong += len(report(f"clean {target}", seed, run(lambda _: None, target, chosen.patients, seed)))
    for name, (trap, target) in TRAPS.items():
        for seed in range(1, chosen.trap_seeds + 1):
            failed = report(name, seed, run(trap, target, chosen.patients, seed))
            wrong += not failed and name not in BLIND
    print(f"{wrong} runs were wrong")
    sys.exit(1 if wrong else 0)


def run(trap: Trap, target: str, patients: int, seed: int) -> tuple[list[Finding], float, float]:
    """Findings, seconds of training, seconds of the leak tests."""
    settings = Settings(subject_key="benchmark")
    spec: Spec = load_spec(MODELS / f"{target}.toml")
    with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
        export = Path(folder) / "export"
        simulate(export, patients=patients, seed=seed)
        trap(export)
        (export / "manifest.json").unlink()
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
