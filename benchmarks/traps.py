"""The fifteen traps of METHOD.md (9.4), as the simulator plants them, and clean seeds: what the product makes of each.

    python benchmarks/traps.py --patients 6000 --seeds 20 --trap-seeds 3
    python benchmarks/traps.py --patients 12000 --only late-deaths unit-error

A trap is *caught* where ingest refuses or holds the export, or a leak test fails. It is *survived* where the model is
as near to the truth as on the honest export of the same seed (LESS says what that is). Both are asked of the models as
they ship and, since their features read none of the planted codes, with automatic features too. Where neither holds, a
person must look (docs/leaks.md says how). Nothing may be refused, held, or fail a leak test on a clean seed. SYNTHETIC
throughout. Prints a line a run; exits with 1 when a clean seed raised an alarm, or a trap got through that is not
among those that software cannot see.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wellkept import jobs
from wellkept.errors import InputHeld, InputRefused
from wellkept.examples import examples
from wellkept.journeys import Snapshot
from wellkept.judging import judge, learn
from wellkept.leaks import check_leaks
from wellkept.progress import Narrator
from wellkept.settings import Settings
from wellkept.simulator import simulate
from wellkept.simulator.disguises import ONE_OF_THESE
from wellkept.simulator.drifting import DRIFTS
from wellkept.spec import Spec, load_spec
from wellkept.training import train

MODELS = Path(__file__).resolve().parents[1] / "models"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DETRACTOR, NO_RETURN = "detractor_risk", "no_return"
WAYS = ("ships", "auto")
TRAPS: dict[str, tuple[str, tuple[str, ...]]] = {  # the simulator's name -> its number, the targets that it misleads
    "loop-closed": ("T1", (DETRACTOR,)),
    "account-status": ("T2", (NO_RETURN,)),
    "late-bills": ("T3", (DETRACTOR,)),
    "cancelled-at-deactivation": ("T4", (NO_RETURN,)),
    "early-comment": ("T5", (DETRACTOR,)),
    "site-score": ("T6", (DETRACTOR,)),
    "record-number": ("T7", (DETRACTOR,)),
    "ordered-ids": ("T8", (NO_RETURN,)),
    "late-deaths": ("T9", (NO_RETURN,)),
    "unit-error": ("T10", (DETRACTOR,)),
    "duplicate-patients": ("T11", (DETRACTOR, NO_RETURN)),
    "local-times": ("T12", (DETRACTOR, NO_RETURN)),
    "suppressed-surveys": ("T13", (DETRACTOR,)),
    "courtesy-letter": ("T14", (DETRACTOR,)),
    "apology-letter": ("T15", (DETRACTOR,)),
}
# an honest export with another seed of the model moves them by .003, 2 % and 2 % (12,000 patients, five seeds)
LESS = {"auroc": 0.01, "rmse": 0.05, "level": 0.05}
PERSON = {"suppressed-surveys"}  # software cannot see these: docs/leaks.md says how a person would


@dataclass(frozen=True)
class System:
    """An ingested export and its truth, and how near models came to it."""

    export: Path
    snapshot: Snapshot
    truth: pa.Table
    reached: dict[tuple[str, str], Nearness] = field(default_factory=dict)

    def nearness(self, spec: Spec, where: str, mask: pa.Array) -> Nearness:
        """`wellkept judge`'s figures of the model that ships, of some rows of the truth, which `where` names."""
        key = (spec.digest, where)
        if key not in self.reached:
            learned, rows = learn(self.snapshot, spec, say=Narrator(quiet=True)), self.truth.filter(mask)
            rank, rmse, level = judge(self.snapshot, rows, learned, say=Narrator(quiet=True))[:3]
            # freed of the ceiling that it is stated by: a trap may change what the features could reach
            auroc = 0.5 + rank.value * (rank.worst["ceiling AUROC"] - 0.5)
            self.reached[key] = Nearness(auroc, rmse.value, level.worst["all"])
        return self.reached[key]


@dataclass(frozen=True)
class Nearness:
    """How near a model comes to the truth: expected AUROC, RMSE over the ceiling's, came true over stated."""

    auroc: float
    rmse: float
    level: float

    def as_good_as(self, twin: Nearness) -> bool:
        """Is it within LESS of what was reached on the honest export?"""
        near = twin.level * (1 - LESS["level"]) <= self.level <= twin.level * (1 + LESS["level"])
        return near and self.auroc >= twin.auroc - LESS["auroc"] and self.rmse <= twin.rmse * (1 + LESS["rmse"])

    def __str__(self) -> str:
        return f"AUROC {self.auroc:.3f} RMSE {self.rmse:.3f} level {self.level:.3f}"


