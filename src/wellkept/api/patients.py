"""Handles, live events, and the risks that were stated of a patient."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from wellkept.api.access import Rule
from wellkept.api.problems import Refused, responses
from wellkept.api.reading import (
    JSON,
    asked_for,
    broken,
    content_type,
    json_body,
    limit_of,
    parsed,
    read_body,
    validated,
)
from wellkept.api.service import Service
from wellkept.api.shapes import EventsAnswer, EventsRequest, HandleAnswer, HandleRequest, RiskAnswer
from wellkept.store import DELIVERIES, LIVE_EVENTS, delivered, micros

router = APIRouter(tags=["patients"])
IDEMPOTENCY = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def _body(name: str, example: dict) -> dict[str, Any]:
    schema = {"schema": {"$ref": f"#/components/schemas/{name}"}, "example": example}
    return {"requestBody": {"required": True, "content": {JSON: schema}}}


@router.post(
    "/v1/handles", dependencies=[Depends(Rule("read"))], summary="The handle of a patient",
    responses={200: {"model": HandleAnswer}, **responses(400, 401, 403, 408, 409, 413, 415, 422, 429, 503)},
    openapi_extra=_body("HandleRequest", {"outside_id": "000123"}),
)  # fmt: skip
async def handle(request: Request) -> dict[str, str]:
    """The opaque name under which this service knows a patient; the same one each time, stored or not."""
    service: Service = request.app.state.service
    asked = validated(HandleRequest, await json_body(request))
    subject = asked.subject_id if asked.subject_id is not None else service.subject_from(asked.outside_id or "")
    found = service.handles.of(subject)
    await service.record(request, "handle", [found])
    return {"patient": found}


@router.post(
    "/v1/events", dependencies=[Depends(Rule("write"))], summary="Something has just become known", status_code=201,
    responses={201: {"model": EventsAnswer}, **responses(400, 401, 403, 408, 413, 415, 422, 429, 503)},
    openapi_extra=_body("EventsRequest", {"events": [
        {"patient": "p-aaaaaaaaaaaaaaaaaaaaaaaaaa", "code": "CALL//DROPPED", "time": "2026-01-05T09:00:00-05:00"}]}),
)  # fmt: skip
async def events(request: Request) -> Response:
    """Keep events, all or none; they are on disk before the answer, and in the next score.

    With an `Idempotency-Key` the same delivery sent again gets the same answer, and is kept once.
    """
    service: Service = request.app.state.service
    now = service.clock()
    content_type(request, JSON)
    body = await read_body(request)
    asked = validated(EventsRequest, parsed(body), now=now)
    subjects = [service.handles.subject_of(e.patient) for e in asked.events]
    if wrong := [(f"/events/{i}/patient", "no_patient") for i, s in enumerate(subjects) if s is None]:
        raise broken(wrong)
    delivery, digest = _delivery(request), hashlib.sha256(body).hexdigest()
    if earlier := await asyncio.to_thread(_answered, service, delivery, digest):
        return earlier
    rows = [{**event.plain(), "subject_id": subject, "delivery": delivery}
            for event, subject in zip(asked.events, subjects, strict=True)]  # fmt: skip
    answer = json.dumps({"kept": len(rows)})
    kept = {"id": delivery, "key_id": request.state.key.id, "body": digest, "answer": answer,
            "received_at": micros(now)}  # fmt: skip
    try:
        await service.record(request, "events", sorted({e.patient for e in asked.events}),
                             rows=[(DELIVERIES, [kept]), (LIVE_EVENTS, rows)])  # fmt: skip
    except Exception as error:  # the same delivery came twice at once: the other one was kept
        if earlier := await asyncio.to_thread(_answered, service, delivery, digest):
            return earlier
        raise error from None
    return Response(answer, 201, media_type=JSON)


@router.get(
    "/v1/patients/{handle}/risk", dependencies=[Depends(Rule("read"))], summary="What was last stated of a patient",
    responses={200: {"model": RiskAnswer}, **responses(401, 403, 404, 422, 429, 503)},
)  # fmt: skip
async def risk(request: Request, handle: str) -> Response:
    """The latest risk of each target, and those before it, newest first: what was asked for here, and the nights.

    The newest published night has its reasons, nights before it their risks.
    """
    service: Service = request.app.state.service
    limit = limit_of(asked_for(request, "limit"))
    subject = service.subject_of(handle)
    latest, found = await asyncio.to_thread(service.stated, subject, limit)
    await service.record(request, "risk", [handle], sorted({a["model_version"] for a in (*latest, *found)}))
    if not latest:
        raise Refused(404, "no_score", "no risk of this patient was stated yet: POST /v1/score")
    return Response(json.dumps({"patient": handle, "latest": latest, "history": found}), media_type=JSON)


def _delivery(request: Request) -> str:
    """The id under which a delivery is kept: of this key and its idempotency key, or of this request alone."""
    given = request.headers.get("idempotency-key")
    if given is not None and not IDEMPOTENCY.fullmatch(given):
        raise Refused(422, "idempotency_key", "an Idempotency-Key is 1 to 64 letters, digits, '.', '_', ':' and '-'")
    own = f"key {given}" if given is not None else f"request {request.scope['wellkept.request_id']}"
    return hashlib.sha256(f"{request.state.key.id} {own}".encode()).hexdigest()


def _answered(service: Service, delivery: str, digest: str) -> Response | None:
    earlier = delivered(service.engine, delivery)
    if earlier is None:
        return None
    if earlier[0] != digest:
        raise Refused(422, "idempotency_conflict", "this Idempotency-Key was used for another body")
    return Response(earlier[1], 201, media_type=JSON)
