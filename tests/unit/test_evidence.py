"""Trials correct what was assumed: by example, and on made-up trials whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellkept.effects import effects_of
from wellkept.evidence import ADDED, FACTOR, Evidence, basis, effect_of_each, learned, room
from wellkept.offering import DETRACTOR, NO_RETURN, Belief, interventions

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


def taught(rows: int, seed: int, *, factor: float, added: float) -> tuple[Evidence, np.ndarray, np.ndarray]:
    """What is known after such a trial; its rows' basis and the true effects."""
    risk, assumed, effect = trial(rows, seed, factor=factor, added=added)
    by = basis(risk, assumed, np.full(rows, ""), ())
    found = learned([CALL.name, "another"], [DETRACTOR], (), {(CALL.name, DETRACTOR): (by, effect)} if rows else {})
    return found, by, factor * assumed + added * room(risk)


def test_no_rows_leave_what_was_assumed() -> None:
    found, _, _ = taught(0, 0, factor=0, added=0)
    change, spread, total = found.change(CALL.name, [np.array([[1.0, -0.05]])])
    assert change[0] == pytest.approx([-0.05])
    assert [*spread[0], *total] == pytest.approx([np.hypot(ADDED, 0.05 * FACTOR)] * 2)
    assert not found.is_tried(CALL.name)


@pytest.mark.parametrize(("factor", "added"), [(0.0, 0.0), (1.0, 0.0), (0.0, -0.05), (0.5, 0.03)])
def test_many_rows_find_the_truth_whatever_was_assumed(factor: float, added: float) -> None:
    found, by, truth = taught(400_000, 1, factor=factor, added=added)
    change, spread, _ = found.change(CALL.name, [by])
    assert np.abs(change[0] - truth).max() < 0.03
    assert change.mean() == pytest.approx(truth.mean(), abs=0.005)
    assert (spread < 0.01).all()


def test_a_trial_tells_kinds_of_care_apart() -> None:
    risk = trial(200_000, 5, factor=1, added=0)[0]
    kind, random = np.where(np.arange(200_000) % 2, "acute", "chronic"), np.random.default_rng(6)
    truth = np.where(kind == "chronic", -0.06, 0.0) * room(risk)
    by = basis(risk, np.zeros(len(risk)), kind, ("acute", "chronic"))
    found = learned([CALL.name], [DETRACTOR], ("acute", "chronic"),
                    {(CALL.name, DETRACTOR): (by, truth + random.normal(0, 0.5, len(risk)))})  # fmt: skip
    change = found.change(CALL.name, [by])[0][0]
    assert change[kind == "chronic"].mean() == pytest.approx(truth[kind == "chronic"].mean(), abs=0.01)
    assert change[kind == "acute"].mean() == pytest.approx(0, abs=0.01)


def test_the_interval_of_the_mean_effect_covers_it_as_often_as_it_says() -> None:
    random, covered = np.random.default_rng(2), []
    for seed in range(200):
        factor, added = random.normal(1, FACTOR), random.normal(0, ADDED)  # what is said of the truth before
        found, by, truth = taught(2_000, seed, factor=factor, added=added)
        change, spread, _ = found.change(CALL.name, [by.mean(axis=0, keepdims=True)])
        covered.append(abs(change[0, 0] - truth.mean()) < 1.96 * spread[0, 0])
    assert 0.91 < np.mean(covered) < 0.985  # 95 %, within what 200 trials can tell


def test_what_was_found_of_one_outcome_and_step_is_half_believed_of_the_others() -> None:
    """Made-up: the call does nothing against detractors; nobody tried it against loss, or another step."""
    _, assumed, effect = trial(400_000, 7, factor=0, added=0)
    by = basis(np.full(400_000, 0.3), assumed, np.full(400_000, ""), ())
    found = learned([CALL.name, "another"], [DETRACTOR, NO_RETURN], (), {(CALL.name, DETRACTOR): (by, effect)})
    one = [np.array([[0.0, -0.05]])] * 2
    tried, untried = found.change(CALL.name, one)[0], found.change("another", one)[0]
    assert abs(tried[0, 0]) < 0.006 < abs(tried[1, 0]) < abs(untried[0, 0]) < abs(untried[1, 0]) < 0.03
    assert (found.is_tried(CALL.name), found.is_tried("another")) == (True, False)
    assert found.rows == {(CALL.name, DETRACTOR): 400_000}


