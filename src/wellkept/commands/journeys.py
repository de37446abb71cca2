"""Data in: `ingest`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wellkept.commands import accepting, show, verb


def add(verbs: Any) -> None:
    """ingest."""
    ingest = verb(verbs, "ingest", _ingest, "read a batch of events into the journey store")
    ingest.add_argument("source", metavar="SOURCE", help="tables, meds, ... (see `wellkept parts`)")
    ingest.add_argument("path", type=Path, metavar="PATH", help="the folder to read")
    ingest.add_argument("--journeys", type=Path, required=True, metavar="DIR")
    ingest.add_argument("--mapping", type=Path, metavar="PATH", help="a mapping TOML or a folder of them")
    accepting(ingest)


def _ingest(chosen: argparse.Namespace) -> None:
    from wellkept import jobs
    from wellkept.progress import Narrator
    from wellkept.settings import load_settings

    settings, say = load_settings(), Narrator()
    accept = frozenset(chosen.accept)
    batch = jobs.read_batch(chosen.source, chosen.path, now=datetime.now(UTC), settings=settings,
                            mapping=chosen.mapping, accept=accept)
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
