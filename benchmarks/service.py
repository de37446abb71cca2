"""The service beside `mlflow models serve` and a tutorial's FastAPI + SHAP: requests a second, in one run, on loopback.

    python benchmarks/service.py [--seconds 5 --rounds 1] [--trees 400 --depth 6 --features 60]

All serve one made-up model of one booster, one worker each; one patient a request. Ours states reasons, and checks its
strict parser, its access and its audit; `mlflow models serve` gives a risk and no reasons. Each server runs alone, and
the same client (asyncio on uvloop, keep-alive) loads them all. There is no wrk on this machine: the client's own share
is printed by a route that does nothing. With several rounds each figure is the median of them. `service_parts.py` says
where the time of one request goes.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from measuring import described, machine

ROOT = Path(__file__).parents[1]
CONNECTIONS = (1, 8, 32)
OURS, BY_EVENTS, MLFLOW, TUTORS = (
    "wellkept, by features, 5 reasons", "wellkept, by events, 5 reasons", "mlflow models serve, no reasons",
    "FastAPI + DataFrame + TreeExplainer")
TUTORIAL = """
import pandas as pd, shap, xgboost
from fastapi import FastAPI
from pydantic import create_model
booster = xgboost.Booster(model_file={path!r})
names = {names!r}
explainer = shap.TreeExplainer(booster)
Row = create_model("Row", **{{n: (float, ...) for n in names}})
app = FastAPI()

@app.post("/predict")
def predict(row: Row):
    frame = pd.DataFrame([row.model_dump()])
    risk = float(booster.predict(xgboost.DMatrix(frame))[0])
    values = explainer.shap_values(frame)[0]
    top = sorted(zip(names, map(float, values)), key=lambda p: -abs(p[1]))[:5]
    return {{"risk": risk, "reasons": top}}

@app.get("/ping")
def ping():
    return {{}}
"""


def main() -> None:
    """Make the model, start each server in turn, load it, print the table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seconds", type=float, default=5)
    asked.add_argument("--rounds", type=int, default=1)
    asked.add_argument("--features", type=int, default=60)
    asked.add_argument("--trees", type=int, default=400)
    asked.add_argument("--depth", type=int, default=6)
    asked.add_argument("--memory", type=int, default=0, metavar="N", help="instead: how memory grows over N requests")
    chosen = asked.parse_args()
    print(described(machine("xgboost", "mlflow", "fastapi", "uvicorn", "shap")))
    print(f"{chosen.features} features, {chosen.trees} trees of depth {chosen.depth}; one worker; MADE-UP data")
    with tempfile.TemporaryDirectory() as scratch:
        house = Path(scratch)
        subprocess.run([sys.executable, __file__.replace("service.py", "service_house.py"), str(house),
                        str(chosen.features), str(chosen.trees), str(chosen.depth)], check=True, env=environment(house))
        if chosen.memory:
            grown(house, chosen.features, chosen.memory)
            return
        rounds: dict[str, list[list[tuple[float, float, float]]]] = defaultdict(list)
        for _ in range(chosen.rounds):
            for name, command, request in contestants(house, chosen.features):
                with served(command, house, request.port):
                    rounds[name].append([told(name, n, uvloop.run(load(request, n, chosen.seconds)))
                                         for n in CONNECTIONS])  # fmt: skip
    compared({name: np.median(figures, axis=0) for name, figures in rounds.items()})


def compared(medians: Mapping[str, np.ndarray]) -> None:
    """Print how often each server answers while the others answer once, and whether ours meets its bars."""
    mlflow, tutorial = (medians[name][:, 0] for name in (MLFLOW, TUTORS))
    for name, figures in medians.items():
        rate = figures[:, 0]
        print(f"{name:45s} {in_words(rate / mlflow)} of mlflow's   {in_words(rate / tutorial)} of the tutorial's")
    ours = medians[OURS]
    for what, found, bars in (("times mlflow's", ours[:, 0] / mlflow, (20, 30, 30)),
                              ("times the tutorial's", ours[:, 0] / tutorial, (15, 15, 15))):  # fmt: skip
        met = ", ".join("met" if f >= b else "MISSED" for f, b in zip(found, bars, strict=True))
        print(f"bar: {bars} {what} at {CONNECTIONS} connections: {in_words(found)}: {met}")
    print(f"bar: p99 at 32 connections below 60 ms: {ours[-1, 1]:.1f} ms: {'met' if ours[-1, 1] < 60 else 'MISSED'}")
    times = medians[BY_EVENTS][0, 2] / ours[0, 2]
    print(f"bar: p50 by events within 10x of by features, one connection: {times:.1f}x: "
          f"{'met' if times <= 10 else 'MISSED'}")  # fmt: skip


def in_words(times: np.ndarray) -> str:
    """A few ratios."""
    return "  ".join(f"{one:5.1f}x" for one in times)


