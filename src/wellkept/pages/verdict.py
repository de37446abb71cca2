"""A report's facts in; what they come to, in a few sentences for somebody who reads no table, out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wellkept.wording import contestant, dimension, figure, in_100, of_shipped

NAMED = 4  # groups in a sentence; the table has the rest


def verdict(facts: Mapping) -> list[str]:
    """Which ships and why, how well it ranks, is its level right, what the list finds, and for whom it is worse."""
    shipped, test = of_shipped(facts), facts.get("test", {})
    today, groups = test.get("baseline", {}), facts.get("groups") or {}
    told = [_ships(facts), _beaten(facts), _ranks(shipped, today), _level(shipped), _list(shipped),
            _groups(groups), _attention(groups), _silent(facts.get("everybody"))]  # fmt: skip
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
    """How many can be told, and of which the level is wrong, the furthest first."""
    levels = _levels(groups)
    told = {name: figures for name, figures in levels.items() if figures}
    if not told:
        return f"All {len(levels)} groups are too few to tell." if levels else ""
    ratios = {name: figures["observed_expected"] for name, figures in told.items() if "observed_expected" in figures}
    wrong = {name: ratio for name, ratio in ratios.items() if _side(ratio)}
    few = f"Of {len(levels)} groups {len(levels) - len(told)} are too few to tell"
    if not wrong:
        return f"{few}; of the others none has a level that is surely wrong."
    furthest = sorted(wrong, key=lambda name: -abs(wrong[name][0] - 1))
    words = [f"{name} ({'too low' if _side(wrong[name]) > 0 else 'too high'})" for name in furthest[:NAMED]]
    more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
    return (f"{few}; the stated level is wrong for {', '.join(words)}{more}. Of {len(told)}, about "
            f"{0.05 * len(told):.0f} would look so by chance.")  # fmt: skip


def _attention(groups: Mapping) -> str:
    """Who is on the list less than their share of the need, beyond what chance explains."""
    short = {
        name: (figures["attention"], figures["need"]) for name, figures in _levels(groups).items()
        if _known(figures.get("attention")) and _known(figures.get("need"))
        and figures["attention"][2] < figures["need"][1]
    }  # fmt: skip
    if not short:
        return ""
    widest = sorted(short, key=lambda name: short[name][0][0] - short[name][1][0])
    words = [f"{name} ({short[name][0][0]:.0%} of the list, {short[name][1][0]:.0%} of the need)" for name in widest]
    others = " and others" if len(words) > NAMED else ""
    return f"On the list less than they need it: {', '.join(words[:NAMED])}{others}."


def _levels(groups: Mapping) -> dict[str, Mapping]:
    """The figures of each level, by its name in words; none where it is too few to tell."""
    return {
        f"{dimension(name)}: {level}": {} if told.get("too_few") else told.get("metrics") or {}
        for name, of in groups.items() for level, told in of.items()
    }  # fmt: skip


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
