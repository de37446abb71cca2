"""Who gets what: never more than there is, nearly the best there is, and a bound that says how nearly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from wellkept.allocating import Allocation, Resource, allocate, floor
from wellkept.programs import NOBODY

MINUTES = np.array([25.0, 15.0, 10.0, 0.5])


def made(patients: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[Resource]]:
    """Values of four interventions, two kinds of patients, minutes in all and of who speaks the second language."""
    random = np.random.default_rng(seed)
    value = random.gamma(0.5, 0.1, (patients, 4)) * (random.random((patients, 4)) < 0.5)
    staff = np.where(np.arange(4) == 3, 0, MINUTES)
    resources = [
        Resource("minutes", 2.0 * patients, np.stack([staff, staff])),
        Resource("minutes in Spanish", 0.2 * patients, np.stack([0 * staff, staff])),
        Resource("text messages", 0.1 * patients, np.stack([np.eye(4)[3]] * 2)),
    ]
    return value, (random.random(patients) < 0.3).astype(int), resources


def by_hand(value: np.ndarray, kind: np.ndarray, resources: list[Resource]) -> float:
    """The linear program as it is written."""
    n, arms = value.shape
    rows = [np.concatenate([r.use[kind[i]] for i in range(n)]) for r in resources]
    once = np.kron(np.eye(n), np.ones(arms))
    limits = [*(r.capacity for r in resources), *np.ones(n)]
    bounds = [(0, 1 if v > 0 else 0) for v in value.ravel()]
    return -linprog(-value.ravel(), A_ub=np.vstack([rows, once]), b_ub=limits, bounds=bounds, method="highs").fun


def is_within(found: Allocation, value: np.ndarray, kind: np.ndarray, resources: list[Resource]) -> bool:
    given = np.flatnonzero(found.choice != NOBODY)
    used = [r.use[kind[given], found.choice[given]].sum() for r in resources]
    return all(u <= r.capacity + 1e-6 for u, r in zip(used, resources, strict=True))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 120), st.integers(0, 10_000), st.floats(0, 3))
def test_nothing_is_given_that_is_not_there_and_nobody_gets_what_is_worth_nothing(
    patients: int, seed: int, plenty: float
) -> None:
    value, kind, resources = made(patients, seed)
    resources = [Resource(r.name, r.capacity * plenty, r.use) for r in resources]
    found = allocate(value, kind, resources)
    given = np.flatnonzero(found.choice != NOBODY)
    assert is_within(found, value, kind, resources)
    assert (value[given, found.choice[given]] > 0).all()
    assert found.value <= found.bound * (1 + 1e-6) + 1e-6
    assert found.value == pytest.approx(value[given, found.choice[given]].sum(), rel=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_the_best_there_is_lies_between_what_is_found_and_the_bound(seed: int) -> None:
    value, kind, resources = made(150, seed)
    found, best = allocate(value, kind, resources), by_hand(value, kind, resources)
    assert found.value <= best * (1 + 1e-6)
    assert best <= found.bound * (1 + 1e-6)
    assert found.value > 0.98 * best
    assert found.gap < 0.03


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_with_a_floor_is_that_of_the_whole_program(seed: int) -> None:
    # a floor pays for minutes of its group, and must not pay for steps that are not to be given at all
    value, kind, resources = made(400, seed)
    value[kind == 1] *= 0.3
    resources.append(floor("second kind", MINUTES * (MINUTES > 1), np.array([False, True]), 0.09))
    found, best = allocate(value, kind, resources), by_hand(value, kind, resources)
    assert best * (1 - 1e-6) <= found.bound <= best * 1.001
    assert found.value > 0.97 * best
    assert found.used["second kind"] < MINUTES[2]


def test_nothing_lies_idle_only_so_that_a_share_holds() -> None:
    value = np.array([[1.0], [1.0], [1.0]])
    resources = [Resource("minutes", 30.0, np.full((2, 1), 10.0)),
                 floor("second kind", np.array([10.0]), np.array([False, True]), 0.5)]  # fmt: skip
    found = allocate(value, np.array([0, 0, 1]), resources)
    assert found.choice.tolist() == [0, 0, 0]
    assert found.used["second kind"] == pytest.approx(5)


def test_many_patients_are_nearly_at_the_bound_from_a_sample_of_them() -> None:
    value, kind, resources = made(30_000, 1)
    found = allocate(value, kind, resources)
    assert is_within(found, value, kind, resources)
    assert found.gap < 0.003


def test_a_price_is_what_one_more_unit_would_add() -> None:
    value, kind, resources = made(2000, 3)
    more = [Resource(r.name, r.capacity + (400 if r.name == "minutes" else 0), r.use) for r in resources]
    before, after = allocate(value, kind, resources), allocate(value, kind, more)
    assert after.prices["minutes"] < (after.value - before.value) / 400 < before.prices["minutes"]


def test_with_enough_of_everything_each_gets_what_is_best_for_them() -> None:
    value, kind, resources = made(500, 4)
    found = allocate(value, kind, [Resource(r.name, 1e9, r.use) for r in resources])
    best = np.where(value.max(axis=1) > 0, value.argmax(axis=1), NOBODY)
    np.testing.assert_array_equal(found.choice, best)
    assert set(found.prices.values()) == {0.0}
    assert found.gap < 1e-6


def test_a_floor_holds_and_costs_little() -> None:
    value, kind, _ = made(4000, 5)
    value[kind == 1] *= 0.6
    staff, member = np.where(np.arange(4) == 3, 0, MINUTES), np.array([False, True])
    free = [Resource("minutes", 8000.0, np.stack([staff, staff]))]
    without = allocate(value, kind, free)
    held = allocate(value, kind, [*free, floor("second kind", staff, member, 0.28)])

    def share(found: Allocation) -> float:
        given = np.flatnonzero(found.choice != NOBODY)
        taken = staff[found.choice[given]]
        return float(taken[kind[given] == 1].sum() / taken.sum())

    assert share(without) < 0.25
    assert share(held) >= 0.28 - 1e-6
    assert 0.95 * without.value < held.value < without.value


def test_what_is_not_to_be_given_is_not_given_even_for_free() -> None:
    value = np.array([[np.nan, -1.0], [0.0, 2.0]])
    found = allocate(value, np.zeros(2, int), [])
    np.testing.assert_array_equal(found.choice, [NOBODY, 1])


@pytest.mark.parametrize(("resource", "says"), [
    (Resource("minutes", -1.0, np.ones((1, 2))), "not negative"),
    (Resource("minutes", 1.0, np.ones((1, 3))), "kinds of patients x interventions"),
    (Resource("minutes", 1.0, np.full((1, 2), np.inf)), "finite"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(resource: Resource, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        allocate(np.ones((3, 2)), np.zeros(3, int), [resource])
