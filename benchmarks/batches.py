"""Visits of SYNTHETIC health systems with everything that models, triggers and truth say of them, for other scripts."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wellkept import jobs
from wellkept.bundles import Bundle
from wellkept.effects import effects_of
from wellkept.evaluating import evaluate
from wellkept.examples import examples
from wellkept.journeys import Snapshot
from wellkept.judging_steps import Batch, batch_of
from wellkept.offering import DETRACTOR, NO_RETURN
from wellkept.settings import Settings
from wellkept.simulator import simulate
from wellkept.spec import load_spec
from wellkept.training import train

MODELS = Path(__file__).resolve().parents[1] / "models"


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


def visits_of(snapshot: Snapshot, truth: pa.Table, arms: pa.Table) -> tuple[Batch, pa.Table, np.ndarray]:
    """Visits with what models trained now and truth say of them, their points, and which are of the test period."""
    return batch_of(snapshot, truth, arms, *trained(snapshot))


def lesser(batch: Batch) -> np.ndarray:
    """Worth of no more than is believed, and no more than the model says had it gone well, where it has a say."""
    believed = effects_of(batch.catalogue, batch.risk, batch.triggered).change  # halved: the model was not asked
    return -sum(np.fmax(2 * believed[t], said) for t, said in batch.gone_well.items())


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
