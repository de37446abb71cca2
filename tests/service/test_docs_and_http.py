"""`wellkept serve` as a process: the examples of docs/service.md as printed, and what only a socket can show."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import batch_of, events_table
from tests.serving import house, put_into_service, steps, troubled
from wellkept.api.running import not_there, openapi_text
from wellkept.catalogue import families
from wellkept.identities import subject_ids
from wellkept.journeys import Journeys

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "service.md").read_text()
EXAMPLES = re.findall(r"<!-- runs: (\d+) \"(\w+)\" -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
README = re.findall(r"^curl -s .*?(?=```)", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)


@dataclass
class Server:
    """A process that serves, and how to speak with it."""

    process: subprocess.Popen
    port: int
    environment: dict[str, str]

    def raw(self, content: bytes, *, wait: float = 20) -> bytes:
        """What comes back for these bytes, up to the end of the connection or of the first answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            connection.sendall(content)
            received = b""
            while b"\r\n\r\n" not in received and (part := connection.recv(65_536)):
                received += part
            return received

    def post(self, path: str, body: Any) -> tuple[int, dict]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"authorization": f"Bearer {self.environment['KEY']}", "content-type": "application/json"}
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        told = answer.status, json.loads(answer.read())
        connection.close()
        return told


ASKED = ("hold_seconds", "transfers_last", "abandoned_calls_90d", "complaints_90d")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def started(folder: Path, *options: str, **settings: str) -> Server:
    """A house, a key, and the service over it."""
    asked = [f for family in ("contact_centre", "complaints") for f in families()[family] if f.name in ASKED]
    facts = house(folder, scores=folder / "scores", steps=folder / "steps")
    troubled(facts, "COMPLAINT//FILED", 20, 21)
    steps(facts)
    subject = int(subject_ids([re.findall(r'"outside_id": "(P-\w+)"', PAGE)[0]], b"test")[0])
    rows = [{"subject_id": subject, "code": "VISIT//DONE", "time": 340}]
    Journeys(facts.journeys).land(batch_of(events_table(rows), "the patient of the page"))
    put_into_service(facts.models, "detractor_risk", "2", features=tuple(asked))
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "WELLKEPT_MODELS": str(facts.models),
        "WELLKEPT_JOURNEYS": str(facts.journeys), "WELLKEPT_DATABASE": facts.database, "WELLKEPT_BODY_SECONDS": "1",
        "WELLKEPT_SUBJECT_KEY": "test", **settings,
    }  # fmt: skip
    make = [sys.executable, "-m", "wellkept", "keys", "create", "portal", "--scopes", "score,read,write"]
    key = subprocess.run(make, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    port = free_port()
    serve = [sys.executable, "-m", "wellkept", "serve", "--port", str(port), "--steps", str(facts.steps), *options]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(serve, env=environment, stdout=log, stderr=log)
    server = Server(process, port, {**environment, "KEY": key})
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        try:
            if b"200" in server.raw(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").split(b"\r\n")[0]:
                return server
        except OSError:
            time.sleep(0.1)
    raise AssertionError((folder / "log").read_text())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One process for all that do not end it."""
    made = started(tmp_path_factory.mktemp("served"))
    yield made
    made.process.terminate()
    assert made.process.wait(30) in (0, -signal.SIGTERM)


def test_the_openapi_document_is_what_is_committed() -> None:
    """`wellkept serve --openapi > docs/openapi.json` accepts a change."""
    assert openapi_text() == (ROOT / "docs" / "openapi.json").read_text()


def test_a_folder_that_is_not_there_is_told_before_serving(tmp_path: Path) -> None:
    """It may be the night before the first, so that nothing is refused; a mistyped name shows at once."""
    assert not_there(None, tmp_path) == []
    told = not_there(tmp_path / "score", tmp_path / "stpes")
    assert [line.partition(" yet")[0] for line in told] == [
        f"there is no folder {tmp_path / name}" for name in ("score", "stpes")
    ]
    assert ["`wellkept score`" in told[0], "`wellkept recommend`" in told[1]] == [True, True]


def test_the_examples_of_the_readme_and_the_page_work_as_printed_in_their_order(server: Server) -> None:
    assert len(EXAMPLES) >= 6
    assert len(README) == 1
    environment = {**server.environment, "HANDLE": ""}
    for status, word, command in [("200", "risk", README[0]), *EXAMPLES]:
        here = command.replace("localhost:8000", f"localhost:{server.port}")
        here = here.replace("curl -s", "curl -s -w '\\n%{http_code}'", 1)
        done = subprocess.run(["bash", "-c", here], env=environment, capture_output=True, text=True, check=True)
        body, _, code = done.stdout.rpartition("\n")
        assert (code, f'"{word}"' in body) == (status, True), (command, done.stdout)
        told = json.loads(body)
        if isinstance(told.get("patient"), str):
            environment["HANDLE"] = told["patient"]


def test_the_client_in_the_page_works_as_printed(server: Server) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code
    here = code[1].replace("localhost:8000", f"localhost:{server.port}")
    command = [sys.executable, "-c", here]
    done = subprocess.run(command, env=server.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "detractor_risk 0." in done.stdout


LINE = b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\n"


@pytest.mark.parametrize(("request_", "statuses"), [
    (LINE + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", {400}),
    (LINE + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
    (LINE + b"Content-Length: x\r\n\r\n{}", {400}),
    (LINE + b"Content-Length: 100\r\n\r\n{}", {408}),  # h_cl, larger than the body; h_slow_body
    (LINE + b"Transfer-Encoding: chunked\r\n\r\n" + (b"40000\r\n" + b" " * 0x40000 + b"\r\n") * 6, {413}),
    (b"GET /livez HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: b\r\n" * 10_000 + b"\r\n", {431, 400}),
    (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"b" * 65_536 + b"\r\n\r\n", {431, 400}),
    (b"GET /livez HTTP/1.1\r\nHost: evil.example\r\n\r\n", {421}),
    (b"TRACE /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", {405}),
    (b"PUT /v1/score HTTP/1.1\r\nHost: localhost\r\n\r\n", {405}),
    (b"FLY /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 405}),
    (LINE.replace(b"POST /v1/score", b"GET /v1/patients/%%2e%%2e%%2fetc/risk") + b"\r\n", {404}),
    (b"GET /livez%%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", {404}),
    (b"GET /livez. HTTP/1.1\r\nHost: localhost\r\n\r\n", {404}),
    (b"GET /%%252e%%252e/livez HTTP/1.1\r\nHost: localhost\r\n\r\n", {404}),
], ids=["two lengths", "length and chunked", "no length", "short body", "chunked past the limit", "many headers",
        "large header", "other host", "TRACE", "PUT", "unknown method", "dots", "nul", "trailing dot",
        "double encoded"])  # fmt: skip
def test_an_odd_request_is_refused(server: Server, request_: bytes, statuses: set[int]) -> None:
    key = server.environment["KEY"].encode()
    answer = server.raw(request_.replace(b"%s", key).replace(b"%%", b"%"))
    assert int(answer.split(b" ")[1]) in statuses, answer[:300]
    assert key not in answer
    if b" 405 " in answer.split(b"\r\n")[0]:
        assert b"allow:" in answer.lower()


def test_clients_that_stall_in_their_bodies_are_sent_away_and_others_are_answered(server: Server) -> None:
    line = LINE.replace(b"%s", server.environment["KEY"].encode()) + b"Content-Length: 100\r\n\r\n{}"
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        stalled = [pool.submit(server.raw, line) for _ in range(50)]
        good = server.post("/v1/score", {"patients": [{"patient": "a", "features": {}}]})
        assert good[0] == 200
        assert {future.result().split(b" ")[1] for future in stalled} == {b"408"}


@pytest.mark.slow
def test_what_is_in_flight_when_the_process_is_told_to_end_is_answered(tmp_path: Path) -> None:
    server = started(tmp_path)
    patients = [{"patient": f"a{i}", "features": {"hold_seconds": i}} for i in range(400)]
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        asked = [pool.submit(server.post, "/v1/score", {"patients": patients}) for _ in range(50)]
        while in_flight(server) < 50 and not all(future.done() for future in asked):
            time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        assert [future.result()[0] for future in asked] == [200] * 50
    assert server.process.wait(30) in (0, -signal.SIGTERM)


def in_flight(server: Server) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", "/metrics", headers={"host": "localhost"})
    found = re.search(rb"^wellkept_in_flight (\S+)", connection.getresponse().read(), re.MULTILINE)
    connection.close()
    return float(found[1]) - 1 if found else 0.0  # but for this request


CLIENTS, EACH = 250, 3


def flooded(server: Server) -> list[tuple[int, bool]]:
    """So many clients at once: the status of each answer, and whether it says when to come again."""
    patients = [{"patient": f"a{i}", "features": {"hold_seconds": i}} for i in range(50)]
    body = json.dumps({"patients": patients})
    headers = {"authorization": f"Bearer {server.environment['KEY']}", "content-type": "application/json"}

    def one(_: int) -> list[tuple[int, bool]]:
        told = []
        for _ in range(EACH):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
            connection.request("POST", "/v1/score", body, headers)
            answer = connection.getresponse()
            answer.read()
            told.append((answer.status, answer.getheader("retry-after") is not None))
            connection.close()
        return told

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        asked = [pool.submit(one, i) for i in range(CLIENTS)]
        while not all(future.done() for future in asked):
            assert b" 200 " in server.raw(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", wait=60)
        return [answer for future in asked for answer in future.result()]


@pytest.mark.slow
def test_a_flood_is_answered_or_sent_away_and_the_process_stays_alive(tmp_path: Path) -> None:
    server = started(tmp_path, WELLKEPT_WAITING="16", WELLKEPT_DEADLINE_SECONDS="60")
    answers, held = [], []
    for _ in range(3):
        answers += flooded(server)
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        held.append(int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]))
    assert len(answers) == 3 * CLIENTS * EACH
    assert {status for status, _ in answers} <= {200, 429, 503}
    assert {status for status, _ in answers} >= {200, 503}
    assert all(waits == (status != 200) for status, waits in answers)
    assert held[2] < held[0] + 64 * 1024  # kB: what one flood took is what the next ones use
    assert server.post("/v1/score", {"patients": [{"patient": "a", "features": {}}]})[0] == 200
    server.process.terminate()
    assert server.process.wait(30) in (0, -signal.SIGTERM)


def workers(server: Server) -> set[int]:
    """The processes that serve, but for multiprocessing's own helper."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            line = (path / "cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        if parent == server.process.pid and b"spawn_main" in line:
            found.add(int(path.name))
    return found


@pytest.mark.slow
def test_workers_answer_alike_and_one_that_is_killed_is_started_again(tmp_path: Path) -> None:
    server = started(tmp_path, "--workers", "2")
    body = {"patients": [{"patient": "a", "as_of": "2026-03-01T02:00:00Z", "features": {"hold_seconds": 240}}]}

    def answers() -> set[str]:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            told = list(pool.map(lambda _: server.post("/v1/score", body), range(64)))
        assert {status for status, _ in told} == {200}
        return {json.dumps(answer) for _, answer in told}

    before, first = workers(server), answers()
    assert (len(before), len(first)) == (2, 1)
    os.kill(min(before), signal.SIGKILL)
    until = time.monotonic() + 60
    while len(workers(server) - before) < 1 and time.monotonic() < until:
        time.sleep(0.2)
    assert len(workers(server) - {min(before)}) == 2
    assert answers() == first
    check = subprocess.run([sys.executable, "-m", "wellkept", "audit"], env=server.environment, check=False)
    assert check.returncode == 0
    server.process.terminate()
    assert server.process.wait(30) in (0, -signal.SIGTERM)
    assert workers(server) == set()
