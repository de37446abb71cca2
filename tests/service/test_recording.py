"""Lines of the audit: written at once where nothing must be waited for, else by the writer's thread."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.serving import NOW
from wellkept.api.commits import Commits
from wellkept.errors import StoreFailed
from wellkept.store import LIVE_EVENTS, SCORES, Entry, Line, Recorder, broken_chains, open_database
from wellkept.store.recording import TURN

PEPPER = b"a pepper of thirty-two characters"
ENTRY = Entry("portal", "score", "0f3b5a9c2d4e6f70", ["p"], ["detractor_risk 1@0"], "treatment")
SCORE = {"subject_id": 1, "target": "t", "as_of": 0, "scored_at": 0, "risk": 0.5, "answer": "{}"}
EVENT = {"delivery": "d", "subject_id": 1, "known": 0, "happened": 0, "code": "CALL//DROPPED"}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "wellkept.db"


def recorder_of(database: Path, **how: bool) -> Recorder:
    return Recorder(open_database(f"sqlite:///{database}"), PEPPER, lambda: NOW, **how)


@pytest.fixture
def recorder(database: Path) -> Iterator[Recorder]:
    """One that has written its first line, which depends on all other chains and so is the thread's."""
    made = recorder_of(database)
    assert not made.write_at_once([Line(ENTRY)])
    made.record(ENTRY).result(10)
    yield made
    made.close()


def kept(database: Path, table: str = "audit") -> int:
    with sqlite3.connect(database) as connection:
        return connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]


def unbroken(database: Path) -> bool:
    engine = open_database(f"sqlite:///{database}")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT COUNT(DISTINCT chain) FROM audit")).scalar() == 1
    found = broken_chains(engine, PEPPER)
    engine.dispose()
    return found == {}


def test_both_ways_write_one_chain_and_now_and_then_it_is_the_threads_turn(database: Path, recorder: Recorder) -> None:
    ways = []
    for number in range(TURN + 99):
        lines = [Line(ENTRY), Line(ENTRY, [(SCORES, [SCORE])])] if number % 7 == 0 else [Line(ENTRY)]
        ways.append(recorder.write_at_once(lines))
        if not ways[-1]:
            for line in lines:
                recorder.record(line.entry, line.rows).result(10)
    assert set(ways[: TURN // 2]) == {True}
    assert False in ways[TURN // 2 :]
    assert kept(database, "scores") == sum(number % 7 == 0 for number in range(TURN + 99))
    assert kept(database) == 1 + TURN + 99 + kept(database, "scores")
    assert unbroken(database)


def test_what_must_be_on_the_disk_is_not_written_at_once(database: Path, recorder: Recorder, tmp_path: Path) -> None:
    assert not recorder.write_at_once([Line(ENTRY), Line(ENTRY, [(LIVE_EVENTS, [EVENT])])])
    assert (kept(database), kept(database, "live_events")) == (1, 0)
    careful = recorder_of(tmp_path / "other.db", always_sync=True)
    careful.record(ENTRY).result(10)
    assert not careful.write_at_once([Line(ENTRY)])
    careful.close()


def test_who_asks_never_waits_for_another_process_but_the_thread_does(database: Path, recorder: Recorder) -> None:
    with sqlite3.connect(database, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert not recorder.write_at_once([Line(ENTRY)])
        waits = recorder.record(ENTRY)
        with pytest.raises(TimeoutError):
            waits.result(0.2)
        other.execute("COMMIT")
    waits.result(10)
    assert recorder.write_at_once([Line(ENTRY)])
    assert kept(database) == 3
    assert unbroken(database)


def test_a_line_that_cannot_be_written_leaves_nothing_and_is_no_part_of_the_chain(
    database: Path, recorder: Recorder
) -> None:
    impossible = Line(ENTRY, [(SCORES, [{**SCORE, "risk": 2.0}])])
    assert not recorder.write_at_once([Line(ENTRY), impossible])
    assert (kept(database), kept(database, "scores")) == (1, 0)
    assert recorder.write_at_once([Line(ENTRY)])
    assert unbroken(database)


@pytest.mark.parametrize("together", [1, 2, 40])
def test_a_request_goes_on_when_its_own_line_is_committed(database: Path, together: int) -> None:
    recorder = recorder_of(database)
    commits = Commits(recorder)

    async def requests() -> None:
        for _ in range((TURN + 99) // together):
            await commits.record(ENTRY)
            done.append(kept(database))
            assert done[-1] >= len(done)

    async def all_of_them() -> None:
        await asyncio.gather(*(requests() for _ in range(together)))

    done: list[int] = []
    asyncio.run(all_of_them())
    recorder.close()
    assert kept(database) == len(done)
    assert unbroken(database)


def test_when_nothing_writes_any_more_every_request_is_told(database: Path) -> None:
    recorder = recorder_of(database)
    commits = Commits(recorder)
    recorder.close()

    async def all_of_them() -> list[BaseException | None]:
        return await asyncio.gather(*(commits.record(ENTRY) for _ in range(3)), return_exceptions=True)

    assert [type(error) for error in asyncio.run(all_of_them())] == [StoreFailed] * 3
    assert kept(database) == 0


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.service.test_recording import ENTRY, Line, recorder_of
recorder = recorder_of(Path(sys.argv[1]))
recorder.record(ENTRY).result(10)
assert all(recorder.write_at_once([Line(ENTRY)]) for _ in range(50))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_written_outlives_its_process(database: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(database)], check=False, cwd=Path(__file__).parents[2])
    assert kept(database) == 51
    assert unbroken(database)
