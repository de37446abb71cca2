"""A risk in words that people take in at a glance, which never claim more than the numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellkept.natural import SHARES, in_words, with_interval


@pytest.mark.parametrize(
    ("risk", "words"),
    [
        (0.25, "about 1 in 4"), (0.23, "about 1 in 4"), (0.5, "about 1 in 2"), (0.62, "about 3 in 5"),
        (0.0004, "fewer than 1 in 1000"), (0.0, "fewer than 1 in 1000"), (1.0, "more than 99 in 100"),
        (0.97, "about 49 in 50"),
    ],
)  # fmt: skip
def test_a_risk_is_told_as_the_nearest_natural_frequency(risk: float, words: str):
    assert in_words(risk) == words


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((0.25, 0.2, 1 / 3), "about 1 in 4; between 1 in 5 and 1 in 3"),
        ((0.25, 0.19, 0.34), "about 1 in 4; between 1 in 6 and 2 in 5"),
        ((0.25, 0.25, 0.25), "about 1 in 4"),
        ((0.0004, 0.0001, 0.02), "fewer than 1 in 1000; at most 1 in 50"),
        ((0.0004, 0.0001, 0.0009), "fewer than 1 in 1000"),
        ((0.97, 0.9, 0.999), "about 49 in 50; at least 9 in 10"),
        ((0.995, 0.992, 0.999), "more than 99 in 100"),
        ((0.5, 0.0, 1.0), "about 1 in 2; how much, is not known"),
    ],
)
def test_an_interval_is_told_beside_it(numbers: tuple[float, float, float], words: str):
    assert with_interval(*numbers) == words


@given(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3).map(sorted))
def test_the_words_never_leave_out_what_the_numbers_hold_and_have_no_decimals(numbers: list[float]):
    low, risk, high = numbers
    words = with_interval(risk, low, high)
    assert "." not in words
    if "between" in words:
        ends = [int(some) / int(of) for some, of in (part.split(" in ") for part in
                words.partition("between ")[2].split(" and "))]  # fmt: skip
        assert ends[0] <= low + 2e-6
        assert high <= ends[1] + 2e-6
    elif ";" not in words:
        assert low == pytest.approx(high, abs=2e-6) or high < SHARES[0] + 2e-6 or low > SHARES[-1] - 2e-6
