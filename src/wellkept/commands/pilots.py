"""Experiments inside the workflow: `pilot plan`, `pilot status`, `pilot read`, `pilot learn`."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wellkept.commands import show, verb


def add(verbs: Any) -> None:
    """pilot."""
    pilot = verbs.add_parser("pilot", help="does it help? plan an experiment, see how it stands, read it")
    kinds = pilot.add_subparsers(required=True, metavar="KIND")
    plan = verb(kinds, "plan", _plan, "what a pilot can show and what it cannot, before it begins")
    status = verb(kinds, "status", _status, "who is in, and is the split what chance gives; looks at no outcome")
    read = verb(kinds, "read", _read, "each arm's effect with its interval, where chance decided")
    for one in (plan, status, read):
        one.add_argument("pilot", type=Path, metavar="PILOT.toml")
        one.add_argument("--journeys", type=Path, required=one is read, metavar="DIR")
    learn = verb(kinds, "learn", _learn, "what pilots that are over teach `recommend`, as a file for its --evidence")
    learn.add_argument("pilots", type=Path, nargs="+", metavar="PILOT.toml")
    learn.add_argument("--journeys", type=Path, required=True, metavar="DIR")
    learn.add_argument("--out", type=Path, required=True, metavar="FILE")
    for one in (status, read, learn):
        one.add_argument("--log", type=Path, required=True, metavar="DIR", help="the --out of `recommend --pilot`")


def _plan(chosen: argparse.Namespace) -> None:
    from wellkept import jobs
    from wellkept.listing_pilots import prospect_lines

    pilot = _pilot(chosen)
    found = jobs.plan_pilot(pilot, _snapshot(chosen))
    facts = [asdict(one) | {"is_enough": one.is_enough} for one in found]
    show(facts, "\n".join(prospect_lines(pilot, found)), as_json=chosen.json)


def _status(chosen: argparse.Namespace) -> None:
    from wellkept import jobs
    from wellkept.listing_pilots import standing_lines
    from wellkept.pilots.holdouts import disagreeing
    from wellkept.settings import load_settings

    pilot, salt = _pilot(chosen), load_settings().pilot_salt
    log = jobs.open_log(chosen.log, pilot)
    found = jobs.pilot_standing(pilot, log, _snapshot(chosen))
    wrong = disagreeing(pilot, salt.get_secret_value(), log) if salt else None
    facts = {"arms": [asdict(one) | {"is_sound": one.is_sound} for one in found], "draws_that_disagree": wrong}
    show(facts, "\n".join(standing_lines(pilot, found, wrong)), as_json=chosen.json)


def _read(chosen: argparse.Namespace) -> None:
    from wellkept import jobs
    from wellkept.listing_pilots import reading_lines

    pilot, snapshot = _pilot(chosen), _snapshot(chosen)
    found = jobs.read_pilot(pilot, jobs.open_log(chosen.log, pilot), snapshot)
    show([asdict(one) for one in found], "\n".join(reading_lines(found)), as_json=chosen.json)


def _learn(chosen: argparse.Namespace) -> None:
    from wellkept import jobs
    from wellkept.errors import NotEnoughData
    from wellkept.listing_pilots import lesson_lines
    from wellkept.offering import interventions
    from wellkept.pilots.plans import load_pilot
    from wellkept.settings import load_settings

    pilots = [load_pilot(path, interventions()) for path in chosen.pilots]
    bundles = jobs.bundles_in_service(load_settings())
    found = jobs.learn([(pilot, jobs.open_log(chosen.log, pilot)) for pilot in pilots], _snapshot(chosen), bundles)
    lessons, lines = [asdict(one) for one in found.lessons], lesson_lines(found.lessons)
    if found.is_empty:
        message = f"no pilot taught anything, so {chosen.out} is not written:"
        raise NotEnoughData("nothing_learned", "\n  ".join([message, *lines]))
    jobs.write_evidence(found, chosen.out)
    facts = {"file": str(chosen.out), "until": found.until.isoformat(), "lessons": lessons}
    show(facts, "\n".join([*lines, f"for `recommend --evidence`: {chosen.out}"]), as_json=chosen.json)


def _pilot(chosen: argparse.Namespace) -> Any:
    from wellkept.offering import interventions
    from wellkept.pilots.plans import load_pilot

    return load_pilot(chosen.pilot, interventions())


def _snapshot(chosen: argparse.Namespace) -> Any:
    from wellkept import jobs
    from wellkept.settings import load_settings

    return jobs.open_journeys(chosen.journeys, load_settings()).snapshot() if chosen.journeys else None
