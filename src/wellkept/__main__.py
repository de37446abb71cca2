"""The command line: one verb a job. Results on stdout (`--json` for machines), progress on stderr."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wellkept import __version__
from wellkept.errors import LeakFound, WellkeptError

USAGE, UNEXPECTED, INTERRUPTED = 64, 1, 130


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code is the error class's own (wellkept/errors.py), 64 for a wrong command line."""
    parser = _parser()
    try:
        chosen = parser.parse_args(arguments)
    except SystemExit as stop:
        return USAGE if stop.code else 0
    try:
        return chosen.run(chosen) or 0
    except WellkeptError as error:
        _complain(error, as_json=chosen.json)
        return error.exit_code
    except BrokenPipeError:  # whoever reads has seen enough
        sys.stdout = None
        return 0
    except KeyboardInterrupt:
        print("wellkept: stopped; what was not finished is not there", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wellkept", description="Who is at risk, why, and what would help.")
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    ingest = _verb(verbs, "ingest", _ingest, "read a batch of events into the journey store")
    ingest.add_argument("source", metavar="SOURCE", help="tables, meds, ... (see `wellkept parts`)")
    ingest.add_argument("path", type=Path, metavar="PATH", help="the folder to read")
    ingest.add_argument("--journeys", type=Path, required=True, metavar="DIR")
    ingest.add_argument("--mapping", type=Path, metavar="PATH", help="a mapping TOML or a folder of them")
    _accept(ingest)

    train = _verb(verbs, "train", _train, "train, calibrate, evaluate and register a model")
    train.add_argument("spec", type=Path, metavar="SPEC", help="models/<target>.toml")
    train.add_argument("--journeys", type=Path, required=True, metavar="DIR")
    train.add_argument("--promote", action="store_true", help="put it into service even where a champion is")

    _accept(train)

    leaks = _verb(verbs, "check-leaks", _check_leaks, "train, and test whether the model knows too much")
    leaks.add_argument("spec", type=Path, metavar="SPEC", help="models/<target>.toml")
    leaks.add_argument("--journeys", type=Path, required=True, metavar="DIR")

    evaluate = _verb(verbs, "evaluate", _evaluate, "print how good the model in service was on its test rows")
    evaluate.add_argument("target", metavar="TARGET")

    score = _verb(verbs, "score", _score, "score everybody as of one moment, with reasons")
    score.add_argument("--journeys", type=Path, required=True, metavar="DIR")
    score.add_argument("--as-of", type=_moment, required=True, metavar="TIME", help="2026-01-31T02:00:00Z")
    score.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder with one folder a run")
    score.add_argument("--target", action="append", default=[], help="only this target (may be repeated)")
    score.add_argument("--again", default="", metavar="REASON",
                       help="score a published moment once more; the new run takes the place of the old")
    _accept(score)

    parts = _verb(verbs, "parts", _parts, "list sources, feature families, targets and tables")
    parts.add_argument("--features", action="store_true", help="the whole feature catalogue")

    simulate = _verb(verbs, "simulate", _simulate, "write the export of a SYNTHETIC health system")
    simulate.add_argument("out", type=Path, metavar="OUT", help="a new or empty folder, or an earlier such export")
    simulate.add_argument("--patients", type=int, default=20000)
    simulate.add_argument("--seed", type=int, default=1)
    simulate.add_argument("--world", default="interacting", help="how it runs: interacting, additive, ...")
    simulate.add_argument("--jitter", type=float, default=0.0, metavar="SHARE", help="move parameters by up to this")
    simulate.add_argument("--drift", action="append", default=[], metavar="NAME", help="a change that comes (repeat)")
    simulate.add_argument("--trap", action="append", default=[], metavar="NAME", help="a planted mistake (repeat)")
    simulate.add_argument("--follow-up", type=int, default=0, metavar="N", help="non-respondents telephoned a quarter")

    judge = _verb(verbs, "judge", _judge, "hold the product against a SYNTHETIC system whose every risk is known")
    judge.add_argument("system", type=Path, metavar="SYSTEM", help="a folder that `wellkept simulate` wrote")
    judge.add_argument("--spec", type=Path, action="append", default=[], metavar="SPEC",
                       help="by default models/detractor_risk.toml and models/no_return.toml")

    demo = _verb(verbs, "demo", _demo, "all of it on a small synthetic health system")
    demo.add_argument("--folder", type=Path, default=Path("demo"), metavar="DIR")
    demo.add_argument("--patients", type=int, default=20000)
    demo.add_argument("--seed", type=int, default=1)
    return parser


def _verb(verbs: Any, name: str, run: Any, says: str) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=says, description=says.capitalize() + ".")
    verb.add_argument("--json", action="store_true", help="print JSON, and nothing else, on stdout")
    verb.set_defaults(run=run)
    return verb


