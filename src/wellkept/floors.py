"""Groups of patients, what could be prevented for each, and its share of the minutes: what is promised, and was kept.

The estimated need of a group (METHOD.md, section 7.8) is `preventable`: the sum over its patients of the value of the
best step of staff offered to each, the bad outcomes that could be prevented were minutes no object; or `risk`, the sum
of both risks, which does not hang on what is assumed of the steps. `benchmarks/floors.py` holds both beside the true
need. Whoever is owed a step gets it outside of the budget, and counts on neither side. A group's floor is `share` of
its share of all need, or the most that could be given to it, if that is less: no team here can do more of what makes
sense for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix, vstack

from wellkept.allocating import Resource, floor
from wellkept.staff import Floor

HALF = 0.5  # of a minute
FEWEST = 10  # a smaller group is held to no floor and told nothing of: its patients could be guessed


@dataclass(frozen=True)
class Group:
    """One group that a floor holds for.

    Attributes
    ----------
    name
        Code's last part and level: "payer medicaid".
    patients
        How many.
    need
        Its share of the estimated need of all.
    promised
        Share of its need that its share of the minutes is to be, at least.
    reach
        The share of the minutes that it could be given at most.
    member
        Shape (kinds,).
    """

    name: str
    patients: int
    need: float
    promised: float
    reach: float
    member: np.ndarray = field(repr=False)

    @property
    def floor(self) -> float:
        """Share of the minutes given that it gets at least."""
        return min(self.promised * self.need, self.reach)


@dataclass(frozen=True)
class Kept:
    """A group's floor beside what it got.

    Attributes
    ----------
    minutes
        Its share of the minutes given.
    given
        Minutes of all groups together.
    step
        Minutes of the shortest step of staff: what lacks less cannot be met by giving one more.
    """

    group: Group
    minutes: float
    given: float
    step: float

    @property
    def short(self) -> float:
        """Minutes that it lacks of its floor."""
        return max(0.0, (self.group.floor - self.minutes) * self.given)

    @property
    def holds(self) -> bool:
        """Did it get what was promised, to half a minute?"""
        return (self.group.promised * self.group.need - self.minutes) * self.given < HALF


@dataclass(frozen=True)
class Demand:
    """What could be given to whom.

    Attributes
    ----------
    value
        Shape (patients, interventions), above 0 where it may be given.
    kind
        Shape (patients,).
    language
        Shape (kinds,): what a step for a kind takes differs by nothing else.
    levels
        Shape (kinds, codes): each kind's level of each code, in `words`.
    words
        Code -> its levels.
    minutes
        Shape (interventions,): of staff.
    """

    value: np.ndarray
    kind: np.ndarray
    language: np.ndarray
    levels: np.ndarray
    words: Mapping[str, Sequence[str]]
    minutes: np.ndarray


def preventable(value: np.ndarray, minutes: np.ndarray) -> np.ndarray:
    """The value of the best step of staff for each patient, shape (patients,); 0 where none is offered."""
    return np.maximum(value[:, minutes > 0].max(axis=1, initial=0.0), 0.0)


def groups(
    floors: Sequence[Floor], demand: Demand, needs: Mapping[str, np.ndarray], hard: Sequence[Resource]
) -> list[Group]:
    """Every group with a floor, in the order of the file and the alphabet.

    Parameters
    ----------
    needs
        Kind of need -> shape (patients,): also of who can get nothing here, since who needs it needs it.
    hard
        What runs out, without floors.
    """
    kinds = len(demand.levels)
    patients = np.bincount(demand.kind, minlength=kinds)
    lots, found = _Lots.of(demand), []
    most = lots.most_minutes(np.ones(kinds, bool), demand.minutes, hard)
    for one in floors:
        place = list(demand.words).index(one.code)
        needed = np.bincount(demand.kind, needs[one.need], minlength=kinds)
        for level, word in enumerate(demand.words[one.code]):
            member = demand.levels[:, place] == level
            if (one.groups and word not in one.groups) or patients[member].sum() < FEWEST or needed.sum() <= 0:
                continue
            reach = lots.most_minutes(member, demand.minutes, hard) / most if most > 0 else 0.0
            found.append(Group(f"{one.code.rpartition('//')[2]} {word}", int(patients[member].sum()),
                               float(needed[member].sum() / needed.sum()), one.share, reach, member))  # fmt: skip
    return found


def resources_of(found: Sequence[Group], minutes: np.ndarray) -> list[Resource]:
    """A resource a group, for `allocating.allocate`."""
    return [floor(group.name, minutes, group.member, group.floor) for group in found if group.floor > 0]


def kept(found: Sequence[Group], kind: np.ndarray, minutes: np.ndarray, shortest: float) -> list[Kept]:
    """What each group got.

    Parameters
    ----------
    minutes
        Shape (patients,): given to each.
    """
    told = []
    for group in found:
        total, mine = float(minutes.sum()), float(minutes[group.member[kind]].sum())
        told.append(Kept(group, mine / total if total > 0 else 0.0, total, shortest))
    return told


@dataclass(frozen=True)
class _Lots:
    """Patients alike in kind and in what may be given: how many, their kind and language, and what (a bit each).

    Each has shape (lots,).
    """

    count: np.ndarray
    kind: np.ndarray
    language: np.ndarray
    pattern: np.ndarray

    @classmethod
    def of(cls, demand: Demand) -> _Lots:
        arms = demand.value.shape[1]
        pattern = (demand.value > 0) @ (1 << np.arange(arms, dtype=np.int64))
        codes, count = np.unique(demand.kind.astype(np.int64) << arms | pattern, return_counts=True)
        kind = codes >> arms
        return cls(count, kind, demand.language[kind], codes & ((1 << arms) - 1))

    def most_minutes(self, member: np.ndarray, minutes: np.ndarray, hard: Sequence[Resource]) -> float:
        """The most minutes that these kinds could be given, were there nobody else: a program of few rows."""
        here = member[self.kind]
        alike = self.language[here] << len(minutes) | self.pattern[here]
        _, first, lot = np.unique(alike, return_index=True, return_inverse=True)
        count, kind, pattern = np.bincount(lot, self.count[here]), self.kind[here][first], self.pattern[here][first]
        lot, arm = np.nonzero((pattern[:, None] >> np.arange(len(minutes)) & 1) * (minutes > 0))
        if len(lot) == 0:
            return 0.0
        once = coo_matrix((np.ones(len(lot)), (lot, np.arange(len(lot)))), shape=(len(count), len(lot)))
        taken = coo_matrix(np.stack([r.use[kind[lot], arm] for r in hard]))
        limits = np.r_[[r.capacity for r in hard], count]
        return -float(linprog(-minutes[arm], A_ub=vstack([taken, once]).tocsr(), b_ub=limits, method="highs").fun)
