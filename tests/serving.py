"""A house that can be served: two models in service, a journey store, a database, and a client with keys."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from tests.bundling import bundle
from tests.conftest import batch_of, events_table
from wellkept import jobs
from wellkept.api.app import create_app
from wellkept.bundles import load_bundle, write_bundle
from wellkept.journeys import Journeys
from wellkept.progress import Narrator
from wellkept.published_steps import Origin
from wellkept.recommending import Budget
from wellkept.settings import Settings
from wellkept.store import SCOPES, Keys, open_database, pepper_of

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
JOURNEY = [
    {"time": 400, "code": "VISIT//WAIT", "numeric_value": 55.0},
    {"time": 400.1, "code": "VISIT//CHANNEL", "text_value": "phone"},
    {"time": 400.2, "code": "VISIT//DONE", "encounter_id": "e1"},
    {"time": 410, "code": "VISIT//CALLS", "numeric_value": 2.0},
]

NIGHT = datetime(2026, 3, 1, 2, tzinfo=UTC)
PLENTY = Budget(minutes=10_000, texts=100)
TROUBLE = {"time": 410, "encounter_id": "e1"}


def loaded_here(folder: Path) -> str:
    """Try a bundle out in this process: quick, for bundles that cannot crash it."""
    return load_bundle(folder).version


def put_into_service(models: Path, target: str, version: str = "1", **made: Any) -> Path:
    """Write a bundle and point to it."""
    folder = write_bundle(bundle(target=target, **made), models / target / version)
    (models / target / "champion").write_text(f"{version}\n")
    return folder


def house(folder: Path, **changes: Any) -> Settings:
    """Models, journeys and the settings of a service over them."""
    put_into_service(folder / "models", "detractor_risk")
    put_into_service(folder / "models", "no_return", kind="logistic")
    rows = [{"subject_id": s, **event} for s in (1, 2, 3) for event in JOURNEY]
    Journeys(folder / "journeys", shards=2, key="test").land(batch_of(events_table(rows)))
    facts: dict[str, Any] = {
        "models": folder / "models", "journeys": folder / "journeys", "subject_key": "test",
        "database": f"sqlite:///{folder / 'service' / 'wellkept.db'}", **changes,
    }  # fmt: skip
    return Settings(**facts)


def night(settings: Settings, as_of: datetime = NIGHT, again: str = "") -> Path:
    """One run, as `wellkept score` publishes it."""
    assert settings.scores
    assert settings.journeys
    return jobs.score_population(
        Journeys(settings.journeys).snapshot(), jobs.bundles_in_service(settings), as_of, settings.scores,
        narrate=Narrator(), accept=frozenset({"null_rate", "vocabulary"}), settings=settings, again=again,
    ).folder  # fmt: skip


def troubled(settings: Settings, code: str, *subjects: int) -> None:
    """These patients come once and then this happens, in the encounter that the night is about."""
    assert settings.journeys
    rows = [{"subject_id": s, **event} for s in subjects for event in (*JOURNEY, {**TROUBLE, "code": code})]
    Journeys(settings.journeys).land(batch_of(events_table(rows), f"{code} of {subjects}"))


def steps(
    settings: Settings, as_of: datetime = NIGHT, *, budget: Budget = PLENTY, trial: jobs.Trial | None = None,
    again: str = "",
) -> Path:  # fmt: skip
    """A night's steps, as `wellkept score` and then `wellkept recommend` publish them."""
    assert settings.scores
    assert settings.steps
    assert settings.journeys
    night(settings, as_of, again="the test asks for steps once more")
    snapshot, bundles = Journeys(settings.journeys).snapshot(), jobs.bundles_in_service(settings)
    found = jobs.recommend(snapshot, jobs.latest_scores(settings.scores)[1], as_of, budget, bundles, trial)
    origin = Origin(as_of, snapshot.digest, {b.target: b.version for b in bundles})
    return jobs.publish_steps(found, settings.steps, origin, trial, again=again)


def key_of(settings: Settings, *scopes: str, name: str = "") -> str:
    """A new key."""
    keys = Keys(open_database(settings.database), pepper_of(settings.database, None))
    return keys.create(name or "-".join(scopes), frozenset(scopes), days=9999 // 4, now=NOW)


@dataclass(frozen=True)
class Client:
    """A client of the service with a key of every scope, and what lies behind it."""

    http: TestClient
    settings: Settings
    app: Any

    def post(self, path: str, json: Any = None, **more: Any) -> Any:
        return self.http.post(path, json=json, **more)

    def get(self, path: str, **more: Any) -> Any:
        return self.http.get(path, **more)

    def handle(self, subject_id: int) -> str:
        return self.post("/v1/handles", {"subject_id": subject_id}).json()["patient"]

    @property
    def service(self) -> Any:
        return self.app._service


@contextlib.contextmanager
def serving(settings: Settings, clock: Any = lambda: NOW) -> Iterator[Client]:
    """The service, in this process."""
    key = key_of(settings, *SCOPES)
    app = create_app(settings, clock=clock, try_out=loaded_here)
    with TestClient(app, base_url="http://localhost", headers={"authorization": f"Bearer {key}"},
                    raise_server_exceptions=False) as http:  # fmt: skip
        yield Client(http, settings, app)
