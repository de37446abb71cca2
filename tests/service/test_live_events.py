"""A live event is in the next score at once, and in the journeys after the night, exactly once, with the same bits."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import batch_of, day, events_table
from tests.serving import JOURNEY, Client, house, put_into_service, serving
from wellkept.__main__ import main
from wellkept.catalogue import families
from wellkept.jobs import bundles_in_service, land, live_batch, score_population
from wellkept.journeys import Journeys
from wellkept.progress import Narrator
from wellkept.settings import Settings
from wellkept.store import every_live_event

AS_OF = datetime(2026, 3, 1, 2, tzinfo=UTC)
ALL = frozenset({"null_rate", "vocabulary"})


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Client]:
    """A service of this test alone; its model asks for calls and earlier answers, as the shipped one does."""
    settings = house(tmp_path)
    families_of = [f for family in families().values() for f in family]
    asked = [f for f in families_of if "CALL//" in str(f.expression) or "SURVEY//NPS" in str(f.expression)]
    assert len(asked) > 3
    put_into_service(settings.models, "detractor_risk", "2", kind="logistic", features=tuple(asked))
    with serving(settings) as made:
        yield made


def post(client: Client, *events: dict[str, Any], subject: int = 1) -> None:
    handle = client.handle(subject)
    answer = client.post("/v1/events", {"events": [{"patient": handle, **event} for event in events]})
    assert answer.status_code == 201, answer.text


def risks(client: Client, subject: int = 1) -> dict[str, float | None]:
    asked = {"patients": [{"patient": client.handle(subject), "as_of": AS_OF.isoformat()}], "explain": "none"}
    return {a["target"]: a["risk"] for a in client.post("/v1/score", asked).json()["patients"][0]["risks"]}


def nightly(settings: Settings, out: Path) -> dict[int, dict[str, float]]:
    assert settings.journeys
    run = score_population(Journeys(settings.journeys).snapshot(), bundles_in_service(settings), AS_OF, out,
                           narrate=Narrator(), accept=ALL, settings=settings)  # fmt: skip
    told: dict[int, dict[str, float]] = {}
    for row in pq.read_table(run.folder / "scores.parquet").to_pylist():
        told.setdefault(row["subject_id"], {})[row["target"]] = row["risk"]
    return told


def fold_in(settings: Settings) -> Any:
    assert settings.journeys
    return land(Journeys(settings.journeys), live_batch(settings))


def stored(settings: Settings, subject: int = 1) -> list[dict[str, Any]]:
    assert settings.journeys
    return Journeys(settings.journeys).snapshot().of_subject(subject).drop_columns(["sequence"]).to_pylist()


ANSWER = {"code": "SURVEY//NPS", "time": day(415).isoformat(), "number": 2, "encounter_id": "e1"}
DROPPED = {"code": "CALL//ABANDONED", "time": day(416).isoformat()}


@pytest.mark.parametrize("happened", [ANSWER, DROPPED], ids=["a survey answered", "a call dropped"])
def test_what_has_just_happened_changes_the_next_score_of_that_patient_alone(own: Client, happened: dict) -> None:
    before, other = risks(own), risks(own, 2)
    post(own, happened)
    after = risks(own)
    assert after["detractor_risk"] != before["detractor_risk"]
    assert risks(own, 2) == other


def test_what_becomes_known_only_after_the_moment_asked_for_changes_nothing(own: Client) -> None:
    before = risks(own)
    post(own, {**DROPPED, "time": "2026-03-01T02:00:01Z"})
    assert risks(own) == before


EVENTS = [
    ANSWER, DROPPED, DROPPED, {"code": "CALL//HOLD", "time": day(417).isoformat(), "number": 240.1},
    {"code": "VISIT//WAIT", "time": day(418).isoformat(), "event_at": day(400).isoformat(), "number": -0.0},
    {"code": "COMMENT//TEXT", "time": day(418.5).isoformat(), "text": "Zoë said: nø\n'quote'", "site": "a",
     "clinician": "c1"},
    {"code": "VISIT//CHANNEL", "time": "2026-02-28T21:00:00.123456-05:00", "text": "web"},
]  # fmt: skip


def test_folded_in_live_events_give_the_night_the_bits_that_the_service_gave(own: Client, tmp_path: Path) -> None:
    post(own, *EVENTS)
    post(own, DROPPED, subject=2)
    online = {subject: risks(own, subject) for subject in (1, 2, 3)}
    before = nightly(own.settings, tmp_path / "before")
    landing = fold_in(own.settings)
    assert (landing.added, landing.already_there) == (len(EVENTS) + 1, 0)
    after = nightly(own.settings, tmp_path / "after")
    assert after == online
    assert before[1] != after[1]
    assert before[3] == after[3]
    assert {subject: risks(own, subject) for subject in (1, 2, 3)} == online  # counted once, though both hold them


def test_however_often_they_are_folded_in_they_are_there_once(own: Client) -> None:
    post(own, *EVENTS)
    fold_in(own.settings)
    once = stored(own.settings)
    again = fold_in(own.settings)
    assert (again.new, again.added) == (False, 0)
    post(own, DROPPED)  # a third call, as like the other two as one egg to the other
    assert fold_in(own.settings).added == 1
    assert len(stored(own.settings)) == len(once) + 1
    assert fold_in(own.settings).new is False


def test_an_event_that_the_export_holds_too_is_there_once_whichever_came_first(own: Client) -> None:
    assert own.settings.journeys
    exported = events_table([{"subject_id": 1, "code": "CALL//ABANDONED", "time": 416, "event_at": 416},
                             {"subject_id": 1, "code": "CALL//HOLD", "time": 417, "numeric_value": 240.1}])  # fmt: skip
    post(own, *EVENTS)
    fold_in(own.settings)
    count = len(stored(own.settings))
    land(Journeys(own.settings.journeys), batch_of(exported, "the export of the day after"))
    assert len(stored(own.settings)) == count


def test_live_events_do_not_say_that_nothing_else_has_happened_since(own: Client) -> None:
    """A label waits until an export has seen its whole window: a live call is no sign that surveys were read."""
    assert own.settings.journeys
    journeys = Journeys(own.settings.journeys)
    before = journeys.snapshot().observed_until
    post(own, {"code": "VISIT//COMPLETED", "time": "2026-05-30T12:00:00Z", "encounter_id": "e9", "text": "chronic"})
    fold_in(own.settings)
    assert journeys.snapshot().observed_until == before
    assert len(stored(own.settings)) == len(JOURNEY) + 1


def test_events_that_come_while_the_night_folds_in_are_folded_in_by_the_next(own: Client) -> None:
    sent = 60
    poster = threading.Thread(target=lambda: [post(own, {**DROPPED, "number": float(i)}) for i in range(sent)])
    poster.start()
    while poster.is_alive():
        if any(every_live_event(own.service.engine)):
            fold_in(own.settings)
    poster.join()
    fold_in(own.settings)
    numbers = [e["numeric_value"] for e in stored(own.settings) if e["code"] == "CALL//ABANDONED"]
    assert sorted(numbers) == list(np.arange(sent, dtype=np.float32))


def test_the_command_folds_in_and_says_how_many(
    own: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("WELLKEPT_DATABASE", own.settings.database)
    ingest = ["ingest", "live", "--journeys", str(own.settings.journeys), "--json"]
    assert main(ingest) == 0
    assert json.loads(capsys.readouterr().out) == {"new": False, "rows": 0}
    post(own, ANSWER, DROPPED)
    assert main(ingest) == 0
    assert json.loads(capsys.readouterr().out)["added"] == 2
    assert main(ingest) == 0
    assert json.loads(capsys.readouterr().out)["already_there"] == 2
    assert main([*ingest[:2], "folder", *ingest[2:]]) == 2
    assert json.loads(capsys.readouterr().out)["code"] == "path"
    assert main(["ingest", "meds", "--journeys", str(own.settings.journeys)]) == 2


def test_a_live_event_is_what_the_contract_of_the_journeys_says(own: Client) -> None:
    post(own, *EVENTS)
    batch = live_batch(own.settings)
    assert batch.events.num_rows == len(EVENTS)
    assert pa.types.is_timestamp(batch.events["time"].type)
    assert live_batch(own.settings).digest == batch.digest
    post(own, DROPPED)
    assert live_batch(own.settings).digest != batch.digest


def test_a_site_is_no_longer_than_every_database_keeps_it(own: Client) -> None:
    for length, status in ((64, 201), (65, 422)):
        event = {"patient": own.handle(1), **DROPPED, "site": "s" * length}
        assert own.post("/v1/events", {"events": [event]}).status_code == status
