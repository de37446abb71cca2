"""Models made and judged: `train`, `check-leaks`, `evaluate`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from wellkept.commands import accepting, show, verb


def add(verbs: Any) -> None:
    """train, check-leaks, evaluate."""
    train = verb(verbs, "train", _train, "train, calibrate, evaluate and register a model")
    train.add_argument("spec", type=Path, metavar="SPEC", help="models/<target>.toml")
    train.add_argument("--journeys", type=Path, required=True, metavar="DIR")
    train.add_argument("--promote", action="store_true", help="put it into service even where a champion is")

    accepting(train)

    leaks = verb(verbs, "check-leaks", _check_leaks, "train, and test whether the model knows too much")
    leaks.add_argument("spec", type=Path, metavar="SPEC", help="models/<target>.toml")
    leaks.add_argument("--journeys", type=Path, required=True, metavar="DIR")

    evaluate = verb(verbs, "evaluate", _evaluate, "print how good the model in service was on its test rows")
    evaluate.add_argument("target", metavar="TARGET")


def _train(chosen: argparse.Namespace) -> None:
    from wellkept import jobs
    from wellkept.progress import Narrator
    from wellkept.settings import load_settings

    settings = load_settings()
    facts = jobs.train_model(chosen.spec, chosen.journeys, settings, promote=chosen.promote, say=Narrator(),
                             accept=frozenset(chosen.accept))
    show(facts, _report_text(facts), as_json=chosen.json)


def _check_leaks(chosen: argparse.Namespace) -> None:
    from dataclasses import asdict

    from wellkept import jobs
    from wellkept.leaks import lines_of, refuse_leaks
    from wellkept.progress import Narrator
    from wellkept.settings import load_settings

    findings = jobs.find_leaks(chosen.spec, chosen.journeys, load_settings(), say=Narrator())
    if not chosen.json:
        print("\n".join(lines_of(findings)))
    refuse_leaks(findings)
    if chosen.json:
        print(json.dumps({"findings": [asdict(f) for f in findings]}, indent=1))


def _evaluate(chosen: argparse.Namespace) -> None:
    from wellkept import jobs
    from wellkept.settings import load_settings

    bundle = jobs.bundles_in_service(load_settings(), (chosen.target,))[0]
    facts = {"target": bundle.target, "version": bundle.version, "facts": bundle.facts, **bundle.metrics}
    show(facts, _report_text(facts), as_json=chosen.json)


def _report_text(facts: dict) -> str:
    from wellkept.listing import report_lines

    return "\n".join(report_lines(facts))
