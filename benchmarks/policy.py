"""Who gets the minutes, by us and by usual practice, on SYNTHETIC patients whose every true effect is known.

    python benchmarks/policy.py --patients 40000 --seeds 10 --kept FILE

One batch: visits of the test period, .8 minutes of staff for each, nine interventions (no texts, as METHOD.md 7.1 has
it). What a policy is worth is the sum of detractors and lost patients that it truly prevents. It is told as a share of
the ceiling: the same allocation by the best estimate of the true effects that the product's own features allow. Ours is
what `wellkept recommend` goes by, whoever is entitled first, but their minutes are counted here like all others'.

It is tried without an experiment, and after trials, as `wellkept recommend --evidence` goes by them: of earlier visits
to which a list with twice the minutes gives a step, half got it by chance. Who became lost is known of all of them, who
is a detractor of those who answer. Where the visits are fewer than the touchpoints asked for, some are drawn again, and
chance decides anew. Beside it (opponents.py): chance, the risk list with recovery calls, with the step of the top SHAP
reason or of the best one change (healthcareai's pip), the trigger by risk, flexible models of the same trials, and the
ceiling where, as in ours, a step is for whoever has its trigger; the oracle knows every patient's true effects.
`harmed` is the share of those who got something whom it truly makes worse. Where no step does anything, minutes must go
away from them as evidence comes: half of them at least. Exits with 1 when a bar is missed anywhere.
Seeds 201 to 204 (40,000 patients) were looked at while the way was chosen.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa

from batches import kept, lesser, system, visits_of
from measuring import described, machine, say, show
from opponents import doubly_robust, patient_impact, two_models
from trials import Trial
from wellkept.effects import effects_of
from wellkept.judging_steps import HARMED, OF_CEILING, OVER_TOP, Batch, best_estimate, by_top_reason, owed_first, worth
from wellkept.offering import DETRACTOR, NO_RETURN

TRIALS = (10_000, 30_000)  # touchpoints that chance decided
OURS, TOP, BEST = "ours, no experiment", "risk list, top SHAP reason's step", "ceiling: best estimate of true effects"
AFTER_TRIALS = [f"ours, {n:,} by chance" for n in TRIALS]
BARS = {OURS: (OF_CEILING, OVER_TOP), AFTER_TRIALS[-1]: (0.95, 1.35)}  # of the ceiling; over TOP
DEAD = "dead-interventions"


def main() -> None:
    """Every world and seed; a table of policies, worst to best."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--patients", type=int, default=40_000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=101)
    parser.add_argument("--kept", type=Path, help="a file that each system adds its figures to")
    parser.add_argument("--worlds", nargs="+",
                        default=["interacting", "additive", "strong-mnar", "wrong-triggers", "dead-interventions"])
    parser.add_argument("--jitter", type=float, default=0.3)
    parser.add_argument("--trials", type=int, default=1, help="how often chance decides anew, of the same visits")
    chosen = parser.parse_args()
    facts = []
    for world in chosen.worlds:
        for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds):
            facts.append(once(world, seed, chosen))
            say(f"{world} {seed} done")
    lines = [described(machine("wellkept", "xgboost")), f"SYNTHETIC, {chosen.patients} patients a system"]
    for world in chosen.worlds:
        lines += ["", world, *_lines(world, [told["policies"] for told in facts if told["world"] == world])]
    show(facts, lines, as_json=chosen.json)
    sys.exit(0 if all(_holds(told["world"], told["policies"]) for told in facts) else 1)


def once(world: str, seed: int, chosen: argparse.Namespace) -> dict:
    """One system's policies, out of the kept ones if they are there."""
    made_of = {"world": world, "seed": seed, "patients": chosen.patients, "jitter": chosen.jitter,
               "trials": chosen.trials}  # fmt: skip
    return kept(made_of, chosen.kept, lambda: {"policies": of_system(world, seed, chosen)})


