"""What every request passes first: an id, a known host, bounded headers, a deadline, and an answer in any case."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wellkept.api.problems import Refused, problem

if TYPE_CHECKING:
    from wellkept.api.service import Service

LOG = logging.getLogger("wellkept.api")
MOST_HEADERS, LARGEST_HEADERS = 100, 16 * 1024


class Guard:
    """ASGI middleware around the whole application, and before those of its routes that can be called `directly`."""

    def __init__(self, app: ASGIApp, service: Service, directly: Mapping[tuple[str, str], ASGIApp]) -> None:
        self._app, self._service, self._directly = app, service, directly

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["wellkept.request_id"] = identity = f"{PROCESS}{next(COUNT):08x}"
        began, status = time.perf_counter(), 500
        self._service.in_flight += 1

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *ALWAYS]
            await send(message)

        try:
            self._refuse_odd(scope)
            async with asyncio.timeout(self._service.settings.deadline_seconds):
                app = self._directly.get((scope["method"], scope["path"]), self._app)
                await app(scope, receive, told)
        except Refused as refused:
            await problem(identity, refused)(scope, receive, told)
        except TimeoutError:
            late = Refused(504, "deadline", "the answer took too long; nothing of it was kept")
            await problem(identity, late)(scope, receive, told)
        except Exception as error:  # noqa: BLE001  its words can hold a patient's values: only its class is logged
            LOG.error("unexpected", extra={"request_id": identity, "error": type(error).__name__})  # noqa: TRY400
            await problem(identity, Refused(500, "unexpected", "something went wrong here"))(scope, receive, told)
        finally:
            self._service.in_flight -= 1
            route = getattr(scope.get("route"), "path", "none")
            self._service.metrics.answered(route, status, time.perf_counter() - began)
            LOG.info("answered", extra={"request_id": identity, "route": route, "status": status})

    def _refuse_odd(self, scope: Scope) -> None:
        headers = scope["headers"]
        if len(headers) > MOST_HEADERS or sum(len(n) + len(v) for n, v in headers) > LARGEST_HEADERS:
            raise Refused(431, "headers_too_large", "the request has too many or too large headers")
        host = next((value for name, value in headers if name == b"host"), b"").decode("latin-1")
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        hosts = self._service.settings.hosts
        if name not in hosts and "*" not in hosts:
            raise Refused(421, "unknown_host", "this service does not answer for that host: see WELLKEPT_HOSTS")
        if b"\0" in scope.get("raw_path", b"") or "\0" in scope["path"]:
            raise Refused(404, "not_found", "there is nothing here")


PROCESS, COUNT = secrets.token_hex(4), itertools.count(1)  # drawn once: a draw a request costs more than parsing it
ALWAYS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
