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
    either = recommend.add_mutually_exclusive_group(required=True)
    either.add_argument("--minutes", type=float, metavar="N", help="of all staff, today")
    either.add_argument("--staff", type=Path, metavar="TOML", help="teams, their roles and languages, and more")
    recommend.add_argument("--texts", type=float, metavar="N", help="that machines may send; beside --minutes only")
    recommend.add_argument("--pilot", type=Path, metavar="TOML", help="hold some out by chance, and keep the log")
    recommend.add_argument("--evidence", type=Path, metavar="FILE", help="what `wellkept pilot learn` wrote")
    recommend.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder with one folder a night")
    recommend.add_argument("--again", default="", metavar="REASON",
                           help="replace the steps that were published for this night")


def _recommend(chosen: argparse.Namespace) -> None:
    from wellkept import jobs
    from wellkept.listing import recommendation_lines
    from wellkept.listing_staff import sharing_facts
    from wellkept.published_steps import FILE, Origin
    from wellkept.recommending import for_coordinators
    from wellkept.settings import load_settings

    settings, budget = load_settings(), _budget(chosen)
    snapshot = jobs.open_journeys(chosen.journeys, settings).snapshot()
    as_of, scores = jobs.latest_scores(chosen.scores)
    bundles = jobs.bundles_in_service(settings, tuple(scores["target"].unique().to_pylist()))
    trial = jobs.load_trial(chosen.pilot, settings) if chosen.pilot else None
    evidence = jobs.load_evidence(chosen.evidence) if chosen.evidence else None
    found = jobs.recommend(snapshot, scores, as_of, budget, bundles, trial, evidence)
    origin = Origin(as_of, snapshot.digest, {bundle.target: bundle.version for bundle in bundles})
    folder, path = jobs.publish_steps(found, chosen.out, origin, trial, again=chosen.again), chosen.out / FILE
    held_out = found.table.num_rows - for_coordinators(found.table).num_rows
    facts = {"file": str(path), "folder": str(folder), "rows": found.table.num_rows, "held_out": held_out,
             "candidates": found.candidates, "prices": dict(found.allocation.prices),
             "used": dict(found.allocation.used), "gap": found.allocation.gap, **sharing_facts(found)}  # fmt: skip
    show(facts, "\n".join([*recommendation_lines(found), f"all of them: {path}"]), as_json=chosen.json)


def _budget(chosen: argparse.Namespace) -> Any:
    from wellkept.errors import SpecRefused
    from wellkept.offering import interventions
    from wellkept.recommending import Budget
    from wellkept.staff import load_staff

    if chosen.staff is None:
        return Budget(chosen.minutes, chosen.texts or 0.0)
    if chosen.texts is not None:
        raise SpecRefused("texts", f"--texts goes with --minutes: write `texts = {chosen.texts:g}` into {chosen.staff}")
    return load_staff(chosen.staff, interventions())
