"""By events through HTTP, a patient has the bits of the nightly run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import batch_of, events_table
from tests.serving import Client, house, put_into_service, serving
from wellkept.bundles import load_bundle
from wellkept.catalogue import families
from wellkept.jobs import land, read_batch, score_population
from wellkept.journeys import Journeys, Snapshot
from wellkept.pointers import champion_of
from wellkept.progress import Narrator
from wellkept.settings import Settings
from wellkept.simulator import simulate

AS_OF = datetime(2025, 6, 1, 2, tzinfo=UTC)
ALL = frozenset({"null_rate", "vocabulary"})


def as_sent(events: pa.Table) -> list[dict[str, Any]]:
    """A subject's stored events as a client would send them."""
    names = {"time": "time", "event_at": "event_at", "code": "code", "numeric_value": "number", "text_value": "text",
             "encounter_id": "encounter_id", "site": "site", "clinician": "clinician"}  # fmt: skip
    rows = events.select(list(names)).to_pylist()
    return [
        {names[k]: v.isoformat() if isinstance(v, datetime) else v
         for k, v in row.items() if v is not None or k == "time"}
        for row in rows
    ]


def nightly(snapshot: Snapshot, settings: Settings, out: Path) -> dict[tuple[int, str], float]:
    bundles = [load_bundle(champion_of(settings.models, target)) for target in ("detractor_risk", "no_return")]
    run = score_population(snapshot, bundles, AS_OF, out, narrate=Narrator(), accept=ALL, settings=settings)
    scores = pq.read_table(run.folder / "scores.parquet").to_pylist()
    return {(row["subject_id"], row["target"]): row["risk"] for row in scores}


def online(client: Client, snapshot: Snapshot, subjects: list[int], *, most: int) -> dict[tuple[int, str], float]:
    """The risks of these subjects by their events, at most so many a request, within the bound of a body."""
    told: dict[tuple[int, str], float] = {}
    for some in requests_of(snapshot, subjects, most=most, most_bytes=client.settings.max_body_bytes):
        body = b'{"explain": "none", "patients": [' + b",".join(some.values()) + b"]}"
        answer = client.http.post("/v1/score", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 200, answer.text[:500]
        for subject, patient in zip(some, answer.json()["patients"], strict=True):
            told |= {(subject, r["target"]): r["risk"] for r in patient["risks"] if r["risk"] is not None}
    return told


def requests_of(
    snapshot: Snapshot, subjects: list[int], *, most: int, most_bytes: int
) -> Iterator[dict[int, bytes]]:
    """Each request's patients, by subject, as they are written in its body."""
    some: dict[int, bytes] = {}
    for subject in subjects:
        events = as_sent(snapshot.of_subject(subject))
        patient = json.dumps({"patient": f"case-{subject}", "as_of": AS_OF.isoformat(), "events": events}).encode()
        if some and (len(some) == most or sum(map(len, some.values())) + len(patient) > most_bytes - 1000):
            yield some
            some = {}
        some[subject] = patient
    if some:
        yield some


def journeys_of(random: np.random.Generator, subjects: int) -> Iterator[dict[str, Any]]:
    """Ties, static facts, late knowledge, equal events, missing numbers and texts."""
    for subject in range(subjects):
        for _ in range(int(random.integers(1, 12))):
            happened = float(random.integers(60, 160)) + float(random.choice([0, 0.25]))
            code = str(random.choice(["WAIT", "CHANNEL", "AGE", "CALLS", "CLINIC", "DONE", "DONE"]))
            yield {
                "subject_id": subject, "code": f"VISIT//{code}", "event_at": happened,
                "time": happened + float(random.choice([0, 0, 30])),
                "numeric_value": random.choice([None, 0.1, -0.0, 3.3, 1e6]) if code != "CHANNEL" else None,
                "text_value": str(random.choice(["phone", "web", "north"])) if random.random() < 0.6 else None,
                "encounter_id": str(random.choice(["e1", "e2"])) if random.random() < 0.7 else None,
                "site": str(random.choice(["a", "b"])) if random.random() < 0.2 else None,
            }  # fmt: skip
        yield {"subject_id": subject, "code": "VISIT//AGE", "time": None, "numeric_value": 44.0}


def always_ask_the_query(client: Client) -> None:
    """As where what is computed without it did not agree."""
    models = client.service.models
    models.served = {target: replace(served, alone=None) for target, served in models.served.items()}


@pytest.mark.parametrize("by_query", [False, True], ids=["each alone", "by the query"])
def test_random_journeys_give_the_bits_of_the_nightly_run(tmp_path: Path, by_query: bool) -> None:
    settings = house(tmp_path)
    journeys = Journeys(tmp_path / "random", shards=3, key="test")
    journeys.land(batch_of(events_table(list(journeys_of(np.random.default_rng(3), 60)))))
    snapshot = journeys.snapshot()
    expected = nightly(snapshot, settings, tmp_path / "scores")
    with serving(settings) as client:
        assert all(served.alone for served in client.service.models.served.values())
        if by_query:
            always_ask_the_query(client)
        assert online(client, snapshot, list(range(60)), most=7) == expected
    assert 20 < len(expected) < 120  # some are outside the model's points, and have no risk either way


def synthetic(folder: Path, settings: Settings, patients: int) -> Snapshot:
    """A SYNTHETIC health system, and models that ask for all features of the catalogue."""
    simulate(folder / "export", patients=patients, seed=5)
    batch = read_batch("tables", folder / "export", now=datetime(2026, 1, 1, tzinfo=UTC), settings=settings)
    journeys = Journeys(folder / "system", key="test")
    land(journeys, batch)
    features = tuple(f for family in families().values() for f in family)
    for target in ("detractor_risk", "no_return"):
        put_into_service(settings.models, target, "2", features=features, each="VISIT//COMPLETED")
    return journeys.snapshot()


@pytest.mark.slow
@pytest.mark.parametrize(("patients", "subjects", "by_query"), [
    (1_500, 300, False), (1_500, 300, True), (21_000, 10_000, False)])  # fmt: skip
def test_a_synthetic_health_system_gives_the_bits_of_the_nightly_run(
    tmp_path: Path, patients: int, subjects: int, by_query: bool
) -> None:
    """10,000 subjects drawn at random, by their events through HTTP, in batches up to the bounds of a request."""
    settings = house(tmp_path)
    snapshot = synthetic(tmp_path, settings, patients)
    expected = nightly(snapshot, settings, tmp_path / "scores")
    everybody = sorted({s for s, _ in expected})
    drawn = np.random.default_rng(1).choice(everybody, min(subjects, len(everybody)), replace=False).tolist()
    with serving(settings) as client:
        assert all(served.alone for served in client.service.models.served.values())
        if by_query:
            always_ask_the_query(client)
        told = online(client, snapshot, drawn, most=settings.max_patients)
    assert len(drawn) == subjects
    assert told == {key: risk for key, risk in expected.items() if key[0] in set(drawn)}
