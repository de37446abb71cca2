"""What drives a model: sizes with intervals over patients, in the catalogue's groups, and signs as declared."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.bundling import bundle, category, number, values
from wellkept.drivers import STRONGEST, drivers
from wellkept.explaining_figures import bars_figure, dependence_figure

ROWS = 400
FEATURES = (
    number("wait", monotone=+1), number("calls", monotone=-1), category("channel"),
    dataclasses.replace(number("age"), dimension="patient", touchpoint="person"),
)  # fmt: skip


@pytest.fixture
def told() -> dict:
    random = np.random.default_rng(1)
    values = np.column_stack([random.normal(size=(ROWS, 2)), np.full(ROWS, np.nan), random.normal(size=ROWS)])
    wait, calls = 2 * values[:, 0], 0.5 * values[:, 1]
    contributions = np.column_stack([wait, calls, -wait / 2, np.full(ROWS, 0.1), np.full(ROWS, 9.0)])
    return drivers(FEATURES, contributions, values, np.arange(ROWS) // 2)


def test_features_come_by_their_mean_size_with_intervals_and_the_bias_is_none(told: dict):
    assert list(told["features"]) == ["wait", "channel", "calls", "age"]
    assert told["features"]["age"] == [0.1, 0.1, 0.1]
    for value, low, high in told["features"].values():
        assert low <= value <= high


def test_what_cancels_within_a_group_is_not_counted_twice(told: dict):
    assert set(told["touchpoints"]) == {"visit", "scheduling", "person"}
    assert set(told["dimensions"]) == {"customer", "patient"}
    customer = told["dimensions"]["customer"][0]
    assert customer < told["features"]["wait"][0]


def test_signs_say_whether_what_was_declared_came_out(told: dict):
    signs = told["signs"]
    assert signs["wait"] == {"declared": 1, "agrees": True, "correlation": 1.0}
    assert (signs["calls"]["agrees"], signs["calls"]["correlation"]) == (False, 1.0)
    assert signs["channel"] == {"declared": 0, "agrees": None, "correlation": None}
    assert signs["age"] == {"declared": 0, "agrees": None, "correlation": None}


def test_monotone_trees_have_the_signs_that_were_declared():
    made, table = bundle(), values(ROWS, seed=9)
    features = made.encoder.features
    own = np.column_stack([np.full(ROWS, np.nan) if f.expression.is_text else table[f.name].to_numpy()
                           for f in features])  # fmt: skip
    signs = drivers(features, made.contributions(made.encoder.matrix(table)), own, np.arange(ROWS))["signs"]
    assert len(signs) <= STRONGEST
    assert signs["wait"]["agrees"] is True
    assert signs["calls"]["agrees"] is True


def test_bars_are_named_and_the_dependence_figure_says_the_declared_sign(told: dict):
    axes = bars_figure(dict(sorted(told["features"].items())), "feature").axes[0]  # as a bundle gives them back
    assert [label.get_text() for label in axes.get_yticklabels()] == list(told["features"])
    assert "by feature" in axes.get_title()
    random = np.random.default_rng(2)
    names = [f.name for f in FEATURES]
    figure = dependence_figure(names, random.normal(size=(50, 5)), random.normal(size=(50, 4)), told["signs"])
    titles = [axes.get_title() for axes in figure.axes if axes.axison]
    assert titles[0] == "wait\ndeclared +, agrees (r = +1.00)"
    assert titles[2] == "calls\ndeclared -, DISAGREES (r = +1.00)"
    assert len(titles) == 4
