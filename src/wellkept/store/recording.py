"""One writer a process: what a request changes and its line of the audit are committed together, or neither is.

Requests that wait at the same time share one transaction, and so one sync of the disk. What need not wait for the disk
is written by the thread that asks, since a commit takes less than waking another thread. Each process writes a chain of
its own: a row's digest is an HMAC over the row and the digest before it, the first over the heads of all chains then.
A line that was changed, removed from the middle, or added by somebody without the pepper is found by `broken_chains`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Table, func, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from wellkept.errors import StoreFailed
from wellkept.store.database import at_once, failed, reading, without_sync
from wellkept.store.keys import micros
from wellkept.store.tables import AUDIT, LIVE_EVENTS

TOGETHER = 256
# commits at once (some 20 MB of SQLite's log), and then as many by the thread: a checkpoint, and the sync after it
TURN, OWN_TURNS = 2000, 2
COMPACT = json.JSONEncoder(separators=(",", ":")).encode
COVERED = ("chain", "number", "at", "who", "action", "patients", "models", "why", "request", "previous")


class Entry(NamedTuple):
    """One line of the audit: who did what to whom, with which models, and why. `patients` are handles or digests."""

    who: str
    action: str
    request: str
    patients: Sequence[str] = ()
    models: Sequence[str] = ()
    why: str = ""


Rows = Sequence[tuple[Table, Sequence[Mapping[str, Any]]]]


@dataclass
class Line:
    """What is to be written: an entry, the rows that it is about, and afterwards why they were not, if so."""

    entry: Entry
    rows: Rows = ()
    error: Exception | None = None


Group = tuple[Sequence[Line], Callable[[], Any]]  # lines that are committed together, and who is told then


class Recorder:
    """Writes for one process; `clock` says when.

    What keeps live events is on the disk when its future ends. A line about a read, and the scores that it is about,
    are so only with `always_sync`; without it they outlive the process, and a power cut may take the last of them.
    """

    def __init__(
        self, engine: Engine, pepper: bytes, clock: Callable[[], datetime], *, always_sync: bool = False
    ) -> None:
        self._engine, self._pepper, self._clock, self._always_sync = engine, pepper, clock, always_sync
        self._chain, self._number, self._previous = secrets.token_hex(16), 0, ""
        compiled = insert(AUDIT).compile(dialect=engine.dialect)  # once: it takes as long as to carry it out
        self._insert_line, self._places = compiled.string, getattr(compiled, "positiontup", None)
        self._left, self._owed = TURN, 0  # commits at once, and then by the thread, before it is the other's turn
        self._lock = threading.Lock()  # of the chain's end
        self._at_once = None if always_sync else at_once(engine)
        self._queue: queue.SimpleQueue[Group | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="recorder", daemon=True)
        self._thread.start()

    def record(self, entry: Entry, rows: Rows = ()) -> Future:
        """Write the line and what it is about; the future ends when both are committed, or raises.

        Its exception is StoreFailed, or IntegrityError where a row of this key was there already.
        """
        line, told = Line(entry, rows), Future[None]()
        self.write([line], lambda: told.set_exception(line.error) if line.error else told.set_result(None))
        return told

    def write(self, lines: Sequence[Line], done: Callable[[], Any]) -> None:
        """Write lines with what they are about; `done` is called, in the writer's thread, when each is committed or has
        its `error`.

        Raises
        ------
        StoreFailed
            `audit`: nothing writes any more.
        """
        if not self._thread.is_alive():
            raise StoreFailed("audit", "the audit cannot be written: start the service again")
        self._queue.put((lines, done))

    def write_at_once(self, lines: Sequence[Line]) -> bool:
        """Write lines in this thread, always the same one, if nothing must be waited for; else nothing was written, and
        `write` has to.

        That is so on SQLite, where nothing else writes at this moment, for what need not be on the disk.
        """
        if self._at_once is None or not self._number or any(_must_sync(line) for line in lines):
            return False
        if self._left <= 0:
            self._left, self._owed = TURN, OWN_TURNS
        if self._owed:
            self._owed -= 1
            return False
        if not self._lock.acquire(blocking=False):
            return False
        before = self._number, self._previous
        try:
            self._commit(self._at_once, lines)
        except Exception:  # noqa: BLE001  the thread can wait for another process, and tells who is at fault
            self._number, self._previous = before
            return False
        finally:
            self._lock.release()
        self._left -= 1 + len(lines) // 16
        return True

    def _commit(self, connection: Connection, lines: Sequence[Line]) -> None:
        """Nearly always lines alone, which the driver writes in half of the time."""
        if any(line.rows for line in lines):
            with connection.begin():
                self._insert(connection, lines)
            return
        driver: Any = connection.connection.driver_connection
        try:
            driver.executemany(self._insert_line, self._given([self._line(connection, line.entry) for line in lines]))
            driver.commit()
        except BaseException:
            driver.rollback()
            raise

    def close(self) -> None:
        """Write what waits, and stop."""
        self._queue.put(None)
        self._thread.join()
        if self._at_once is not None:
            self._at_once.close()  # which gives it back to its engine
            self._at_once.engine.dispose()

    def _write_all(self) -> None:
        while (first := self._queue.get()) is not None:
            groups, lines = [first], [*first[0]]
            while len(lines) < TOGETHER and not self._queue.empty():
                if (more := self._queue.get()) is None:
                    self._queue.put(None)  # stop after this group
                    break
                groups.append(more)
                lines += more[0]
            self._write(lines)
            for _, done in groups:
                done()

    def _write(self, group: list[Line]) -> None:
        before = self._number, self._previous
        try:
            with self._lock, self._engine.begin() as connection:
                if not self._always_sync and not any(map(_must_sync, group)):
                    without_sync(connection)  # a sync takes longer than all else that a score does together
                self._insert(connection, group)
        except Exception as error:  # noqa: BLE001  whatever happened, the requests must be told, and nothing was kept
            self._number, self._previous = before
            if len(group) > 1:  # one of them is at fault: the others must not pay for it
                for one in group:
                    self._write([one])
                return
            group[0].error = _told(error)

    def _insert(self, connection: Connection, group: Sequence[Line]) -> None:
        lines = []
        for waiting in group:
            for table, rows in waiting.rows:
                connection.execute(insert(table), list(rows))
            lines.append(self._line(connection, waiting.entry))
        connection.exec_driver_sql(self._insert_line, self._given(lines))

    def _given(self, lines: list[dict[str, Any]]) -> Any:
        """As the driver takes values: by position or by name."""
        places = self._places
        return lines if places is None else [tuple([line[name] for name in places]) for line in lines]

    def _line(self, connection: Connection, entry: Entry) -> dict[str, Any]:
        if not self._number:
            self._previous = heads(connection)
        self._number += 1
        line: dict[str, Any] = {
            "chain": self._chain, "number": self._number, "at": micros(self._clock()), "who": entry.who,
            "action": entry.action, "patients": json.dumps(list(entry.patients)),
            "models": json.dumps(list(entry.models)), "why": entry.why, "request": entry.request,
            "previous": self._previous,
        }  # fmt: skip
        self._previous = digest_of_line(line, self._pepper)
        line["digest"] = self._previous
        return line


def heads(connection: Connection) -> str:
    """A digest of the last line of every chain there is."""
    last = select(AUDIT.c.chain, func.max(AUDIT.c.number).label("number")).group_by(AUDIT.c.chain).subquery()
    rows = select(AUDIT.c.digest).join(
        last, (AUDIT.c.chain == last.c.chain) & (AUDIT.c.number == last.c.number)).order_by(AUDIT.c.digest)
    return hashlib.sha256("".join(connection.execute(rows).scalars()).encode()).hexdigest()


def digest_of_line(line: Mapping[str, Any], pepper: bytes) -> str:
    """HMAC-SHA256 of a line and of the digest before it."""
    covered = COMPACT([line[name] for name in COVERED])
    return hmac.new(pepper, b"audit " + covered.encode(), "sha256").hexdigest()


def broken_chains(engine: Engine, pepper: bytes) -> dict[str, int]:
    """By chain, the number of the first line that is not what was written or is missing; empty when all is well."""
    broken: dict[str, int] = {}
    chain, number, digest = "", 0, ""
    with reading(engine) as connection:
        ordered = select(AUDIT).order_by(AUDIT.c.chain, AUDIT.c.number)
        for line in connection.execution_options(yield_per=1000).execute(ordered).mappings():
            if line["chain"] != chain:
                chain, number, digest = line["chain"], 0, line["previous"]
            number += 1
            sound = (line["number"], line["previous"], line["digest"]) == (
                number, digest, digest_of_line(dict(line), pepper))  # fmt: skip
            if not sound:
                broken.setdefault(chain, number)
            digest = line["digest"]
    return broken


def _must_sync(line: Line) -> bool:
    return any(table is LIVE_EVENTS for table, _ in line.rows)


def _told(error: Exception) -> Exception:
    if isinstance(error, IntegrityError):
        return error
    return failed(error) if isinstance(error, SQLAlchemyError) else StoreFailed("audit", "the audit cannot be written")
