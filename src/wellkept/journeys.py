"""The journey store: batches of events in, immutable snapshots out.

A store is a folder::

    CURRENT                     the version in force and its digest
    versions/000007.json        what version 7 consists of: files, rows, sha256, the batches landed so far
    shards/003-<sha>.parquet    the events of the subjects with subject_id % shards == 3, sorted
    subjects-<sha>.parquet      outside identifier <-> subject_id, the only place that knows both
    quarantine/<batch>.csv      rows that were turned away, with the rule, never the value
    key                         secret of this store that turns outside identifiers into subject_id
    .landing                    there while a batch lands: if it is there before one does, the last was killed

A batch lands whole or not at all: new shard files are written beside the old ones, then a manifest, and last
the pointer CURRENT is renamed. Whoever reads an older version still finds its files. A snapshot's digest is the
sha256 of its manifest, which holds the sha256 of every file: the same digest means the same events.

Landing is idempotent. The same batch twice changes nothing, and of overlapping exports an event that is in
the store already is kept once: as often as in that one of the two that holds it more often.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.contracts import EVENTS, LARGEST_NUMBER, Batch
from wellkept.errors import Breach, InputHeld, InputRefused
from wellkept.files import remove_unfinished, sole_writer, write_named, write_text
from wellkept.identities import Identities
from wellkept.snapshots import Snapshot, in_force, manifest_path, open_snapshot

SHARDS = 16
USUAL_RUNS, SMALLEST_SHARE = 7, 0.8  # a full export below this share of its usual size is held
NOTHING_OBSERVED = datetime(1970, 1, 1, tzinfo=UTC)  # of a store that holds nothing but static facts
COLUMNS = ", ".join(f'"{name}"' for name in EVENTS.schema.names)
ORDER = (
    "subject_id, event_at NULLS FIRST, time NULLS FIRST, code, numeric_value NULLS FIRST, text_value NULLS FIRST, "
    "encounter_id NULLS FIRST, site NULLS FIRST, clinician NULLS FIRST"
)


@dataclass(frozen=True)
class Landing:
    """What became of a batch: the version in force, events added, events there already, rows turned away."""

    version: int
    digest: str
    added: int
    already_there: int
    rejected: int
    new: bool


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
        return open_snapshot(self.folder, version)

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
        rejected = len({(b.file, b.row) for b in batch.rejected})
        with sole_writer(self.folder):
            before = self._recovered()
            if before and batch.digest in before.manifest["batches"]:
                return Landing(before.version, before.digest, 0, batch.events.num_rows, rejected, new=False)
            if before and "volume" not in accept:
                _hold_if_small(batch, before)
            identities = Identities(self.folder, self._key, before.manifest["subjects"] if before else None)
            events = _checked(identities.identify(batch.events))
            write_text(self._landing, "")
            files = self._merge(events, before)
            after = self._publish(batch, before, files, identities.write())
            self._landing.unlink()
        added = after.events - (before.events if before else 0)
        return Landing(after.version, after.digest, added, events.num_rows - added, rejected, new=True)

    def quarantine(self, batch_digest: str, rejected: tuple[Breach, ...]) -> Path:
        """Write down which rows were turned away and why: file, row, rule, column; never a value."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["file", "row", "rule", "column"])
        rows.writerows((b.file, b.row, b.rule, b.column) for b in sorted(rejected))
        path = self.folder / "quarantine" / f"{batch_digest[:16]}.csv"
        write_text(path, text.getvalue())
        return path

    @property
    def _landing(self) -> Path:
        return self.folder / ".landing"

    def _recovered(self) -> Snapshot | None:
        """The version in force, after taking away what a landing that did not end has left."""
        remove_unfinished(self.folder)
        before = self.snapshot() if in_force(self.folder) else None
        if self._landing.exists():
            self._remove_all_but(self._used(before))
            self._landing.unlink()
        return before

    def _used(self, newest: Snapshot | None) -> set[Path]:
        """The files of every version so far."""
        used: set[Path] = set()
        for version in range(1, newest.version + 1 if newest else 1):
            manifest = self.snapshot(version).manifest
            used.add(manifest_path(self.folder, version))
            used |= {self.folder / "shards" / entry["name"] for entry in manifest["files"].values()}
            used |= {self.folder / manifest["subjects"]["name"]} if manifest["subjects"] else set()
        return used

    def _remove_all_but(self, used: set[Path]) -> None:
        for pattern in ("versions/*.json", "shards/*.parquet", "subjects-*.parquet"):
            for path in set(self.folder.glob(pattern)) - used:
                path.unlink()

    def _merge(self, events: pa.Table, before: Snapshot | None) -> dict[str, dict]:
        shards = before.shards if before else self._shards
        files = dict(before.manifest["files"]) if before else {}
        shard_of = np.mod(events["subject_id"].to_numpy(), shards)
        with duckdb.connect(config={"threads": 2}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for shard in np.unique(shard_of):
                old = before.path(int(shard)) if before else None
                merged = _sorted_union(connection, events.filter(pa.array(shard_of == shard)), old)
                files[str(shard)] = write_named(merged, self.folder / "shards", f"{shard:03d}")
        return files

    def _publish(self, batch: Batch, before: Snapshot | None, files: dict, subjects: Mapping | None) -> Snapshot:
        manifest = _manifest(batch, before, self._shards)
        manifest |= {"subjects": subjects, "files": dict(sorted(files.items()))}
        text = json.dumps(manifest, indent=1, sort_keys=True)
        write_text(manifest_path(self.folder, manifest["version"]), text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        write_text(self.folder / "CURRENT", f"{manifest['version']} {digest}\n")
        return Snapshot(self.folder, manifest["version"], digest, manifest)


def _manifest(batch: Batch, before: Snapshot | None, shards: int) -> dict[str, Any]:
    """What the next version says of itself, but for its files."""
    old: Mapping[str, Any] = before.manifest if before else {"batches": {}, "codes": {}, "versions": {}}
    version = before.version + 1 if before else 1
    seen = (pc.max(batch.events["time"]).as_py() if batch.observes else None) or NOTHING_OBSERVED
    landed = {"source": batch.source, "rows": batch.rows, "inputs": dict(batch.inputs),
              "full_exports": dict(batch.full_exports), "number": version}
    return {
        "version": version,
        "versions": {**old["versions"], **({str(before.version): before.digest} if before else {})},
        "shards": before.shards if before else shards,
        "observed_until": max(seen, before.observed_until if before else NOTHING_OBSERVED).isoformat(),
        "batches": {**old["batches"], batch.digest: landed},
        "codes": {**old["codes"], **{code: dict(facts) for code, facts in batch.codes.items()}},
        "lineage": _lineage(old.get("lineage", {}), batch.lineage),
    }


def _lineage(before: Mapping[str, Sequence[str]], landed: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The tables that each code ever came from."""
    return {code: sorted({*before.get(code, ()), *landed.get(code, ())}) for code in {*before, *landed}}


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
    static_yet_happened = pc.and_(pc.is_null(events["time"]), pc.is_valid(events["event_at"]))
    happened = pc.coalesce(events["event_at"], events["time"])
    rules = {
        "known_before_happened": pc.or_kleene(static_yet_happened, pc.greater(happened, events["time"])),
        "out_of_range": pc.greater(pc.abs(events["numeric_value"]), pa.scalar(LARGEST_NUMBER, pa.float32())),
    }
    for rule, broken in rules.items():
        rows = np.flatnonzero(pc.fill_null(broken, fill_value=False).to_numpy()) + 1
        if len(rows):
            breaches = [Breach("events", int(row), rule) for row in rows]
            raise InputRefused(rule, "events break a rule of the journey", breaches)
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
