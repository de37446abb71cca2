"""A report's facts in; what they come to, in a few sentences for somebody who reads no table, out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wellkept.wording import contestant, figure, in_100, of_shipped


def verdict(facts: Mapping) -> list[str]:
    """Which ships and why, how well it ranks, is its level right, what the list finds, and for whom it is worse."""
    shipped, test = of_shipped(facts), facts.get("test", {})
    today = test.get("baseline", {})
    told = [_ships(facts), _beaten(facts), _ranks(shipped, today), _level(shipped), _list(shipped),
            _groups(facts.get("groups") or {}), _silent(facts.get("everybody"))]  # fmt: skip
    return [sentence for sentence in told if sentence]


def _ships(facts: Mapping) -> str:
    if not facts.get("shipped"):
        return ""
    name = contestant(facts["shipped"]).capitalize()
    verb = "ship" if facts["shipped"] == "trees" else "ships"
    if not (difference := facts.get("log_loss_trees_minus_logistic")):
        return f"{name} {verb}."
    return (f"{name} {verb}. Before the test period the log loss of trees minus logistic regression was "
            f"{figure(difference, 4)}; trees ship only where it is below 0 by more than a standard error.")  # fmt: skip


def _beaten(facts: Mapping) -> str:
    """Who did better on the test rows than what ships, by log loss: said before anybody has to find it in the table."""
    losses = {name: told["log_loss"] for name, told in facts.get("test", {}).items() if _known(told.get("log_loss"))}
    mine = losses.pop(facts.get("shipped"), None)
    better = [f"{contestant(name)} ({figure(loss, 4)})" for name, loss in losses.items() if mine and loss[0] < mine[0]]
    if not better:
        return ""
    return f"On the test rows its log loss is {figure(mine, 4)}; lower: {', '.join(better)}. Look before going live."


def _known(triple: Sequence | None) -> bool:
    return bool(triple) and None not in (triple or ())


def _ranks(shipped: Mapping, today: Mapping) -> str:
    if not shipped.get("auroc"):
        return ""
    beside = f"; what people go by today ranks {_of_100(today['auroc'])} right" if today.get("auroc") else ""
    return ("Of 100 pairs of a patient for whom it came true and one for whom it did not, it ranks "
            f"{_of_100(shipped['auroc'])} right{beside}.")  # fmt: skip


def _of_100(triple: Sequence) -> str:
    return in_100(triple).replace(" in 100", "")


def _level(shipped: Mapping) -> str:
    ratio = shipped.get("observed_expected")
    if not ratio or None in ratio:
        return ""
    words = {1: "its risks are too low", -1: "its risks are too high", 0: "no sign of a wrong level"}
    return f"It came true {figure(ratio, 2)} times as often as stated: {words[_side(ratio)]}."


def _list(shipped: Mapping) -> str:
    if not shipped.get("recall_at_capacity"):
        return ""
    lift = shipped.get("lift_at_capacity")
    times = f", {figure(lift, 1)} times as many as a list drawn by lot" if lift else ""
    found = in_100(shipped["recall_at_capacity"])
    return f"A list of today's capacity finds {found} of those for whom it comes true{times}."


def _groups(groups: Mapping) -> str:
    levels = [(f"{dimension}: {level}", told) for dimension, of in groups.items() for level, told in of.items()]
    if not levels:
        return ""
    few = sum(bool(told.get("too_few")) for _, told in levels)
    wrong = [f"{name} ({'too low' if side > 0 else 'too high'})" for name, told in levels
             if (side := _side((told.get("metrics") or {}).get("observed_expected")))]  # fmt: skip
    off = f"the level is wrong for {', '.join(wrong)}" if wrong else "the level is wrong for none that can be told"
    return f"Of {len(levels)} groups, {few} are too few to tell; {off}."


def _side(ratio: Sequence | None) -> int:
    """1 where the whole interval of O/E lies above 1, -1 below it, else 0."""
    if not ratio or None in ratio:
        return 0
    return (ratio[1] > 1) - (ratio[2] < 1)


def _silent(told: Mapping | None) -> str:
    if not told or not told.get("asked"):
        return ""
    level = "was measured" if (told.get("levels") or {}).get("shift") else "is not known"
    rate = f"{told['answered']:,} of {told['asked']:,} who were asked answered ({told['answered'] / told['asked']:.0%})"
    return f"{rate}; the level of the silent {level}."
