"""Readings of pilots in; how often intervals hold what they should, beside the bars and what chance alone does, out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from scipy.stats import binom, binomtest

from measuring import described, machine
from wellkept.simulator.helping import ARMS

COVERED, NOTHING = (0.92, 0.97), 0.93  # the bars of issue 7
AGAIN = ", drawn again"


def summary(rows: list[dict]) -> dict[str, dict]:
    """By kind and outcome: how many readings, in how many no effect was told, how often the interval held the truth."""
    facts: dict[str, dict] = {}
    for kind, outcome in dict.fromkeys((row["kind"], row["outcome"]) for row in rows):
        mine = [row for row in rows if (row["kind"], row["outcome"]) == (kind, outcome)]
        facts[f"{kind}, {outcome}"] = _redrawn(mine) if kind.endswith(AGAIN) else _covered(mine)
    told = [row for row in rows if row["kind"] == "arm"]
    facts["arm, both outcomes"] = _covered(told) | {"met": COVERED[0] <= _covered(told)["covered"] <= COVERED[1]}
    for name, fact in facts.items():
        if name.startswith(("placebo", "regression")):
            fact["met"] = fact["covered"] >= NOTHING
        if name.startswith("everybody"):
            fact["met"] = fact["told"] == 0
    for arm in ARMS:
        facts[f"  {arm}"] = _covered([row for row in told if row["arm"] == arm])
    return facts


def _covered(rows: list[dict]) -> dict:
    told = [row for row in rows if row["effect"] is not None]
    fact = {"readings": len(rows), "told": len(told)}
    if not told:
        return fact | {"covered": float("nan")}
    effect, low, high = (np.array([row["effect"][i] for row in told]) for i in range(3))
    true, everybody = (np.array([row[name] for row in told]) for name in ("true", "everybody"))
    fact |= {
        "covered": float(((low <= true) & (true <= high)).mean()),
        "everybody": float(((low <= everybody) & (everybody <= high)).mean()),
        "bias": float((effect - true).mean()), "true": float(true.mean()),
        "half_width": float((high - low).mean() / 2),
        "gain_covers_0": float(np.mean([gain[1] <= 0 <= gain[2] for row in told if (gain := row["targeting"])])),
    }  # fmt: skip
    if told[0]["kind"] != "arm":  # one draw a system: independent of each other
        fact |= _by_chance(int(((low <= true) & (true <= high)).sum()), len(told))
    if "recovered" in told[0]:
        fact["recovered"] = float(np.mean([row["recovered"] for row in told]))
    return fact


def _by_chance(held: int, of: int) -> dict:
    """The share's own 95 % interval (Clopper & Pearson 1934), and how often right intervals would miss the bar."""
    interval = binomtest(held, of).proportion_ci()
    missed = float(binom.cdf(math.ceil(NOTHING * of) - 1, of, 0.95))
    return {"from": float(interval.low), "to": float(interval.high), "missed_by_chance": missed}


def _redrawn(rows: list[dict]) -> dict:
    """Of all draws together; the error takes systems, with all their draws, as what was drawn."""
    draws, told, below, above = (np.array([row[name] for row in rows]) for name in ("draws", "told", "below", "above"))
    fact = {"readings": int(draws.sum()), "told": int(told.sum())}
    if not told.any():
        return fact | {"covered": float("nan")}
    held = told - below - above
    covered = held.sum() / told.sum()
    error = np.sqrt(((held - covered * told) ** 2).sum()) / told.sum()
    return fact | {"covered": float(covered), "error": float(error), "below": float(below.sum() / told.sum()),
                   "above": float(above.sum() / told.sum())}  # fmt: skip


def lines(facts: Mapping[str, dict]) -> Iterator[str]:
    """What a person reads."""
    yield described(machine("wellkept"))
    yield f"bars: an arm's truth is held in {COVERED[0]:.0%} to {COVERED[1]:.0%} of cases, 0 in at least {NOTHING:.0%}"
    for name, told in facts.items():
        verdict = {True: "met   ", False: "MISSED", None: "      "}[told.get("met")]
        yield f"{verdict} {name:51} {told['told']:5} of {told['readings']:5} told{_described(told)}"


def _described(told: Mapping) -> str:
    if not told["told"]:
        return ""
    if "error" in told:
        return (f", hold the truth {told['covered']:.4f} +- {told['error']:.4f}; all below 0 {told['below']:.4f}, "
                f"all above {told['above']:.4f}")  # fmt: skip
    line = f", hold the truth {told['covered']:.3f}"
    if "from" in told:
        line += (f" [{told['from']:.3f} to {told['to']:.3f}; right intervals would miss the bar in "
                 f"{told['missed_by_chance']:.0%} of such runs]")  # fmt: skip
    line += (f" (everybody's {told['everybody']:.3f}); true {told['true']:+.4f}, bias {told['bias']:+.4f}, half width "
             f"{told['half_width']:.3f}")  # fmt: skip
    if "recovered" in told:
        line += f"; before/after would say {told['recovered']:.0%} recovered"
    return line
