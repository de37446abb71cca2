"""One writer a process: what a request changes and its line of the audit are committed together, or neither is.

Requests that wait at the same time share one transaction, and so one sync of the disk. Each process writes a chain of
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
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Table, func, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from wellkept.errors import StoreFailed
from wellkept.store.database import failed, reading, without_sync
from wellkept.store.keys import micros
from wellkept.store.tables import AUDIT, LIVE_EVENTS

TOGETHER = 256
COVERED = ("chain", "number", "at", "who", "action", "patients", "models", "why", "request", "previous")


@dataclass(frozen=True)
class Entry:
    """One line of the audit: who did what to whom, with which models, and why. `patients` are handles or digests."""

    who: str
    action: str
    request: str
    patients: Sequence[str] = ()
    models: Sequence[str] = ()
    why: str = ""


@dataclass(frozen=True)
class _Waiting:
    entry: Entry
    rows: Sequence[tuple[Table, Sequence[Mapping[str, Any]]]]
    done: Future = field(default_factory=Future)


class Recorder:
    """Writes for one process, in one thread; `clock` says when.

    What keeps live events is on the disk when its future ends. A line about a read, and the scores that it is about,
    are so only with `always_sync`; without it they outlive the process, and a power cut may take the last of them.
    """

    def __init__(
        self, engine: Engine, pepper: bytes, clock: Callable[[], datetime], *, always_sync: bool = False
    ) -> None:
        self._engine, self._pepper, self._clock, self._always_sync = engine, pepper, clock, always_sync
        self._chain, self._number, self._previous = secrets.token_hex(16), 0, ""
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="recorder", daemon=True)
        self._thread.start()

    def record(self, entry: Entry, rows: Sequence[tuple[Table, Sequence[Mapping[str, Any]]]] = ()) -> Future:
        """Write the line and what it is about; the future ends when both are committed, or raises.

        Its exception is StoreFailed, or IntegrityError where a row of this key was there already.
        """
        if not self._thread.is_alive():
            raise StoreFailed("audit", "the audit cannot be written: start the service again")
        waiting = _Waiting(entry, rows)
        self._queue.put(waiting)
        return waiting.done

    def close(self) -> None:
        """Write what waits, and stop."""
        self._queue.put(None)
        self._thread.join()

    def _write_all(self) -> None:
        while (first := self._queue.get()) is not None:
            group = [first]
            while len(group) < TOGETHER and not self._queue.empty():
                if (more := self._queue.get()) is None:
                    self._queue.put(None)  # stop after this group
                    break
                group.append(more)
            self._write(group)

    def _write(self, group: list[_Waiting]) -> None:
        before = self._number, self._previous
        try:
            with self._engine.begin() as connection:
                self._insert(connection, group)
        except Exception as error:  # noqa: BLE001  whatever happened, the requests must be told, and nothing was kept
            self._number, self._previous = before
            if len(group) > 1:  # one of them is at fault: the others must not pay for it
                for one in group:
                    self._write([one])
                return
            group[0].done.set_exception(_told(error))
            return
        for waiting in group:
            waiting.done.set_result(None)

    def _insert(self, connection: Connection, group: list[_Waiting]) -> None:
        if not self._always_sync and not any(table is LIVE_EVENTS for w in group for table, _ in w.rows):
            without_sync(connection)  # a sync takes longer than all else that a score does together
        lines = []
        for waiting in group:
            for table, rows in waiting.rows:
                connection.execute(insert(table), list(rows))
            lines.append(self._line(connection, waiting.entry))
        connection.execute(insert(AUDIT), lines)

    def _line(self, connection: Connection, entry: Entry) -> dict[str, Any]:
        if not self._number:
            self._previous = heads(connection)
        self._number += 1
        line = {
            "chain": self._chain, "number": self._number, "at": micros(self._clock()), "who": entry.who,
            "action": entry.action, "patients": json.dumps(list(entry.patients)),
            "models": json.dumps(list(entry.models)), "why": entry.why, "request": entry.request,
            "previous": self._previous,
        }  # fmt: skip
        self._previous = digest_of_line(line, self._pepper)
        return {**line, "digest": self._previous}


def heads(connection: Connection) -> str:
    """A digest of the last line of every chain there is."""
    last = select(AUDIT.c.chain, func.max(AUDIT.c.number).label("number")).group_by(AUDIT.c.chain).subquery()
    rows = select(AUDIT.c.digest).join(
        last, (AUDIT.c.chain == last.c.chain) & (AUDIT.c.number == last.c.number)).order_by(AUDIT.c.digest)
    return hashlib.sha256("".join(connection.execute(rows).scalars()).encode()).hexdigest()


def digest_of_line(line: Mapping[str, Any], pepper: bytes) -> str:
    """HMAC-SHA256 of a line and of the digest before it."""
    covered = json.dumps([line[name] for name in COVERED], separators=(",", ":"))
    return hmac.new(pepper, b"audit " + covered.encode(), hashlib.sha256).hexdigest()


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


def _told(error: Exception) -> Exception:
    if isinstance(error, IntegrityError):
        return error
    return failed(error) if isinstance(error, SQLAlchemyError) else StoreFailed("audit", "the audit cannot be written")
