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

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix, vstack

from wellkept.programs import Program
from wellkept.rounding import filled, within

SAMPLE = 4000
ROUNDS = 12
ENOUGH = 2e-4  # share of the bound by which it may lie above the best found: then prices are good enough
REACH = (0.3, 0.02)  # how far from the sample's prices the refined ones may lie: a share of them, and of the largest


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
    program = Program(_usable(value), np.asarray(kind, np.int64), *_checked(resources, value, kind))
    prices = _refined(program, _sampled(program, seed))
    choice = filled(program, within(program, prices), prices)
    used = program.used(choice)
    return Allocation(
        choice=choice, value=program.worth(choice), bound=program.dual(prices)[0],
        prices={r.name: float(p) for r, p in zip(resources, prices, strict=True)},
        used={r.name: float(u) for r, u in zip(resources, used, strict=True)},
    )  # fmt: skip


def _sampled(program: Program, seed: int) -> np.ndarray:
    """Prices of an exact solution for a sample of the patients, with as large a share of the resources."""
    n = len(program.value)
    rows = np.arange(n) if n <= SAMPLE else np.random.default_rng(seed).choice(n, SAMPLE, replace=False)
    patient, arm = np.nonzero(program.value[rows] > 0)
    if len(patient) == 0:
        return np.zeros(len(program.capacity))
    variables = np.arange(len(patient))
    once = coo_matrix((np.ones(len(patient)), (patient, variables)), shape=(len(rows), len(patient)))
    taken = coo_matrix(program.use[:, program.kind[rows[patient]], arm])
    limits = np.concatenate([program.capacity * len(rows) / n, np.ones(len(rows))])
    rules = vstack([taken, once]).tocsr()
    found = linprog(-program.value[rows[patient], arm], A_ub=rules, b_ub=limits, method="highs")
    return np.maximum(-found.ineqlin.marginals[: len(program.capacity)], 0)


def _refined(program: Program, prices: np.ndarray) -> np.ndarray:
    """Prices near these whose bound over everybody is lower: cutting planes within reach."""
    reach = REACH[0] * prices + REACH[1] * prices.max(initial=0.0)
    box = list(zip(np.maximum(prices - reach, 0), prices + reach, strict=True))
    planes: list[tuple[float, np.ndarray]] = []
    best, lowest = prices, np.inf
    for _ in range(ROUNDS):
        bound, slope = program.dual(prices)
        if bound < lowest:
            best, lowest = prices, bound
        planes.append((bound - slope @ prices, slope))
        prices, promised = _lowest_of(planes, box)
        if lowest - promised <= ENOUGH * abs(lowest):
            break
    return best


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
