"""The loss of whole answers: exact where it is the logistic loss, right about cuts and ways of asking, worth having."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from wellkept.estimators import fit_trees
from wellkept.grading import MOST_LEVELS, GradedLoss
from wellkept.learning import Outcomes
from wellkept.spec import Label, Points, Spec, Trees


def loss_of(grade: np.ndarray, mode: np.ndarray | None = None, modes: int = 1) -> GradedLoss:
    mode = np.zeros(len(grade), int) if mode is None else mode
    return GradedLoss(grade, mode, np.ones(len(grade)), modes)


def likelihood(loss: GradedLoss, margin: np.ndarray) -> float:
    """Minus the logarithm of P(grade), from the definition."""
    edges = np.concatenate([[-np.inf], loss.cuts, [np.inf]])
    at = margin + loss.mode_effects[loss.mode]
    return float(-np.log(expit(edges[loss.level + 1] + at) - expit(edges[loss.level] + at)).sum())


def test_with_two_grades_it_is_the_logistic_loss() -> None:
    label, margin = np.array([1.0, 0, 0, 1]), np.array([-1.0, 0.5, 2, 0])
    loss = loss_of(1 - label)
    slope, curvature = loss(margin)
    chance = expit(loss.cuts[0] + margin)
    np.testing.assert_allclose(slope, chance - label)
    np.testing.assert_allclose(curvature, chance * (1 - chance))
    assert chance.sum() == pytest.approx(label.sum(), abs=1e-6)  # the cut holds the level


@given(st.lists(st.integers(0, 10), min_size=5, max_size=40).filter(lambda g: len(set(g)) > 1), st.integers(0, 9))
def test_the_slope_is_that_of_the_likelihood_and_cuts_rise(grades: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    loss, margin, step = loss_of(np.array(grades, float)), random.normal(size=len(grades)), 1e-5
    slope, curvature = loss(margin)
    assert (np.diff(loss.cuts) > 0).all()
    assert (curvature >= 0).all()
    for i in range(3):
        nudge = np.eye(len(grades))[i] * step
        numeric = (likelihood(loss, margin + nudge) - likelihood(loss, margin - nudge)) / (2 * step)
        assert slope[i] == pytest.approx(numeric, abs=1e-4)


def test_ways_of_asking_find_their_effect_and_the_reference_has_none() -> None:
    random = np.random.default_rng(3)
    mode = random.integers(0, 3, 30_000)
    latent = random.logistic(size=30_000) - np.array([0, 0.5, -0.3])[mode]
    loss = loss_of(np.digitize(latent, [-2, -1, 0, 1.5]).astype(float), mode, 3)
    for _ in range(60):
        loss(np.zeros(30_000))
    np.testing.assert_allclose(loss.mode_effects, [0, 0.5, -0.3], atol=0.06)


def test_a_way_of_asking_that_nobody_met_has_no_effect() -> None:
    loss = loss_of(np.array([0.0, 1, 1, 0]), np.zeros(4, int), 2)
    loss(np.zeros(4))
    np.testing.assert_array_equal(loss.mode_effects, [0, 0])


def test_many_levels_are_put_together() -> None:
    loss = loss_of(np.random.default_rng(1).normal(size=5000))
    assert len(loss.cuts) == MOST_LEVELS - 1


def world(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ten numbers of which four matter, and answers of which one in ten is true (a grade below 7 of 0-10)."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(rows, 10)).astype(np.float32)
    latent = X[:, :4].sum(axis=1) * 0.4 + random.logistic(size=rows)
    return X, np.digitize(-latent, np.linspace(-5, 2.2, 10)).astype(float)


def test_the_whole_answer_teaches_more_than_its_cut() -> None:
    defined = Spec(target="unhappy", points=Points(each="VISIT"), label=Label(true_when="ANSWER <= 6 within 20d"),
                   split={"folds": 3}, trees=Trees(rounds=60))  # fmt: skip
    X_test, grade_test = world(20_000, seed=99)

    def auroc(told: Outcomes) -> float:
        margins = fit_trees(X, told, (0,) * 10, defined).estimator.margins(X_test)
        return roc_auc_score(grade_test <= 3, margins.mean(axis=1))

    gains = []
    for seed in range(4):
        X, grade = world(1200, seed)
        cut = Outcomes(grade <= 3, np.ones(1200), np.arange(1200) % 3)
        gains.append(auroc(replace(cut, grade=grade)) - auroc(cut))
    assert np.mean(gains) > 0.01


def test_margins_of_graded_trees_add_up_and_keep_the_sign_of_a_constraint() -> None:
    defined = Spec(target="unhappy", points=Points(each="VISIT"), label=Label(true_when="ANSWER <= 6 within 20d"),
                   split={"folds": 3}, trees=Trees(rounds=30))  # fmt: skip
    X, grade = world(1500, seed=5)
    told = Outcomes(grade <= 3, np.ones(1500), np.arange(1500) % 3, grade=grade)
    trees = fit_trees(X, told, (1,) + (0,) * 9, defined).estimator
    for member, margin in zip(trees.member_contributions(X[:50]), trees.margins(X[:50]).T, strict=True):
        np.testing.assert_allclose(member.sum(axis=1), margin, atol=1e-4)
    higher = X[:200].copy()
    higher[:, 0] += 1
    assert (trees.margins(higher) >= trees.margins(X[:200]) - 1e-6).all()
