"""The same store on PostgreSQL, where there is one on the machine."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.service.test_docs_and_http import free_port
from tests.serving import NOW, house
from wellkept.api.app import create_app
from wellkept.bundles import load_bundle
from wellkept.errors import StoreFailed
from wellkept.jobs import live_batch
from wellkept.store import SCOPES, Keys, broken_chains, history, live_events, open_database

PEPPER = "a pepper of more than 32 characters, for tests"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("initdb") is None, reason="there is no PostgreSQL on this machine"),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A cluster of its own, of a user who is not root (PostgreSQL refuses to be)."""
    port, as_user = free_port(), []
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            os.chown(folder, user.pw_uid, user.pw_gid)
            as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        data = f"{folder}/data"

        def run(*command: str) -> None:
            subprocess.run([*as_user, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        run("initdb", "-D", data, "-U", "wellkept", "-A", "trust")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
        run("pg_ctl", "-D", data, "-w", "-l", f"{folder}/log", "-o", options, "start")
        yield f"postgresql+psycopg://wellkept@127.0.0.1:{port}/postgres"
        run("pg_ctl", "-D", data, "-m", "immediate", "stop")


def test_keys_events_scores_and_the_audit_are_kept_there(url: str, tmp_path: Path) -> None:
    from starlette.testclient import TestClient

    settings = house(tmp_path, database=url, pepper=PEPPER)
    engine = open_database(url)
    key = Keys(engine, PEPPER.encode()).create("portal", frozenset(SCOPES), days=9, now=NOW)
    app = create_app(settings, clock=lambda: NOW, try_out=lambda f: load_bundle(f).version)
    with TestClient(app, base_url="http://localhost", headers={"authorization": f"Bearer {key}"}) as http:
        handle = http.post("/v1/handles", json={"subject_id": 1}).json()["patient"]
        event = {"patient": handle, "code": "VISIT//WAIT", "time": "2026-02-20T00:00:00Z", "number": 5.0}
        for _ in range(2):
            told = http.post("/v1/events", json={"events": [event]}, headers={"idempotency-key": "a"})
            assert (told.status_code, told.json()) == (201, {"kept": 1})
        body = {"patients": [{"patient": handle, "as_of": "2026-03-01T02:00:00Z"}]}
        assert http.post("/v1/score", json=body).status_code == 200
        assert len(http.get(f"/v1/patients/{handle}/risk").json()["latest"]) == 2
        assert http.get("/readyz").json()["checks"]["database"] == "ready"
    assert len(live_events(engine, [1])) == 1
    assert live_batch(settings).events["numeric_value"].to_pylist() == [5.0]
    assert len(history(engine, 1, limit=9)) == 2
    assert broken_chains(engine, PEPPER.encode()) == {}
    assert Keys(engine, PEPPER.encode()).check(key, NOW + timedelta(days=9)) is None
    engine.dispose()


def test_without_a_pepper_nothing_starts_there(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="WELLKEPT_PEPPER"):
        create_app(house(tmp_path, database=url))


def test_a_database_that_is_not_there_is_an_error_without_its_words() -> None:
    with pytest.raises(StoreFailed) as refused:
        open_database(f"postgresql+psycopg://jane:secret@127.0.0.1:{free_port()}/postgres")
    assert "secret" not in str(refused.value)
    assert "jane" not in str(refused.value)
