"""Progress for people: bars on a terminal, plain lines without one; always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Narrator:
    """Says what is being done, with the seconds since the start."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._start = time.monotonic()

    def __call__(self, line: str) -> None:
        if not self._quiet:
            print(f"{time.monotonic() - self._start:6.1f} s  {line}", file=sys.stderr, flush=True)

    def track(self, items: Sequence[Item], what: str) -> Iterator[Item]:
        """Go through `items` with a bar, or with one line at the end."""
        if self._quiet or not sys.stderr.isatty():
            yield from items
            self(f"{what}: {len(items)} done")
            return
        yield from _bar(items, what)


def _bar(items: Iterable[Item], what: str) -> Iterable[Item]:
    from rich.console import Console
    from rich.progress import track

    return track(items, description=what, console=Console(stderr=True), transient=True)
