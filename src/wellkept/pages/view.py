"""A report's facts in; what its page shows, in order and in words, out. What is absent stays away or is said to be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from wellkept.listing import DISAGREE, EVERYBODY
from wellkept.pages.verdict import verdict
from wellkept.wording import (
    ACCURACY,
    CALIBRATION,
    CAPACITY,
    CONTESTANTS,
    GROUPED,
    RANKING,
    Metric,
    contestant,
    day,
    dimension,
    figure,
    in_100,
    judged,
    of_shipped,
)

FIRST = ("auroc", "brier_skill", "observed_expected", "calibration_slope", "recall_at_capacity",
         "net_benefit_at_capacity")  # fmt: skip
PAIRED = {"auroc": "AUROC", "log_loss": "log loss", "brier": "Brier score",
          "net_benefit_at_capacity": "net benefit at capacity"}  # fmt: skip
STRATA = "prior"
LEANS = 0.3  # correlation of a feature with its contribution, from which more of it is said to raise or to lower
PICTURES = {
    "calibration": "Stated risk beside how often it came true; below it, where the risks lie.",
    "decision_curve": "Net benefit of acting by the risk, of calling everybody and of calling nobody, by threshold.",
    "dependence": "What each of the strongest features adds to the log-odds, by value, and its declared sign.",
    "discrimination": "The ROC curve, and precision against recall; dashed is what chance gives.",
}
PROVENANCE = {
    "version": "bundle", "wellkept": "Wellkept", "git_commit": "code (git commit)",
    "journeys_version": "journeys: version", "journeys_digest": "journeys: SHA-256", "xgboost": "XGBoost",
    "python": "Python", "features": "features", "columns": "columns of the matrix",
}  # fmt: skip


def report_view(facts: Mapping) -> dict:
    """Everything that `report.html` shows."""
    run, groups = facts.get("facts", {}), facts.get("groups") or {}
    return {
        "target": facts.get("target", "model"), "version": facts.get("version", ""), "says": facts.get("says", ""),
        "asks": facts.get("asks", ""), "synthetic": "synthetic" in run, "shipped": facts.get("shipped", ""),
        "verdict": verdict(facts), "alt": PICTURES, "contestants": _contestants(facts),
        "first": _table(facts, [m for m in (*RANKING, *ACCURACY, *CALIBRATION, *CAPACITY) if m.name in FIRST]),
        "all": _table(facts, [*RANKING, *ACCURACY, *CALIBRATION]),
        "capacity": _table(facts, [*CAPACITY, *_at_thresholds(facts)]),
        "base_rate": in_100(of_shipped(facts).get("base_rate")),
        "period": [day(judged(run, "from")), day(judged(run, "until"))], "rows": judged(run, "rows"),
        "later": "test_rows" in run or "train_rows" not in run,
        "paired": _paired(facts), "compared": list(PAIRED.values()),
        "groups": [_group(name, of) for name, of in groups.items() if name != STRATA],
        "strata": _group(STRATA, groups[STRATA]) if groups.get(STRATA) else None,
        "everybody": _everybody(facts.get("everybody")), "kinds": _kinds(facts),
        "drivers": _drivers(facts.get("drivers")), "stability": _stability(facts.get("stability")),
        "leaks": [(n.removeprefix("leaks."), told) for n, told in sorted(run.items()) if n.startswith("leaks.")],
        "provenance": [(title, {**run, "version": facts.get("version")}[name]) for name, title in PROVENANCE.items()
                       if {**run, "version": facts.get("version")}.get(name)],
    }  # fmt: skip


def _contestants(facts: Mapping) -> list[dict]:
    """The one that ships first, then the others as they are known."""
    names = sorted(facts.get("test", {}), key=lambda n: (n != facts.get("shipped"), [*CONTESTANTS, n].index(n)))
    return [{"name": name, "title": contestant(name), "ships": name == facts.get("shipped")} for name in names]


def _table(facts: Mapping, metrics: Sequence[Metric]) -> list[dict]:
    """One row a metric that anybody has: its words, and a cell a contestant."""
    names, test = [c["name"] for c in _contestants(facts)], facts.get("test", {})
    return [
        {"title": m.title, "says": m.says, "wanted": m.wanted,
         "cells": [split(figure(test[name].get(m.name), m.digits)) for name in names]}
        for m in metrics if any(m.name in test[name] for name in names)
    ]  # fmt: skip


def split(told: str) -> tuple[str, str]:
    """A figure and its interval, so that a page can put one below the other."""
    value, bracket, interval = told.partition(" [")
    return value, interval.rstrip("]") if bracket else ""


def _at_thresholds(facts: Mapping) -> list[Metric]:
    names = [n for n in of_shipped(facts) if n.startswith("net_benefit_") and n != "net_benefit_at_capacity"]
    at = {n: n.removeprefix("net_benefit_") for n in names}
    return [Metric(n, f"net benefit, threshold {t}", "", "higher; nobody called gives 0", 4) for n, t in at.items()]


def _paired(facts: Mapping) -> list[dict]:
    return [
        {"title": contestant(name), "cells": [split(figure(told.get(metric), 4)) for metric in PAIRED]}
        for name, told in (facts.get("paired") or {}).items()
    ]


def _group(name: str, levels: Mapping) -> dict:
    """A dimension's table; a level with too few events has no cells at all."""
    present = [m for m in GROUPED if any(m.name in (told.get("metrics") or {}) for told in levels.values())]
    return {
        "title": dimension(name), "columns": [m.title for m in present],
        "levels": [_level(level, told, present) for level, told in levels.items()], "all_few": not present,
    }  # fmt: skip


