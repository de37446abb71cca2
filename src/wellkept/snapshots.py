"""The folder of a journey store in, one of its versions out: all journeys as they were, verified as they are read."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wellkept.contracts import EVENTS
from wellkept.errors import JourneysDamaged
from wellkept.files import digest_of, footer_digest

STORED = pa.schema([*[pa.field(f.name, f.type) for f in EVENTS.schema], pa.field("sequence", pa.int64())])


@dataclass(frozen=True)
class Snapshot:
    """One version of all journeys, which never changes again."""

    folder: Path
    version: int
    digest: str
    manifest: Mapping[str, Any]

    @property
    def shards(self) -> int:
        return self.manifest["shards"]

    @property
    def events(self) -> int:
        return sum(entry["rows"] for entry in self.manifest["files"].values())

    @property
    def observed_until(self) -> datetime:
        """The latest moment at which anything became known: what lies after it has not been seen yet."""
        return datetime.fromisoformat(self.manifest["observed_until"])

    def as_of(self, moment: datetime) -> Snapshot:
        """The same journeys, seen at an earlier moment: what became known later has not been seen yet."""
        until = min(moment, self.observed_until).isoformat()
        return replace(self, manifest={**self.manifest, "observed_until": until})

    @property
    def codes(self) -> Mapping[str, Mapping[str, str]]:
        """Words and units for codes, as the sources declared them."""
        return self.manifest["codes"]

    @property
    def lineage(self) -> Mapping[str, list[str]]:
        """The tables that each code came from, where its source knew."""
        return self.manifest.get("lineage", {})

    def shard_of(self, subject_ids: np.ndarray) -> np.ndarray:
        """The shard of each subject."""
        return np.mod(subject_ids, self.shards)

    def events_of(self, shard: int) -> int:
        """How many events a shard holds."""
        return self.manifest["files"].get(str(shard), {"rows": 0})["rows"]

    def path(self, shard: int) -> Path | None:
        """The file of a shard, verified against its sha256; None when the shard is empty."""
        entry = self.manifest["files"].get(str(shard))
        if entry is None:
            return None
        path = self.folder / "shards" / entry["name"]
        verify(path, entry["sha256"])
        return path

    def of_subject(self, subject_id: int) -> pa.Table:
        """One subject's events, sorted; reads only the row groups that may hold them, verified by their checksums."""
        entry = self.manifest["files"].get(str(int(self.shard_of(np.array([subject_id]))[0])))
        if entry is None:
            return STORED.empty_table()
        path = self.folder / "shards" / entry["name"]
        verify(path, entry["footer"], footer_digest)
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                table = file.read_row_groups(_row_groups_of(file.metadata, subject_id))
        except (OSError, pa.ArrowException) as error:
            raise JourneysDamaged("damaged_shard", f"{path} cannot be read: restore it from a backup") from error
        return table.filter(pc.equal(table["subject_id"], subject_id))


def together(sizes: Mapping[int, int], most: int) -> list[list[int]]:
    """Neighbouring shards whose sizes add up to at most `most`, so that small ones cost one query, not many."""
    groups: list[list[int]] = []
    total = 0
    for shard, size in sizes.items():
        if groups and total + size <= most:
            groups[-1].append(shard)
            total += size
        else:
            groups.append([shard])
            total = size
    return groups


def in_force(folder: Path) -> bool:
    """Has anything landed here?"""
    return (folder / "CURRENT").is_file()


def manifest_path(folder: Path, version: int) -> Path:
    """Where the manifest of a version is."""
    return folder / "versions" / f"{version:06d}.json"


def open_snapshot(folder: Path, version: int | None = None) -> Snapshot:
    """The version in force, or an older one; the newest manifest holds the digests of all before it.

    Raises
    ------
    JourneysDamaged
        There is no such version, or its manifest is not what was written.
    """
    if not in_force(folder):
        raise JourneysDamaged("no_journeys", f"{folder} holds no journeys: run `wellkept ingest` first")
    number, digest = _pointer(folder / "CURRENT")
    newest = _read(folder, number, digest)
    if version in (None, number):
        return newest
    older = newest.manifest["versions"].get(str(version))
    if older is None:
        raise JourneysDamaged("no_version", f"{folder} has no version {version}: the newest is {number}")
    return _read(folder, int(version or 0), older)


def verify(path: Path, expected: str, digest: Callable[[Path], str] = digest_of) -> None:
    """Compare a file with its digest; a file that was not touched since is hashed once a process."""
    if not path.is_file():
        raise JourneysDamaged("missing_file", f"{path} is gone: restore it from a backup")
    facts = path.stat()
    if _digest_once(digest, path, facts.st_size, facts.st_mtime_ns) != expected:
        raise _changed(path)


def _pointer(path: Path) -> tuple[int, str]:
    try:
        number, digest = path.read_text(encoding="utf-8").split()
        return int(number), digest
    except ValueError:
        raise _changed(path) from None


def _read(folder: Path, version: int, digest: str) -> Snapshot:
    path = manifest_path(folder, version)
    if not path.is_file():
        raise JourneysDamaged("missing_file", f"{path} is gone: restore it from a backup")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise _changed(path)
    return Snapshot(folder, version, digest, json.loads(content))


def _changed(path: Path) -> JourneysDamaged:
    return JourneysDamaged("digest_mismatch", f"{path} is not what was written: restore it from a backup")


def _row_groups_of(metadata: pq.FileMetaData, subject_id: int) -> list[int]:
    ranges = [metadata.row_group(i).column(0).statistics for i in range(metadata.num_row_groups)]
    return [i for i, s in enumerate(ranges) if s is None or s.min <= subject_id <= s.max]


@functools.lru_cache(maxsize=4096)
def _digest_once(digest: Callable[[Path], str], path: Path, _size: int, _modified: int) -> str:
    return digest(path)
