"""Values of what could be done for each patient, and what there is to do it with, in; who gets what, out.

The most valuable allocation is a linear program with one row a resource and one a patient. Its patients' rows are
solved by inspection once the resources have prices: each gets what is worth most after paying for it (Lagrangian
relaxation; Fisher 1981, doi:10.1287/mnsc.27.1.1). Prices come from an exact solution for a sample and are refined on
everybody by cutting planes (Kelley 1960, doi:10.1137/0108053). Whatever the prices, what they give is a bound that no
allocation can exceed, so the gap between it and what was found is certified. The prices are answers too: what one more
minute of a nurse would be worth today.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import bmat, coo_matrix, identity, vstack

SAMPLE = 4000
ROUNDS = 12
ENOUGH = 2e-4  # share of the bound by which it may lie above the best found: then prices are good enough
REACH = (0.3, 0.02)  # how far from the sample's prices the refined ones may lie: a share of them, and of the largest
NOBODY = -1
FILLED = 20_000  # places looked at to give what is left
TURNS = 3  # how often what floors lack is given: each turn displaces less
WHOLE = 1 - 1e-6
TOLERANCE = 1e-9  # of a unit a patient: sums in floating point


@dataclass(frozen=True)
class Resource:
    """Something that runs out.

    Attributes
    ----------
    name
        For people.
    capacity
        How much there is, above 0 or 0.
    use
        Shape (kinds of patients, interventions): what one patient of a kind takes of it; below 0 where it adds to it.
    """

    name: str
    capacity: float
    use: np.ndarray


def floor(name: str, minutes: np.ndarray, member: np.ndarray, share: float) -> Resource:
    """A group's patients get at least this share of the minutes that are given.

    Where steps are whole it may be short by a part of one: nothing lies idle only so that a share holds. By how many
    minutes is in `Allocation.used`, which is above 0 then.

    Parameters
    ----------
    minutes
        Shape (interventions,): what each takes.
    member
        Shape (kinds of patients,), True where the kind belongs to the group.
    share
        Of all minutes given, between 0 and 1.
    """
    return Resource(name, 0.0, minutes * (share - member[:, None].astype(float)))


@dataclass(frozen=True)
class Allocation:
    """Who gets what.

    Attributes
    ----------
    choice
        Shape (patients,): the intervention's place, or NOBODY.
    value
        What it is worth in all.
    bound
        What no allocation can exceed.
    prices
        Resource -> what one more unit of it would add.
    used
        Resource -> how much of it is taken.
    """

    choice: np.ndarray = field(repr=False)
    value: float
    bound: float
    prices: Mapping[str, float]
    used: Mapping[str, float]

    @property
    def gap(self) -> float:
        """By which share of the bound it may at most fall short of the best."""
        return 0.0 if self.bound <= 0 else max(0.0, 1 - self.value / self.bound)


def allocate(value: np.ndarray, kind: np.ndarray, resources: Sequence[Resource], *, seed: int = 0) -> Allocation:
    """Give each patient at most one intervention, within every resource, so that the sum of values is nearly greatest.

    A resource that some add to is a floor (`floor`), held as nearly as whole interventions allow.

    Parameters
    ----------
    value
        Shape (patients, interventions), what each would be worth; NaN or not above 0 where it is not to be given.
    kind
        Shape (patients,), integers: which row of the resources' `use` holds for the patient.
    resources
        What runs out.

    Raises
    ------
    ValueError
        Shapes do not fit, a capacity is negative, or a number is not finite.
    """
    problem = _Problem(_usable(value), np.asarray(kind, np.int64), _checked(resources, value, kind))
    prices = problem.refined(problem.sampled(seed))
    choice = problem.filled(problem.within(prices), prices)
    used = problem.used(choice)
    return Allocation(
        choice=choice, value=problem.worth(choice), bound=problem.dual(prices)[0],
        prices={r.name: float(p) for r, p in zip(resources, prices, strict=True)},
        used={r.name: float(u) for r, u in zip(resources, used, strict=True)},
    )  # fmt: skip


@dataclass(frozen=True)
class _Problem:
    """Values (patients x interventions, 0 where not to be given), kinds, and the resources as arrays.

    `use` has shape (resources, kinds, interventions), `capacity` (resources,).
    """

    value: np.ndarray
    kind: np.ndarray
    resources: tuple[np.ndarray, np.ndarray]

    @property
    def use(self) -> np.ndarray:
        return self.resources[0]

    @property
    def capacity(self) -> np.ndarray:
        return self.resources[1]

    @cached_property
    def floors(self) -> np.ndarray:
        """Shape (resources,): is it a floor, which somebody adds to?"""
        return np.asarray((self.use < 0).any(axis=(1, 2)))

    def choices(self, prices: np.ndarray) -> np.ndarray:
        """What each patient would choose at these prices."""
        worth = self._paid(prices)
        best = worth.argmax(axis=1)
        return np.where(np.take_along_axis(worth, best[:, None], 1)[:, 0] > 0, best, NOBODY)

    def dual(self, prices: np.ndarray) -> tuple[float, np.ndarray]:
        """The bound that prices give, and its slope: what is left of each resource."""
        worth = self._paid(prices)
        best = worth.argmax(axis=1)
        most = np.take_along_axis(worth, best[:, None], 1)[:, 0]
        chosen = np.where(most > 0, best, NOBODY)
        left = self.capacity - self.used(chosen)
        return float(np.maximum(most, 0).sum(dtype=float) + prices @ self.capacity), left

    def used(self, choice: np.ndarray) -> np.ndarray:
        """How much of each resource is taken, shape (resources,)."""
        given = choice != NOBODY
        kinds, arms = self.use.shape[1:]
        counts = np.bincount(self.kind[given] * arms + choice[given], minlength=kinds * arms)
        return self.use.reshape(len(self.use), kinds * arms) @ counts

    def worth(self, choice: np.ndarray) -> float:
        given = np.flatnonzero(choice != NOBODY)
        return float(self.value[given, choice[given]].sum(dtype=float))

    def sampled(self, seed: int) -> np.ndarray:
        """Prices of an exact solution for a sample of the patients, with as large a share of the resources."""
        n = len(self.value)
        rows = np.arange(n) if n <= SAMPLE else np.random.default_rng(seed).choice(n, SAMPLE, replace=False)
        patient, arm = np.nonzero(self.value[rows] > 0)
        if len(patient) == 0:
            return np.zeros(len(self.capacity))
        variables = np.arange(len(patient))
        once = coo_matrix((np.ones(len(patient)), (patient, variables)), shape=(len(rows), len(patient)))
        taken = coo_matrix(self.use[:, self.kind[rows[patient]], arm])
        limits = np.concatenate([self.capacity * len(rows) / n, np.ones(len(rows))])
        rules = vstack([taken, once]).tocsr()
        found = linprog(-self.value[rows[patient], arm], A_ub=rules, b_ub=limits, method="highs")
        return np.maximum(-found.ineqlin.marginals[: len(self.capacity)], 0)

    def refined(self, prices: np.ndarray) -> np.ndarray:
        """Prices near these whose bound over everybody is lower: cutting planes within reach."""
        reach = REACH[0] * prices + REACH[1] * prices.max(initial=0.0)
        box = list(zip(np.maximum(prices - reach, 0), prices + reach, strict=True))
        planes: list[tuple[float, np.ndarray]] = []
        best, lowest = prices, np.inf
        for _ in range(ROUNDS):
            bound, slope = self.dual(prices)
            if bound < lowest:
                best, lowest = prices, bound
            planes.append((bound - slope @ prices, slope))
            prices, promised = _lowest_of(planes, box)
            if lowest - promised <= ENOUGH * abs(lowest):
                break
        return best

    def within(self, prices: np.ndarray) -> np.ndarray:
        """Choices at these prices, after taking away until every resource is enough; floors are held beside it."""
        if not self.floors.any():
            return self._taken_away(self.choices(prices), prices)
        choice = best = self._taken_away(self.decided(prices), prices)
        least = self._short(best)
        for _ in range(TURNS):
            if least <= self._tolerance:
                break
            for r in np.flatnonzero(self.floors):
                choice = self._raised(choice, int(r), prices)
            choice = self._taken_away(choice, prices)
            if (short := self._short(choice)) < least:
                best, least = choice, short
        return best

    def decided(self, prices: np.ndarray) -> np.ndarray:
        """Choices at these prices, but for those who are nearly undecided between two: theirs are solved exactly.

        They are the core of the program (Balas and Zemel 1980, doi:10.1287/opre.28.5.1130): others choose alike at all
        prices near these. Floors and limits that cannot be met with them are let go, each unit for more than any is
        worth, so that there is always a solution.
        """
        rows = np.argsort(self._decidedness(prices), kind="stable")[:SAMPLE]
        choice = self.choices(prices)
        choice[rows] = NOBODY
        patient, arm = np.nonzero(self.value[rows] > 0)
        left, let_go = self.capacity - self.used(choice), -identity(len(self.capacity))
        once = coo_matrix((np.ones(len(patient)), (patient, np.arange(len(patient)))), shape=(len(rows), len(patient)))
        rules = bmat([[coo_matrix(self.use[:, self.kind[rows[patient]], arm]), let_go], [once, None]])
        aim = np.r_[-self.value[rows[patient], arm], self._dear]
        found = linprog(aim, A_ub=rules.tocsr(), b_ub=np.r_[left, np.ones(len(rows))], method="highs")
        whole = found.x[: len(patient)] > WHOLE
        choice[rows[patient[whole]]] = arm[whole]
        return choice

    def _decidedness(self, prices: np.ndarray) -> np.ndarray:
        """How much more the first choice is worth than the second, nothing being one; shape (patients,)."""
        paid = self._paid(prices)
        paid[self.value <= 0] = -np.inf
        first = paid.max(axis=1, initial=-np.inf)
        paid[np.arange(len(paid)), paid.argmax(axis=1)] = -np.inf
        return np.where(first > 0, first - np.maximum(paid.max(axis=1), 0), -first)

    def _taken_away(self, choice: np.ndarray, prices: np.ndarray) -> np.ndarray:
        """From those who lose least by it, with what the floors pay for them.

        It ends, since each turn takes away from somebody, and nothing given is within everything.
        """
        choice = choice.copy()
        pays = self._cost(np.where(self.floors, prices, 0.0))
        while (over := (self.used(choice) - self.capacity) * ~self.floors).max(initial=0.0) > self._tolerance:
            r = int(over.argmax())
            given = np.flatnonzero(choice != NOBODY)
            takes = self.use[r, self.kind[given], choice[given]]
            given, takes = given[takes > 0], takes[takes > 0]
            worth = self.value[given, choice[given]] - pays[self.kind[given], choice[given]]
            order = np.argsort(worth / takes, kind="stable")
            enough = np.searchsorted(np.cumsum(takes[order]), over[r]) + 1
            choice[given[order[:enough]]] = NOBODY
        return choice

    def _raised(self, choice: np.ndarray, r: int, prices: np.ndarray) -> np.ndarray:
        """Give to a group that is below its floor, for the least loss a minute, whatever else runs out by it."""
        short = float((self.used(choice) - self.capacity)[r])
        if short <= self._tolerance:
            return choice
        rows = np.flatnonzero((self.use[r] < 0).any(axis=1)[self.kind])
        kind, now, at = self.kind[rows], choice[rows], np.arange(len(rows))
        paid, has = self.value[rows] - self._cost(prices)[kind], now != NOBODY
        gain = np.where(has, self.use[r, kind, now], 0.0)[:, None] - self.use[r, kind]
        loss = np.where(has, paid[at, now], 0.0)[:, None] - paid
        asked = np.full(gain.shape, np.inf)
        np.divide(loss, gain, out=asked, where=(gain > 0) & (self.value[rows] > 0))
        arm = asked.argmin(axis=1)
        order = np.argsort(asked[at, arm], kind="stable")
        order = order[np.isfinite(asked[at, arm][order])]
        enough = np.searchsorted(np.cumsum(gain[at, arm][order]), short) + 1
        choice = choice.copy()
        choice[rows[order[:enough]]] = arm[order[:enough]]
        return choice

    def _short(self, choice: np.ndarray) -> float:
        """By how much floors are missed, in all."""
        return float(np.maximum(self.used(choice) - self.capacity, 0)[self.floors].sum())

    @property
    def _dear(self) -> np.ndarray:
        """More a unit than any unit is worth, shape (resources,)."""
        typical = [np.median(np.abs(use[use != 0])) if use.any() else 1.0 for use in self.use]
        return 10 * float(self.value.max(initial=0.0)) / np.array(typical)

    @property
    def _tolerance(self) -> float:
        return TOLERANCE * max(1.0, len(self.value))

    def filled(self, choice: np.ndarray, prices: np.ndarray) -> np.ndarray:
        """Give what is left: first within the floors, then whatever else would lie idle."""
        choice = self._filled(choice, prices, np.ones_like(self.floors))
        return self._filled(choice, prices, ~self.floors) if self.floors.any() else choice

    def _filled(self, choice: np.ndarray, prices: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Give to those without anything whom it is worth most after paying for it, within the resources that count."""
        choice, left = choice.copy(), self.capacity - self.used(choice)
        without = np.flatnonzero(choice == NOBODY)
        worth = np.where(self.value[without] > 0, self.value[without] - self._cost(prices)[self.kind[without]], -np.inf)
        for place in np.argsort(-worth, axis=None, kind="stable")[:FILLED]:
            i, arm = divmod(int(place), worth.shape[1])
            if not np.isfinite(worth[i, arm]):
                break
            takes = self.use[:, self.kind[without[i]], arm]
            if choice[without[i]] == NOBODY and (takes <= np.maximum(left, 0))[counts].all():
                choice[without[i]] = arm
                left = left - takes
        return choice

    def _paid(self, prices: np.ndarray) -> np.ndarray:
        """Worth after paying, patients x interventions; 0 where it is not to be given, whatever a floor pays for it."""
        cost = self._cost(prices)
        worth = self.value - cost[self.kind]
        if (cost < 0).any():
            worth[self.value <= 0] = 0
        return worth

    def _cost(self, prices: np.ndarray) -> np.ndarray:
        """Kinds x interventions."""
        return np.tensordot(prices, self.use, 1).astype(self.value.dtype)


