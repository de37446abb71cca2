"""From what a system exported to a new version of the journeys."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from wellkept.contracts import EVENTS, TIME, Batch, Limits
from wellkept.deriving import concerns, derived
from wellkept.errors import SpecRefused
from wellkept.journeys import Journeys, Landing
from wellkept.parts import discover
from wellkept.settings import Settings

LIVE = "live"  # not a part of sources/: it is no folder, but this installation's own database
STORED = ("subject_id", "known", "code", "value", "text", "happened", "encounter_id", "site", "clinician")


def read_batch(
    source: str, path: Path, *, now: datetime, settings: Settings, mapping: Path | None = None,
    accept: frozenset[str] = frozenset(),
) -> Batch:  # fmt: skip
    """Read a batch through one of the sources."""
    sources = discover("sources")
    if source not in sources:
        raise SpecRefused("no_source", f"no source {source!r}: there are {', '.join(sources)}, {LIVE}")
    limits = Limits(settings.max_table_bytes, settings.max_rejected_share, accept)
    return sources[source].read(path, now=now, mapping=mapping, limits=limits)


def live_batch(settings: Settings) -> Batch:
    """Every event that ever came in by `POST /v1/events`, from the service's database.

    All of them each time: an event that the journeys hold already is kept once (`Journeys.land`), whichever night it
    came in, however late its transaction ended, and whether or not the source system exports it, too. What was never
    sent over HTTP may have happened all the same, so the journeys are not observed for longer than before.
    """
    from wellkept.store import every_live_event, open_database

    engine, digest, parts = open_database(settings.database), hashlib.sha256(), [EVENTS.schema.empty_table()]
    try:
        for rows in every_live_event(engine):
            values = [[row[name] for row in rows] for name in STORED]
            digest.update(repr(values).encode())
            parts.append(pa.table([_column(*pair) for pair in zip(values, EVENTS.schema, strict=True)], EVENTS.schema))
    finally:
        engine.dispose()
    events = pa.concat_tables(parts)
    return Batch(LIVE, digest.hexdigest(), events, events.num_rows, inputs={LIVE: digest.hexdigest()}, observes=False)


def _column(values: list, column: pa.Field) -> pa.Array:
    """As the database keeps it: moments in microseconds, numbers with more digits than an event has."""
    kept = {TIME: pa.int64(), pa.float32(): pa.float64()}.get(column.type, column.type)
    return pa.array(values, kept).cast(column.type)


def open_journeys(folder: Path, settings: Settings) -> Journeys:
    """The journey store, with the key of this installation if it has one."""
    key = settings.subject_key.get_secret_value() if settings.subject_key else None
    return Journeys(folder, key=key)


def land(journeys: Journeys, batch: Batch, accept: frozenset[str] = frozenset()) -> Landing:
    """Land a batch, write down what was set aside, and land what follows from it (wellkept.deriving).

    A batch that landed before, but was stopped before what follows from it, is finished.
    """
    landing = journeys.land(batch, accept=accept)
    if batch.rejected and landing.new:
        journeys.quarantine(batch.digest, batch.rejected)
    more = derived(journeys.snapshot()) if concerns(batch.events) else None
    if more is None:
        return landing
    after = journeys.land(more)
    return replace(landing, version=after.version, digest=after.digest, added=landing.added + after.added)
