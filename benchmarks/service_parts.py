"""Where each microsecond of POST /v1/score goes, and what each check costs, in process; then over HTTP, and memory.

    python benchmarks/service_parts.py [--events] [--requests 3000] [--trees 400 --depth 6 --features 60] [--memory N]

One patient by features (with `--events` by a journey), five reasons, model and request of `service.py`; MADE-UP data.
Parts are the medians of what functions take themselves, without those that they call; looking costs something,
which is printed. The checks are switched off here only, one by one, in turns with all on, so that all meet what else
the machine does.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvloop

from measuring import described, machine
from service import BY_EVENTS, OURS, Request, contestants, environment, grown, load, served

WARM, TURNS = 300, 9
REST = "framework: guard, request, rest of the route, response"
stack: list[list[float]] = []
own: dict[str, float] = defaultdict(float)


def main() -> None:
    """Make the house, then measure in it."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("requests", 3000), ("features", 60), ("trees", 400), ("depth", 6), ("memory", 0)):
        asked.add_argument(f"--{name}", type=int, default=usual)
    asked.add_argument("--events", action="store_true", help="by events instead of by features")
    chosen = asked.parse_args()
    print(described(machine("xgboost", "fastapi", "uvicorn")))
    with tempfile.TemporaryDirectory() as scratch:
        house = Path(scratch)
        subprocess.run([sys.executable, __file__.replace("service_parts.py", "service_house.py"), str(house),
                        str(chosen.features), str(chosen.trees), str(chosen.depth)], check=True, env=environment(house))
        os.environ |= environment(house)
        asked_by = BY_EVENTS if chosen.events else OURS
        _, command, request = next(c for c in contestants(house, chosen.features) if c[0] == asked_by)
        told = uvloop.run(in_process(request, chosen.requests))
        with served(command, house, request.port):
            for _ in range(2):  # the first is to warm it
                _, times = uvloop.run(load(request, 1, 3))
        over_http = 1000 * statistics.median(times)
        print(f"over HTTP, one connection: {over_http:.0f} us; uvicorn, sockets and client {over_http - told:.0f}")
        if chosen.memory:
            grown(house, chosen.features, chosen.memory)


async def in_process(request: Request, requests: int) -> float:
    """Print the parts and the checks; gives the median of a whole request, in microseconds."""
    app = application()
    app._service.refresh()
    scope, body = scope_of(request)
    for _ in range(WARM):
        await one(app, scope, body)
    whole = statistics.median([await one(app, scope, body) for _ in range(requests)])
    with watched():
        parts, watched_whole = await parts_of(app, scope, body, requests)
    print(f"\n{'where it goes, in process':55s} {'us':>7s}")
    for name, took in sorted(parts.items(), key=lambda part: -part[1]):
        print(f"{name:55s} {took:7.1f}")
    print(f"{'all of it':55s} {whole:7.1f}   ({watched_whole:.1f} while it is looked at)")
    print_bare(app, whole)
    await checks(app, scope, body, requests // TURNS)
    app._service.close()
    return whole


def print_bare(app: Any, whole: float) -> None:
    """The one-row prediction with reasons alone, which no request can do without."""
    (served_model,) = app._service.models.served.values()
    quick = served_model.quick
    given = {f.name: 0.5 + i for i, f in enumerate(quick.bundle.encoder.features)}
    times = []
    for _ in range(1000):
        began = time.perf_counter()
        quick.answer(given, "2025-03-01T00:00:00Z", explain="reasons", top=5)
        times.append(time.perf_counter() - began)
    bare = 1e6 * statistics.median(times)
    print(f"{'the prediction with its reasons alone':55s} {bare:7.1f}   ({whole / bare:.1f} times that is the request)")


async def parts_of(app: Any, scope: dict, body: bytes, requests: int) -> tuple[dict[str, float], float]:
    """Median microseconds of each part, and of the whole."""
    found: dict[str, list[float]] = defaultdict(list)
    wholes = []
    for _ in range(requests):
        own.clear()
        stack[:] = [[0.0]]
        wholes.append(await one(app, scope, body))
        for name, took in own.items():
            found[name].append(1e6 * took)
        found[REST].append(wholes[-1] - 1e6 * stack[0][0])
    return {name: statistics.median(times) for name, times in found.items()}, statistics.median(wholes)


async def checks(app: Any, scope: dict, body: bytes, requests: int) -> None:
    """What a request takes with one check less, or with one more."""
    took: dict[str, list[float]] = defaultdict(list)
    for _ in range(TURNS):
        for name, without in WITHOUT.items():
            with without(app):
                await one(app, scope, body)
                took[name].append(statistics.median([await one(app, scope, body) for _ in range(requests)]))
    usual = statistics.median(took["all on"])
    print(f"\n{'the checks':55s} {'us':>7s}   beside all on")
    for name, times in took.items():
        print(f"{name:55s} {statistics.median(times):7.1f} {statistics.median(times) - usual:+8.1f}")


def application() -> Any:
    """The service as uvicorn's workers make it, without trying its model out in another process."""
    from wellkept.api.app import create_app
    from wellkept.bundles import load_bundle

    return create_app(try_out=lambda folder: load_bundle(folder).version)


def scope_of(request: Request) -> tuple[dict[str, Any], bytes]:
    """What uvicorn hands to the application for these bytes."""
    head, _, body = request.content.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    path = first.split(b" ")[1]
    headers = [(name.lower(), value) for name, _, value in (line.partition(b": ") for line in lines)]
    return {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "POST",
            "scheme": "http", "path": path.decode(), "raw_path": path, "query_string": b"", "root_path": "",
            "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", request.port)}, body  # fmt: skip


