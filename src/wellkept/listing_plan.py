"""A plan's facts (`jobs.plan_facts`) in; what the command line prints of it, out."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

ASSOCIATED = (
    "This is what the model associates with it: nobody randomised it, so moving it may do something else. It is about",
    "coming patients like these, of a service that has been so for as long as the model looks back (up to a year).",
)  # fmt: skip
WIDTH = 118  # characters of a line
MINUTE, LONG = 60.0, 90.0  # seconds; from how many they are told in minutes


def plan_lines(facts: Mapping) -> list[str]:
    """The plan in words: what to move where, what it is expected to bring, and what cannot be told."""
    lines = [
        *(["SYNTHETIC data: no real person is in it."] if facts["synthetic"] else []),
        *_wrapped(headline(facts)), *ASSOCIATED, "", *map(move_words, facts["moves"]), "",
        *_wrapped(together(facts)), *_wrapped(interval_words()), *_wrapped(reach(facts)), "",
        "Most gain by effort:", *(f"  effort {effort:7.1f}   {gain:+7.2f}" for effort, gain in facts["curve"]), "",
        "By kind of care:", *(f"  {kind:20} {told['visits']:7,} visits   {signed(told['gain'])}"
                              for kind, told in facts["by_kind"].items()), "",
        *(line for sentence in silent(facts) for line in _wrapped(sentence)),
    ]  # fmt: skip
    return lines[:-1] if not lines[-1] else lines


def _wrapped(sentence: str) -> list[str]:
    return textwrap.wrap(sentence, WIDTH, subsequent_indent="  ")


def headline(facts: Mapping) -> str:
    """How many moves, for which gain."""
    of = f" of {facts['setting']} care" if facts["setting"] else ""
    return (f"{facts['target']} {facts['version']}: {len(facts['moves'])} moves of effort {facts['effort']:g} for "
            f"{facts['gain']:+g} {unit(facts)}, from {facts['visits']:,} visits{of} at {len(facts['sites'])} sites, "
            f"{facts['since']} to {facts['until']}.")  # fmt: skip


def unit(facts: Mapping) -> str:
    """What a gain counts."""
    if facts["gain_of"] == "nps":
        return "points of expected NPS among answers"
    return "returns" if facts["target"] == "no_return" else "expected cases fewer"


def move_words(move: Mapping) -> str:
    """One move as a sentence."""
    where = "at the site" if move["gain_of"] == "nps" else "in 100 visits of the site"
    moved = f"{move['factor'].replace('_', ' ')} {level_words(move)} ({quarters(move['steps'])}"
    return (f"{move['site']}: {moved}, effort {move['effort']:g}): about {signed(move['gain'])}; "
            f"{move['at_site']:+.1f} {where}")


def level_words(move: Mapping) -> str:
    """From which level to which: "from a median of 6.1 to 3.2 min"."""
    before, after, of = move["from"], move["to"], move["unit"]
    if move["told_by"] == "share":
        return f"from {before:.0%} to {after:.0%}"
    if of == "s" and before >= LONG:
        before, after, of = before / MINUTE, after / MINUTE, "min"
    places = 1 if max(abs(before), abs(after)) >= 1 else 2
    return f"from a {move['told_by']} of {before:.{places}f} to {after:.{places}f} {of}"


def quarters(steps: int) -> str:
    """How far up among its peers."""
    return f"{steps} quarter{'s' if steps > 1 else ''} up"


def together(facts: Mapping) -> str:
    """The sum beside what the model expects of all moves together."""
    now = "" if facts["now"] is None else f" Expected NPS is {facts['now']:.1f} now."
    return (f"All together the model expects {signed(facts['joint'])} {unit(facts)}; the moves one by one add up to "
            f"{facts['sum']:+.2f}.{now}")  # fmt: skip


def interval_words() -> str:
    """What the intervals cover, and what they do not."""
    return ("Intervals (95 %) cover how the model's members differ, each of which left out some of the patients; not "
            "that an association may be no cause, nor that the best of many moves look better than they are.")


def reach(facts: Mapping) -> str:
    """What everything would bring."""
    return (f"Every site like the best quarter of its peers, in all that could move: {signed(facts['of_all'])} for "
            f"effort {facts['effort_of_all']:g}. Beyond that nothing can be told: no quarter of the sites is there.")


def silent(facts: Mapping) -> list[str]:
    """Sites and factors that nothing is planned for, and why."""
    return [
        *([f"Too few visits to tell: {', '.join(facts['too_few'])}."] if facts["too_few"] else []),
        *(f"Left out: {says}" for says in facts["held"].values()),
        *(f"Not moved, {why}: {', '.join(names)}." for why, names in _by_reason(facts["still"]).items()),
    ]


def _by_reason(still: Mapping[str, str]) -> dict[str, list[str]]:
    return {why: [name.replace("_", " ") for name, of in still.items() if of == why] for why in still.values()}


def signed(gain: Sequence[float]) -> str:
    """A gain and its interval: "+0.52 [0.38 to 0.65]"."""
    value, low, high = gain
    return f"{value:+.2f} [{low:.2f} to {high:.2f}]"