def _lowest_of(
    planes: Sequence[tuple[float, np.ndarray]], box: Sequence[tuple[float, float]]
) -> tuple[np.ndarray, float]:
    """Where within the box the highest of the planes is lowest, and how low."""
    slopes = np.array([[*slope, -1.0] for _, slope in planes])
    heights = np.array([-height for height, _ in planes])
    aim = np.array([0.0] * len(box) + [1.0])
    found = linprog(aim, A_ub=slopes, b_ub=heights, bounds=[*box, (None, None)], method="highs")
    return found.x[:-1], float(found.x[-1])


def _usable(value: np.ndarray) -> np.ndarray:
    """As float32, 0 where it is not to be given."""
    value = np.asarray(value, np.float32)
    return np.where(value > 0, value, np.float32(0))


def _checked(
    resources: Sequence[Resource], value: np.ndarray, kind: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    if np.ndim(value) != 2 or np.shape(kind) != np.shape(value)[:1]:
        raise ValueError(f"value is {np.shape(value)} and kind {np.shape(kind)}: one row, and one kind, a patient")
    kinds, arms = int(np.max(kind, initial=-1)) + 1, np.shape(value)[1]
    for r in resources:
        if r.use.ndim != 2 or r.use.shape[1] != arms or r.use.shape[0] < kinds:
            raise ValueError(f"use of {r.name} is {r.use.shape}: it must be kinds of patients x interventions")
        if not (np.isfinite(r.use).all() and np.isfinite(r.capacity) and r.capacity >= 0):
            raise ValueError(f"{r.name}: use is finite, and so is the capacity, which is not negative")
    use = np.stack([r.use for r in resources]).astype(float) if resources else np.zeros((0, max(kinds, 1), arms))
    return use, np.array([r.capacity for r in resources], float)
