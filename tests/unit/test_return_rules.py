"""The two rules of thumb, held against integrals, simulated patients whose truth is known, and sums done by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from scipy.stats import beta, gamma
from scipy.stats.distributions import rv_frozen

from wellkept.errors import NotEnoughData
from wellkept.return_rules import BgNbd, fit_bg_nbd, hiatus

TRUE = BgNbd(r=0.8, alpha=60.0, a=0.9, b=3.0)
AHEAD = 120.0


def simulated(true: BgNbd, patients: int, seed: int) -> tuple[np.ndarray, ...]:
    """Frequency, recency and age of SYNTHETIC patients as the model has it, and whether none came in AHEAD days."""
    random = np.random.default_rng(seed)
    rate, leaves = random.gamma(true.r, 1 / true.alpha, patients), random.beta(true.a, true.b, patients)
    age = random.uniform(100, 900, patients)
    frequency, recency, none = np.zeros(patients), np.zeros(patients), np.ones(patients, bool)
    for i in range(patients):
        at = random.exponential(1 / rate[i])
        while at <= age[i] + AHEAD:
            if at > age[i]:
                none[i] = False
                break
            frequency[i], recency[i] = frequency[i] + 1, at
            if random.random() < leaves[i]:
                break
            at += random.exponential(1 / rate[i])
    return frequency, recency, age, none


@pytest.fixture(scope="module")
def patients() -> tuple[np.ndarray, ...]:
    return simulated(TRUE, 10_000, seed=1)


@pytest.mark.parametrize(("x", "t_x", "age"), [(0, 0.0, 300.0), (1, 40.0, 300.0), (1, 299.0, 300.0), (6, 200.0, 210.0)])
def test_the_likelihood_is_the_integral_over_all_rates_and_chances_to_leave(x: int, t_x: float, age: float) -> None:
    def mean(of: Callable[[float], float], law: rv_frozen) -> float:
        return law.expect(of, epsabs=0)

    rates, leaves = gamma(TRUE.r, scale=1 / TRUE.alpha), beta(TRUE.a, TRUE.b)
    here = mean(lambda p: (1 - p) ** x, leaves) * mean(lambda rate: rate**x * np.exp(-rate * age), rates)
    left = mean(lambda p: p * (1 - p) ** (x - 1), leaves) * mean(lambda rate: rate**x * np.exp(-rate * t_x), rates)
    stated = TRUE.log_likelihood(np.array([x]), np.array([t_x]), np.array([age]))
    assert stated[0] == pytest.approx(np.log(here + left * (x > 0)), abs=1e-5)


def test_the_gradient_is_the_slope_of_the_likelihood(patients: tuple[np.ndarray, ...]) -> None:
    rows = [column[:200] for column in patients[:3]]
    at = np.array([TRUE.r, TRUE.alpha, TRUE.a, TRUE.b])
    slope = approx_fprime(at, lambda numbers: BgNbd(*numbers).log_likelihood(*rows).sum(), at * 1e-7)
    np.testing.assert_allclose(TRUE.gradient(*rows).sum(axis=1), slope, rtol=1e-3, atol=1e-3)


def test_the_parameters_of_simulated_patients_are_found_again(patients: tuple[np.ndarray, ...]) -> None:
    found = fit_bg_nbd(*patients[:3])
    assert found.r == pytest.approx(TRUE.r, rel=0.08)
    assert found.alpha == pytest.approx(TRUE.alpha, rel=0.12)
    assert found.a / (found.a + found.b) == pytest.approx(TRUE.a / (TRUE.a + TRUE.b), rel=0.10)
    assert found.log_likelihood(*patients[:3]).sum() >= TRUE.log_likelihood(*patients[:3]).sum()


def test_the_unit_of_time_is_nothing_to_the_fit(patients: tuple[np.ndarray, ...]) -> None:
    frequency, recency, age, _ = patients
    days, years = fit_bg_nbd(frequency, recency, age), fit_bg_nbd(frequency, recency / 365.25, age / 365.25)
    assert days.alpha / 365.25 == pytest.approx(years.alpha, rel=1e-6)
    assert days.r == pytest.approx(years.r, rel=1e-6)


def test_as_many_stay_away_as_is_stated_among_those_who_came_once_often_and_long_ago(
    patients: tuple[np.ndarray, ...],
) -> None:
    frequency, recency, age, none = patients
    stated = TRUE.chance_of_none(frequency, recency, age, np.full(len(age), AHEAD))
    away = age - recency
    for some in (frequency == 0, frequency == 1, frequency > 4, (frequency > 0) & (away > 200), away < 30):
        error = np.sqrt((stated[some] * (1 - stated[some])).sum()) / some.sum()
        assert some.sum() > 500
        assert abs(none[some].mean() - stated[some].mean()) < 3 * error


PARAMETER = st.floats(0.01, 1000)
DAYS = st.floats(0, 5000)


@given(r=PARAMETER, alpha=PARAMETER, a=PARAMETER, b=PARAMETER, x=st.integers(0, 200), t_x=DAYS, away=DAYS,
       ahead=st.tuples(DAYS, DAYS))  # fmt: skip
def test_the_chance_of_no_visit_falls_with_the_days_ahead_from_one_and_never_below_that_of_having_left(
    r: float, alpha: float, a: float, b: float, x: int, t_x: float, away: float, ahead: tuple[float, float]
) -> None:
    model, t_x = BgNbd(r, alpha, a, b), t_x if x else 0.0
    rows = np.full(4, x), np.full(4, t_x), np.full(4, t_x + away)
    now, sooner, later, ever = model.chance_of_none(*rows, np.array([0.0, *sorted(ahead), 1e300]))
    assert now == 1
    assert 1 >= sooner >= later - 1e-12
    assert later >= ever - 1e-12
    assert ever >= 0
    if x == 0:  # nobody leaves before the second visit: only the rate decides
        assert later == pytest.approx(((alpha + away) / (alpha + away + max(ahead))) ** r, abs=1e-12)


def test_the_hiatus_is_counted_in_own_gaps_or_in_typical_ones_where_there_are_none() -> None:
    away, gap = np.array([60.0, 60.0, 60.0, 60.0, 0.0]), np.array([30.0, 120.0, np.nan, 0.0, 30.0])
    np.testing.assert_array_equal(hiatus(away, gap, 90.0), [2, 0.5, 60 / 90, 60 / 90, 0])


@pytest.mark.parametrize(("x", "t_x", "age", "error"), [
    ([1, 2], [5], [9, 9], ValueError),
    ([1, np.nan], [5, 5], [9, 9], ValueError),
    ([1, 2], [5, 10], [9, 9], ValueError),
    ([-1, 2], [5, 5], [9, 9], ValueError),
    ([0, 0], [0, 0], [9, 9], NotEnoughData),
    ([1, 1], [0, 0], [0, 0], NotEnoughData),
])  # fmt: skip
def test_what_cannot_be_learned_from_is_refused(x: list, t_x: list, age: list, error: type[Exception]) -> None:
    with pytest.raises(error):
        fit_bg_nbd(np.array(x, float), np.array(t_x, float), np.array(age, float))
