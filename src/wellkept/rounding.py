"""Prices of the resources in; what each patient gets, whole, within every resource and by the floors, out."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import bmat, coo_matrix, identity

from wellkept.programs import NOBODY, Program

CORE = 4000  # patients who are solved exactly
FILLED = 20_000  # places looked at to give what is left
TURNS = 3  # how often what floors lack is given: each turn displaces less
WHOLE = 1 - 1e-6


def within(program: Program, prices: np.ndarray) -> np.ndarray:
    """Choices at these prices, after taking away until every resource is enough; floors are held beside it."""
    if not program.floors.any():
        return _taken_away(program, program.choices(prices), prices)
    choice = best = _taken_away(program, _decided(program, prices), prices)
    least = _short(program, best)
    for _ in range(TURNS):
        if least <= program.tolerance:
            break
        for r in np.flatnonzero(program.floors):
            choice = _raised(program, choice, int(r), prices)
        choice = _taken_away(program, choice, prices)
        if (short := _short(program, choice)) < least:
            best, least = choice, short
    return best


def filled(program: Program, choice: np.ndarray, prices: np.ndarray) -> np.ndarray:
    """Give what is left: first within the floors, then whatever else would lie idle."""
    choice = _filled(program, choice, prices, np.ones_like(program.floors))
    return _filled(program, choice, prices, ~program.floors) if program.floors.any() else choice


def _decided(program: Program, prices: np.ndarray) -> np.ndarray:
    """Choices at these prices, but for those who are nearly undecided between two: theirs are solved exactly.

    They are the core of the program (Balas and Zemel 1980, doi:10.1287/opre.28.5.1130): others choose alike at all
    prices near these. Floors and limits that cannot be met with them are let go, each unit for more than any is
    worth, so that there is always a solution.
    """
    rows = np.argsort(_decidedness(program, prices), kind="stable")[:CORE]
    choice = program.choices(prices)
    choice[rows] = NOBODY
    patient, arm = np.nonzero(program.value[rows] > 0)
    if len(patient) == 0:
        return choice
    left, let_go = program.capacity - program.used(choice), -identity(len(program.capacity))
    once = coo_matrix((np.ones(len(patient)), (patient, np.arange(len(patient)))), shape=(len(rows), len(patient)))
    rules = bmat([[coo_matrix(program.use[:, program.kind[rows[patient]], arm]), let_go], [once, None]])
    aim = np.r_[-program.value[rows[patient], arm], _dear(program)]
    found = linprog(aim, A_ub=rules.tocsr(), b_ub=np.r_[left, np.ones(len(rows))], method="highs")
    whole = found.x[: len(patient)] > WHOLE
    choice[rows[patient[whole]]] = arm[whole]
    return choice


def _decidedness(program: Program, prices: np.ndarray) -> np.ndarray:
    """How much more the first choice is worth than the second, nothing being one; shape (patients,)."""
    paid = program.paid(prices)
    paid[program.value <= 0] = -np.inf
    first = paid.max(axis=1, initial=-np.inf)
    paid[np.arange(len(paid)), paid.argmax(axis=1)] = -np.inf
    return np.where(first > 0, first - np.maximum(paid.max(axis=1), 0), -first)


def _taken_away(program: Program, choice: np.ndarray, prices: np.ndarray) -> np.ndarray:
    """From those who lose least by it, with what the floors pay for them.

    It ends, since each turn takes away from somebody, and nothing given is within everything.
    """
    choice = choice.copy()
    pays = program.cost(np.where(program.floors, prices, 0.0))
    while (over := (program.used(choice) - program.capacity) * ~program.floors).max(initial=0.0) > program.tolerance:
        r = int(over.argmax())
        given = np.flatnonzero(choice != NOBODY)
        takes = program.use[r, program.kind[given], choice[given]]
        given, takes = given[takes > 0], takes[takes > 0]
        worth = program.value[given, choice[given]] - pays[program.kind[given], choice[given]]
        order = np.argsort(worth / takes, kind="stable")
        enough = np.searchsorted(np.cumsum(takes[order]), over[r]) + 1
        choice[given[order[:enough]]] = NOBODY
    return choice


def _raised(program: Program, choice: np.ndarray, r: int, prices: np.ndarray) -> np.ndarray:
    """Give to a group that is below its floor, for the least loss a minute, whatever else runs out by it."""
    short = float((program.used(choice) - program.capacity)[r])
    if short <= program.tolerance:
        return choice
    rows = np.flatnonzero((program.use[r] < 0).any(axis=1)[program.kind])
    kind, now, at = program.kind[rows], choice[rows], np.arange(len(rows))
    paid, has = program.value[rows] - program.cost(prices)[kind], now != NOBODY
    gain = np.where(has, program.use[r, kind, now], 0.0)[:, None] - program.use[r, kind]
    loss = np.where(has, paid[at, now], 0.0)[:, None] - paid
    asked = np.full(gain.shape, np.inf)
    np.divide(loss, gain, out=asked, where=(gain > 0) & (program.value[rows] > 0))
    arm = asked.argmin(axis=1)
    order = np.argsort(asked[at, arm], kind="stable")
    order = order[np.isfinite(asked[at, arm][order])]
    enough = np.searchsorted(np.cumsum(gain[at, arm][order]), short) + 1
    choice = choice.copy()
    choice[rows[order[:enough]]] = arm[order[:enough]]
    return choice


def _filled(program: Program, choice: np.ndarray, prices: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Give to those without anything whom it is worth most after paying for it, within the resources that count."""
    choice, left = choice.copy(), program.capacity - program.used(choice)
    without = np.flatnonzero(choice == NOBODY)
    value = program.value[without]
    worth = np.where(value > 0, value - program.cost(prices)[program.kind[without]], -np.inf)
    for place in np.argsort(-worth, axis=None, kind="stable")[:FILLED]:
        i, arm = divmod(int(place), worth.shape[1])
        if not np.isfinite(worth[i, arm]):
            break
        takes = program.use[:, program.kind[without[i]], arm]
        if choice[without[i]] == NOBODY and (takes <= np.maximum(left, 0))[counts].all():
            choice[without[i]] = arm
            left = left - takes
    return choice


def _short(program: Program, choice: np.ndarray) -> float:
    """By how much floors are missed, in all."""
    return float(np.maximum(program.used(choice) - program.capacity, 0)[program.floors].sum())


def _dear(program: Program) -> np.ndarray:
    """More a unit than any unit is worth, shape (resources,)."""
    typical = [np.median(np.abs(use[use != 0])) if use.any() else 1.0 for use in program.use]
    return 10 * float(program.value.max(initial=0.0)) / np.array(typical)
