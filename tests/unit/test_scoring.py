"""Features and a bundle give risks, reasons and contributions that agree with each other; odd populations are held."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.bundling import bundle, points, values
from wellkept.bundles import Bundle
from wellkept.contracts import REASONS, SCORES
from wellkept.errors import InputHeld, InputRefused
from wellkept.scoring import ENOUGH_TO_JUDGE, hold_if_odd, score

ROWS = 200


@pytest.fixture(params=["trees", "logistic"])
def made(request: pytest.FixtureRequest) -> Bundle:
    return bundle(request.param)


def test_scores_reasons_and_contributions_fit_their_contracts_and_each_other(made: Bundle):
    table = values(ROWS, seed=9)
    scores, why, contributions = score(made, points(ROWS), table)
    assert scores.schema == SCORES.schema
    assert why.schema == REASONS.schema
    assert contributions.dtype == np.float32
    margin = scores["margin"].to_numpy()
    np.testing.assert_allclose(contributions.sum(1), margin, atol=1e-5)
    np.testing.assert_allclose(scores["risk"].to_numpy(), 1 / (1 + np.exp(-margin)), atol=1e-6)
    np.testing.assert_array_equal(scores["risk"].to_numpy(), made.risk(made.encoder.matrix(table)).astype(np.float32))
    assert scores.select(points(1).column_names).equals(points(ROWS))
    assert set(scores["model_version"].to_pylist()) == {made.version}
    assert scores["reference_rate"][0].as_py() == np.float32(made.reference_rate)
    low, high = (scores[name].to_numpy() for name in ("risk_low", "risk_high"))
    assert ((low >= 0) & (low <= scores["risk"].to_numpy()) & (scores["risk"].to_numpy() <= high) & (high <= 1)).all()


def test_one_patient_is_scored_as_in_a_batch(made: Bundle):
    table = values(ROWS, seed=9)
    scores, why, _ = score(made, points(ROWS), table)
    for i in (0, 31, ROWS - 1):
        alone, because, _ = score(made, points(ROWS).slice(i, 1), table.slice(i, 1))
        assert alone.equals(scores.slice(i, 1))
        assert because.equals(why.filter(pc.equal(why["subject_id"], points(ROWS)["subject_id"][i])))


def test_nobody_to_score_gives_empty_tables(made: Bundle):
    scores, why, contributions = score(made, points(1).slice(0, 0), values(1).slice(0, 0))
    assert (scores.num_rows, why.num_rows, contributions.shape) == (0, 0, (0, 6))


@pytest.mark.parametrize(("intercept", "risk"), [(1e5, 1.0), (-1e5, 0.0)])
def test_margins_of_any_size_give_a_risk_without_overflow(made: Bundle, intercept: float, risk: float):
    scores, _, _ = score(dataclasses.replace(made, intercept=intercept), points(5), values(5))
    for name in ("risk", "risk_low", "risk_high"):
        assert scores[name].to_pylist() == [risk] * 5


def test_features_in_another_order_give_the_same_scores(made: Bundle):
    table = values(ROWS, seed=9)
    shuffled = table.select(table.column_names[::-1])
    for there, here in zip(score(made, points(ROWS), table)[:2], score(made, points(ROWS), shuffled)[:2], strict=True):
        assert there.equals(here)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda t: t.drop_columns(["wait"]), "feature_contract"),
        (lambda t: t.set_column(0, "wait", pa.array([float("inf")] * t.num_rows)), "non_finite"),
        (lambda t: t.set_column(0, "wait", pa.array(["12"] * t.num_rows)), "feature_contract"),
    ],
)
def test_features_that_do_not_fit_are_refused(made: Bundle, change, code: str):
    with pytest.raises(InputRefused) as refused:
        score(made, points(5), change(values(5)))
    assert refused.value.code == code


def profile(model: Bundle, **shares: dict[str, float]) -> dict:
    """The model's own profile, but for some features."""
    return {**model.profile, **{name: {**model.profile[name], **change} for name, change in shares.items()}}


def test_a_population_like_the_one_in_training_is_not_held():
    model = bundle()
    hold_if_odd(model, [(100, model.encoder.profile(values(100, seed=3))), (50, model.profile)])


def test_a_feature_that_nobody_has_any_more_is_held_by_name():
    gone = profile(bundle(), wait={"known": 0.0})
    with pytest.raises(InputHeld, match="wait") as held:
        hold_if_odd(bundle(), [(100, gone), (50, gone)])
    assert held.value.code == "null_rate"
    assert [breach.column for breach in held.value.breaches] == ["wait"]
    assert held.value.exit_code == 6


def test_a_feature_that_somebody_still_has_is_not_held():
    nobody, somebody = (profile(bundle(), wait={"known": share}) for share in (0.0, 0.01))
    hold_if_odd(bundle(), [(100, nobody), (100, somebody)])


def test_a_category_with_many_new_values_is_held_and_one_with_a_few_is_not():
    before = bundle().profile["channel"]["unseen"]
    hold_if_odd(bundle(), [(10_000, profile(bundle(), channel={"unseen": before + 0.009}))])
    with pytest.raises(InputHeld) as held:
        hold_if_odd(bundle(), [(10_000, profile(bundle(), channel={"unseen": before + 0.011}))])
    assert held.value.code == "vocabulary"


def test_few_patients_are_not_enough_to_judge():
    few = profile(bundle(), wait={"known": 0.0}, channel={"unseen": 1.0})
    hold_if_odd(bundle(), [(ENOUGH_TO_JUDGE - 1, few)])


def test_what_a_person_has_accepted_is_not_held():
    odd = [(100, profile(bundle(), wait={"known": 0.0}, channel={"unseen": 1.0}))]
    with pytest.raises(InputHeld) as held:
        hold_if_odd(bundle(), odd, frozenset({"null_rate"}))
    assert held.value.code == "vocabulary"
    hold_if_odd(bundle(), odd, frozenset({"null_rate", "vocabulary"}))


def test_the_expected_nps_is_promoters_minus_detractors_and_null_without_a_second_head():
    table = values(ROWS, seed=9)
    X = bundle().encoder.matrix(table)
    raw, (slope, intercept) = bundle().estimator.margins(X).mean(axis=1), bundle().second
    detractor, promoter = bundle().risk(X), 1 - 1 / (1 + np.exp(-(slope * raw + intercept)))
    told = score(bundle(), points(ROWS), table)[0]["expected_nps"].to_numpy()
    fits = promoter + detractor <= 1  # elsewhere the heads cross, and nobody is passive
    np.testing.assert_allclose(told[fits], (promoter - detractor)[fits], atol=1e-6)
    np.testing.assert_allclose(told[~fits], (1 - 2 * detractor)[~fits], atol=1e-6)
    assert score(bundle("logistic"), points(ROWS), table)[0]["expected_nps"].null_count == ROWS
