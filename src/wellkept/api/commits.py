"""Lines of the audit that are committed together: those of all requests that one turn of the event loop brought.

Where a commit has nothing to wait for it is made here; else by the writer's thread, with one hand-over for all lines,
and meanwhile the next ones gather. Each request goes on only when its own line is committed. Whether others come with a
request is not known beforehand: it does not wait for the end of the turn if the one before it came alone.
"""

from __future__ import annotations

import asyncio
from typing import Any

from wellkept.errors import StoreFailed
from wellkept.store import Entry, Line, Recorder

Waiting = list[tuple[Line, asyncio.Future[None]]]


class Commits:
    """Of one event loop."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._gathered: Waiting = []
        self._busy = False
        self._alone = self._came = False  # was the last one alone; did one come in this turn

    async def record(self, entry: Entry, rows: Any = ()) -> None:
        """Return when the line, and the rows that it is about, are committed; raises what `Recorder.record` raises."""
        loop = asyncio.get_running_loop()
        if self._alone and not self._came and not self._busy:
            self._came = True
            loop.call_soon(self._turn_ends)
            if self._recorder.write_at_once([Line(entry, rows)]):
                return
        self._alone = False
        committed: asyncio.Future[None] = loop.create_future()
        self._gathered.append((Line(entry, rows), committed))
        if not self._busy:
            self._busy = True
            loop.call_soon(self._write, loop)  # after the other requests that came with this one
        await committed

    def _turn_ends(self) -> None:
        self._came = False

    def _write(self, loop: asyncio.AbstractEventLoop) -> None:
        group, self._gathered = self._gathered, []
        self._alone = len(group) == 1
        lines = [line for line, _ in group]
        try:
            if self._recorder.write_at_once(lines):
                self._written(loop, group)
                return
            self._recorder.write(
                lines, lambda: loop.is_closed() or loop.call_soon_threadsafe(self._written, loop, group))
        except StoreFailed as error:
            for line in lines:
                line.error = error
            self._written(loop, group)

    def _written(self, loop: asyncio.AbstractEventLoop, group: Waiting) -> None:
        self._busy = bool(self._gathered)
        if self._busy:
            loop.call_soon(self._write, loop)
        for line, committed in group:
            if committed.done():  # its request was given up
                continue
            if line.error is None:
                committed.set_result(None)
            else:
                committed.set_exception(line.error)
