"""What may be said of a pilot's arm, and what may not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.conftest import day
from tests.unit.test_holdouts import pilot
from wellkept.contracts import ASSIGNMENTS, TIME
from wellkept.pilots.estimating import (
    Compared,
    answering,
    clustered_mean,
    effect,
    effective_size,
    rates,
    scores,
    split_p_value,
    targeting_gain,
)  # fmt: skip
from wellkept.pilots.reading import OBSERVATIONAL, RANDOMISED, Reading, compared_of, read

ARM = "recovery_call"


def world(n: int, seed: int, *, change: float = 0.0, chance: Any = 0.5, by_x: float = 0.0) -> Compared:
    """Patients whose outcome hangs on x, and on the step by `change` and `by_x` * x."""
    random = np.random.default_rng(seed)
    x = random.normal(size=n)
    propensity = np.broadcast_to(chance(x) if callable(chance) else chance, n).astype(float)
    treated = random.random(n) < propensity
    p = np.clip(0.3 + 0.12 * x + treated * (change + by_x * x), 0.01, 0.99)
    outcome = (random.random(n) < p).astype(float)
    return Compared(outcome, treated, propensity, np.arange(n), np.column_stack([x]))


def log_of(compared: Compared, **changed: Any) -> pa.Table:
    """The same rows as the log of a pilot."""
    n = len(compared.subject)
    told = {
        "subject_id": compared.subject, "prediction_time": pa.repeat(pa.scalar(day(20), TIME), n),
        "arm": pa.repeat(ARM, n), "epoch": pa.repeat(pa.scalar(day(0), TIME), n), "holdout": ~compared.treated,
        "propensity": compared.propensity,
    }  # fmt: skip
    return ASSIGNMENTS.check(pa.table(told | changed))


def reading_of(compared: Compared, at: float = 200, **changed: Any) -> Reading:
    log = log_of(compared, **changed)
    return read(pilot(), log, {"detractor_risk": compared.outcome}, compared.covariates, day(at))[0]


def test_without_covariates_and_with_even_chances_it_is_the_difference_of_both_rates() -> None:
    found = world(4000, 1, change=-0.1)
    bare = replace(found, covariates=np.empty((4000, 0)))
    without, given = (found.outcome[found.treated == group].mean() for group in (False, True))
    assert effect(bare).value == pytest.approx(given - without, abs=2e-4)
    assert rates(bare) == pytest.approx((without, given), abs=2e-4)


def test_a_chance_that_hangs_on_the_patient_is_undone_by_its_log() -> None:
    # the worse off a patient is, the likelier the step: raw rates say that it harms
    found = world(40_000, 2, change=-0.1, chance=lambda x: 1 / (1 + np.exp(-1.5 * x)))
    raw = found.outcome[found.treated].mean() - found.outcome[~found.treated].mean()
    assert raw > 0.02
    without_models = effect(replace(found, covariates=np.empty((40_000, 0))))
    for told in (effect(found), without_models):
        assert told.low <= -0.1 <= told.high
        assert told.high < 0


def test_what_was_known_before_makes_the_interval_shorter() -> None:
    found = world(4000, 3)
    informed = replace(found, covariates=np.column_stack([found.covariates, found.outcome + 0.0]))
    assert effect(informed).high - effect(informed).low < 0.5 * (effect(found).high - effect(found).low)


def test_19_of_20_intervals_hold_the_truth() -> None:
    held = [told.low <= -0.05 <= told.high for s in range(400) for told in [effect(world(400, s, change=-0.05))]]
    assert 0.92 <= np.mean(held) <= 0.98


def test_they_do_so_too_where_few_of_many_got_the_step() -> None:
    held = [told.low <= 0 <= told.high for s in range(400) for told in [effect(world(600, s, chance=0.1))]]
    assert 0.92 <= np.mean(held) <= 0.98


def test_the_interval_counts_patients_not_rows() -> None:
    found = world(500, 4)
    twice = Compared(*(np.concatenate([part, part]) for part in vars(found).values()))
    width, same = (told.high - told.low for told in (effect(found), effect(twice)))
    assert same == pytest.approx(width, rel=0.02)
    assert effective_size(twice) == pytest.approx(effective_size(found))


@pytest.mark.parametrize(
    ("treated", "held", "chance", "effective"),
    [(100, 100, 0.5, 200), (900, 100, 0.9, 360), (99, 1, 0.99, 3.96)],
)
def test_the_effective_size_is_what_an_even_split_of_so_many_would_tell(
    treated: int, held: int, chance: float, effective: float
) -> None:
    n = treated + held
    found = Compared(np.zeros(n), np.arange(n) < treated, np.full(n, chance), np.arange(n), np.empty((n, 0)))
    assert effective_size(found) == pytest.approx(effective, rel=0.01)


def test_scores_of_patients_average_to_the_effect() -> None:
    found = world(1000, 5, change=-0.1)
    assert scores(found).mean() == pytest.approx(effect(found).value)
    assert clustered_mean(scores(found), found.subject) == effect(found)


def test_targeting_is_worth_something_where_the_effect_differs_by_what_is_known_before() -> None:
    assert targeting_gain(world(6000, 6, by_x=-0.12)).low > 0
    nothing = targeting_gain(world(6000, 7, change=-0.1))
    assert nothing.low <= 0 <= nothing.high


def test_a_step_that_changes_who_answers_is_told() -> None:
    found = world(3000, 8)
    silent = np.random.default_rng(0).random(3000) < np.where(found.treated, 0.2, 0.5)
    some = replace(found, outcome=np.where(silent, np.nan, found.outcome))
    assert answering(some).value == pytest.approx(0.3, abs=0.04)


def test_a_reading_of_a_pilot_has_effect_rates_and_grade() -> None:
    told = reading_of(world(3000, 9, change=-0.1))
    assert (told.grade, told.refused, told.level) == (RANDOMISED, "", 0.95)
    assert told.effect is not None
    assert told.effect.high < 0
    assert told.with_it < told.without
    assert told.given + told.held_out == told.known == 3000


def test_before_the_end_the_interval_is_of_99_9_percent() -> None:
    early, late = (reading_of(world(3000, 9, change=-0.1), at=at) for at in (179, 180))
    assert early.level == 0.999
    widths = [told.effect.high - told.effect.low for told in (early, late) if told.effect]
    assert widths[0] == pytest.approx(widths[1] * 3.29 / 1.96, rel=0.01)


NOBODY_DREW = pa.nulls(3000, pa.float64())


@pytest.mark.parametrize(
    ("changed", "refused"),
    [
        ({"propensity": NOBODY_DREW}, "not_randomised"),
        ({"propensity": np.ones(3000)}, "not_randomised"),
        ({"propensity": np.zeros(3000)}, "not_randomised"),
        ({"holdout": np.zeros(3000, bool)}, "not_randomised"),
        ({"propensity": np.full(3000, 0.6)}, "split"),
    ],
    ids=["no propensity", "1", "0", "nobody held out", "a propensity that was not kept"],
)
def test_of_history_no_number_is_given(changed: dict[str, Any], refused: str) -> None:
    told = reading_of(world(3000, 9, change=-0.1), **changed)
    assert (told.grade, told.refused) == (OBSERVATIONAL, refused)
    assert told.effect is told.without is told.with_it is told.answering is told.targeting is None


def test_rows_that_nobody_drew_are_left_out_and_counted() -> None:
    found = world(3000, 9, change=-0.1)
    drawn = np.arange(3000) < 2000
    told = reading_of(found, propensity=pa.array(np.where(drawn, 0.5, np.nan), from_pandas=True))
    assert (told.left_out, told.given + told.held_out) == (1000, 2000)
    assert len(compared_of(log_of(found), ARM, found.outcome, found.covariates).outcome) == 3000


@pytest.mark.parametrize("known", [0, 150, 199])
def test_under_200_effective_patients_no_number_is_given(known: int) -> None:
    found = world(3000, 9)
    few = replace(found, outcome=np.where(np.arange(3000) < known, found.outcome, np.nan))
    assert (reading_of(few).refused, reading_of(few).effect) == ("too_few", None)


@pytest.mark.parametrize(("events", "refused"), [(15, "too_few"), (30, "")])
def test_an_outcome_that_hardly_ever_comes_true_is_too_few(events: int, refused: str) -> None:
    found = world(3000, 9)
    rare = replace(found, outcome=np.where(np.arange(3000) < events, 1.0, 0.0))
    assert reading_of(rare).refused == refused
    assert reading_of(replace(rare, outcome=1 - rare.outcome)).refused == refused


def test_what_is_told_does_not_hang_on_how_many_events_the_treated_had() -> None:
    # a rule by what was counted would keep the unlucky draws: those told have no effect, as all have none
    def rare(seed: int) -> Compared:
        found = world(760, seed, chance=0.08)
        return replace(found, outcome=found.outcome * (np.random.default_rng(seed).random(760) < 0.55))

    told = [one.effect.value for one in map(reading_of, map(rare, range(400))) if one.effect]
    assert 100 < len(told) < 300
    assert abs(np.mean(told)) < 3 * np.std(told) / np.sqrt(len(told))


def test_the_split_is_held_against_the_logged_chance() -> None:
    random = np.random.default_rng(0)
    p = [split_p_value(random.random(2000) < 0.7, np.full(2000, 0.7)) for _ in range(4000)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.01)
    assert split_p_value(np.arange(2000) < 1500, np.full(2000, 0.7)) < 0.001
