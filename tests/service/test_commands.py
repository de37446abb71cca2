"""`wellkept keys` and `wellkept audit`, and several processes that write one database."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from wellkept.__main__ import main
from wellkept.errors import KeyRefused, StoreFailed
from wellkept.store import broken_chains, open_database, pepper_of


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    made = f"sqlite:///{tmp_path / 'service' / 'wellkept.db'}"
    monkeypatch.setenv("WELLKEPT_DATABASE", made)
    return made


def told(capsys: pytest.CaptureFixture, *arguments: str) -> dict:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_keys_are_made_listed_and_revoked(url: str, capsys: pytest.CaptureFixture) -> None:
    key = told(capsys, "keys", "create", "portal", "--scopes", "score,read")["key"]
    (listed,) = told(capsys, "keys", "list")["keys"]
    assert (listed["name"], listed["scopes"], listed["live"]) == ("portal", "read,score", True)
    assert key.split("_", 2)[2] not in json.dumps(listed)
    told(capsys, "keys", "revoke", listed["id"])
    assert told(capsys, "keys", "list")["keys"][0]["live"] is False
    assert main(["keys", "list"]) == 0
    assert "ended" in capsys.readouterr().out
    assert main(["keys", "create", "Jane Doe"]) == KeyRefused.exit_code


def test_the_audit_is_checked_by_a_command(url: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["audit"]) == 0
    assert capsys.readouterr().out == "every line is as it was written\n"


WRITER = """
import sys
from datetime import UTC, datetime
from wellkept.store import Entry, Recorder, open_database, pepper_of
url = sys.argv[1]
recorder = Recorder(open_database(url), pepper_of(url, None), lambda: datetime.now(UTC))
done = [recorder.record(Entry("portal", "score", f"{i:016x}", ["p"])) for i in range(300)]
[future.result() for future in done]
recorder.close()
"""


def test_two_processes_write_their_lines_and_none_is_lost(url: str) -> None:
    engine = open_database(url)
    pepper = pepper_of(url, None)
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, url]) for _ in range(2)]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    with engine.connect() as connection:
        assert connection.execute(text("SELECT COUNT(*), COUNT(DISTINCT chain) FROM audit")).one() == (600, 2)
    assert broken_chains(engine, pepper) == {}


def test_a_database_of_a_newer_release_is_left_alone(url: str) -> None:
    engine = open_database(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreFailed, match="newer release"):
        open_database(url)
    engine.dispose()


def test_migrations_make_the_tables_that_the_code_names(url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from wellkept.store.tables import metadata

    engine = open_database(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
