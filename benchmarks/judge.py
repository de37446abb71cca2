"""The product held against synthetic health systems whose truth is known: seeds x worlds, each goal with its spread.

    python benchmarks/judge.py --patients 200000 --seeds 10 --kept judged.jsonl

Each run simulates a system, ingests it through the table mappings, trains both models and asks `wellkept judge`'s
question: how near is it to the best that its own features could reach? Logistic regression stands beside each.
A follow-up of non-respondents is simulated, so that the level of everybody can be judged as well. With --kept, runs
that the file holds of these very models are not made again. SYNTHETIC throughout. Exits with 1 when a goal is missed
anywhere.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from measuring import described, machine, say, show
from wellkept.goals import Goal
from wellkept.judging import TRUTH, judge_system
from wellkept.progress import Narrator
from wellkept.settings import load_settings
from wellkept.simulator import simulate
from wellkept.spec import load_spec

MODELS = Path(__file__).resolve().parents[1] / "models"


def main() -> None:
    """Judge every world and seed, print a line a goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--patients", type=int, default=40_000)
    parser.add_argument("--targets", nargs="+", default=list(TRUTH), choices=list(TRUTH))
    parser.add_argument("--follow-up", type=int, default=400, help="non-respondents telephoned a quarter")
    parser.add_argument("--kept", type=Path, help="a file that each run adds its goals to")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=101)
    parser.add_argument("--worlds", nargs="+", default=["interacting", "additive", "strong-mnar"])
    parser.add_argument("--jitter", type=float, default=0.3, help="share by which the world's parameters are moved")
    chosen = parser.parse_args()
    runs: dict[tuple[str, str], dict[str, Goal]] = defaultdict(dict)
    for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds):
        for world in chosen.worlds:
            for goal in once(world, seed, chosen):
                runs[goal.goal, goal.what][f"{world} {seed}"] = goal
            say(f"{world} {seed} is judged")
    show([summary(*key, goals) for key, goals in runs.items()], _lines(runs, chosen), as_json=chosen.json)
    sys.exit(0 if all(goal.holds for goals in runs.values() for goal in goals.values()) else 1)


def once(world: str, seed: int, chosen: argparse.Namespace) -> list[Goal]:
    """One system's goals, out of the kept ones if they are there."""
    of_models = {target: load_spec(MODELS / f"{target}.toml").digest for target in chosen.targets}
    made_of = [world, seed, chosen.patients, chosen.jitter, chosen.follow_up, of_models]
    lines = chosen.kept.read_text().splitlines() if chosen.kept and chosen.kept.exists() else []
    for run in map(json.loads, lines):
        if run["run"] == made_of:
            return [Goal(**goal) for goal in run["goals"]]
    goals = judged(world, seed, chosen)
    if chosen.kept:
        with chosen.kept.open("a") as kept:
            kept.write(json.dumps({"run": made_of, "goals": [asdict(goal) for goal in goals]}) + "\n")
    return goals


def judged(world: str, seed: int, chosen: argparse.Namespace) -> list[Goal]:
    """One system, all models."""
    specs = [load_spec(MODELS / f"{target}.toml") for target in chosen.targets]
    with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
        simulate(Path(folder), patients=chosen.patients, seed=seed, world=world, jitter=chosen.jitter,
                 follow_up=chosen.follow_up)  # fmt: skip
        return judge_system(Path(folder), specs, load_settings(), say=Narrator(quiet=True))


def summary(name: str, what: str, goals: Mapping[str, Goal]) -> dict:
    """A goal over all runs: least, median, most, in how many it holds."""
    values = sorted(goal.value for goal in goals.values())
    beside = sorted(goal.worst["logistic"] for goal in goals.values() if "logistic" in goal.worst)
    return {"goal": name, "what": what, "bar": next(iter(goals.values())).bar, "least": values[0],
            "median": values[len(values) // 2], "most": values[-1], "runs": len(values),
            "holds": sum(goal.holds for goal in goals.values()),
            "missed": [run for run, goal in goals.items() if not goal.holds],
            "logistic": [beside[0], beside[len(beside) // 2], beside[-1]] if beside else None,
            "each": {run: {"value": goal.value, **goal.worst} for run, goal in goals.items()}}  # fmt: skip


def _lines(runs: Mapping[tuple[str, str], Mapping[str, Goal]], chosen: argparse.Namespace) -> list[str]:
    about = f"SYNTHETIC, {chosen.patients} patients a system, parameters moved by up to {chosen.jitter:.0%}"
    lines = [described(machine("wellkept", "xgboost")), about]
    for key, goals in runs.items():
        told = summary(*key, goals)
        figures = "{least:.3f} to {most:.3f}, median {median:.3f} (bar {bar}), holds in {holds} of {runs}"
        lines.append(f"{told['goal']:3} {told['what']}: {figures.format(**told)}")
        if told["logistic"]:
            least, median, most = told["logistic"]
            lines.append(f"    logistic regression {least:.3f} to {most:.3f}, median {median:.3f}")
        if told["missed"]:
            lines.append(f"    missed in {', '.join(told['missed'])}")
    return lines


if __name__ == "__main__":
    main()
