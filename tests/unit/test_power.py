"""How many patients a pilot takes, as METHOD.md 7.6 and the literature have it, and as simulated trials find it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellkept.errors import SpecRefused
from wellkept.pilots.plans import Wedge
from wellkept.pilots.power import needed, power, smallest_seen, wedge_power


@pytest.mark.parametrize(
    ("rate", "becomes", "answering", "answers", "patients"),
    [
        (0.14, 0.11, 0.2, 1904, 9519),
        (0.14, 0.12, 0.2, 4435, 22174),
        (0.30, 0.24, 0.2, 856, 4278),
        (0.21, 0.18, 1.0, 2735, 2735),
        (0.21, 0.19, 1.0, 6276, 6276),
    ],
)
def test_how_many_it_takes_in_each_group(
    rate: float, becomes: float, answering: float, answers: int, patients: int
) -> None:
    found = needed(rate, becomes - rate, known=answering)
    assert found.known == (answers, answers)
    assert found.patients == (patients, patients)


@pytest.mark.parametrize(
    ("change", "answers", "chance"),
    [(-0.03, 80, 0.69), (-0.03, 160, 0.93), (-0.02, 80, 0.38), (-0.02, 160, 0.63)],
)
def test_a_stepped_wedge_of_20_sites_and_6_periods(change: float, answers: int, chance: float) -> None:
    wedge = Wedge(sites=20, periods=6, answers=answers, icc=0.02)
    assert wedge_power(0.14, change, wedge) == pytest.approx(chance, abs=0.005)


def test_fewer_sites_than_crossings_are_refused() -> None:
    with pytest.raises(SpecRefused, match="3 sites cannot cross over in 5 steps"):
        wedge_power(0.14, -0.03, Wedge(sites=3, periods=6, answers=80))


@given(st.floats(0.05, 0.6), st.floats(0.1, 0.9), st.floats(0.1, 0.9))
def test_what_is_needed_gives_the_power_that_was_asked_for(rate: float, part: float, share: float) -> None:
    sizes = sum(needed(rate, -rate * part, share=share).known)
    assert power(rate, -rate * part, sizes, share=share) >= 0.8
    assert power(rate, -rate * part, 0.98 * sizes - 2, share=share) < 0.8


@given(st.floats(0.05, 0.6), st.integers(300, 100_000))
def test_the_smallest_change_seen_is_the_one_with_power_80(rate: float, outcomes: int) -> None:
    found = smallest_seen(rate, outcomes)
    assert found is None or power(rate, found, outcomes) == pytest.approx(0.8, abs=1e-6)


def test_with_hardly_any_outcomes_nothing_is_seen() -> None:
    assert smallest_seen(0.05, 20) is None
    assert power(0.05, -0.03, 0) == 0.05


def test_power_is_how_often_simulated_trials_find_it() -> None:
    random, group = np.random.default_rng(1), 1000
    with_it, without = random.binomial(group, 0.11, 20_000) / group, random.binomial(group, 0.14, 20_000) / group
    spread = np.sqrt((with_it * (1 - with_it) + without * (1 - without)) / group)
    assert (np.abs(with_it - without) > 1.96 * spread).mean() == pytest.approx(power(0.14, -0.03, 2 * group), abs=0.015)
