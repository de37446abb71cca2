"""Visits of SYNTHETIC health systems with everything that models, triggers and truth say of them, for other scripts."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wellkept import jobs
from wellkept.allocating import Resource, allocate
from wellkept.bundles import Bundle
from wellkept.catalogue import query_of
from wellkept.effects import Effects, effects_of
from wellkept.evaluating import evaluate
from wellkept.evidence import Evidence
from wellkept.examples import examples
from wellkept.history import FeatureQuery
from wellkept.jobs.piloting import kinds_at
from wellkept.journeys import Snapshot
from wellkept.labelling import cohort
from wellkept.offering import DETRACTOR, NO_RETURN, Intervention, interventions
from wellkept.programs import NOBODY
from wellkept.recommending import questions
from wellkept.settings import Settings
from wellkept.simulator import simulate
from wellkept.spec import load_spec
from wellkept.training import train
from wellkept.what_if import what_if

MODELS = Path(__file__).resolve().parents[1] / "models"
MINUTES_EACH = 0.8
FIRST = 1e3  # worth more than anything else
TRUE = {DETRACTOR: "p_detractor", NO_RETURN: "p_no_return"}


def kept(made_of: dict, file: Path | None, make: Callable[[], dict]) -> dict:
    """What is made of this, out of the file if it is there, and added to it if not."""
    lines = file.read_text().splitlines() if file and file.exists() else []
    for told in map(json.loads, lines):
        if made_of.items() <= told.items():
            return told
    told = {**made_of, **make()}
    if file:
        with file.open("a") as opened:
            opened.write(json.dumps(told) + "\n")
    return told


@contextmanager
def system(world: str, seed: int, chosen: argparse.Namespace) -> Iterator[tuple[Snapshot, pa.Table, pa.Table]]:
    """A simulated system while it is there: its journeys, and what is true of its visits, and with each arm."""
    settings = Settings(subject_key="benchmark")
    with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
        export = Path(folder) / "export"
        simulate(export, patients=chosen.patients, seed=seed, world=world, jitter=chosen.jitter)
        journeys = jobs.open_journeys(Path(folder) / "journeys", settings)
        jobs.land(journeys, jobs.read_batch("tables", export, now=datetime.now(UTC), settings=settings))
        yield (journeys.snapshot(), pq.read_table(export / "truth" / "encounters.parquet"),
               pq.read_table(export / "truth" / "arms.parquet"))  # fmt: skip


def batch_of(snapshot: Snapshot, truth: pa.Table, arms: pa.Table) -> tuple[Batch, pa.Table, np.ndarray]:
    """Every visit with what models and truth say of it, its point, and whether it is of the test period."""
    catalogue = [i for i in interventions().values() if not i.is_automated]
    bundles, begins = trained(snapshot)
    points = cohort(snapshot, bundles[DETRACTOR].spec.points.model_copy(update={"after": ("24h",)}))
    place = pc.index_in(points["encounter_id"], truth["encounter_id"].combine_chunks())
    points, place = points.filter(place.is_valid()), place.drop_null()
    later = pc.greater_equal(points["prediction_time"], begins).to_numpy()
    true = true_gains(truth.take(place), arms.take(place), catalogue)
    X = {t: b.encoder.matrix(_features(snapshot, points, b)) for t, b in bundles.items()}
    record = FeatureQuery(questions(catalogue)).run(snapshot, points)
    triggered = np.column_stack([np.nan_to_num(record[i.name].to_numpy()) > 0 for i in catalogue])
    batch = Batch(catalogue, bundles, X, triggered, kinds_at(snapshot, points), true,
                  truth["response_probability"].take(place).to_numpy(),
                  {t: truth[TRUE[t]].take(place).to_numpy() for t in bundles})
    return batch, points, later


@dataclass(frozen=True)
class Batch:
    """Visits: their features and triggers, and what is true of them; `rows` takes some."""

    catalogue: list[Intervention]
    bundles: dict[str, Bundle]
    X: dict[str, np.ndarray]
    triggered: np.ndarray
    kind: np.ndarray
    gains: dict[str, np.ndarray]
    answers: np.ndarray
    truth: dict[str, np.ndarray]

    def rows(self, which: np.ndarray) -> Batch:
        return replace(
            self, triggered=self.triggered[which], kind=self.kind[which], answers=self.answers[which],
            X={t: x[which] for t, x in self.X.items()}, gains={t: g[which] for t, g in self.gains.items()},
            truth={t: p[which] for t, p in self.truth.items()},
        )  # fmt: skip

    @cached_property
    def risk(self) -> dict[str, np.ndarray]:
        return {t: b.risk(self.X[t]) for t, b in self.bundles.items()}

    @cached_property
    def gone_well(self) -> dict[str, np.ndarray]:
        return {t: what_if(b, self.X[t], self.catalogue) for t, b in self.bundles.items()}

    @property
    def gain(self) -> np.ndarray:
        return sum(self.gains.values())

    @property
    def lesser(self) -> np.ndarray:
        """Worth of no more than is believed, and no more than the model says had it gone well, where it has a say."""
        believed = effects_of(self.catalogue, self.risk, self.triggered).change  # halved: the model was not asked
        return -sum(np.fmax(2 * believed[t], said) for t, said in self.gone_well.items())

    def effects(self, evidence: Evidence | None = None) -> Effects:
        """As `wellkept recommend` has them."""
        return effects_of(self.catalogue, self.risk, self.triggered, self.gone_well, evidence, self.kind)


def owed_first(effects: Effects, catalogue: list[Intervention], value: np.ndarray | None = None) -> np.ndarray:
    """Values, the effects' own if no others are given, with whoever is entitled before everybody."""
    owed = effects.offered & np.array([i.is_entitlement for i in catalogue])
    rest = effects.value if value is None else value
    return np.where(owed, FIRST, np.where(owed.any(axis=1)[:, None], 0.0, rest))


