"""Live events, handles, and what was stated of a patient."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.conftest import day
from tests.serving import Client, house, serving
from wellkept.serving.handles import Handles
from wellkept.store import broken_chains, live_events

AS_OF = "2026-03-01T02:00:00Z"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Client]:
    """A service of this test alone."""
    with serving(house(tmp_path)) as made:
        yield made


def event(handle: str, **more: Any) -> dict[str, Any]:
    return {"patient": handle, "code": "VISIT//WAIT", "time": day(420).isoformat(), "number": 5.0, **more}


def risks(client: Client, handle: str) -> list[dict[str, Any]]:
    answer = client.post("/v1/score", {"patients": [{"patient": handle, "as_of": AS_OF}]})
    return answer.json()["patients"][0]["risks"]


def test_an_event_is_kept_before_the_answer_and_is_in_the_next_score(own: Client) -> None:
    handle = own.handle(1)
    before = risks(own, handle)[0]
    answer = own.post("/v1/events", {"events": [event(handle)]})
    assert (answer.status_code, answer.json()) == (201, {"kept": 1})
    assert len(live_events(own.service.engine, [1])) == 1
    after = risks(own, handle)[0]
    assert after["risk"] < before["risk"]
    assert any(reason["sentence"] == "wait was 30.0" for reason in after["reasons"])
    assert risks(own, own.handle(2))[0]["risk"] == before["risk"]


def test_the_same_delivery_twice_is_kept_once_and_another_body_is_refused(own: Client) -> None:
    body, key = {"events": [event(own.handle(1))]}, {"idempotency-key": "delivery-1"}
    first, second = (own.post("/v1/events", body, headers=key) for _ in range(2))
    assert (first.status_code, first.text) == (second.status_code, second.text)
    assert len(live_events(own.service.engine, [1])) == 1
    other = own.post("/v1/events", {"events": [event(own.handle(2))]}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    assert own.post("/v1/events", body, headers={"idempotency-key": "Jane Doe"}).status_code == 422


def test_of_many_events_with_one_that_is_wrong_none_is_kept(own: Client) -> None:
    good, wrong = event(own.handle(1)), event("p-" + "a" * 26)
    answer = own.post("/v1/events", {"events": [good, wrong]})
    assert (answer.status_code, answer.json()["errors"]) == (422, [{"path": "/events/1/patient", "rule": "no_patient"}])
    future = own.post("/v1/events", {"events": [good, event(own.handle(1), time="2026-06-01T12:05:01Z")]})
    assert future.json()["errors"] == [{"path": "/events/1/time", "rule": "future_event"}]
    soon = own.post("/v1/events", {"events": [event(own.handle(1), time="2026-06-01T12:05:00Z")]})
    assert soon.status_code == 201
    assert len(live_events(own.service.engine, [1])) == 1


def test_what_was_stated_can_be_read_again_newest_first(own: Client) -> None:
    handle = own.handle(1)
    assert own.get(f"/v1/patients/{handle}/risk").json()["code"] == "no_score"
    stated = risks(own, handle)
    own.post("/v1/score", {"patients": [{"patient": handle, "as_of": "2026-03-02T02:00:00Z"}]})
    told = own.get(f"/v1/patients/{handle}/risk").json()
    assert [a["as_of"][:10] for a in told["history"]] == ["2026-03-02"] * 2 + ["2026-03-01"] * 2
    assert {a["as_of"][:10] for a in told["latest"]} == {"2026-03-02"}
    assert [a for a in told["history"] if a["as_of"] == AS_OF and a["target"] == "no_return"] == stated[1:]
    assert len(own.get(f"/v1/patients/{handle}/risk?limit=1").json()["history"]) == 1


@pytest.mark.parametrize("query", ["limit=-1", "limit=0", "limit=1000000000", "limit=x", "limit=1&limit=2", "org=B"])
def test_a_page_that_makes_no_sense_is_refused(client: Client, query: str) -> None:
    assert client.get(f"/v1/patients/{client.handle(1)}/risk?{query}").status_code == 422


@pytest.mark.parametrize("handle", ["p-" + "a" * 26, "1", "p-", "p-" + "A" * 26, "x" * 200, "p-%0a", "..%2f..%2fetc"])
def test_a_handle_that_is_none_of_ours_says_nothing_about_who_exists(client: Client, handle: str) -> None:
    answer = client.get(f"/v1/patients/{handle}/risk")
    assert (answer.status_code, answer.json()["code"] in ("no_patient", "not_found")) == (404, True)


def test_handles_turn_back_for_who_has_the_key_and_for_nobody_else() -> None:
    ours, theirs = Handles(b"k" * 32), Handles(b"x" * 32)
    for subject in (0, 1, 2**31, 2**63 - 1):
        handle = ours.of(subject)
        assert ours.subject_of(handle) == subject
        assert theirs.subject_of(handle) is None
        assert str(subject) not in handle or subject < 10
        assert ours.subject_of(handle[:-1] + ("a" if handle[-1] != "a" else "b")) is None


def test_an_identifier_of_the_outside_gives_the_handle_of_whom_ingestion_means(own: Client) -> None:
    from wellkept.identities import subject_ids

    subject = int(subject_ids(["000123"], b"test")[0])
    assert own.post("/v1/handles", {"outside_id": "000123"}).json()["patient"] == own.handle(subject)
    assert own.post("/v1/handles", {"outside_id": "1", "subject_id": 1}).status_code == 422


def audit(client: Client) -> list[dict[str, Any]]:
    with client.service.engine.connect() as connection:
        return [dict(row) for row in connection.execute(text("SELECT * FROM audit ORDER BY number")).mappings()]


def test_every_read_and_write_of_a_patient_is_in_the_audit(own: Client) -> None:
    handle = own.handle(1)
    own.post("/v1/events", {"events": [event(handle)]}, headers={"wellkept-purpose": "treatment"})
    risks(own, handle)
    own.get(f"/v1/patients/{handle}/risk")
    own.post("/v1/score", {"patients": [{"patient": "Jane.Doe", "features": {}}]})
    lines = audit(own)
    assert [line["action"] for line in lines] == ["handle", "events", "score", "risk", "score"]
    assert all(handle in line["patients"] for line in lines[:4])
    assert "Jane" not in lines[4]["patients"]  # a name of the client's own is kept as a keyed digest
    assert lines[1]["why"] == "treatment"
    assert "detractor_risk 1@" in lines[2]["models"]
    assert broken_chains(own.service.engine, own.service._pepper) == {}


@pytest.mark.parametrize("damage", [
    "UPDATE audit SET who = 'nobody' WHERE number = 2", "DELETE FROM audit WHERE number = 2",
    "UPDATE audit SET previous = '' WHERE number = 3",
])  # fmt: skip
def test_a_line_that_was_changed_or_taken_out_is_found(own: Client, damage: str) -> None:
    for subject in range(4):
        own.handle(subject)
    with own.service.engine.begin() as connection:
        connection.execute(text(damage))
    assert list(broken_chains(own.service.engine, own.service._pepper).values()) == [3 if "previous" in damage else 2]


def test_without_its_line_in_the_audit_there_is_no_answer(own: Client) -> None:
    handle = own.handle(1)
    path = own.settings.database.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE audit RENAME TO elsewhere")
    answer = own.post("/v1/score", {"patients": [{"patient": handle, "as_of": AS_OF}]})
    assert (answer.status_code, answer.json()["code"]) == (503, "database")
    assert "risk" not in answer.text
    assert own.post("/v1/events", {"events": [event(handle)]}).status_code == 503
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT COUNT(*) FROM live_events").fetchone() == (0,)  # nor is anything kept
        connection.execute("ALTER TABLE elsewhere RENAME TO audit")
    assert own.post("/v1/events", {"events": [event(handle)]}).status_code == 201
    assert broken_chains(own.service.engine, own.service._pepper) == {}
