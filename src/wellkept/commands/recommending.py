"""What to do today: `recommend`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wellkept.commands import show, verb


def add(verbs: Any) -> None:
    """recommend."""
    recommend = verb(verbs, "recommend", _recommend, "for whom which step, within the staff's minutes")
    recommend.add_argument("--journeys", type=Path, required=True, metavar="DIR")
    recommend.add_argument("--scores", type=Path, required=True, metavar="DIR", help="what `wellkept score` published")
    recommend.add_argument("--minutes", type=float, required=True, metavar="N", help="of all staff, today")
    recommend.add_argument("--texts", type=float, default=0.0, metavar="N", help="that machines may send")
    recommend.add_argument("--pilot", type=Path, metavar="TOML", help="hold some out by chance, and keep the log")
    recommend.add_argument("--evidence", type=Path, metavar="FILE", help="what `wellkept pilot learn` wrote")
    recommend.add_argument("--out", type=Path, required=True, metavar="DIR")


def _recommend(chosen: argparse.Namespace) -> None:
    from wellkept import jobs
    from wellkept.listing import recommendation_lines
    from wellkept.recommending import Budget, for_coordinators
    from wellkept.settings import load_settings

    settings = load_settings()
    snapshot = jobs.open_journeys(chosen.journeys, settings).snapshot()
    as_of, scores = jobs.latest_scores(chosen.scores)
    bundles = jobs.bundles_in_service(settings, tuple(scores["target"].unique().to_pylist()))
    trial = jobs.load_trial(chosen.pilot, settings) if chosen.pilot else None
    evidence = jobs.load_evidence(chosen.evidence) if chosen.evidence else None
    budget = Budget(chosen.minutes, chosen.texts)
    found = jobs.recommend(snapshot, scores, as_of, budget, bundles, trial, evidence)
    path = jobs.write_recommendations(found, chosen.out)
    if trial:
        jobs.write_assignments(found, chosen.out, trial, as_of)
    held_out = found.table.num_rows - for_coordinators(found.table).num_rows
    facts = {"file": str(path), "rows": found.table.num_rows, "held_out": held_out, "candidates": found.candidates,
             "prices": dict(found.allocation.prices), "used": dict(found.allocation.used), "gap": found.allocation.gap}
    show(facts, "\n".join([*recommendation_lines(found), f"all of them: {path}"]), as_json=chosen.json)
