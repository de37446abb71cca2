"""The night: `score`, `monitor`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wellkept.commands import accepting, show, verb

SOMETHING_TO_DO = 10


def add(verbs: Any) -> None:
    """score, monitor."""
    score = verb(verbs, "score", _score, "score everybody as of one moment, with reasons")
    score.add_argument("--journeys", type=Path, required=True, metavar="DIR")
    score.add_argument("--as-of", type=moment, required=True, metavar="TIME", help="2026-01-31T02:00:00Z")
    score.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder with one folder a run")
    score.add_argument("--target", action="append", default=[], help="only this target (may be repeated)")
    score.add_argument("--again", default="", metavar="REASON",
                       help="score a published moment once more; the new run takes the place of the old")
    accepting(score)

    monitor = verb(verbs, "monitor", _monitor, "say of each model in service whether something is to be done; "
                   "exit code 0: nothing, 10: something")  # fmt: skip
    monitor.add_argument("--journeys", type=Path, required=True, metavar="DIR")
    monitor.add_argument("--as-of", type=moment, metavar="TIME", help="by default all that is known")
    monitor.add_argument("--target", action="append", default=[], help="only this target (may be repeated)")


def _score(chosen: argparse.Namespace) -> None:
    from wellkept import jobs
    from wellkept.progress import Narrator
    from wellkept.settings import load_settings

    settings = load_settings()
    bundles = jobs.bundles_in_service(settings, tuple(chosen.target))
    snapshot = jobs.open_journeys(chosen.journeys, settings).snapshot()
    run = jobs.score_population(snapshot, bundles, chosen.as_of, chosen.out, narrate=Narrator(), settings=settings,
                                accept=frozenset(chosen.accept), again=chosen.again)
    counts = ", ".join(f"{rows} by {target}" for target, rows in run.rows.items())
    facts = {"folder": str(run.folder), "rows": run.rows, "held": run.held}
    show(facts, f"scored {counts}: {run.folder}", as_json=chosen.json)


def _monitor(chosen: argparse.Namespace) -> int:
    from wellkept import jobs
    from wellkept.monitoring.findings import NOTHING, lines_of
    from wellkept.settings import load_settings

    settings = load_settings()
    bundles = jobs.bundles_in_service(settings, tuple(chosen.target))
    snapshot = jobs.open_journeys(chosen.journeys, settings).snapshot()
    told = jobs.monitor(snapshot, bundles, chosen.as_of)
    words = "\n".join(line for monitored in told for line in lines_of(monitored))
    show({"models": [monitored.plain for monitored in told]}, words, as_json=chosen.json)
    return 0 if all(monitored.recommendation == NOTHING for monitored in told) else SOMETHING_TO_DO


def moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("a time is written 2026-01-31T02:00:00Z") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("a time carries its offset: 2026-01-31T02:00:00Z")
    return moment.astimezone(UTC)
