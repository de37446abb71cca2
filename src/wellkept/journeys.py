"""The journey store: batches of events in, immutable snapshots out.

A store is a folder::

    CURRENT                     the version in force and its digest
    versions/000007.json        what version 7 consists of: files, rows, sha256, the batches landed so far
    shards/003-<sha>.parquet    the events of the subjects with subject_id % shards == 3, sorted
    subjects-<sha>.parquet      outside identifier <-> subject_id, the only place that knows both
    quarantine/<batch>.csv      rows that were turned away, with the rule, never the value
    key                         secret of this store that turns outside identifiers into subject_id

A batch lands whole or not at all: new shard files are written beside the old ones, then a manifest, and last
the pointer CURRENT is renamed. Whoever reads an older version still finds its files. A snapshot's digest is the
sha256 of its manifest, which holds the sha256 of every file: the same digest means the same events.

Landing is idempotent. The same batch twice changes nothing, and of overlapping exports an event that is in
the store already is kept once: as often as in that one of the two that holds it more often.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import json
import secrets
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wellkept.contracts import EVENTS, LARGEST_NUMBER, Batch
from wellkept.errors import Breach, InputHeld, InputRefused, JourneysDamaged
from wellkept.files import digest_of, remove_unfinished, sole_writer, sync, write_parquet, write_text

SHARDS = 16
USUAL_RUNS, SMALLEST_SHARE = 7, 0.8  # a full export below this share of its usual size is held
COLUMNS = ", ".join(f'"{name}"' for name in EVENTS.schema.names)
ORDER = (
    "subject_id, event_at NULLS FIRST, time NULLS FIRST, code, numeric_value NULLS FIRST, text_value NULLS FIRST, "
    "encounter_id NULLS FIRST, site NULLS FIRST, clinician NULLS FIRST"
)


@dataclass(frozen=True)
class Landing:
    """What became of a batch: the version in force, events added, events that were there already."""

    version: int
    digest: str
    added: int
    already_there: int
    rejected: int
    new: bool


@dataclass(frozen=True)
class Snapshot:
    """One version of all journeys, which never changes again."""

    folder: Path
    version: int
    digest: str
    manifest: Mapping

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

    @property
    def codes(self) -> Mapping[str, Mapping[str, str]]:
        """Words and units for codes, as the sources declared them."""
        return self.manifest["codes"]

    def shard_of(self, subject_ids: np.ndarray) -> np.ndarray:
        """The shard of each subject."""
        return np.mod(subject_ids, self.shards)

    def path(self, shard: int) -> Path | None:
        """The file of a shard, verified against its sha256; None when the shard is empty."""
        entry = self.manifest["files"].get(str(shard))
        if entry is None:
            return None
        path = self.folder / "shards" / entry["name"]
        _verify(path, entry["sha256"])
        return path

    def of_subject(self, subject_id: int) -> pa.Table:
        """One subject's events, sorted; reads only the row groups that may hold them, page checksums verified."""
        entry = self.manifest["files"].get(str(int(self.shard_of(np.array([subject_id]))[0])))
        if entry is None:
            return EVENTS.schema.append(pa.field("sequence", pa.int64())).empty_table()
        path = self.folder / "shards" / entry["name"]
        try:
            file = pq.ParquetFile(path, page_checksum_verification=True)
            table = file.read_row_groups(_row_groups_of(file, subject_id))
        except (OSError, pa.ArrowInvalid) as error:
            raise JourneysDamaged("damaged_shard", f"{path} cannot be read: restore it from a backup") from error
        return table.filter(pc.equal(table["subject_id"], subject_id))


def _row_groups_of(file: pq.ParquetFile, subject_id: int) -> list[int]:
    ranges = [file.metadata.row_group(i).column(0).statistics for i in range(file.metadata.num_row_groups)]
    return [i for i, s in enumerate(ranges) if s is None or s.min <= subject_id <= s.max]


@functools.lru_cache(maxsize=4096)
def _digest_once(path: Path, _size: int, _modified: int) -> str:
    return digest_of(path)


def _verify(path: Path, sha256: str) -> None:
    """Compare a file with its digest; a file that was not touched since is hashed once a process."""
    if not path.is_file():
        raise JourneysDamaged("missing_file", f"{path} is gone: restore it from a backup")
    facts = path.stat()
    if _digest_once(path, facts.st_size, facts.st_mtime_ns) != sha256:
        raise JourneysDamaged("digest_mismatch", f"{path} is not what was written: restore it from a backup")


