"""SYNTHETIC health systems: `simulate`, `judge`, `demo`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wellkept.commands import show, verb


def add(verbs: Any) -> None:
    """simulate, judge, demo."""
    simulate = verb(verbs, "simulate", _simulate, "write the export of a SYNTHETIC health system")
    simulate.add_argument("out", type=Path, metavar="OUT", help="a new or empty folder, or an earlier such export")
    simulate.add_argument("--patients", type=int, default=20000)
    simulate.add_argument("--seed", type=int, default=1)
    simulate.add_argument("--world", default="interacting", help="how it runs: interacting, additive, ...")
    simulate.add_argument("--jitter", type=float, default=0.0, metavar="SHARE", help="move parameters by up to this")
    simulate.add_argument("--drift", action="append", default=[], metavar="NAME", help="a change that comes (repeat)")
    simulate.add_argument("--trap", action="append", default=[], metavar="NAME", help="a planted mistake (repeat)")
    simulate.add_argument("--follow-up", type=int, default=0, metavar="N", help="non-respondents telephoned a quarter")

    judge = verb(verbs, "judge", _judge, "hold the product against a SYNTHETIC system whose every risk is known")
    judge.add_argument("system", type=Path, metavar="SYSTEM", help="a folder that `wellkept simulate` wrote")
    judge.add_argument("--spec", type=Path, action="append", default=[], metavar="SPEC",
                       help="by default models/detractor_risk.toml and models/no_return.toml")

    demo = verb(verbs, "demo", _demo, "all of it on a small synthetic health system")
    demo.add_argument("--folder", type=Path, default=Path("demo"), metavar="DIR")
    demo.add_argument("--patients", type=int, default=20000)
    demo.add_argument("--seed", type=int, default=1)


def _simulate(chosen: argparse.Namespace) -> None:
    from wellkept.simulator import simulate

    simulate(chosen.out, patients=chosen.patients, seed=chosen.seed, world=chosen.world, jitter=chosen.jitter,
             drift=chosen.drift, traps=chosen.trap, follow_up=chosen.follow_up)
    facts = {"synthetic": True, "folder": str(chosen.out), "patients": chosen.patients, "seed": chosen.seed}
    show(facts, f"SYNTHETIC health system, {chosen.patients} patients, none of them real: {chosen.out}",
           as_json=chosen.json)


def _judge(chosen: argparse.Namespace) -> int:
    from dataclasses import asdict

    from wellkept.goals import lines_of
    from wellkept.judging import TRUTH, judge_system
    from wellkept.judging_drift import drift_of, judge_drift
    from wellkept.progress import Narrator
    from wellkept.settings import load_settings
    from wellkept.spec import load_spec

    settings = load_settings()
    specs = [load_spec(path) for path in chosen.spec or [settings.models / f"{target}.toml" for target in TRUTH]]
    judge = judge_drift if drift_of(chosen.system) else judge_system
    goals = judge(chosen.system, specs, settings, say=Narrator())
    show({"goals": [asdict(goal) for goal in goals]}, "\n".join(lines_of(goals)), as_json=chosen.json)
    return 0 if all(goal.holds for goal in goals) else 1


def _demo(chosen: argparse.Namespace) -> None:
    from wellkept.demo import run_demo
    from wellkept.progress import Narrator
    from wellkept.settings import load_settings

    facts, text = run_demo(chosen.folder, patients=chosen.patients, seed=chosen.seed, settings=load_settings(),
                           say=Narrator())
    show(facts, text, as_json=chosen.json)
