"""POST /v1/score: risks with their reasons, by features or by events."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from wellkept.api.access import Rule
from wellkept.api.direct import Answered, Direct
from wellkept.api.problems import responses
from wellkept.api.reading import JSON, broken, json_body, validated
from wellkept.api.service import Service
from wellkept.api.shapes import Patient, ScoreAnswer, ScoreRequest, moment_of
from wellkept.serving.in_service import Served
from wellkept.serving.journey import row_of
from wellkept.serving.requests import FEW, Asked, Told, risks
from wellkept.store import SCORES, micros

router = APIRouter(tags=["scoring"], route_class=Direct)
EXAMPLES = {
    "by features": {"value": {"patients": [{"patient": "case-17", "features": {"lead_days": 21}}], "top": 3}},
    "by events": {"value": {"patients": [{"patient": "case-17", "as_of": "2026-01-05T09:00:00-05:00", "events": [
        {"code": "VISIT//COMPLETED", "time": "2026-01-04T15:00:00-05:00", "text": "chronic"}]}]}},
    "stored, and what is new": {"value": {"patients": [{"patient": "p-aaaaaaaaaaaaaaaaaaaaaaaaaa", "journey": "new",
        "events": [{"code": "CALL//DROPPED", "time": "2026-01-05T09:00:00-05:00"}]}], "explain": "full"}},
}  # fmt: skip


@router.post(
    "/v1/score", dependencies=[Depends(Rule("score"))], summary="Risks, and why",
    responses={200: {"model": ScoreAnswer}, **responses(400, 401, 403, 408, 413, 415, 422, 429, 503, 504)},
    openapi_extra={"requestBody": {"required": True, "content": {
        JSON: {"schema": {"$ref": "#/components/schemas/ScoreRequest"}, "examples": EXAMPLES}}}},
)  # fmt: skip
async def score(request: Request) -> Response:
    """State the risks of patients, all or none of them.

    By `features` where you have them, by `events` where you have a journey, or by a handle alone, from what is stored.
    Risks of a patient with a handle are kept and can be read again.
    """
    service: Service = request.app.state.service
    now = service.clock()
    asked = validated(ScoreRequest, await json_body(request), now=now)
    models = service.asked_models(asked.targets)
    _refuse_broken(service, asked)
    told = await service.in_turn(_told, service, models, asked, micros(now), seconds=_seconds(models, asked.patients))
    for target, missing in told.missing.items():
        stated = [a for one in told.by_patient for a in one if a["target"] == target and a["risk"] is not None]
        service.metrics.scored(target, stated, missing, told.asked[target], now.timestamp())
    await service.record(
        request, "score", [service.known_as(p.patient) for p in asked.patients],
        [m.bundle.target + " " + m.bundle.version for m in models], _rows(service, asked.patients, told, micros(now)),
    )  # fmt: skip
    answer = [{"patient": p.patient, "risks": one} for p, one in zip(asked.patients, told.by_patient, strict=True)]
    return Answered(json.dumps({"patients": answer}))


def _refuse_broken(service: Service, asked: ScoreRequest) -> None:
    breaches: list[tuple[str, str]] = []
    if len(asked.patients) > service.settings.max_patients:
        raise broken([("/patients", "too_many_patients")])
    for i, patient in enumerate(asked.patients):
        path = f"/patients/{i}"
        if patient.features is not None:
            breaches += service.vocabulary.broken(patient.features, f"{path}/features")
        elif (patient.events is None or patient.journey == "new") and not service.handles.subject_of(patient.patient):
            breaches.append((f"{path}/patient", "handle_needed"))
    if breaches:
        raise broken(breaches)


def _seconds(models: Sequence[Served], patients: Sequence[Patient]) -> float:
    """What it takes to answer them one by one; without end where a stored journey is read or a table pays."""
    if len(patients) > FEW or any(p.features is None and (p.events is None or p.journey == "new") for p in patients):
        return math.inf
    return sum(model.seconds(None if p.events is None else len(p.events)) for p in patients for model in models)


def _told(service: Service, models: Sequence[Served], asked: ScoreRequest, now: int) -> Told:
    patients = [_asked(service, patient, now) for patient in asked.patients]
    return risks(models, patients, explain=asked.explain, top=asked.top)


def _asked(service: Service, patient: Patient, now: int) -> Asked:
    moment = moment_of(patient.as_of) if patient.as_of else now
    if patient.features is not None:
        return Asked(moment, features=patient.features)
    sent = [event.plain() for event in patient.events or ()]
    if patient.events is not None and patient.journey == "whole":
        return Asked(moment, rows=[row_of(event, 0) for event in sent])
    subject = service.subject_of(patient.patient)
    return Asked(moment, rows=[*service.stored(subject), *(row_of(event, subject) for event in sent)])


def _rows(service: Service, patients: Sequence[Patient], told: Told, now: int) -> list[tuple[Any, list[dict]]]:
    """What is kept: the risks of patients with a handle of ours."""
    rows = []
    for patient, stated in zip(patients, told.by_patient, strict=True):
        subject = service.handles.subject_of(patient.patient)
        if subject is None:
            continue
        moment = moment_of(patient.as_of) if patient.as_of else now
        rows += [{"subject_id": subject, "target": a["target"], "as_of": moment, "scored_at": now, "risk": a["risk"],
                  "answer": json.dumps(a)} for a in stated if a["risk"] is not None]  # fmt: skip
    return [(SCORES, rows)] if rows else []


