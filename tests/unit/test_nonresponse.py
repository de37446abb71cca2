"""Levels of everybody: in worlds where those who do not answer differ by a shift that is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellkept.calibrating import logit, sigmoid
from wellkept.nonresponse import SHIFTS, Answers, corrected, enough, levels, shift_of

PROBABILITY = st.floats(0.001, 0.999)


def world(shift: float, *, seed: int, rows: int = 4000, followed: float = 0.2, offset: float = 0.0) -> Answers:
    """Two rows a patient; the odds of who does not answer are exp(shift) times as high; risk and chance are true."""
    random = np.random.default_rng(seed)
    x = np.repeat(random.normal(size=rows // 2), 2)
    risk, chance = sigmoid(-1.5 + x), sigmoid(-0.8 - 0.6 * x)
    answered = random.random(rows) < chance
    odds = logit(risk) + np.where(answered, 0.0, shift)
    luck = random.random(rows)
    answer = np.where(answered, luck < sigmoid(odds), np.nan)
    heard = ~answered & (random.random(rows) < followed)
    follow_up = np.where(heard, luck < sigmoid(odds + offset), np.nan)
    return Answers(risk, chance, answer, follow_up, np.repeat(np.arange(rows // 2), 2), followed_as=offset)


def truth(answers: Answers, shift: float) -> float:
    return float(corrected(answers.risk, answers.chance, shift).mean())


def test_where_the_silent_are_no_different_all_levels_agree_but_that_of_the_answers_alone() -> None:
    answers = world(0.0, seed=1, rows=20_000)
    told = levels(answers)
    for name in ("missing_at_random", "weighted", "followed_up"):
        assert told[name].value == pytest.approx(truth(answers, 0.0), abs=0.01)
    assert told["respondents"].high < truth(answers, 0.0)
    assert told["shift"].low < 0 < told["shift"].high


def test_where_the_silent_differ_only_the_follow_up_finds_it() -> None:
    answers = world(0.6, seed=2, rows=20_000)
    told = levels(answers)
    assert told["shift"].low < 0.6 < told["shift"].high
    assert told["followed_up"].low < truth(answers, 0.6) < told["followed_up"].high
    assert told["weighted"].high < truth(answers, 0.6)
    assert told["missing_at_random"].high < truth(answers, 0.6)
    assert told["shifted_0.6"].value == pytest.approx(truth(answers, 0.6), abs=0.02)


def test_the_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """Of 40 worlds, right intervals miss more than 6 once in 300 such tests."""
    missed = dict.fromkeys(("shift", "followed_up", "weighted"), 0)
    for seed in range(40):
        shift = 0.4
        answers = world(shift, seed=100 + seed, rows=2000)
        told = levels(answers, resamples=120, seed=seed)
        true = {"shift": shift, "followed_up": truth(answers, shift), "weighted": truth(answers, 0.0)}
        for name in missed:
            missed[name] += not told[name].low <= true[name] <= told[name].high
    assert max(missed.values()) <= 6, missed


def test_a_kinder_way_of_asking_is_taken_out_by_its_offset() -> None:
    answers = world(0.5, seed=3, rows=20_000, offset=-0.25)
    shift = levels(answers, resamples=2)["shift"].value
    assert shift == pytest.approx(0.5, abs=0.15)
    unmoved = levels(replace(answers, followed_as=0.0), resamples=2)["shift"].value
    assert unmoved == pytest.approx(shift - 0.25, abs=0.005)
    each = np.full(len(answers.risk), -0.25)
    assert levels(replace(answers, followed_as=each), resamples=2)["shift"].value == pytest.approx(shift)


def test_a_model_that_states_too_little_of_those_who_answer_is_put_right_first() -> None:
    answers = world(0.6, seed=6, rows=20_000)
    told = levels(replace(answers, risk=sigmoid(logit(answers.risk) - 0.5)))
    assert told["anchor"].low < 0.5 < told["anchor"].high
    assert told["shift"].low < 0.6 < told["shift"].high
    assert told["followed_up"].value == pytest.approx(levels(answers)["followed_up"].value, rel=1e-3)
    assert told["stated"].high < told["missing_at_random"].low


def test_by_hand_a_shift_is_the_log_odds_ratio_of_what_was_heard() -> None:
    label = np.r_[np.ones(1200), np.zeros(2800)]
    assert shift_of(label, np.full(4000, 0.2)) == pytest.approx(np.log(0.3 / 0.7) - np.log(0.2 / 0.8), abs=1e-3)
    assert 0 < shift_of(np.ones(3), np.full(3, 0.2)) < 5


def test_an_answer_counts_by_the_inverse_of_its_chance_and_never_more_than_20_times() -> None:
    n = 300
    chance = np.r_[np.full(100, 0.5), np.full(100, 0.001), np.full(100, 0.3)]
    answer = np.r_[np.zeros(100), np.ones(100), np.full(100, np.nan)]
    answers = Answers(np.full(n, 0.3), chance, answer, np.full(n, np.nan), np.arange(n))
    assert levels(answers, resamples=2)["weighted"].value == pytest.approx(20 / 22)


@pytest.mark.parametrize(("heard", "events", "told"), [(49, 20, False), (50, 4, False), (50, 5, True), (50, 50, True)])
def test_a_handful_of_follow_up_answers_says_nothing(heard: int, events: int, told: bool) -> None:
    answers = world(0.0, seed=4, rows=1000)
    rows = np.flatnonzero(~answers.answered)[:heard]
    follow_up = np.full(1000, np.nan)
    follow_up[rows] = np.arange(heard) < events
    found = levels(replace(answers, follow_up=follow_up), resamples=20)
    assert ("shift" in found, "followed_up" in found) == (told, told)
    assert all(np.isfinite([e.value, e.low, e.high]).all() for e in found.values())


def test_who_answered_is_never_taken_for_a_silent_one_that_was_followed_up() -> None:
    answers = world(0.4, seed=5)
    also = np.where(answers.answered, 1.0, answers.follow_up)
    assert levels(replace(answers, follow_up=also), resamples=2) == levels(answers, resamples=2)


def test_one_hundred_of_each_are_enough() -> None:
    assert enough(np.arange(200) < 100)
    assert not enough(np.arange(200) < 99)
    assert not enough(np.arange(200) < 101)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(PROBABILITY, PROBABILITY), min_size=1, max_size=30), st.floats(0, 2), st.floats(0.01, 2))
def test_the_corrected_risk_is_the_stated_one_without_a_shift_and_rises_with_it(
    rows: list[tuple[float, float]], shift: float, more: float
) -> None:
    risk, chance = np.array(rows).T
    np.testing.assert_allclose(corrected(risk, chance, 0.0), risk)
    np.testing.assert_allclose(corrected(risk, np.ones(len(risk)), shift), risk)
    assert (corrected(risk, chance, shift + more) > corrected(risk, chance, shift)).all()
    assert (corrected(risk, chance, -shift) <= risk * (1 + 1e-12)).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(-0.8, 0.8))
def test_levels_rise_with_the_shift_that_is_assumed_and_the_followed_up_lies_where_its_shift_does(
    seed: int, shift: float
) -> None:
    answers = world(shift, seed=seed, rows=1000, followed=0.9)
    told = levels(answers, resamples=5)
    value = [told["missing_at_random"].value, *(told[f"shifted_{s:g}"].value for s in SHIFTS)]
    assert value == sorted(value)
    risk = sigmoid(logit(answers.risk) + told["anchor"].value)
    assert told["stated"].value == pytest.approx(answers.risk.mean())
    assert told["missing_at_random"].value == pytest.approx(risk.mean())
    assert told["followed_up"].value == pytest.approx(corrected(risk, answers.chance, told["shift"].value).mean())
