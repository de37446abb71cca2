"""The application: its routers, its one shape of errors, and what runs beside them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import Response

from wellkept import __version__
from wellkept.api import health, invocations, models, patients, recommendations, scoring
from wellkept.api.access import BEARER, Open, refuse_routes_without_rule, rules_of
from wellkept.api.direct import directly
from wellkept.api.guard import Guard
from wellkept.api.problems import Problem, Refused, problem, request_id
from wellkept.api.service import Service
from wellkept.api.shapes import EventsRequest, HandleRequest, ScoreRequest
from wellkept.errors import WellkeptError
from wellkept.serving.in_service import probe
from wellkept.settings import Settings, load_settings

ROUTERS = (scoring, patients, recommendations, models, invocations, health)
SAYS = """Who is about to become a detractor, who will not return, and why: calibrated risks with exact reasons.

Every answer names its model version and its moment. Errors are RFC 9457 problems with a `code`; they hold places and
rules, never a value. For deciding whom to call, not for diagnosis, payment, or rationing of care."""
NAMES = {404: "not_found", 405: "method_not_allowed"}


def create_app(
    settings: Settings | None = None, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    try_out: Callable[[Path], str] = probe,
) -> Guard:  # fmt: skip
    """The service as an ASGI application.

    Raises
    ------
    StoreFailed
        The database cannot be used, or there is no pepper.
    """
    service = Service(settings or load_settings(), clock, try_out)
    app = bare_app()
    app.state.service = service
    return Guard(app, service, directly(app))


def bare_app() -> FastAPI:
    """The routes, without anything behind them: enough for the OpenAPI document."""
    app = FastAPI(title="Wellkept", version=__version__, description=SAYS, lifespan=_lifespan, openapi_url=None,
                  docs_url=None, redoc_url=None, redirect_slashes=False)  # fmt: skip
    for part in ROUTERS:
        app.router.routes += part.router.routes  # themselves, not behind a router: what is walked is what serves

    @app.get("/openapi.json", dependencies=[Depends(Open())], include_in_schema=False)
    async def openapi() -> dict[str, Any]:
        return openapi_of(app)

    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(WellkeptError, _failed)
    app.add_exception_handler(HTTPException, _http)
    refuse_routes_without_rule(app.routes)
    return app


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the shapes of bodies that we read ourselves."""
    if app.openapi_schema:
        return app.openapi_schema
    made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    for shape in (ScoreRequest, EventsRequest, HandleRequest, Problem):
        schema = shape.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= {**schema.pop("$defs", {}), shape.__name__: schema}
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    made["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": BEARER.model.description}}
    for route in app.routes:
        for operation in made["paths"].get(getattr(route, "path", ""), {}).values():
            _described(operation, rules_of(route)[0].scope)
    app.openapi_schema = made
    return made


def _described(operation: dict[str, Any], scope: str) -> None:
    operation["security"] = [{"key": []}] if scope else []
    if scope:
        operation["description"] = f"{operation.get('description', '')}\n\nNeeds the scope `{scope}`.".strip()
    answer = operation["responses"].get("422", {})
    if "application/json" in answer.get("content", {}):  # FastAPI's own shape, which we never answer
        del operation["responses"]["422"]


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    await asyncio.to_thread(service.refresh)
    fresh = asyncio.create_task(service.keep_fresh())
    yield
    fresh.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await fresh
    await asyncio.to_thread(service.close)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    request.app.state.service.metrics.refused(error.code, [rule for _, rule in error.errors])
    return problem(request_id(request), error)


def _failed(request: Request, error: Exception) -> Response:
    """Our own errors carry their status; the words of those that are ours to mend may name paths, and stay here."""
    assert isinstance(error, WellkeptError)
    says = error.args[0] if error.status < 500 else "the service cannot do this now"
    headers = {"retry-after": "5"} if error.status == 503 else {}
    return _refused(request, Refused(error.status, error.code, says, headers=headers))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = NAMES.get(error.status_code, "refused")
    says = "this route does not know that method" if code == "method_not_allowed" else "there is nothing here"
    return _refused(request, Refused(error.status_code, code, says, headers=error.headers))
