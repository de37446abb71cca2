"""POST /v1/score: risks and reasons, by features, by events, and from what is stored."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bundling import bundle, points, values
from tests.conftest import day
from tests.serving import JOURNEY, Client
from wellkept.scoring import score

FEATURES = {"wait": 55.0, "channel": "phone", "age": 44.0, "calls": 2}
AS_OF = "2026-03-01T02:00:00Z"


def sent(events: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """Events of the journey as a request has them."""
    names = {"numeric_value": "number", "text_value": "text"}
    return [{names.get(k, k): day(v).isoformat() if k == "time" else v for k, v in event.items()}
            for event in events or JOURNEY]  # fmt: skip


def asked(client: Client, patient: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    answer = client.post("/v1/score", {"patients": [{"patient": "case-1", **patient}], **more})
    assert answer.status_code == 200, answer.text
    return answer.json()["patients"][0]["risks"]


def test_a_patient_is_scored_by_features_with_both_risks_and_their_reasons(client: Client) -> None:
    risks = asked(client, {"features": FEATURES, "as_of": AS_OF}, top=3)
    assert [r["target"] for r in risks] == ["detractor_risk", "no_return"]
    risk = risks[0]
    assert 0 < risk["risk"] < 1
    assert risk["as_of"] == AS_OF
    assert risk["model_version"].startswith("1@")
    assert risk["band"] in ("low", "usual", "raised", "high")
    assert len(risk["reasons"]) == 3
    assert risk["reasons"][0].keys() == {
        "sentence", "touchpoint", "dimension", "contribution", "feature", "modifiable"}  # fmt: skip
    assert any(r["sentence"] == "wait was 55.0" for r in risk["reasons"])


def test_the_risks_are_those_of_the_scoring_module_bit_for_bit(client: Client) -> None:
    table, patients = values(20), []
    for i, row in enumerate(table.to_pylist()):
        known = {k: v for k, v in row.items() if v is not None}
        patients.append({"patient": f"case-{i}", "features": {**known, "channel": known.get("channel", "unknown")}})
        if patients[-1]["features"]["channel"] == "fax":
            patients[-1]["features"]["channel"] = "unknown"
    answer = client.post("/v1/score", {"patients": patients, "targets": ["detractor_risk"], "explain": "full"}).json()
    scores, reasons, contributions = score(bundle(), points(20), table)
    assert [p["risks"][0]["risk"] for p in answer["patients"]] == scores["risk"].to_pylist()
    told = [r["contribution"] for p in answer["patients"] for r in p["risks"][0]["reasons"]]
    assert told == reasons["contribution"].to_pylist()
    first = answer["patients"][0]["risks"][0]
    assert [*first["contributions"].values(), first["bias"]] == contributions[0].tolist()


@pytest.mark.parametrize("explain", ["none", "reasons", "full"])
def test_explanations_are_as_long_as_asked_for(client: Client, explain: str) -> None:
    risk = asked(client, {"features": FEATURES}, explain=explain, targets=["no_return"])[0]
    assert ("reasons" in risk, "contributions" in risk) == (explain != "none", explain == "full")


def test_a_journey_sent_whole_gives_what_the_same_journey_gives_when_it_is_stored(client: Client) -> None:
    by_events = asked(client, {"events": sent(), "as_of": AS_OF})
    by_handle = asked(client, {"patient": client.handle(1), "as_of": AS_OF})
    assert by_events == by_handle
    assert by_events[0]["encounter_id"] == "e1"
    assert any(r["sentence"] == "wait was 55.0" for r in by_events[0]["reasons"])


def test_what_is_new_is_joined_with_what_is_stored(client: Client) -> None:
    new = sent([{"time": 420, "code": "VISIT//WAIT", "numeric_value": 5.0}])
    before = asked(client, {"patient": client.handle(1), "as_of": AS_OF})
    after = asked(client, {"patient": client.handle(1), "as_of": AS_OF, "events": new, "journey": "new"})
    assert any(r["sentence"] == "wait was 30.0" for r in after[0]["reasons"])
    assert after[0]["risk"] < before[0]["risk"]
    again = asked(client, {"patient": client.handle(1), "as_of": AS_OF, "events": sent(), "journey": "new"})
    assert again == before  # what both hold is one event


def test_events_that_are_known_later_than_the_moment_play_no_part(client: Client) -> None:
    later = sent([{"time": 450, "code": "VISIT//WAIT", "numeric_value": 500.0}])
    assert asked(client, {"events": [*sent(), *later], "as_of": AS_OF}) == asked(
        client, {"events": sent(), "as_of": AS_OF})  # fmt: skip


def test_who_is_outside_the_models_points_has_no_risk_and_it_is_said(client: Client) -> None:
    risk = asked(client, {"events": sent(JOURNEY[:2]), "as_of": AS_OF})[0]
    assert risk["risk"] is None
    assert "reasons" not in risk


def test_patients_of_one_request_do_not_mix(client: Client) -> None:
    other = sent([{**event, "numeric_value": 1.0} if "numeric_value" in event else event for event in JOURNEY])
    both = client.post("/v1/score", {"patients": [
        {"patient": "a", "events": sent(), "as_of": AS_OF}, {"patient": "b", "events": other, "as_of": AS_OF},
        {"patient": "c", "features": FEATURES}]}).json()["patients"]  # fmt: skip
    assert both[0]["risks"] == asked(client, {"events": sent(), "as_of": AS_OF})
    assert both[1]["risks"] == asked(client, {"events": other, "as_of": AS_OF})
    assert both[2]["risks"][0]["risk"] == asked(client, {"features": FEATURES})[0]["risk"]


@pytest.mark.parametrize(("body", "path", "rule"), [
    ({"patients": [{"patient": "a", "features": {"wait": -1.0}}]}, "/patients/0/features/wait", "out_of_range"),
    ({"patients": [{"patient": "a", "features": {"Jane Doe": 1}}]}, "/patients/0/features", "unknown_feature"),
    ({"patients": [{"patient": "a", "features": {"channel": "pigeon"}}]}, "/patients/0/features/channel",
     "unknown_category"),
    ({"patients": [{"patient": "a"}]}, "/patients/0/patient", "handle_needed"),
    ({"patients": [{"patient": "a", "features": {}, "events": []}]}, "/patients/0", "features_or_events"),
    ({"patients": [{"patient": "a", "features": {}, "Jane Doe": 1}]}, "/patients/0", "extra_forbidden"),
])  # fmt: skip
def test_what_breaks_a_rule_is_told_by_place_and_rule_and_never_by_value(client: Client, body, path, rule) -> None:
    answer = client.post("/v1/score", body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"] == [{"path": path, "rule": rule}]
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert "Jane" not in answer.text
    assert "pigeon" not in answer.text


def test_a_target_that_is_not_in_service_is_named_as_such(client: Client) -> None:
    answer = client.post("/v1/score", {"patients": [{"patient": "a", "features": {}}], "targets": ["weather"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_target")
