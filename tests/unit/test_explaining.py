"""Contributions become ranked reasons in words, with the patient's own numbers."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from tests.bundling import FEATURES, bundle, category, number, points, values
from wellkept.contracts import REASONS
from wellkept.explaining import TOP, reasons
from wellkept.explaining_figures import MOST_ROWS, drivers_figure
from wellkept.topics import topic_of

WAIT, CHANNEL, AGE = number("wait", otherwise="did not wait"), category("channel"), number("age")


def explained(contributions: list[list[float]], features=(WAIT, CHANNEL, AGE), table: pa.Table | None = None, **more):
    """Reasons of rows whose last contribution is the bias."""
    rows = len(contributions)
    table = table or pa.table({
        "wait": pa.array([30.25] * rows, pa.float32()), "channel": ["web"] * rows,
        "age": pa.array([50] * rows, pa.float32()),
    })  # fmt: skip
    more.setdefault("agreement", np.ones((rows, topic_of(features).max() + 1)))
    return reasons(points(rows), "no_return", features, table, np.array(contributions, np.float32), **more)


def test_the_largest_in_size_comes_first_and_the_bias_is_nobodys_reason():
    why = explained([[0.1, -0.5, 0.3, 99.0], [0.2, 0.1, 0.0, -99.0]])
    assert why.schema == REASONS.schema
    assert why["rank"].to_pylist() == [1, 2, 3] * 2
    assert why["feature"].to_pylist() == ["channel", "age", "wait", "wait", "channel", "age"]
    np.testing.assert_allclose(why["contribution"].to_numpy(), [-0.5, 0.3, 0.1, 0.2, 0.1, 0], rtol=1e-6)


def test_reasons_carry_the_point_and_what_the_catalogue_says():
    feature = dataclasses.replace(WAIT, modifiable=True)
    why = explained([[0.4, 0.0], [0.1, 0.0]], (feature,)).to_pylist()
    asked = points(2).to_pylist()
    assert [{k: row[k] for k in asked[0]} for row in why] == asked
    assert {(r["target"], r["touchpoint"], r["dimension"], r["modifiable"]) for r in why} == {
        ("no_return", "visit", "customer", True)
    }


def test_there_are_no_more_reasons_than_features_or_than_asked_for():
    assert explained([[0.1, 0.2, 0.3, 0.0]]).num_rows == 3
    assert explained([[0.1, 0.2, 0.3, 0.0]], top=2)["feature"].to_pylist() == ["age", "channel"]


def test_features_on_one_topic_are_one_reason_in_the_words_of_the_one_that_moves_most():
    month = dataclasses.replace(WAIT, name="wait_30d", says="waited {value:.0f} lately")
    table = pa.table({name: pa.array([10.0, 10.0], pa.float32()) for name in ("wait", "age", "wait_30d")})
    why = explained([[0.3, -0.4, 0.2, 9.0], [0.3, 0.4, -0.5, 9.0]], (WAIT, AGE, month), table)
    assert why["feature"].to_pylist() == ["wait", "age", "age", "wait_30d"]
    np.testing.assert_allclose(why["contribution"].to_numpy(), [0.5, -0.4, 0.4, -0.2], rtol=1e-6)
    assert why["sentence"].to_pylist()[-1] == "waited 10 lately"


def test_who_somebody_is_is_never_told_as_a_reason():
    protected = dataclasses.replace(AGE, protected=True)
    assert explained([[0.1, -0.5, 0.9, 9.0]], (WAIT, CHANNEL, protected))["feature"].to_pylist() == ["channel", "wait"]
    assert explained([[0.9, 9.0]], (protected,)).num_rows == 0


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_equal_contributions_rank_in_the_order_of_the_features(levels: int):
    random = np.random.default_rng(levels)
    features = tuple(number(f"f{i}") for i in range(40))
    table = pa.table({f.name: pa.array(np.ones(200), pa.float32()) for f in features})
    contributions = random.integers(-levels, levels, (200, 41)).astype(np.float32)
    contributions[0] = 0
    chosen = np.array(explained(contributions.tolist(), features, table)["feature"].to_pylist()).reshape(200, TOP)
    order = np.argsort(-np.abs(contributions[:, :-1]), axis=1, kind="stable")[:, :TOP]
    np.testing.assert_array_equal(chosen, np.array([f.name for f in features])[order])


@pytest.mark.parametrize(
    ("wait", "sentence"),
    [
        (30.25, "wait was 30.2"),
        (None, "wait is not known"),
        (float("nan"), "wait is not known"),
        (0.0, "did not wait"),
        (-0.0, "did not wait"),
        (0.04, "wait was 0.0"),
    ],
)
def test_a_sentence_holds_the_patients_own_number(wait: float | None, sentence: str):
    table = pa.table({"wait": pa.array([wait], pa.float32())})
    assert explained([[0.4, 0.0]], (WAIT,), table)["sentence"].to_pylist() == [sentence]


@pytest.mark.parametrize(
    ("channel", "sentence"),
    [
        ("web", "came by web"),
        ("never seen in training", "came by never seen in training"),
        ("{value} {0}", "came by {value} {0}"),
        ("", "came by "),
        (None, "channel is not known"),
    ],
)
def test_a_sentence_holds_the_patients_own_category(channel: str | None, sentence: str):
    table = pa.table({"channel": pa.array([channel], pa.string())})
    assert explained([[0.4, 0.0]], (CHANNEL,), table)["sentence"].to_pylist() == [sentence]


@pytest.mark.parametrize("chunks", [1, 7])
def test_a_row_is_explained_alone_as_in_a_batch_however_the_table_is_cut(chunks: int):
    model, rows = bundle(), 60
    table = values(rows, seed=9)
    contributions, agreement, _ = model.explained(model.encoder.matrix(table))
    edges = [i * 60 // chunks for i in range(chunks + 1)]
    cut = pa.concat_tables([table.slice(start, end - start) for start, end in pairwise(edges)])
    batch = reasons(points(rows), "t", model.encoder.features, cut, contributions, agreement=agreement)
    for i in (0, 13, 59):
        point, value, own = points(rows).slice(i, 1), table.slice(i, 1), slice(i, i + 1)
        alone = reasons(point, "t", model.encoder.features, value, contributions[own], agreement=agreement[own])
        assert alone.equals(batch.filter(pa.array(np.array(batch["subject_id"]) == point["subject_id"][0].as_py())))


def test_nobody_has_no_reasons():
    table = values(3).slice(0, 0)
    nothing = np.zeros((0, len(FEATURES) + 1), np.float32)
    why = reasons(points(3).slice(0, 0), "t", FEATURES, table, nothing, agreement=nothing[:, :-1])
    assert why.num_rows == 0
    assert why.schema == REASONS.schema


def test_the_drivers_picture_names_the_features_and_bounds_its_rows():
    random = np.random.default_rng(3)
    figure = drivers_figure(
        ["wait", "age", "clinic"], random.normal(size=(MOST_ROWS + 500, 4)).astype(np.float32),
        np.column_stack([random.normal(size=(MOST_ROWS + 500, 2)), np.full(MOST_ROWS + 500, np.nan)]),
    )  # fmt: skip
    axes = figure.axes[0]
    assert {label.get_text() for label in axes.get_yticklabels()} == {"wait", "age", "clinic"}
    assert sum(len(c.get_offsets()) for c in axes.collections) <= 3 * MOST_ROWS
