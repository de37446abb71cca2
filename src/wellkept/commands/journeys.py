"""Data in: `ingest`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wellkept.commands import accepting, show, verb
from wellkept.errors import InputRefused

if TYPE_CHECKING:
    from wellkept.contracts import Batch
    from wellkept.settings import Settings


def add(verbs: Any) -> None:
    """ingest."""
    ingest = verb(verbs, "ingest", _ingest, "read a batch of events into the journey store")
    ingest.add_argument("source", metavar="SOURCE", help="tables, meds, ... (see `wellkept parts`); live: what came in "
                        "by POST /v1/events, from the service's database")  # fmt: skip
    ingest.add_argument("path", type=Path, nargs="?", metavar="PATH", help="the folder to read; live has none")
    ingest.add_argument("--journeys", type=Path, required=True, metavar="DIR")
    ingest.add_argument("--mapping", type=Path, metavar="PATH", help="a mapping TOML or a folder of them")
    accepting(ingest)


def _ingest(chosen: argparse.Namespace) -> None:
    from wellkept import jobs
    from wellkept.progress import Narrator
    from wellkept.settings import load_settings

    settings, say = load_settings(), Narrator()
    accept = frozenset(chosen.accept)
    batch = _batch(chosen, settings, accept)
    if chosen.source == jobs.LIVE and batch.rows == 0:
        show({"new": False, "rows": 0}, "nothing to do: no event came in over HTTP yet", as_json=chosen.json)
        return
    for note in batch.notes:
        say(f"note: {note}")
    landing = jobs.land(jobs.open_journeys(chosen.journeys, settings), batch, accept)
    facts = {"version": landing.version, "digest": landing.digest, "new": landing.new, "added": landing.added,
             "already_there": landing.already_there, "rejected_rows": landing.rejected, "rows": batch.rows}
    words = (
        f"landed as version {landing.version}: {landing.added} events added, {landing.already_there} already there, "
        f"{landing.rejected} of {batch.rows} rows in quarantine"
        if landing.new else f"nothing to do: this batch landed before (version {landing.version})"
    )  # fmt: skip
    show(facts, words, as_json=chosen.json)


def _batch(chosen: argparse.Namespace, settings: Settings, accept: frozenset[str]) -> Batch:
    from wellkept import jobs

    if chosen.source == jobs.LIVE:
        if chosen.path or chosen.mapping:
            raise InputRefused("path", "live reads the service's database (WELLKEPT_DATABASE): no PATH, no --mapping")
        return jobs.live_batch(settings)
    if chosen.path is None:
        raise InputRefused("path", f"which folder? wellkept ingest {chosen.source} PATH --journeys DIR")
    return jobs.read_batch(chosen.source, chosen.path, now=datetime.now(UTC), settings=settings,
                           mapping=chosen.mapping, accept=accept)  # fmt: skip
