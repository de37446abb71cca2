"""Models trained to learn something, none of which is registered: `fairness`, `tune`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wellkept.commands import show, verb


def add(verbs: Any) -> None:
    """fairness, tune."""
    fairness = verb(verbs, "fairness", _fairness, "retrain with and without each sensitive feature: who is served how")
    tune = verb(verbs, "tune", _tune, "search for better [trees] within [tune] of the model's TOML (wellkept[tune])")
    for one in (fairness, tune):
        one.add_argument("spec", type=Path, metavar="SPEC", help="models/<target>.toml")
        one.add_argument("--journeys", type=Path, required=True, metavar="DIR")
    fairness.add_argument("--refits", type=_some, default=5, metavar="N", help="how often each is fitted, other folds")
    tune.add_argument("--trials", type=_some, required=True, metavar="N", help="in all, with those made before")


def _fairness(chosen: argparse.Namespace) -> None:
    from wellkept import jobs
    from wellkept.listing_groups import fairness_lines
    from wellkept.progress import Narrator
    from wellkept.settings import load_settings

    facts = jobs.audit_fairness(chosen.spec, chosen.journeys, load_settings(), say=Narrator(), refits=chosen.refits)
    show(facts, "\n".join(fairness_lines(facts)), as_json=chosen.json)


def _tune(chosen: argparse.Namespace) -> None:
    from wellkept import jobs
    from wellkept.listing_tuning import tuning_lines
    from wellkept.progress import Narrator
    from wellkept.settings import load_settings

    facts = jobs.tune(chosen.spec, chosen.journeys, load_settings(), trials=chosen.trials, say=Narrator())
    show(facts, "\n".join(tuning_lines(facts)), as_json=chosen.json)


def _some(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError("a whole number from 1 on")
    return int(text)
