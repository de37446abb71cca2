"""A folder of nights, looked at again and again: whatever is wrong with a new one, those before it go on being told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from wellkept.errors import InputRefused
from wellkept.published import NAME, latest_folder

NIGHTS = 30  # that are looked at

Night = TypeVar("Night")


@dataclass(frozen=True)
class Seen(Generic[Night]):
    """A night's folder as it was looked at, and what is told of it: None where nothing sound was ever there."""

    mark: tuple
    night: Night | None
    trouble: str = ""


def nights_in(out: Path, by: str) -> tuple[list[str], str]:
    """The nights that the command `by` published there, newest first; or none, and why."""
    try:
        newest = latest_folder(out, by).name
        there = sorted((p.name for p in out.iterdir() if NAME.fullmatch(p.name)), reverse=True)
    except (InputRefused, OSError) as error:
        return [], error.code if isinstance(error, InputRefused) else "unreadable"
    return list(dict.fromkeys([newest, *(name for name in there if name < newest)]))[:NIGHTS], ""


def look(
    folder: Path, before: Seen[Night] | None, opened: Callable[[Path], Night], *, anew: bool = False
) -> Seen[Night]:
    """Open a night that somebody has touched since `before`, or `anew`; one that is not sound replaces none."""
    mark = _mark(folder)
    if before and before.mark == mark and not anew:
        return before
    try:
        return Seen(mark, opened(folder))
    except InputRefused as error:
        return Seen(mark, before.night if before else None, error.code)


def _mark(folder: Path) -> tuple:
    """What changes when somebody touches a night."""
    try:
        return tuple((p.name, p.lstat().st_size, p.lstat().st_mtime_ns, p.lstat().st_ino)
                     for p in sorted(folder.iterdir()))  # fmt: skip
    except OSError:
        return ()
