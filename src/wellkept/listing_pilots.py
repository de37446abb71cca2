"""Pilots for people: what a plan can show, how a pilot stands, what it says."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from wellkept.evidence import NO_MODEL, NOT_OVER, Lesson
from wellkept.intervals import Estimate
from wellkept.offering import interventions
from wellkept.pilots.bands import Band, reversals
from wellkept.pilots.plans import Pilot
from wellkept.pilots.prospects import Prospect
from wellkept.pilots.reading import FEWEST, FEWEST_EVENTS, LEVEL, NOT_RANDOMISED, RANDOMISED, SPLIT, TOO_FEW, Reading
from wellkept.pilots.standing import Standing

WHY_NOT = {
    NOT_RANDOMISED: "chance did not decide who got it, so no effect is told: how they fared afterwards, or beside "
                    "others, says who was chosen, not what it did",
    SPLIT: "the logged chances do not give such a split between given and held out, so no effect is told: look for "
           "rows that were lost or added",
    NOT_OVER: "the pilot is not over: what is stopped when it looks good teaches too much",
    NO_MODEL: "no model in service has a target of that name",
    TOO_FEW: f"too few to tell: it takes {FEWEST} effective patients whose outcome is known, and in each group "
             f"enough for {FEWEST_EVENTS} to whom it happens and {FEWEST_EVENTS} to whom it does not",
}  # fmt: skip


def held_out_line(table: pa.Table) -> list[str]:
    """How many a pilot holds out tonight, and the minutes that are not spent on them; empty without any."""
    held = table.filter(table["holdout"])
    minutes = pc.sum(held["minutes"], min_count=0).as_py()
    told = f"{held.num_rows} more are held out by chance, to learn what helps: {minutes:.0f} of these minutes stay free"
    return [told] if held.num_rows else []


def prospect_lines(pilot: Pilot, found: Sequence[Prospect]) -> list[str]:
    """What each arm can show by each outcome, in words."""
    days, arms = (pilot.ends - pilot.begins).days, len(pilot.arms)
    lines = [f"pilot {pilot.name}: {days} days, {pilot.share:.0%} held out, {arms} arms, each against nothing"]
    for one in found:
        lines += _prospect(one)
        if one.wedge is not None and (w := pilot.wedge):
            lines.append(f"  as a stepped wedge of {w.sites} sites in {w.periods} periods, {w.answers} outcomes each, "
                         f"correlation {w.icc:g} within sites: a chance of {one.wedge:.0%}")  # fmt: skip
    return lines


def _prospect(one: Prospect) -> list[str]:
    known, patients = one.needed.known, one.needed.patients
    seen = f"{one.rate:.1%} to {one.rate + one.change:.1%}"
    takes = f"{known[0]} with it and {known[1]} held out whose outcome is known"
    return [
        f"{_title(one.arm)}, by {one.outcome}: {'ENOUGH' if one.is_enough else 'TOO FEW'}",
        f"  at most {one.patients} patients would get it; of them about {one.outcomes:.0f} outcomes become known",
        f"  a change from {seen} would be seen with a chance of {one.chance:.0%}",
        f"  to see it four times in five takes {takes}: {patients[0]} and {patients[1]} patients",
        f"  cannot be seen: {_unseen(one)}",
    ]


def _unseen(one: Prospect) -> str:
    if one.smallest is None:
        return "any fall at all; plan another outcome, more patients or a longer pilot"
    fall = f"from {one.rate:.1%} to {one.rate + one.smallest:.1%}"
    return f"falls smaller than {fall}; what is not seen may be there all the same"


def standing_lines(pilot: Pilot, found: Sequence[Standing], disagreeing: int | None) -> list[str]:
    """Who is in, arm by arm, and whether it was kept to."""
    lines = [f"pilot {pilot.name}: {pilot.begins:%Y-%m-%d} to {pilot.ends:%Y-%m-%d}, {pilot.share:.0%} held out"]
    for one in found:
        lines += _standing(one)
    if disagreeing is None:
        return lines
    return [*lines, "every draw can be made again with this salt" if disagreeing == 0
            else f"{disagreeing} draws in the log are NOT THOSE OF THIS SALT"]  # fmt: skip


def _standing(one: Standing) -> list[str]:
    sound = "as chance gives" if one.is_sound else f"NOT AS CHANCE GIVES (p {one.p_value:.1g}): nothing can be read"
    held = f"{one.held_out} held out ({one.expected:.0f} expected)"
    lines = [
        f"{_title(one.arm)}: {one.patients} patients; {one.given} to get it, {held}: {sound}",
        f"  {one.minutes:.0f} minutes of staff; {one.minutes_free:.0f} not spent on who is held out",
    ]
    if one.done is not None and one.done_held_out is not None:
        lines.append(f"  done within two weeks: to {one.done:.0%} of who was to get it, and to {one.done_held_out:.0%} "
                     "of who was held out; the reading is of who was to get it")  # fmt: skip
    return lines


def reading_lines(found: Sequence[Reading]) -> list[str]:
    """What may be said of each arm by each outcome, in words."""
    return [line for one in found for line in _reading(one)]


def lesson_lines(lessons: Sequence[Lesson]) -> list[str]:
    """What each arm of each pilot taught, or why not."""
    return [f"{one.pilot}, {_title(one.arm)}, by {one.outcome}: "
            + (f"taught nothing: {WHY_NOT[one.refused]}" if one.refused else f"learned from {one.rows} rows")
            for one in lessons]  # fmt: skip


def _reading(one: Reading) -> list[str]:
    lines = [f"{_title(one.arm)}, by {one.outcome} ({one.grade})"]
    if one.grade == RANDOMISED:
        lines.append(f"  {one.given} were to get it, {one.held_out} were held out; {one.known} outcomes are known, "
                     f"which tell as much as {one.effective:.0f} split evenly")  # fmt: skip
    lines += [f"  {told}" for told in (_told(one) if one.effect else [WHY_NOT[one.refused]])]
    lines += [f"  {told}" for name, told_of in one.bands.items() for told in _bands(name, told_of)]
    left_out = one.grade == RANDOMISED and one.left_out
    return [*lines, f"  {one.left_out} rows that nobody drew are left out"] if left_out else lines


def _told(one: Reading) -> list[str]:
    if one.effect is None or one.without is None or one.with_it is None or one.answering is None:
        return []
    without, with_it = f"{100 * one.without:.1f}", f"{100 * one.with_it:.1f}"
    rates = f"of 100 held out it happened to {without}, of 100 who were to get it to {with_it}"
    lines = [f"{rates}: {_change(one.effect)}, {100 * one.level:g} % interval", _verdict(one.effect)]
    if one.targeting:
        lines.append(_targeting(one.targeting))
    if not one.answering.low <= 0 <= one.answering.high:
        more = f"{abs(100 * one.answering.value):.1f} {'more' if one.answering.value > 0 else 'fewer'}"
        lines.append(f"caution: of 100 who were to get it {more} are known than of those held out: they may differ")
    if one.level > LEVEL:
        lines.append("it is not over: the interval is wider, since who looks often finds what is not there")
    return lines


def _bands(name: str, told: Sequence[Band]) -> list[str]:
    """Rates band by band, and whether they contradict those of all together."""
    if len(told) < 2:
        return [f"too few with and without it in any band of {name}"]
    turned, many = reversals(told)
    lines = [f"  {'all together' if band is told[0] else _range(name, band):32} {100 * band.without:5.1f}   "
             f"{100 * band.with_it:5.1f}" for band in told]  # fmt: skip
    return ["of 100 it happened to, without it and with it:", *lines,
            f"in {turned} of {many} bands it is the other way round than all together"
            + (": the raw comparison has not even a sign that can be read" if turned else "")]  # fmt: skip


def _range(name: str, band: Band) -> str:
    if band.low == -math.inf:
        return f"{name} under {band.high:g}"
    return f"{name} from {band.low:g}" + ("" if band.high == math.inf else f" to under {band.high:g}")


def _verdict(effect: Estimate) -> str:
    if effect.high < 0:
        return "this is evidence that it helps"
    if effect.low > 0:
        return "this is evidence that it HARMS"
    return "no evidence that it helps or harms: anything in the interval fits what was seen"


def _targeting(gain: Estimate) -> str:
    value, low, high = (f"{100 * number:+.2f}" for number in (gain.value, gain.low, gain.high))
    if gain.low > 0:
        return f"choosing whom to treat first gains {value} of 100 [{low} to {high}] beside choosing by chance"
    return f"no targeting gain is shown: nothing known before tells who gains more ({value} [{low} to {high}] of 100)"


def _change(effect: Estimate) -> str:
    return f"{_fewer(effect.value)} [{_fewer(effect.low)} to {_fewer(effect.high)}]"


def _fewer(change: float) -> str:
    return f"{abs(100 * change):.1f} {'fewer' if change < 0 else 'more'}"


def _title(arm: str) -> str:
    known = interventions()
    return known[arm].title if arm in known else arm