def _accept(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--accept", action="append", default=[], metavar="RULE", help="a held rule that you looked at")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("a time is written 2026-01-31T02:00:00Z") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("a time carries its offset: 2026-01-31T02:00:00Z")
    return moment.astimezone(UTC)


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
    _print(facts, words, as_json=chosen.json)


def _train(chosen: argparse.Namespace) -> None:
    from wellkept import jobs
    from wellkept.progress import Narrator
    from wellkept.settings import load_settings

    settings = load_settings()
    facts = jobs.train_model(chosen.spec, chosen.journeys, settings, promote=chosen.promote, say=Narrator(),
                             accept=frozenset(chosen.accept))
    _print(facts, _report_text(facts), as_json=chosen.json)


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
    _print(facts, _report_text(facts), as_json=chosen.json)


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
    _print({"folder": str(run.folder), "rows": run.rows}, f"scored {counts}: {run.folder}", as_json=chosen.json)


def _parts(chosen: argparse.Namespace) -> None:
    from wellkept.listing import feature_table, part_tables

    tables = {"features": feature_table()} if chosen.features else part_tables()
    text = "\n\n".join(f"{name}\n" + "\n".join(f"  {' | '.join(row)}" for row in rows) for name, rows in tables.items())
    _print(tables, text, as_json=chosen.json)


def _simulate(chosen: argparse.Namespace) -> None:
    from wellkept.simulator import simulate

    simulate(chosen.out, patients=chosen.patients, seed=chosen.seed, world=chosen.world, jitter=chosen.jitter,
             drift=chosen.drift, traps=chosen.trap, follow_up=chosen.follow_up)
    facts = {"synthetic": True, "folder": str(chosen.out), "patients": chosen.patients, "seed": chosen.seed}
    _print(facts, f"SYNTHETIC health system, {chosen.patients} patients, none of them real: {chosen.out}",
           as_json=chosen.json)


def _judge(chosen: argparse.Namespace) -> int:
    from dataclasses import asdict

    from wellkept.judging import TRUTH, judge_system, lines_of
    from wellkept.progress import Narrator
    from wellkept.settings import load_settings
    from wellkept.spec import load_spec

    settings = load_settings()
    specs = [load_spec(path) for path in chosen.spec or [settings.models / f"{target}.toml" for target in TRUTH]]
    goals = judge_system(chosen.system, specs, settings, say=Narrator())
    _print({"goals": [asdict(goal) for goal in goals]}, "\n".join(lines_of(goals)), as_json=chosen.json)
    return 0 if all(goal.holds for goal in goals) else UNEXPECTED


def _demo(chosen: argparse.Namespace) -> None:
    from wellkept.demo import run_demo
    from wellkept.progress import Narrator
    from wellkept.settings import load_settings

    facts, text = run_demo(chosen.folder, patients=chosen.patients, seed=chosen.seed, settings=load_settings(),
                           say=Narrator())
    _print(facts, text, as_json=chosen.json)


def _report_text(facts: dict) -> str:
    from wellkept.listing import report_lines

    return "\n".join(report_lines(facts))


def _print(facts: object, words: str, *, as_json: bool) -> None:
    print(json.dumps(facts, indent=1) if as_json else words)


def _complain(error: WellkeptError, *, as_json: bool) -> None:
    if as_json:
        breaches = [vars(b) for b in getattr(error, "breaches", [])]
        found = {"findings": error.findings} if isinstance(error, LeakFound) else {}
        print(json.dumps({"code": error.code, "message": error.args[0], "breaches": breaches, **found}, indent=1))
    print(f"wellkept: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
