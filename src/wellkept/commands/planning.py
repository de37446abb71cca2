"""What managers could move: `plan`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wellkept.commands import show, verb, write_page


def add(verbs: Any) -> None:
    """plan."""
    plan = verb(verbs, "plan", _plan, "which service factor to move, at which sites, for the least effort")
    plan.add_argument("target", metavar="MODEL", help="the target whose model in service is asked")
    plan.add_argument("--journeys", type=Path, required=True, metavar="DIR")
    plan.add_argument("--gain", type=float, required=True, metavar="N",
                      help="points of expected NPS, or returns among the visits, that are to be gained")  # fmt: skip
    plan.add_argument("--days", type=int, default=91, metavar="N", help="of visits, up to the end of the journeys")
    plan.add_argument("--setting", default="", metavar="KIND", help="only visits of this kind of care")
    plan.add_argument("--terms", type=Path, metavar="FILE", help="a TOML: [effort] of a step and [at_most] steps")
    plan.add_argument("--out", type=Path, metavar="FILE", help="and write it as a page that needs nothing else")


def _plan(chosen: argparse.Namespace) -> None:
    from wellkept import jobs
    from wellkept.listing_plan import plan_lines
    from wellkept.planning import Terms
    from wellkept.settings import load_settings
    from wellkept.toml import load_toml

    settings = load_settings()
    terms = load_toml(chosen.terms, Terms) if chosen.terms else Terms()
    bundle = jobs.bundles_in_service(settings, (chosen.target,))[0]
    snapshot = jobs.open_journeys(chosen.journeys, settings).snapshot()
    wanted = jobs.Wanted(chosen.gain, chosen.days, chosen.setting, terms)
    facts = jobs.plan_facts(jobs.plan(snapshot, bundle, wanted), bundle, wanted)
    if chosen.out:
        from wellkept.pages import plan_page

        write_page(chosen.out, plan_page(facts))
    show(facts, "\n".join(plan_lines(facts)), as_json=chosen.json)
