"""Models made, judged and put into service: `train`, `retrain`, `promote`, `rollback`, `models`, and more."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wellkept.commands import accepting, show, verb, write_page


def add(verbs: Any) -> None:
    """train, retrain, promote, rollback, models, check-leaks, evaluate, card."""
    train = verb(verbs, "train", _train, "train, calibrate, evaluate, hold against the gates and register a model")
    retrain = verb(verbs, "retrain", _train, "do the least that will do: keep, recalibrate or refit what is in service")
    for one in (train, retrain):
        one.add_argument("spec", type=Path, metavar="SPEC", help="models/<target>.toml")
        one.add_argument("--journeys", type=Path, required=True, metavar="DIR")
        one.add_argument("--refits", type=int, default=0, metavar="N", help="how stable is the list: fit N times more")
        one.add_argument("--synthetic", action="store_true", help="no real person is in the journeys: it is said")
        _signature(one)
        accepting(one)
    train.set_defaults(ladder=False)
    retrain.set_defaults(ladder=True)

    promote = verb(verbs, "promote", _promote, "put a registered version that passed every gate into service")
    promote.add_argument("target", metavar="TARGET")
    promote.add_argument("version", metavar="VERSION")
    _signature(promote)

    rollback = verb(verbs, "rollback", _rollback, "put the version that was in service before back, at once")
    rollback.add_argument("target", metavar="TARGET")
    rollback.add_argument("--to", default="", metavar="VERSION", help="by default the one before")
    rollback.add_argument("--why", required=True, metavar="WORDS", help="what went wrong: it is written down")
    rollback.add_argument("--by", required=True, metavar="NAME", help="who decides it")

    models = verb(verbs, "models", _models, "list a target's versions, their gates and who put them into service")
    models.add_argument("target", metavar="TARGET")

    leaks = verb(verbs, "check-leaks", _check_leaks, "train, and test whether the model knows too much")
    leaks.add_argument("spec", type=Path, metavar="SPEC", help="models/<target>.toml")
    leaks.add_argument("--journeys", type=Path, required=True, metavar="DIR")

    evaluate = verb(verbs, "evaluate", _evaluate, "print how good the model in service was on its test rows")
    evaluate.add_argument("target", metavar="TARGET")
    evaluate.add_argument("--html", type=Path, metavar="FILE", help="and write it as a page that needs nothing else")

    card = verb(verbs, "card", _card, "print what the model in service is for, and what its card still lacks")
    card.add_argument("target", metavar="TARGET")
    card.add_argument("--html", type=Path, metavar="FILE", help="and write the whole card as a page")


def _signature(one: argparse.ArgumentParser) -> None:
    one.add_argument("--approve", default="", metavar="NAME", help="sign: into service where every gate holds")
    one.add_argument("--explained", default="", metavar="WORDS", help="why the list of patients changes as it does")


def _train(chosen: argparse.Namespace) -> int:
    from wellkept import jobs
    from wellkept.errors import GateClosed
    from wellkept.listing import gate_lines
    from wellkept.progress import Narrator
    from wellkept.settings import load_settings

    asked = jobs.Asked(datetime.now(UTC), chosen.approve, chosen.explained, frozenset(chosen.accept), chosen.refits,
                       chosen.synthetic)
    facts = jobs.train_model(chosen.spec, chosen.journeys, load_settings(), asked=asked, say=Narrator(),
                             ladder=chosen.ladder)
    report = [_report_text(facts), ""] if "test" in facts else []
    show(facts, "\n".join([*report, *gate_lines(facts)]), as_json=chosen.json)
    refused = chosen.approve and any(gate["holds"] is False for gate in facts["gates"])
    return GateClosed.exit_code if refused else 0


def _promote(chosen: argparse.Namespace) -> None:
    from wellkept import jobs
    from wellkept.settings import load_settings

    folder = jobs.promote(chosen.target, chosen.version, load_settings(), approve=chosen.approve,
                          explained=chosen.explained, now=datetime.now(UTC))
    show({"target": chosen.target, "version": chosen.version, "folder": str(folder)},
         f"{chosen.target}: version {chosen.version} is in service, signed by {chosen.approve}", as_json=chosen.json)


def _rollback(chosen: argparse.Namespace) -> None:
    from wellkept import jobs
    from wellkept.settings import load_settings

    version, before = jobs.rollback(chosen.target, load_settings(), by=chosen.by, why=chosen.why, to=chosen.to,
                                    now=datetime.now(UTC))
    show({"target": chosen.target, "version": version, "before": before},
         f"{chosen.target}: version {version} is in service again, in place of {before}", as_json=chosen.json)


def _models(chosen: argparse.Namespace) -> None:
    from wellkept import jobs
    from wellkept.listing import version_lines
    from wellkept.settings import load_settings

    facts = jobs.versions_of(chosen.target, load_settings())
    show(facts, "\n".join(version_lines(facts)), as_json=chosen.json)


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