def test_the_doubt_about_the_sum_knows_that_what_is_not_known_is_alike_for_both_outcomes() -> None:
    found = learned([CALL.name], [DETRACTOR, NO_RETURN], (), {})
    _, each, total = found.change(CALL.name, [np.array([[0.0, -0.05]])] * 2)
    assert np.hypot(*each[:, 0]) < total[0] < each[:, 0].sum()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 400))
def test_rows_never_make_it_less_sure(seed: int, rows: int) -> None:
    before, _, _ = taught(0, 0, factor=1, added=0)
    after, by, _ = taught(rows, seed, factor=1, added=0)
    assert (after.change(CALL.name, [by])[1] <= before.change(CALL.name, [by])[1] + 1e-9).all()


def test_an_intervention_that_a_trial_found_to_do_nothing_is_not_offered_any_more() -> None:
    risk, there = {DETRACTOR: np.full(3, 0.3)}, np.ones((3, 1), bool)
    by = np.full((1000, 2), [1.75, -0.1])
    effect = np.random.default_rng(4).normal(0, 0.5, 1000)
    dead = learned([CALL.name], [DETRACTOR], (), {(CALL.name, DETRACTOR): (by, effect)})
    effects = effects_of([CALL], risk, there, evidence=dead)
    assert effects_of([CALL], risk, there).offered.all()
    assert not effects.offered.any()
    assert effects.grades == ("randomised",)


def test_a_step_that_nobody_tried_is_not_dropped_because_another_was() -> None:
    """Four to one is enough of it, as without trials: nobody looked for the luckiest."""
    another = interventions()["transport"]
    # a few rows of the call in which it did as was assumed: they say nothing against the other
    by, effect = np.full((10, 3), [1.75, -0.1, 1.75]), -0.1 + np.repeat([1.0, -1.0], 5)
    told = learned([CALL.name, another.name], [NO_RETURN], ("chronic",), {(CALL.name, NO_RETURN): (by, effect)})
    risk, there, kind = {NO_RETURN: np.full(3, 0.3)}, np.ones((3, 2), bool), np.full(3, "chronic")
    for evidence in (None, told):
        assert effects_of([CALL, another], risk, there, evidence=evidence, kind=kind).offered[:, 1].all()


def test_a_risk_that_evidence_says_nothing_of_is_doubted_as_before() -> None:
    risk, there = {DETRACTOR: np.full(1, 0.3), NO_RETURN: np.full(1, 0.3)}, np.ones((1, 1), bool)
    of_one = learned([CALL.name], [DETRACTOR], (), {})
    doubtful = replace(CALL, beliefs={DETRACTOR: CALL.beliefs[DETRACTOR], NO_RETURN: Belief(-0.001, 5.0)})
    assert effects_of([CALL], {DETRACTOR: risk[DETRACTOR]}, there, evidence=of_one).offered.all()
    assert not effects_of([doubtful], risk, there, evidence=of_one).offered.any()


def test_only_of_outcomes_that_were_tried_an_effect_is_measured() -> None:
    by, effect = np.full((300, 2), [1.75, -0.1]), np.full(300, -0.1)
    told = learned([CALL.name], [DETRACTOR, NO_RETURN], (), {(CALL.name, NO_RETURN): (by, effect + by[:, 1] / 9)})
    risk, there = {DETRACTOR: np.full(1, 0.3), NO_RETURN: np.full(1, 0.3)}, np.ones((1, 1), bool)
    found = effects_of([CALL], risk, there, evidence=told)
    assert found.measured == {DETRACTOR: frozenset(), NO_RETURN: frozenset({0})}
    assert effects_of([CALL], risk, there).measured == {DETRACTOR: frozenset(), NO_RETURN: frozenset()}


@pytest.mark.parametrize("rows", [0, 1, 2, 5])
def test_a_trial_of_hardly_any_rows_hardly_changes_anything(rows: int) -> None:
    """A handful of rows can happen to agree: their own noise would say that they are sure."""
    risk, assumed, effect = trial(5_000, 8, factor=1, added=0)
    by = basis(risk, assumed, np.full(5_000, ""), ())
    without = learned([CALL.name, "another"], [DETRACTOR], (), {(CALL.name, DETRACTOR): (by, effect)})
    few = (by[:rows], np.full(rows, 0.4))
    found = learned([CALL.name, "another"], [DETRACTOR], (), {(CALL.name, DETRACTOR): (by, effect),
                                                              ("another", DETRACTOR): few})  # fmt: skip
    for step in (CALL.name, "another"):
        change, spread, _ = found.change(step, [by[:100]])
        assert np.abs(change - without.change(step, [by[:100]])[0]).max() < 0.02
        assert (spread > 0).all()
