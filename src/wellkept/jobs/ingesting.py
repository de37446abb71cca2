"""From what a system exported to a new version of the journeys."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from wellkept.contracts import Batch, Limits
from wellkept.deriving import concerns, derived
from wellkept.errors import SpecRefused
from wellkept.journeys import Journeys, Landing
from wellkept.parts import discover
from wellkept.settings import Settings


def read_batch(
    source: str, path: Path, *, now: datetime, settings: Settings, mapping: Path | None = None,
    accept: frozenset[str] = frozenset(),
) -> Batch:  # fmt: skip
    """Read a batch through one of the sources."""
    sources = discover("sources")
    if source not in sources:
        raise SpecRefused("no_source", f"no source {source!r}: there are {', '.join(sources)}")
    limits = Limits(settings.max_table_bytes, settings.max_rejected_share, accept)
    return sources[source].read(path, now=now, mapping=mapping, limits=limits)


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
