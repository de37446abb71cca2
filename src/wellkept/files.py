"""Files that are either wholly there or not at all, and that say so when they have changed."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from wellkept.errors import Busy

ROW_GROUP = 65_536


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Make a file's bytes, or a folder's entries, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def written(path: Path) -> Iterator[Path]:
    """Give a temporary name to write to; on leaving, fsync it and rename it to `path`, or remove it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".unfinished-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically and durably."""
    with written(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_parquet(path: Path, table: pa.Table, **options: object) -> None:
    """Write a parquet file atomically and durably, every page with a checksum."""
    with written(path) as temporary:
        pq.write_table(
            table, temporary, compression="zstd", row_group_size=ROW_GROUP, write_page_checksum=True, **options
        )


@contextlib.contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, so that two processes never write the same store.

    Raises
    ------
    Busy
        Another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy("locked", f"another process is writing to {folder}; wait for it and run this again") from None
        yield


def remove_unfinished(folder: Path) -> None:
    """Delete what a killed writer left behind; call it while holding the folder's lock."""
    for path in folder.rglob(".unfinished-*"):
        path.unlink(missing_ok=True)
