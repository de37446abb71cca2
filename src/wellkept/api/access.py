"""Who may do what: an API key in the Authorization header, nowhere else, and a rule on every route."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool

from wellkept.api.problems import Refused
from wellkept.store import Key

TRIES, TRIES_SECONDS = 10, 60.0
MOST_SOURCES = 10_000
BEARER = HTTPBearer(auto_error=False, description="an API key: `wellkept keys create NAME --scopes score,read`")


class Rule:
    """A dependency that lets a request through, or does not; every route has one (`refuse_routes_without_rule`)."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    async def __call__(self, request: Request) -> Key | None:
        """The key that was presented, if its scopes allow this route."""
        service = request.app.state.service
        key = await _presented(request, service)
        service.rates.take(key.id)
        if self.scope not in key.scopes:
            raise Refused(403, "scope_missing", f"this key has not the scope '{self.scope}'")
        request.state.key = key
        return key


class Open(Rule):
    """For routes that say nothing of patients."""

    def __init__(self) -> None:
        super().__init__("")

    async def __call__(self, request: Request) -> None:
        """Let everybody through."""


async def _presented(request: Request, service: Any) -> Key:
    given = [value for name, value in request.scope["headers"] if name == b"authorization"]
    source = request.client.host if request.client else ""
    scheme, _, text = given[0].decode("latin-1").partition(" ") if len(given) == 1 else ("", "", "")
    key = None
    if scheme.lower() == "bearer" and len(text) < 200:
        if service.keys.is_remembered(text):
            key = service.keys.check(text, service.clock())
        else:
            key = await run_in_threadpool(service.keys.check, text, service.clock())
    if key is None:  # a live key is let through whatever others try from there: many clients share one proxy
        service.tries.refuse_if_many(source)
        service.tries.note(source)
        raise Refused(401, "key_invalid", "send a live API key: Authorization: Bearer wk_...",
                      headers={"www-authenticate": "Bearer"})  # fmt: skip
    return key


class Rates:
    """A bucket of requests for each key, filled evenly; of this worker alone."""

    def __init__(self, per_minute: int) -> None:
        self._per_second, self._most = per_minute / 60, max(1.0, per_minute / 60)
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, key_id: str) -> None:
        """Take one request out of the bucket; raises 429 with Retry-After when it is empty."""
        now = time.monotonic()
        left, since = self._left.get(key_id, (self._most, now))
        left = min(self._most, left + (now - since) * self._per_second)
        self._left[key_id] = (max(left - 1, 0.0) if left >= 1 else left, now)
        if left < 1:
            wait = math.ceil((1 - left) / self._per_second)
            raise Refused(429, "too_many_requests", "this key sends too many requests",
                          headers={"retry-after": str(wait)})  # fmt: skip


@dataclass
class Tries:
    """Wrong keys by source, so that nobody can try many."""

    _seen: dict[str, deque] = field(default_factory=dict)

    def note(self, source: str) -> None:
        """One more wrong key from here."""
        if len(self._seen) > MOST_SOURCES:
            self._seen.clear()
        self._seen.setdefault(source, deque(maxlen=TRIES)).append(time.monotonic())

    def refuse_if_many(self, source: str) -> None:
        """Raise 429 when the last tries came too fast."""
        tries = self._seen.get(source)
        if tries and len(tries) == TRIES and time.monotonic() - tries[0] < TRIES_SECONDS:
            raise Refused(429, "too_many_attempts", "too many wrong keys came from here",
                          headers={"retry-after": str(math.ceil(TRIES_SECONDS))})  # fmt: skip


def refuse_routes_without_rule(routes: list) -> None:
    """Default deny: raise RuntimeError, so that nothing starts, when a route has no rule."""
    open_doors = [getattr(route, "path", repr(route)) for route in routes if not rules_of(route)]
    if open_doors:
        raise RuntimeError(f"routes without a rule of access: {', '.join(open_doors)}")


def rules_of(route: Any) -> list[Rule]:
    """The rules of a route."""
    dependant = getattr(route, "dependant", None)
    return [d.call for d in dependant.dependencies if isinstance(d.call, Rule)] if dependant else []