def grown(house: Path, features: int, requests: int) -> None:
    """What our server holds after 10,000 requests by features, and after all of them."""
    _, command, request = next(c for c in contestants(house, features) if c[0] == OURS)
    with served(command, house, request.port) as process:
        done, seen = 0, []
        for part in (10_000, requests - 10_000):
            uvloop.run(load(request, 8, 0, at_most=part))
            done += part
            status = Path(f"/proc/{process.pid}/status").read_text()
            held = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
            seen.append(held / 1024)
            print(f"after {done} requests: {seen[-1]:.1f} MiB", flush=True)
    more = seen[1] - seen[0]
    print(f"bar: at most 10 MiB more after the first 10,000: {more:.1f}: {'met' if more <= 10 else 'MISSED'}")


class Request:
    """The bytes of one request, and where they go."""

    def __init__(self, port: int, path: str, body: Any = None, key: str = "") -> None:
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: localhost\r\n"
        head += f"Content-Length: {len(content)}\r\nContent-Type: application/json\r\n"
        head += f"Authorization: Bearer {key}\r\n" if key else ""
        self.port, self.content = port, head.encode() + b"\r\n" + content


def contestants(house: Path, features: int) -> Iterator[tuple[str, list[str], Request]]:
    """(name, command, request) of each server."""
    row = {f"f{i}": 0.5 + i for i in range(features)}
    key = (house / "key").read_text()
    port = free_port()
    ours = [sys.executable, "-m", "wellkept", "serve", "--port", str(port)]
    patient = {"patient": "case-17", "as_of": "2025-03-01T00:00:00Z"}
    yield "a route that does nothing (the client's share)", ours, Request(port, "/livez")
    yield OURS, ours, Request(
        port, "/v1/score", {"patients": [{**patient, "features": row}]}, key)  # fmt: skip
    yield "wellkept, by features, no reasons", ours, Request(
        port, "/v1/score", {"patients": [{**patient, "features": row}], "explain": "none"}, key)  # fmt: skip
    events = [{"code": f"X//F{i}", "time": "2025-02-20T00:00:00Z", "number": 0.5 + i} for i in range(features)]
    events.append({"code": "VISIT//DONE", "time": "2025-02-20T00:00:00Z"})
    yield BY_EVENTS, ours, Request(
        port, "/v1/score", {"patients": [{**patient, "events": events}]}, key)  # fmt: skip
    records = {"dataframe_records": [row]}
    yield "wellkept, /invocations", ours, Request(port, "/invocations", records, key)
    port = free_port()
    mlflow = ["mlflow", "models", "serve", "-m", str(house / "mlflow"), "--env-manager", "local", "-p", str(port)]
    yield MLFLOW, [sys.executable, "-m", *mlflow], Request(port, "/invocations", records)
    (house / "tutorial.py").write_text(TUTORIAL.format(path=str(house / "booster.ubj"), names=list(row)))
    port = free_port()
    uvicorn = ["-m", "uvicorn", "tutorial:app", "--port", str(port), "--app-dir", str(house), "--log-level", "error"]
    yield TUTORS, [sys.executable, *uvicorn], Request(port, "/predict", row)


@contextmanager
def served(command: list[str], house: Path, port: int) -> Iterator[subprocess.Popen]:
    """The server, from its first answer on, and until it is told to end."""
    with (house / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment(house), stdout=log, stderr=log, start_new_session=True)
    try:
        until = time.monotonic() + 180
        while not answers(port):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit((house / "log").read_text()[-3000:])
            time.sleep(0.2)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def answers(port: int) -> bool:
    """Is it ready? `/ping` of the others answers when they can predict."""
    for path in (b"/readyz", b"/ping"):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                if b" 200 " in connection.recv(65536).split(b"\r\n")[0]:
                    return True
        except OSError:
            return False
    return False


async def load(
    request: Request, connections: int, seconds: float, at_most: int = 0
) -> tuple[float, list[float]]:
    """Requests a second, and each one's milliseconds, after one second that does not count; or so many requests."""
    left = itertools.count(at_most, -1)
    times: list[float] = []
    begins = time.perf_counter() + 1
    ends = begins + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", request.port)
        while (sent := time.perf_counter()) < ends or next(left) > 0:
            writer.write(request.content)
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head.split(b"\r\n")[0]:
                raise SystemExit(head.decode() + (await reader.read(2000)).decode())
            length = next(int(h.split(b":")[1]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length"))
            await reader.readexactly(length)
            if sent >= begins:
                times.append(1000 * (time.perf_counter() - sent))
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return len(times) / max(seconds, 1), times


def told(name: str, connections: int, measured: tuple[float, list[float]]) -> tuple[float, float, float]:
    """Print one line; gives the rate, the p99 and the p50."""
    rate, times = measured
    cuts = statistics.quantiles(times, n=100)
    print(f"{name:45s} {connections:3d} connections {rate:8.0f}/s   p50 {cuts[49]:7.2f} ms   p99 {cuts[98]:7.2f} ms",
          flush=True)  # fmt: skip
    return rate, cuts[98], cuts[49]


def environment(house: Path) -> dict[str, str]:
    """Where everything is."""
    return {
        **os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # MLflow calls `uvicorn`
        "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true",
        "WELLKEPT_MODELS": str(house / "models"), "WELLKEPT_DATABASE": f"sqlite:///{house}/service/wellkept.db",
        "WELLKEPT_PER_MINUTE": "10000000", "GIT_PYTHON_REFRESH": "quiet",
    }  # fmt: skip


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


if __name__ == "__main__":
    main()
