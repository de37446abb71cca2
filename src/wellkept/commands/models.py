"""Models made and judged: `train`, `check-leaks`, `evaluate`, `card`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from wellkept.commands import accepting, show, verb, write_page


def add(verbs: Any) -> None:
    """train, check-leaks, evaluate, card."""
    train = verb(verbs, "train", _train, "train, calibrate, evaluate and register a model")
    train.add_argument("spec", type=Path, metavar="SPEC", help="models/<target>.toml")
    train.add_argument("--journeys", type=Path, required=True, metavar="DIR")
    train.add_argument("--promote", action="store_true", help="put it into service even where a champion is")

    train.add_argument("--synthetic", action="store_true", help="no real person is in the journeys: say so everywhere")
    accepting(train)

    leaks = verb(verbs, "check-leaks", _check_leaks, "train, and test whether the model knows too much")
    leaks.add_argument("spec", type=Path, metavar="SPEC", help="models/<target>.toml")
    leaks.add_argument("--journeys", type=Path, required=True, metavar="DIR")

    evaluate = verb(verbs, "evaluate", _evaluate, "print how good the model in service was on its test rows")
    evaluate.add_argument("target", metavar="TARGET")
    evaluate.add_argument("--html", type=Path, metavar="FILE", help="and write it as a page that needs nothing else")

    card = verb(verbs, "card", _card, "print what the model in service is for, and what its card still lacks")
    card.add_argument("target", metavar="TARGET")
    card.add_argument("--html", type=Path, metavar="FILE", help="and write the whole card as a page")


def _train(chosen: argparse.Namespace) -> None:
    from wellkept import jobs
    from wellkept.progress import Narrator
    from wellkept.settings import load_settings

    settings = load_settings()
    facts = jobs.train_model(chosen.spec, chosen.journeys, settings, promote=chosen.promote, say=Narrator(),
                             accept=frozenset(chosen.accept), synthetic=chosen.synthetic)
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
    facts = jobs.report_facts(bundle)
    if chosen.html:
        from wellkept.pages import report_page

        write_page(chosen.html, report_page(facts))
    show(facts, _report_text(facts), as_json=chosen.json)


def _card(chosen: argparse.Namespace) -> None:
    from wellkept import jobs
    from wellkept.cards import card, card_lines
    from wellkept.pages import card_page
    from wellkept.settings import load_settings

    told = card(jobs.bundles_in_service(load_settings(), (chosen.target,))[0])
    if chosen.html:
        write_page(chosen.html, card_page(told))
    show(told, "\n".join(card_lines(told)), as_json=chosen.json)


def _report_text(facts: dict) -> str:
    from wellkept.listing import report_lines

    return "\n".join(report_lines(facts))