async def one(app: Any, scope: dict[str, Any], body: bytes) -> float:
    """Answer one request; gives microseconds."""
    status = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    began = time.perf_counter()
    await app({**scope, "state": {}}, receive, send)
    took = 1e6 * (time.perf_counter() - began)
    if status != 200:
        raise SystemExit(f"status {status}")
    return took


@contextmanager
def watched() -> Iterator[None]:
    """Measure what these functions take themselves."""
    from wellkept.api import reading, scoring
    from wellkept.api.access import Rule
    from wellkept.api.metrics import Metrics
    from wellkept.api.service import Service
    from wellkept.bundles import Bundle
    from wellkept.serving import alone, quick, requests

    timed_json = SimpleNamespace(dumps=timed("serialise", json.dumps))
    with changed(
        (scoring, "json_body", timed("body: media type, bounds, deadline", scoring.json_body)),
        (reading, "parsed", timed("parse: strict JSON", reading.parsed)),
        (scoring, "validated", timed("validate: the request's shape", scoring.validated)),
        (scoring, "_refuse_broken", timed("validate: each feature", scoring._refuse_broken)),
        (Rule, "__call__", timed("access: key, scope, rate", Rule.__call__)),
        (scoring, "_asked", timed("events as rows", scoring._asked)),
        (requests, "in_order", timed("events in order", requests.in_order)),
        (alone.Alone, "at", timed("points and features of the journey", alone.Alone.at)),
        (quick.Quick, "row", timed("encode features", quick.Quick.row)),
        (Bundle, "explained", timed("walk: margins, contributions, agreement", Bundle.explained)),
        (Bundle, "stated_of", timed("interval and calibration", Bundle.stated_of)),
        (quick.Quick, "_reasons", timed("reasons in words", quick.Quick._reasons)),
        (scoring, "_told", timed("answer put together", scoring._told)),
        (Metrics, "scored", timed("metrics", Metrics.scored)),
        (Metrics, "answered", timed("metrics", Metrics.answered)),
        (Service, "record", timed("audit: until it is committed", Service.record)),
        (scoring, "json", timed_json),
    ):
        yield


def timed(name: str, function: Callable) -> Callable:
    """The function, whose own time is added to a part's."""
    def begin() -> float:
        stack.append([0.0])
        return time.perf_counter()

    def end(began: float) -> None:
        took = time.perf_counter() - began
        own[name] += took - stack.pop()[0]
        stack[-1][0] += took

    if inspect.iscoroutinefunction(function):
        async def waits(*arguments: Any, **more: Any) -> Any:
            began = begin()
            try:
                return await function(*arguments, **more)
            finally:
                end(began)
        return waits

    def runs(*arguments: Any, **more: Any) -> Any:
        began = begin()
        try:
            return function(*arguments, **more)
        finally:
            end(began)
    return runs


@contextmanager
def changed(*places: tuple[Any, str, Any]) -> Iterator[None]:
    """Something else in these places, for a while."""
    before = [(holder, name, getattr(holder, name)) for holder, name, _ in places]
    for holder, name, other in places:
        setattr(holder, name, other)
    try:
        yield
    finally:
        for holder, name, was in before:
            setattr(holder, name, was)


@contextmanager
def without_access(app: Any) -> Iterator[None]:
    """No key is looked at; the audit needs one, so it is there."""
    from wellkept.api.access import Rule

    (key,) = app._service.keys.all()

    async def lets_through(_rule: Rule, request: Any) -> None:
        request.state.key = key

    with changed((Rule, "__call__", lets_through)):
        yield


@contextmanager
def without_parser(_app: Any) -> Iterator[None]:
    """Python's own reader of JSON."""
    from wellkept.api import reading

    with changed((reading, "parse", json.loads)):
        yield


@contextmanager
def without_audit(_app: Any) -> Iterator[None]:
    """No line is written."""
    from wellkept.api.service import Service

    async def nothing(*_: Any, **__: Any) -> None: ...

    with changed((Service, "record", nothing)):
        yield


@contextmanager
def by_the_thread(app: Any) -> Iterator[None]:
    """Every line waits for the writer's thread."""
    with changed((app._service.recorder, "_at_once", None)):
        yield


@contextmanager
def synced(app: Any) -> Iterator[None]:
    """And for the disk, as with WELLKEPT_AUDIT_SYNC."""
    with by_the_thread(app), changed((app._service.recorder, "_always_sync", True)):
        yield


@contextmanager
def all_on(_app: Any) -> Iterator[None]:
    """As it is."""
    yield


WITHOUT = {
    "all on": all_on, "without access": without_access, "without the strict parser": without_parser,
    "without the audit": without_audit, "audit by the writer's thread": by_the_thread,
    "audit that waits for the disk (WELLKEPT_AUDIT_SYNC)": synced,
}  # fmt: skip


if __name__ == "__main__":
    main()
