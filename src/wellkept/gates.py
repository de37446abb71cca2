"""A challenger and what it must hold against, in; one gate after another, each with its figure and a sentence, out.

What METHOD.md asks of a challenger (section 8): no worse in Brier score, better net benefit at the staff's capacity,
calibrated over all and in every group large enough to tell, a list that stays or a change that somebody has explained,
no leak, a complete card. A level is refused where its whole interval lies outside the band: 95 % of the whole, and of
all groups together (Bonferroni), since among forty groups one lies outside by chance and must not stop a good model.
Without a champion, the gates that compare do not apply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
from scipy.special import ndtri

from wellkept.grouping import PRIOR
from wellkept.intervals import Estimate
from wellkept.performance import compared, essentials, paired_difference
from wellkept.subgroups import by_group
from wellkept.tallying import acted_rows

CAPACITY = 0.10  # share of the patients that can be acted on
BAND = (0.9, 1.1)  # observed over expected
WORSE = 0.01  # share of the champion's Brier score by which a challenger may be worse
LISTED, OVERLAP = 0.05, 0.6  # top share whose overlap with the champion's is looked at, and how much there must be
FEWEST_ROWS = 100  # of a site or kind in the test period, to ask whether training knew it


@dataclass(frozen=True)
class Contest:
    """The rows that both are judged on, later than anything either learned from, and what is known of the challenger.

    Attributes
    ----------
    label, subject
        Shape (n,).
    risk, logistic
        Shape (n,): what the challenger states, and what logistic regression of the same training states.
    incumbent
        Shape (n,): what the champion states; None where none is in service.
    groups
        n rows, a column of words a dimension (wellkept.grouping).
    trained_on
        Dimension -> the levels that training rows had.
    facts
        What training remembers, the outcomes of the leak tests among it.
    missing
        Required fields of the model card that are empty.
    moved
        Feature -> how much more it moves the risks than in the champion, mean size in log-odds.
    explained
        Why the list changed, in the words of whoever signs.
    measured
        The challenger's figures by group on these rows, where somebody has them already (`evaluating.breakdown`).
    """

    label: np.ndarray
    subject: np.ndarray
    risk: np.ndarray
    logistic: np.ndarray
    groups: pa.Table
    incumbent: np.ndarray | None = None
    trained_on: Mapping[str, frozenset[str]] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[str] = ()
    moved: Mapping[str, float] = field(default_factory=dict)
    explained: str = ""
    measured: Mapping[str, Mapping[str, dict]] | None = None

    @cached_property
    def figures(self) -> dict[str, Estimate]:
        return essentials(self.label, self.risk, self.subject)

    @cached_property
    def against(self) -> dict[str, Estimate] | None:
        """Challenger minus champion; None without a champion."""
        if self.incumbent is None:
            return None
        return compared(self.label, self.risk, self.incumbent, self.subject, capacity=CAPACITY)

    @cached_property
    def by_group(self) -> dict[str, Mapping[str, dict]]:
        """Dimension -> level -> `Group.plain`; what is known of the last answer is no group of people."""
        people = [name for name in self.groups.column_names if name != PRIOR]
        if self.measured is not None:
            return {name: self.measured[name] for name in people}
        found = by_group(self.label, self.risk, self.subject, self.groups.select(people), capacity=CAPACITY)
        return {name: {level: group.plain for level, group in levels.items()} for name, levels in found.items()}


@dataclass(frozen=True)
class Gate:
    """One gate: does it hold (None: it does not apply), its figure, its bar, and why, in a sentence."""

    gate: str
    holds: bool | None
    value: float | None
    bar: str
    says: str


def judge_gates(contest: Contest) -> list[Gate]:
    """Every gate, in order."""
    return [gate(contest) for gate in GATES]


def closed(gates: Sequence[Gate]) -> list[Gate]:
    """Those that do not hold."""
    return [gate for gate in gates if gate.holds is False]


def _skill(contest: Contest) -> Gate:
    auroc = contest.figures["auroc"]
    holds = auroc.low > 0.5
    says = f"AUROC {auroc}" + ("" if holds else ": it may be no better than chance, which is no reason to call anybody")
    return Gate("skill", holds, auroc.value, "surely above 0.5", says)


def _brier(contest: Contest) -> Gate:
    bar = f"at most {WORSE:.0%} worse, surely"
    if contest.against is None or contest.incumbent is None:
        return _no_champion("brier", bar)
    difference = contest.against["brier"]
    most = WORSE * float(np.mean((contest.label - contest.incumbent) ** 2))
    holds = difference.high <= most
    says = (f"Brier score minus the champion's {difference.value:+.5f} [{difference.low:+.5f} to "
            f"{difference.high:+.5f}], at most {most:+.5f} is allowed")  # fmt: skip
    return Gate("brier", holds, difference.value, bar, says if holds else f"{says}: it may state risks less truly")


def _net_benefit(contest: Contest) -> Gate:
    bar = "above 0"
    if contest.against is None or contest.incumbent is None:
        return _no_champion("net_benefit", bar)
    gain = contest.against["net_benefit_at_capacity"]
    if np.array_equal(acted_rows(contest.risk, CAPACITY), acted_rows(contest.incumbent, CAPACITY)):
        return Gate("net_benefit", None, 0.0, bar, f"the same patients are in the top {CAPACITY:.0%}")
    says = (f"at a capacity of {CAPACITY:.0%}, {1000 * gain.value:+.2f} [{1000 * gain.low:+.2f} to "
            f"{1000 * gain.high:+.2f}] true alarms more per 1,000 patients")  # fmt: skip
    holds = gain.value > 0
    return Gate("net_benefit", holds, gain.value, bar, says if holds else f"{says}: the list would find fewer")


def _logistic(contest: Contest) -> Gate:
    bar = "not surely worse"
    if np.array_equal(contest.risk, contest.logistic):
        return Gate("logistic", None, None, bar, "logistic regression is what ships")
    difference = paired_difference(contest.label, contest.risk, contest.logistic, contest.subject)
    holds, (value, low, high) = difference.low <= 0, (difference.value, difference.low, difference.high)
    says = f"log loss minus that of logistic regression {value:+.4f} [{low:+.4f} to {high:+.4f}]"
    return Gate("logistic", holds, difference.value, bar, says if holds else f"{says}: ship the simpler model")


def _calibration(contest: Contest) -> Gate:
    level = contest.figures["observed_expected"]
    holds = not _outside(level)
    says = f"true over stated {level}"
    return Gate("calibration", holds, level.value, f"within {BAND[0]} to {BAND[1]}",
                says if holds else f"{says}: recalibrate it, it states {_direction(level)}")  # fmt: skip


def _groups(contest: Contest) -> Gate:
    bar = f"within {BAND[0]} to {BAND[1]} in every group of 100 events"
    levels = list(_told(contest.by_group))
    if not levels:
        return Gate("groups", None, None, bar, "no group has 100 events: too few to tell")
    worst = max(levels, key=lambda found: abs(np.log(max(found[1].value, 1e-9))))
    wrong = [(name, level) for name, level in levels if _outside(level, among=len(levels))]
    outside = [f"{name}: true over stated {level}, states {_direction(level)}" for name, level in wrong]
    says = "; ".join(outside) or f"{len(levels)} groups, furthest off is {worst[0]} with {worst[1]}"
    return Gate("groups", not outside, worst[1].value, bar, says)


def _coverage(contest: Contest) -> Gate:
    bar = "every site and kind of the test period was trained on"
    unknown = [
        f"{name} {level} ({rows} rows)"
        for name, there in contest.trained_on.items()
        for level, rows in zip(*_counts(contest.groups[name]), strict=True)
        if rows >= FEWEST_ROWS and level not in there
    ]
    says = f"training had no row of {', '.join(unknown)}" if unknown else "all of them were there in training"
    return Gate("coverage", not unknown, float(len(unknown)), bar, says)


def _list(contest: Contest) -> Gate:
    bar = f"at least {OVERLAP} of the top {LISTED:.0%} as before, or explained"
    if contest.incumbent is None:
        return _no_champion("list", bar)
    new, old = (acted_rows(risk, LISTED) for risk in (contest.risk, contest.incumbent))
    overlap = float(np.minimum(new, old).sum() / np.maximum(new, old).sum())
    says = f"{overlap:.2f} of the two lists' patients are on both"
    if overlap >= OVERLAP:
        return Gate("list", True, overlap, bar, says)
    moved = sorted(contest.moved.items(), key=lambda pair: -abs(pair[1]))[:5]
    why = f"{says}; what moves it: {', '.join(f'{name} {change:+.2f}' for name, change in moved)}"
    if contest.explained:
        return Gate("list", True, overlap, bar, f"{why}; explained: {contest.explained}")
    return Gate("list", False, overlap, bar, f"{why}: look at who comes and goes, then --explained 'WHY'")


def _leaks(contest: Contest) -> Gate:
    found = {name.removeprefix("leaks."): fact for name, fact in contest.facts.items() if name.startswith("leaks.")}
    accepted = found.pop("accepted", "").split(", ")
    failed = [name for name, fact in found.items() if fact.startswith("FAILED") and name not in accepted]
    if not found:
        return Gate("leaks", False, None, "none failed", "no leak test was run: train with this version")
    says = f"{', '.join(failed)} failed" if failed else f"{len(found)} leak tests, none failed that was not accepted"
    return Gate("leaks", not failed, float(len(failed)), "none failed", says)


def _card(contest: Contest) -> Gate:
    says = f"empty: {', '.join(contest.missing)}" if contest.missing else "every required field is filled"
    return Gate("card", not contest.missing, float(len(contest.missing)), "no required field is empty", says)


GATES: tuple[Callable[[Contest], Gate], ...] = (
    _skill, _brier, _net_benefit, _logistic, _calibration, _groups, _coverage, _list, _leaks, _card,
)  # fmt: skip


def _no_champion(gate: str, bar: str) -> Gate:
    return Gate(gate, None, None, bar, "no champion to compare with")


def _outside(level: Estimate, among: int = 1) -> bool:
    """Does the whole interval lie outside the band, at 95 % for so many levels together?"""
    wider = ndtri(1 - 0.025 / among) / ndtri(0.975)
    low, high = (level.value * (end / level.value) ** wider for end in (level.low, level.high))
    return high < BAND[0] or low > BAND[1]


def _direction(level: Estimate) -> str:
    return "too little risk" if level.value > 1 else "too much risk"


def _told(groups: Mapping[str, Mapping[str, dict]]) -> Iterator[tuple[str, Estimate]]:
    for name, levels in groups.items():
        for level, group in levels.items():
            if not group["too_few"]:
                yield f"{name} {level}", Estimate(*group["metrics"]["observed_expected"])


def _counts(words: pa.ChunkedArray) -> tuple[list[str], list[int]]:
    found, counts = np.unique(np.array(words.to_pylist(), str), return_counts=True)
    return found.tolist(), counts.tolist()
