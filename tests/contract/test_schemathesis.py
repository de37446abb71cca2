"""Whatever schemathesis makes of the committed OpenAPI document: no 5xx, and every answer as the document says."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings

from tests.serving import NOW, house, key_of, loaded_here, steps, troubled
from wellkept.api.app import create_app
from wellkept.store import SCOPES

schemathesis = pytest.importorskip("schemathesis", reason="it is in the dev group of pyproject.toml")

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"
# a request that fits the document may still be refused: handles, times and names of features are held against more
# than a schema can say; and ten wrong keys from one source are enough (tests/service/test_access.py tries every route)
BEYOND = ("positive_data_acceptance", "ignored_auth", "missing_required_header")
ALWAYS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
          "response_headers_conformance")  # fmt: skip
BOUNDED = settings(max_examples=25, deadline=None, derandomize=True, database=None,
                   suppress_health_check=list(HealthCheck))  # fmt: skip
OPERATIONS = {
    operation.ok().label: operation.ok()
    for operation in schemathesis.openapi.from_dict(json.loads(DOCUMENT.read_text())).get_all_operations()
}
SOMEBODY = 20  # has a journey, and a step that is recommended
CHECKS = [check for check in schemathesis.checks.CHECKS.get_all() if check.__name__ in ALWAYS]


@dataclass(frozen=True)
class Served:
    """A service on a socket, in this process."""

    url: str
    key: str
    handle: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The service over a house of its own, under uvicorn."""
    folder = tmp_path_factory.mktemp("house")
    facts = house(folder, per_minute=10_000_000, scores=folder / "scores", steps=folder / "steps")
    troubled(facts, "COMPLAINT//FILED", *range(SOMEBODY, SOMEBODY + 5))
    steps(facts)
    app = create_app(facts, clock=lambda: NOW, try_out=loaded_here)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Served(f"http://localhost:{port}", key_of(facts, *SCOPES), app._service.handles.of(SOMEBODY))
    server.should_exit = True
    thread.join(30)


def test_valid_and_invalid_requests_are_answered_as_the_document_says(served: Served, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", str(DOCUMENT), "--url", served.url,
        "--header", f"Authorization: Bearer {served.key}", "--exclude-checks", ",".join(BEYOND), "--no-color",
        "--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--seed", "1", "--continue-on-failure",
        "--generation-database", "none",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    assert f"Tested: {len(OPERATIONS)}" in done.stdout


@pytest.mark.parametrize("label", [label for label in OPERATIONS if "/v1/" in label])
def test_requests_about_a_patient_who_is_there_are_answered_as_the_document_says(label: str, served: Served) -> None:
    """Handles that are made up are nobody's: here the first patient of each request is somebody."""

    @BOUNDED
    @given(OPERATIONS[label].as_strategy())
    def each(case: Any) -> None:
        if "handle" in (case.path_parameters or {}):
            case.path_parameters["handle"] = served.handle
        body = case.body if isinstance(case.body, dict) else {}
        for asked in (body.get("patients"), body.get("events")):
            if asked:
                asked[0]["patient"] = served.handle
        case.call_and_validate(served.url, headers=served.headers, checks=CHECKS)

    assert len(CHECKS) == len(ALWAYS)
    each()
