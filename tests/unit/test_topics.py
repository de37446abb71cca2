"""Members agree or do not: a reason is told only where four fifths of them give it the same sign."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.bundling import bundle, number, points, values
from wellkept.explaining import MOST_AGREE, reasons
from wellkept.scoring import score
from wellkept.topics import NOBODYS, by_topic, mean_and_agreement, topic_of

NUMBERS = st.floats(-3, 3, width=32)


def test_features_about_one_code_are_one_topic_and_protected_ones_nobodys():
    wait, age = number("wait"), dataclasses.replace(number("age"), protected=True)
    month = dataclasses.replace(wait, name="wait_30d")
    assert topic_of((wait, age, number("calls"), month)).tolist() == [0, NOBODYS, 1, 0]
    summed = by_topic(np.array([[1.0, 7.0, 2.0, 3.0, 99.0]]), topic_of((wait, age, number("calls"), month)))
    assert summed.tolist() == [[4.0, 2.0]]
    assert by_topic(np.ones((2, 2)), topic_of((age,))).shape == (2, 0)


def test_agreement_is_the_share_of_members_with_the_sign_of_their_mean():
    members = [np.array([[first, second, 0.0]]) for first, second in [(5, -1), (-1, -1), (-1, 1), (-1, -1), (-1, 0)]]
    mean, agreement = mean_and_agreement(members, np.array([0, 1]))
    np.testing.assert_allclose(mean, [[0.2, -0.4, 0.0]])
    np.testing.assert_allclose(agreement, [[0.2, 0.6]])


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, (5, 6, 4), elements=NUMBERS))
def test_the_mean_is_the_mean_and_a_row_alone_is_the_same(members: np.ndarray):
    topic = np.array([0, 1, 0])
    mean, agreement = mean_and_agreement(members, topic)
    np.testing.assert_allclose(mean, members.mean(axis=0), atol=1e-5)
    signs = np.sign([by_topic(member, topic) for member in members])
    np.testing.assert_allclose(agreement, (signs == np.sign(by_topic(mean, topic))).mean(axis=0), rtol=1e-6)
    for i in range(6):
        alone = mean_and_agreement(members[:, i : i + 1], topic)
        for one, all_ in zip(alone, (mean, agreement), strict=True):
            np.testing.assert_array_equal(one[0], all_[i])


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, (5, 4), elements=NUMBERS), arrays(np.int8, (5, 3), elements=st.integers(0, 5)))
def test_a_topic_whose_members_disagree_is_never_told_and_the_others_all_are(contributions, agreeing):
    features = tuple(number(name) for name in ("wait", "age", "calls"))
    table = pa.table({f.name: pa.array(np.ones(5), pa.float32()) for f in features})
    agreement = (agreeing / 5).astype(np.float32)
    why = reasons(points(5), "t", features, table, contributions, agreement=agreement)
    told = {(row["subject_id"] - 1, row["feature"]) for row in why.to_pylist()}
    assert told == {(i, f.name) for i in range(5) for j, f in enumerate(features) if agreeing[i, j] >= 5 * MOST_AGREE}
    for i in range(5):
        mine = why.filter(pc.equal(why["subject_id"], i + 1))
        assert mine["rank"].to_pylist() == list(range(1, mine.num_rows + 1))
        assert (np.diff(np.abs(mine["contribution"].to_numpy())) <= 0).all()


@pytest.mark.parametrize("kind", ["trees", "logistic"])
def test_contributions_of_scores_still_add_up_where_a_topic_is_not_told(kind: str):
    made, table = bundle(kind), values(200, seed=9)
    X = made.encoder.matrix(table)
    scores, why, contributions = score(made, points(200), table)
    np.testing.assert_allclose(contributions.sum(axis=1), scores["margin"].to_numpy(), atol=1e-5)
    agreement = made.explained(X)[1]
    assert why.num_rows == (agreement >= MOST_AGREE).sum() < agreement.size
