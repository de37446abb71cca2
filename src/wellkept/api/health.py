"""Is it alive, can it answer, and how is it doing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import PlainTextResponse, Response

from wellkept import __version__
from wellkept.api.access import Open
from wellkept.api.service import Service
from wellkept.api.shapes import ReadyAnswer
from wellkept.errors import WellkeptError
from wellkept.store import refuse_unless_ready

router = APIRouter(tags=["operation"])
OPEN = [Depends(Open())]
READY: dict[int | str, dict[str, Any]] = {
    200: {"model": ReadyAnswer, "description": "ready"},
    503: {"model": ReadyAnswer, "description": "not ready: `checks` names what is missing"},
}


@router.get("/livez", dependencies=OPEN, summary="Is the process alive")
async def livez() -> dict[str, str]:
    """Answers as long as the process does, whatever else is wrong."""
    return {"status": "alive"}


@router.get("/readyz", dependencies=OPEN, summary="Can it answer", responses=READY)
async def readyz(request: Request) -> Response:
    """Each thing that it needs, by name: a verified model, the database and its schema, the journeys."""
    service: Service = request.app.state.service
    checks = await asyncio.to_thread(_checks, service)
    ready = all(state == "ready" for state in checks.values())
    folders = {"scores": service.nights.trouble, "steps": service.worklists.trouble}
    told = {"status": "ready" if ready else "not ready", "checks": checks,
            "not_taken": {**service.models.troubles, **{name: code for name, code in folders.items() if code}},
            }  # fmt: skip
    return Response(json.dumps(told), 200 if ready else 503, media_type="application/json")


@router.get("/metrics", dependencies=OPEN, summary="Figures for Prometheus", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Scores by model and band, times, missing features, refusals by rule."""
    service: Service = request.app.state.service
    return Response(service.metrics.text(service.in_flight), media_type="text/plain; version=0.0.4")


@router.get("/ping", dependencies=OPEN, summary="As MLflow's", response_class=PlainTextResponse)
@router.get("/health", dependencies=OPEN, summary="As MLflow's", response_class=PlainTextResponse)
async def ping() -> Response:
    """200 with a line feed, as `mlflow models serve` answers, but not under the name of JSON, which it is not."""
    return Response("\n", media_type="text/plain")


@router.get("/version", dependencies=OPEN, summary="As MLflow's", response_class=PlainTextResponse)
async def version() -> Response:
    """This release, in plain text."""
    return Response(__version__, media_type="text/plain")


def _checks(service: Service) -> dict[str, str]:
    return {"models": "ready" if service.models.served else "no_model",
            "database": _state(refuse_unless_ready, service.engine), "journeys": _state(service.snapshot)}  # fmt: skip


def _state(check: Any, *arguments: Any) -> str:
    try:
        check(*arguments)
    except WellkeptError as error:
        return error.code
    return "ready"