def _holds(world: str, policies: Mapping[str, Mapping[str, float]]) -> bool:
    if world == DEAD:
        return all(policies[name]["minutes"] <= policies[OURS]["minutes"] / 2 for name in AFTER_TRIALS)
    return all(
        policies[name]["of_ceiling"] >= share and policies[name]["over_top"] >= over
        and policies[name]["harmed"] <= HARMED for name, (share, over) in BARS.items()
    )  # fmt: skip


def _lines(world: str, systems: list[Mapping[str, Mapping[str, float]]]) -> list[str]:
    """A policy a line: median and worst; where no step does anything, what is spent on them beside what is owed."""
    lines = []
    for name in systems[0]:
        each = {key: sorted(system[name][key] for system in systems)
                for key in ("of_ceiling", "over_top", "harmed", "minutes")}  # fmt: skip
        share, over, harmed, minutes = (values[len(values) // 2] for values in each.values())
        told = (f"{share:6.3f} of the ceiling (worst {each['of_ceiling'][0]:.3f}), {over:5.2f} x top SHAP (worst "
                f"{each['over_top'][0]:.2f}), harmed {harmed:.1%} (worst {each['harmed'][-1]:.1%})")  # fmt: skip
        spent = f"{minutes:6.0f} minutes beside what is owed (most {each['minutes'][-1]:.0f})"
        lines.append(f"  {name:38} {spent if world == DEAD else told}")
    return lines


def of_system(world: str, seed: int, chosen: argparse.Namespace) -> dict[str, dict[str, float]]:
    """One system's policies."""
    with system(world, seed, chosen) as (snapshot, truth, arms):
        return judged(*visits_of(snapshot, truth, arms), chosen.trials)


def judged(batch: Batch, points: pa.Table, later: np.ndarray, trials: int) -> dict[str, dict[str, float]]:
    """Each policy on the later visits; trials are run on the earlier ones."""
    now, before, catalogue = batch.rows(later), batch.rows(~later), batch.catalogue
    both, random = np.nan_to_num(now.risk[DETRACTOR]) + np.nan_to_num(now.risk[NO_RETURN]), np.random.default_rng(0)
    recovery = np.array([i.name == "recovery_call" for i in catalogue])
    topped = by_top_reason(batch.bundles[DETRACTOR], now.X[DETRACTOR], catalogue)
    best = best_estimate(batch.X[DETRACTOR], batch.gain, points, later, batch.bundles[DETRACTOR])
    values = {
        "chance": random.random(now.triggered.shape),
        "risk list, recovery call": both[:, None] * recovery,
        TOP: both[:, None] * topped,
        "trigger there, by risk": both[:, None] * now.triggered,
        "list of the best one change (pip)": patient_impact(now),
        "beliefs and room alone": owed_first(effects_of(catalogue, now.risk, now.triggered), catalogue),
        "the lesser of beliefs and what-if": owed_first(now.effects(), catalogue, lesser(now)),
        OURS: owed_first(now.effects(), catalogue),
    }
    for n in TRIALS:
        trial = Trial(before, n)
        values[f"T-learner, {n:,} by chance"] = owed_first(now.effects(), catalogue, two_models(trial, now))
        values[f"DR-learner, {n:,} by chance"] = owed_first(now.effects(), catalogue, doubly_robust(trial, now))
        for seed in range(1, trials + 1):
            name = f"ours, {n:,} by chance{f', trial {seed}' if seed > 1 else ''}"
            values[name] = owed_first(now.effects(Trial(before, n, seed).evidence()), catalogue)
    values |= {
        BEST: best,
        "ceiling where the trigger is there": best * now.triggered,
        "oracle": now.gain,
    }
    found = {name: worth(value, now.gain, catalogue, by_list="list" in name or "by risk" in name)
             for name, value in values.items()}  # fmt: skip
    most, top = found[BEST].prevented, found[TOP].prevented
    return {name: {**asdict(told), "of_ceiling": _share(told.prevented, most), "over_top": _share(told.prevented, top)}
            for name, told in found.items()}  # fmt: skip


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float(part == whole)


if __name__ == "__main__":
    main()