def trained(snapshot: Snapshot) -> tuple[dict[str, Bundle], pa.Scalar]:
    """Both models, and when the later of the two test periods begins."""
    bundles, begins = {}, []
    for target in (DETRACTOR, NO_RETURN):
        spec = load_spec(MODELS / f"{target}.toml")
        data = examples(snapshot, spec)
        model = train(data, spec)
        bundles[target] = jobs.bundle_of(model, data, spec, evaluate(model, data, spec))
        begins.append(pc.min(data.points["prediction_time"].take(pa.array(data.rows("test")))))
    return bundles, max(begins, key=lambda at: at.value)


def true_gains(truth: pa.Table, arms: pa.Table, catalogue: list[Intervention]) -> dict[str, np.ndarray]:
    """Detractors and lost patients that each intervention truly prevents, each visits x interventions."""
    return {
        target: np.column_stack([truth[p].to_numpy() - arms[f"{p}_{i.name}"].to_numpy() for i in catalogue])
        for target, p in TRUE.items()
    }


def from_the_top(value: np.ndarray, minutes: np.ndarray, budget: float) -> np.ndarray:
    """What each gets where a list goes from the top down until the minutes are spent."""
    choice = np.where(value.max(axis=1) > 0, value.argmax(axis=1), NOBODY)
    order = np.argsort(-value.max(axis=1), kind="stable")
    spent = np.cumsum(np.where(choice[order] != NOBODY, minutes[choice[order]], 0))
    choice[order[spent > budget]] = NOBODY
    return choice


def allotted(value: np.ndarray, catalogue: list[Intervention], each: float) -> np.ndarray:
    """Each row's intervention, or NOBODY, where there are `each` minutes a row."""
    minutes = np.array([i.minutes for i in catalogue])
    return allocate(value, np.zeros(len(value), int), [Resource("minutes", each * len(value), minutes[None])]).choice


def _features(snapshot: Snapshot, points: pa.Table, bundle: Bundle) -> pa.Table:
    return query_of(bundle.encoder.features).run(snapshot, points)