def _level(level: str, told: Mapping, present: Sequence[Metric]) -> dict:
    figures = told.get("metrics") or {}
    if told.get("too_few") or not figures:
        return {"level": level, "too_few": True}
    return {
        "level": level, "too_few": False, "patients": told.get("patients"), "events": told.get("events"),
        "cells": [(*split(figure(figures.get(m.name), m.digits)), _off(m.name, figures.get(m.name))) for m in present],
    }  # fmt: skip


def _off(name: str, triple: Sequence | None) -> str:
    """Does the whole interval of O/E lie on one side of 1?"""
    if name != "observed_expected" or not triple or None in triple:
        return ""
    return "stated too low" if triple[1] > 1 else "stated too high" if triple[2] < 1 else ""


def _everybody(told: Mapping | None) -> dict | None:
    if not told:
        return None
    levels = told.get("levels") or {}
    measured = None
    if levels.get("shift"):
        measured = figure([math.exp(x) for x in levels["shift"]], 2)
    shown = [(says, split(in_100(levels[name]))) for name, says in EVERYBODY.items() if name in levels]
    return {"called": 0, "followed_up": 0, **told, "levels": shown, "odds": measured}


def _kinds(facts: Mapping) -> list[dict]:
    """By kind of care: how often it came true, what the model and its control state, and whether they disagree."""
    shipped, control = of_shipped(facts), facts.get("test", {}).get("hazard", {})
    names = [name.removeprefix("stated_") for name in control if name.startswith("stated_")]
    return [
        {
            "kind": kind, "disagree": _disagree(shipped.get(f"stated_{kind}"), control[f"stated_{kind}"]),
            "cells": [split(in_100(told)) for told in (control.get(f"came_true_{kind}"), shipped.get(f"stated_{kind}"),
                                                       control[f"stated_{kind}"])],
        }
        for kind in names
    ]  # fmt: skip


def _disagree(model: Sequence | None, control: Sequence | None) -> bool:
    if not (model and control and model[0] and control[0]):
        return False
    return not DISAGREE[0] <= model[0] / control[0] <= DISAGREE[1]


def _drivers(told: Mapping | None) -> dict | None:
    """The strongest features and all touchpoints, with sizes as shares of the largest, for the bars."""
    if not told or not told.get("signs"):
        return None
    return {
        "rows": told.get("rows"),
        "features": [
            {"name": name, **told["described"][name], "leans": _leans(sign), **_bar(told["features"], name)}
            for name, sign in sorted(told["signs"].items(), key=lambda item: -told["features"][item[0]][0])
        ],
        "touchpoints": sorted(
            ({"name": name, **_bar(told["touchpoints"], name)} for name in told["touchpoints"]),
            key=lambda touchpoint: -touchpoint["size"],
        ),
    }  # fmt: skip


def _bar(sizes: Mapping[str, Sequence[float]], name: str) -> dict:
    widest = max(size for size, *_ in sizes.values()) or 1.0
    size, low, high = sizes[name]
    return {"size": size, "low": low, "high": high, "width": round(100 * size / widest, 1)}


def _leans(sign: Mapping) -> str:
    """What more of a feature does to the risk, and whether that is what was declared."""
    if sign["correlation"] is None:
        return "no numbers"
    leans = "raises" if sign["correlation"] > LEANS else "lowers" if sign["correlation"] < -LEANS else "up and down"
    return leans + {None: "", True: ", as declared", False: ", NOT as declared"}[sign["agrees"]]


def _stability(told: Mapping | None) -> dict | None:
    if not told:
        return None
    return {"refits": told.get("refits"), "change": split(figure(told.get("mean_change"), 3)),
            "overlap": split(figure(told.get("overlap"), 2))}  # fmt: skip
