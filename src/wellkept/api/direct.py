"""A route whose endpoint reads the request itself: its rule, then the endpoint, and nothing in between.

FastAPI finds out on each request what an endpoint wants, which takes longer than checking the key. Ours want the
request and give a response. The rule is that of `dependencies`, which the walk over all routes sees; what is raised
goes to the application's own handlers.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from wellkept.api.access import rules_of


class Direct(APIRoute):
    """For endpoints of the form `async def endpoint(request: Request) -> Response`."""

    def __init__(self, *arguments: Any, **facts: Any) -> None:
        super().__init__(*arguments, **facts)
        (rule,), endpoint = rules_of(self), self.endpoint

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive, send)
            await rule(request)
            response = await endpoint(request)
            await response(scope, receive, send)

        self.app = app


class Answered(Response):
    """200 with JSON, whose headers need no more than its length."""

    def __init__(self, text: str) -> None:
        self.status_code, self.background, self.body = 200, None, text.encode()
        self.raw_headers = [(b"content-length", b"%d" % len(self.body)), (b"content-type", b"application/json")]


def directly(app: FastAPI) -> dict[tuple[str, str], ASGIApp]:
    """By method and path, these routes of an application as applications of their own: without its layers for uploads,
    telemetry and limits that we do not use, and without its search for the route; with its handlers of errors.
    """
    return {
        (method, route.path): _alone(app, route)
        for route in app.routes if isinstance(route, Direct) for method in route.methods or ()
    }  # fmt: skip


def _alone(app: FastAPI, route: Direct) -> ASGIApp:
    inner = ExceptionMiddleware(route.app, handlers=app.exception_handlers)

    async def alone(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"], scope["route"] = app, route
        await inner(scope, receive, send)

    return alone
