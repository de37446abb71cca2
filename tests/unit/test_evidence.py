"""Trials correct what was assumed: by example, and on made-up trials whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from wellkept.effects import effects_of
from wellkept.evidence import ASSUMED, basis, effect_of_each, room, updated
from wellkept.offering import DETRACTOR, interventions

CALL = interventions()["recovery_call"]


@pytest.mark.parametrize(
    ("outcome", "given", "propensity", "effect"),
    [(1, 1, 0.5, 1.6), (0, 1, 0.5, -0.4), (1, 0, 0.5, -1.6), (0, 0, 0.5, 0.4), (1, 1, 0.25, 3.2)],
)
def test_the_number_whose_expectation_is_the_effect(
    outcome: float, given: float, propensity: float, effect: float
) -> None:
    found = effect_of_each(*(np.array([x]) for x in (outcome, 0.2, given, propensity)))
    assert found == pytest.approx([effect])


@pytest.mark.parametrize("propensity", [0.0, 1.0, np.nan])
def test_what_chance_did_not_decide_teaches_nothing(propensity: float) -> None:
    with pytest.raises(ValueError, match="chance did not decide"):
        effect_of_each(np.ones(1), np.full(1, 0.2), np.ones(1), np.full(1, propensity))


def trial(rows: int, seed: int, *, factor: float, added: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Risks, assumed changes, and what a trial says of an intervention with this truth."""
    random = np.random.default_rng(seed)
    risk, given = random.uniform(0.1, 0.5, rows), random.random(rows) < 0.5
    assumed = -random.uniform(0, 0.1, rows)
    truly = np.clip(risk + given * (factor * assumed + added * room(risk)), 0, 1)
    outcome = random.random(rows) < truly
    return risk, assumed, effect_of_each(outcome, risk, given, np.full(rows, 0.5))


def test_no_rows_leave_what_was_assumed() -> None:
    learned = updated(ASSUMED, np.zeros((0, 2)), np.zeros(0))
    assert (learned.mean == ASSUMED.mean).all()
    assert learned.change(np.array([[1.0, -0.05]]))[0] == pytest.approx([-0.05])


@pytest.mark.parametrize(("factor", "added"), [(0.0, 0.0), (1.0, 0.0), (0.0, -0.05), (0.5, 0.03)])
def test_many_rows_find_the_truth_whatever_was_assumed(factor: float, added: float) -> None:
    risk, assumed, effect = trial(400_000, 1, factor=factor, added=added)
    change, spread = updated(ASSUMED, basis(risk, assumed), effect).change(basis(risk, assumed))
    truth = factor * assumed + added * room(risk)
    assert np.abs(change - truth).max() < 0.03
    assert change.mean() == pytest.approx(truth.mean(), abs=0.004)
    assert (spread < 0.01).all()


def test_the_interval_of_the_mean_effect_covers_it_as_often_as_it_says() -> None:
    random, covered = np.random.default_rng(2), []
    for seed in range(200):
        factor, added = random.normal(1, 0.5), random.normal(0, 0.04)  # what ASSUMED says of the truth
        risk, assumed, effect = trial(2_000, seed, factor=factor, added=added)
        by = basis(risk, assumed)
        learned = updated(ASSUMED, by, effect)
        mean = by.mean(axis=0, keepdims=True)
        change, spread = learned.change(mean)
        covered.append(abs(change[0] - mean[0] @ [added, factor]) < 1.96 * spread[0])
    assert 0.91 < np.mean(covered) < 0.985  # 95 %, within what 200 trials can tell


def test_in_two_halves_or_at_once_is_the_same_but_for_the_noise_that_each_half_is_said_to_have() -> None:
    risk, assumed, effect = trial(20_000, 3, factor=0.7, added=-0.01)
    by, half = basis(risk, assumed), 10_000
    once = updated(ASSUMED, by, effect)
    twice = updated(updated(ASSUMED, by[:half], effect[:half]), by[half:], effect[half:])
    assert once.mean == pytest.approx(twice.mean, abs=0.005)
    assert twice.rows == once.rows == 20_000


def test_an_intervention_that_a_trial_found_to_do_nothing_is_not_offered_any_more() -> None:
    risk = {DETRACTOR: np.full(3, 0.3)}
    there, by = np.ones((3, 1), bool), np.full((1000, 2), [1.75, -0.1])
    dead = updated(ASSUMED, by, np.random.default_rng(4).normal(0, 0.5, 1000))
    effects = effects_of([CALL], risk, there, evidence={(CALL.name, DETRACTOR): dead})
    assert effects_of([CALL], risk, there).offered.all()
    assert not effects.offered.any()
    assert effects.grades == ("randomised",)