class Journeys:
    """A journey store on disk.

    Parameters
    ----------
    folder
        Where it is; made at the first landing.
    shards
        Into how many files the subjects are spread. Fixed at the first landing. Memory for features is bounded
        by the largest shard: use more for more events (16 hold 20 million events in about 1 GB each query).
    key
        Secret that turns outside identifiers into `subject_id`; drawn and kept in the store by default.
    """

    def __init__(self, folder: Path, *, shards: int = SHARDS, key: str | None = None) -> None:
        self.folder = Path(folder)
        self._shards = shards
        self._key = key

    def snapshot(self, version: int | None = None) -> Snapshot:
        """The version in force, or an older one.

        Raises
        ------
        JourneysDamaged
            There is no such version, or its manifest is not what was written.
        """
        pointer = self.folder / "CURRENT"
        if not pointer.is_file():
            raise JourneysDamaged("no_journeys", f"{self.folder} holds no journeys: run `wellkept ingest` first")
        number, digest = pointer.read_text(encoding="utf-8").split()
        path = self._manifest_path(int(number) if version is None else version)
        if not path.is_file():
            raise JourneysDamaged("no_version", f"{self.folder} has no version {version}: the newest is {int(number)}")
        content = path.read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if version in (None, int(number)) and found != digest:
            raise JourneysDamaged("digest_mismatch", f"{path} is not what was written: restore it from a backup")
        manifest = json.loads(content)
        return Snapshot(self.folder, manifest["version"], found, manifest)

    def land(self, batch: Batch, *, accept: frozenset[str] = frozenset()) -> Landing:
        """Add a batch, whole or not at all.

        Raises
        ------
        InputRefused
            The events break the contract; nothing was changed.
        InputHeld
            `volume`: a full export with far fewer rows than usual.
        Busy
            Another process is landing a batch.
        """
        with sole_writer(self.folder):
            remove_unfinished(self.folder)
            before = self.snapshot() if (self.folder / "CURRENT").exists() else None
            if before and batch.digest in before.manifest["batches"]:
                return Landing(before.version, before.digest, 0, batch.events.num_rows, len(batch.rejected), new=False)
            if before and "volume" not in accept:
                _hold_if_small(batch, before)
            events, subjects = self._identified(batch, before)
            events = _checked(events)
            files = self._merge(events, before)
            after = self._publish(batch, before, files, subjects)
        added = after.events - (before.events if before else 0)
        return Landing(
            after.version, after.digest, added, events.num_rows - added, len(batch.rejected), new=True
        )

    def quarantine(self, batch_digest: str, rejected: tuple[Breach, ...]) -> Path:
        """Write down which rows were turned away and why: file, row, rule, column; never a value."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["file", "row", "rule", "column"])
        rows.writerows((b.file, b.row, b.rule, b.column) for b in sorted(rejected))
        path = self.folder / "quarantine" / f"{batch_digest[:16]}.csv"
        write_text(path, text.getvalue())
        return path

    def _manifest_path(self, version: int) -> Path:
        return self.folder / "versions" / f"{version:06d}.json"

    def _identified(self, batch: Batch, before: Snapshot | None) -> tuple[pa.Table, dict | None]:
        """Replace outside identifiers by `subject_id`, the one place where this happens."""
        known = before.manifest["subjects"] if before else None
        if "outside_id" not in batch.events.column_names:
            return batch.events, known
        outside = batch.events["outside_id"].combine_chunks().dictionary_encode()
        names = outside.dictionary
        ids = pa.array(subject_ids(names.to_pylist(), self._secret()), pa.int64())
        events = batch.events.drop_columns(["outside_id"]).append_column("subject_id", ids.take(outside.indices))
        return events, self._write_subjects(pa.table({"outside_id": names, "subject_id": ids}), known)

    def _secret(self) -> bytes:
        if self._key is not None:
            return self._key.encode()
        path = self.folder / "key"
        if not path.exists():
            write_text(path, secrets.token_hex(32))
            path.chmod(0o600)
        return path.read_text(encoding="utf-8").strip().encode()

    def _write_subjects(self, new: pa.Table, known: dict | None) -> dict:
        if known:
            old_path = self.folder / known["name"]
            _verify(old_path, known["sha256"])
            new = pa.concat_tables([pq.read_table(old_path), new])
        merged = new.group_by(["outside_id", "subject_id"]).aggregate([]).sort_by("outside_id")
        if pc.count_distinct(merged["subject_id"]).as_py() != merged.num_rows:
            raise InputRefused("subject_collision", "two outside ids got one subject_id: set WELLKEPT_SUBJECT_KEY")
        entry = _write_named(merged, self.folder, "subjects")
        (self.folder / entry["name"]).chmod(0o600)
        return entry

    def _merge(self, events: pa.Table, before: Snapshot | None) -> dict[str, dict]:
        shards = before.shards if before else self._shards
        files = dict(before.manifest["files"]) if before else {}
        shard_of = np.mod(events["subject_id"].to_numpy(), shards)
        with duckdb.connect(config={"threads": 2}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for shard in np.unique(shard_of):
                old = before.path(int(shard)) if before else None
                merged = _sorted_union(connection, events.filter(pa.array(shard_of == shard)), old)
                files[str(shard)] = _write_named(merged, self.folder / "shards", f"{shard:03d}")
        return files

    def _publish(self, batch: Batch, before: Snapshot | None, files: dict, subjects: dict | None) -> Snapshot:
        old = before.manifest if before else {"version": 0, "batches": {}, "codes": {}, "shards": self._shards}
        latest = pc.max(batch.events["time"]).as_py()
        until = [datetime.fromisoformat(old["observed_until"])] if before else []
        manifest = {
            "version": old["version"] + 1,
            "shards": old["shards"],
            "observed_until": max([*until, *([latest] if latest else [])]).isoformat(),
            "batches": {
                **old["batches"],
                batch.digest: {"source": batch.source, "rows": batch.rows, "inputs": dict(batch.inputs),
                               "full_exports": dict(batch.full_exports), "number": old["version"] + 1},
            },
            "codes": {**old["codes"], **{code: dict(facts) for code, facts in batch.codes.items()}},
            "subjects": subjects,
            "files": dict(sorted(files.items())),
        }
        text = json.dumps(manifest, indent=1, sort_keys=True)
        write_text(self._manifest_path(manifest["version"]), text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        write_text(self.folder / "CURRENT", f"{manifest['version']} {digest}\n")
        return Snapshot(self.folder, manifest["version"], digest, manifest)


def subject_ids(outside_ids: list[str], key: bytes) -> np.ndarray:
    """Pseudonyms: the first 63 bits of BLAKE2b keyed with the store's secret, in the order given.

    They carry no order and cannot be turned back, or guessed from a list of identifiers, without the key.
    """
    keyed = hashlib.blake2b(key=hashlib.sha256(key).digest(), digest_size=8)

    def one(outside_id: str) -> int:
        state = keyed.copy()
        state.update(outside_id.encode())
        return int.from_bytes(state.digest(), "big") >> 1

    return np.fromiter((one(i) for i in outside_ids), dtype=np.int64, count=len(outside_ids))


def _in_order_of_landing(snapshot: Snapshot) -> list[Mapping]:
    return sorted(snapshot.manifest["batches"].values(), key=lambda batch: batch["number"])


def _hold_if_small(batch: Batch, before: Snapshot) -> None:
    """Hold a full export whose rows are below 80 % of the median of its last deliveries."""
    for table, rows in batch.full_exports.items():
        earlier = [b["full_exports"][table] for b in _in_order_of_landing(before) if table in b["full_exports"]]
        usual = statistics.median(earlier[-USUAL_RUNS:]) if earlier else 0
        if rows < SMALLEST_SHARE * usual:
            text = f"{table} is held: {rows} rows, usual are {usual:.0f}; look at it, then --accept volume lands it"
            raise InputHeld("volume", text, [Breach(table, 0, "volume")])


def _checked(events: pa.Table) -> pa.Table:
    """Check the contract, and fill `event_at`, so that each event says when it happened."""
    events = EVENTS.check(events)
    if events.num_rows == 0:
        raise InputRefused("no_rows", "the batch holds no events: an empty night is an alert, nothing was landed")
    happened = pc.coalesce(events["event_at"], events["time"])
    rules = {
        "known_before_happened": pc.greater(happened, events["time"]),
        "out_of_range": pc.greater(pc.abs(events["numeric_value"]), pa.scalar(LARGEST_NUMBER, pa.float32())),
    }
    for rule, broken in rules.items():
        rows = np.flatnonzero(pc.fill_null(broken, fill_value=False).to_numpy()) + 1
        if len(rows):
            raise InputRefused(rule, "events break a rule of the journey", [Breach("events", int(r), rule) for r in rows])
    # adding 0 turns -0.0 into 0.0: equal numbers must have equal bits
    numbers = pc.add(events["numeric_value"], pa.scalar(0.0, pa.float32()))
    events = events.set_column(events.schema.get_field_index("event_at"), "event_at", happened)
    return events.set_column(events.schema.get_field_index("numeric_value"), "numeric_value", numbers)


def _sorted_union(connection: duckdb.DuckDBPyConnection, new: pa.Table, old: Path | None) -> pa.Table:
    connection.register("new_events", new)
    source = "SELECT * FROM new_events"
    if old is not None:
        counted = f"SELECT {COLUMNS}, row_number() OVER (PARTITION BY {COLUMNS}) AS occurrence FROM"
        source = f"({counted} read_parquet('{_quoted(old)}')) UNION ({counted} new_events)"
    table = connection.sql(f"SELECT {COLUMNS} FROM ({source}) ORDER BY {ORDER}").to_arrow_table()
    connection.unregister("new_events")
    return table.append_column("sequence", pa.array(np.arange(table.num_rows)))


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _write_named(table: pa.Table, folder: Path, prefix: str) -> dict:
    """Write a parquet file whose name holds its own digest, so that no version overwrites another's."""
    waiting = folder / f".unfinished-{prefix}.parquet"
    write_parquet(waiting, table, use_dictionary=["code", "text_value", "site", "clinician"])
    sha256 = digest_of(waiting)
    name = f"{prefix}-{sha256[:16]}.parquet"
    waiting.replace(folder / name)
    sync(folder)
    return {"name": name, "rows": table.num_rows, "sha256": sha256}
