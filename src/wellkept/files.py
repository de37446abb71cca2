"""Files that are either wholly there or not at all, and that say so when they have changed."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from wellkept.errors import Busy, InputRefused

ROW_GROUP = 65_536


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def footer_digest(path: Path) -> str:
    """SHA-256 of a parquet file's footer (its schema and statistics), which no page checksum covers."""
    with path.open("rb") as stream:
        stream.seek(-min(8, path.stat().st_size), os.SEEK_END)
        length = int.from_bytes(stream.read(4), "little") + 8
        stream.seek(-min(length, path.stat().st_size), os.SEEK_END)
        return hashlib.sha256(stream.read()).hexdigest()


def sync(path: Path) -> None:
    """Make a file's bytes, or a folder's entries, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def written(path: Path) -> Iterator[Path]:
    """Give a temporary name to write to; on leaving, fsync it and rename it to `path`, or remove it.

    Only the owner may read what was written: `mkstemp` makes it so from the first byte on.
    """
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


def write_named(table: pa.Table, folder: Path, prefix: str) -> dict[str, str | int]:
    """Write a parquet file whose name holds its own digest, so that no version overwrites another's.

    Gives what a manifest needs to find and verify it: name, rows, sha256 and that of the footer.
    """
    waiting = folder / f".unfinished-{prefix}.parquet"
    write_parquet(waiting, table, use_dictionary=["code", "text_value", "site", "clinician"])
    sha256 = digest_of(waiting)
    name = f"{prefix}-{sha256[:16]}.parquet"
    waiting.replace(folder / name)
    sync(folder)
    return {"name": name, "rows": table.num_rows, "sha256": sha256, "footer": footer_digest(folder / name)}


@contextlib.contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, so that two processes never write the same store.

    Raises
    ------
    Busy
        Another process holds it.
    InputRefused
        `folder`: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputRefused("folder", f"{folder} is no folder that can be written to: {error.strerror}") from None
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy("locked", f"another process is writing to {folder}; wait for it and run this again") from None
        yield


def remove_unfinished(folder: Path) -> None:
    """Delete what a killed writer left behind; call it while holding the folder's lock."""
    for path in list(folder.rglob(".unfinished-*")):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