def main() -> None:
    """Clean seeds first, then each trap beside its honest twin."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=6000)
    parser.add_argument("--seeds", type=int, default=20, help="clean ones")
    parser.add_argument("--trap-seeds", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=["clean", *TRAPS], default=["clean", *TRAPS])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="as the models ship, with auto features")
    chosen = parser.parse_args()
    wrong = 0
    for seed in range(1, chosen.seeds + 1 if "clean" in chosen.only else 1):
        wrong += sum(map(bool, alarms(chosen.patients, seed, chosen.ways)))
    for seed in range(1, chosen.trap_seeds + 1):
        with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
            twin = ingested(Path(folder), chosen.patients, seed)
            for name in (name for name in TRAPS if name in chosen.only):
                wrong += not all([*sprung(name, seed, chosen.patients, twin, chosen.ways)]) and name not in PERSON
    print(f"{wrong} runs were wrong")
    sys.exit(1 if wrong else 0)


def alarms(patients: int, seed: int, ways: Sequence[str]) -> Iterator[list[str]]:
    """The leak tests that fail on a clean seed, by model."""
    with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
        system = ingested(Path(folder), patients, seed)
        for target in (DETRACTOR, NO_RETURN):
            for way, spec in specs(target, ways).items():
                failed = failing(system, spec)
                print(f"clean seed {seed} {target} {way}: {', '.join(failed) or 'no alarm'}", flush=True)
                yield failed


def sprung(name: str, seed: int, patients: int, twin: System, ways: Sequence[str]) -> Iterator[bool]:
    """Print what became of a trap, by model; was it caught or survived?"""
    number, targets = TRAPS[name]
    with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
        try:
            system = ingested(Path(folder), patients, seed, name)
        except (InputRefused, InputHeld) as error:
            print(f"{number} {name} seed {seed}: caught at ingest: {str(error).splitlines()[0]}", flush=True)
            yield True
            return
        for target in targets:
            for way, spec in specs(target, ways).items():
                right, words = outcome(name, system, twin, spec)
                print(f"{number} {name} seed {seed} {target} {way}: {words}", flush=True)
                yield right


def outcome(name: str, system: System, twin: System, spec: Spec) -> tuple[bool, str]:
    """Caught or survived? And the words for it."""
    if failed := failing(system, spec):
        return True, f"caught by {', '.join(failed)}"
    verdicts, words = [], []
    for where, mask in touched(name, system).items():
        there, honest = system.nearness(spec, where, mask), twin.nearness(spec, where, mask)
        verdicts.append(there.as_good_as(honest))
        words.append(f"{where} {there}, honest export {honest}")
    return all(verdicts), f"{'survived' if all(verdicts) else 'GOT THROUGH'}: {'; '.join(words)}"


def touched(name: str, system: System) -> dict[str, pa.Array]:
    """Rows of the truth: all, and those of the sites where surveys are suppressed."""
    at = system.truth["site"].cast(pa.string())
    parts = {"all:": pa.repeat(pa.scalar(True), len(at))}
    if name == "suppressed-surveys":
        sites = pq.read_table(system.export / "sites.parquet")["site"].cast(pa.string()).combine_chunks()
        parts["these sites:"] = pc.is_in(at, sites[::ONE_OF_THESE])
    return parts


def ingested(folder: Path, patients: int, seed: int, trap: str = "") -> System:
    """Simulate and land, the way `wellkept ingest tables` does."""
    export, settings = folder / "export", Settings(subject_key="benchmark")
    drift, traps = ((trap,), ()) if trap in DRIFTS else ((), (trap,) if trap else ())
    simulate(export, patients=patients, seed=seed, traps=traps, drift=drift)
    journeys = jobs.open_journeys(folder / "journeys", settings)
    batch = jobs.read_batch("tables", export, now=NOW, settings=settings)
    jobs.land(journeys, batch)
    if batch.rejected:
        print(f"{trap or 'clean'} seed {seed}: {len(batch.rejected)} rows set aside", flush=True)
    return System(export, journeys.snapshot(), pq.read_table(export / "truth" / "encounters.parquet"))


def specs(target: str, ways: Sequence[str]) -> dict[str, Spec]:
    """The model as it ships, and with automatic features beside its own."""
    ships = load_spec(MODELS / f"{target}.toml")
    both = {"ships": ships, "auto": ships.model_copy(update={"features": (*ships.families, "auto")})}
    return {way: both[way] for way in ways}


def failing(system: System, spec: Spec) -> list[str]:
    """The leak tests that fail, each with its figure and the feature that it names."""
    data = examples(system.snapshot, spec)
    findings = check_leaks(system.snapshot, spec, data, train(data, spec))
    return [f"{f.check} ({f.feature} {f.value:.3f})" for f in findings if f.holds is False]


if __name__ == "__main__":
    main()
