"""One patient's interval: what it is made of, that it holds its risk, and that it covers where the truth is known."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.bundling import bundle, rehash, values
from wellkept.bundles import load_bundle, write_bundle
from wellkept.calibrating import calibrate_logistic, sigmoid
from wellkept.errors import BundleRefused
from wellkept.logistic import LogisticRegression
from wellkept.uncertainty import LEARNED_SLOWLY, NORMAL, Uncertainty, fit_uncertainty, jackknife

SURE = Uncertainty((0.0,), (0.0,), 0.0, 0.0, 0.0)


def fitted(random: np.random.Generator, rows: int = 4000) -> tuple[Uncertainty, np.ndarray]:
    margin = random.normal(-1, 1, rows)
    members = margin[:, None] + random.normal(0, 0.1, (rows, 5))
    label = random.random(rows) < sigmoid(margin)
    line = calibrate_logistic(label, margin)
    return fit_uncertainty(members, label=label, margin=margin, subject=np.arange(rows), line=line), members


def test_the_jackknife_of_means_without_a_group_is_the_variance_of_the_mean():
    random = np.random.default_rng(1)
    estimates, stated = [], []
    for _ in range(600):
        groups = random.normal(0, 1, (5, 20))
        without = np.array([np.delete(groups, k, axis=0).mean() for k in range(5)])
        estimates.append(groups.mean())
        stated.append(jackknife(without[None])[0])
    assert np.mean(stated) == pytest.approx(np.var(estimates), rel=0.15)


def test_members_that_agree_leave_what_the_calibrator_does_not_know():
    calibrator = dataclasses.replace(SURE, intercept=0.04)
    np.testing.assert_allclose(calibrator.half_width(np.full((3, 5), -1.0), 1.0), NORMAL * 0.2)
    usual = dataclasses.replace(SURE, usual=(0.12,))
    learning = LEARNED_SLOWLY * 2**2 * 0.12 * 20 / 24
    np.testing.assert_allclose(usual.half_width(np.zeros((1, 5)), 2.0), NORMAL * np.sqrt(learning))


def test_members_that_disagree_more_than_usual_widen_the_interval():
    unsure, members = fitted(np.random.default_rng(2))
    apart = members.mean(axis=1, keepdims=True) + 5 * (members - members.mean(axis=1, keepdims=True))
    assert (unsure.half_width(apart, 1.0) > unsure.half_width(members, 1.0)).all()


def test_the_calibrators_covariance_counts_patients_not_rows():
    random = np.random.default_rng(3)
    margin = random.normal(-1, 1, 2000)
    label = random.random(2000) < sigmoid(margin)
    members, line = np.repeat(margin[:, None], 5, axis=1), calibrate_logistic(label, margin)
    once = fit_uncertainty(members, label=label, margin=margin, subject=np.arange(2000), line=line)
    twice = fit_uncertainty(members, label=np.tile(label, 2), margin=np.tile(margin, 2),
                            subject=np.tile(np.arange(2000), 2), line=line)  # fmt: skip
    assert twice.intercept == pytest.approx(once.intercept, rel=0.01)
    lines = []
    for _ in range(200):
        rows = random.integers(0, 2000, 2000)
        lines.append(calibrate_logistic(label[rows], margin[rows]))
    np.testing.assert_allclose(np.cov(np.array(lines).T), [[once.slope, once.both], [once.both, once.intercept]],
                               rtol=0.35)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(arrays(np.float64, (6, 3), elements=st.floats(-6, 6)), st.floats(0, 3), st.floats(-5, 5))
def test_the_interval_is_of_probabilities_and_holds_the_risk(members: np.ndarray, slope: float, intercept: float):
    none, own = np.zeros(3), 12 * np.eye(3)  # each member goes by a column of its own
    estimator = LogisticRegression(none, np.ones(3), none, own, np.zeros((3, 3)), none)
    made = dataclasses.replace(bundle(), estimator=estimator, slope=slope, intercept=intercept, second=None)
    told = made.stated(members)
    assert ((told.low >= 0) & (told.low <= told.risk) & (told.risk <= told.high) & (told.high <= 1)).all()
    alone = made.stated(members[2:3])
    assert [part[0] for part in alone[:4]] == [part[2] for part in told[:4]]


@pytest.mark.parametrize("kind", ["trees", "logistic"])
def test_one_row_alone_has_the_bits_of_the_batch_and_of_the_bundle_read_back(kind: str, tmp_path: Path):
    made = bundle(kind)
    again, X = load_bundle(write_bundle(made, tmp_path / "1")), made.encoder.matrix(values(300, seed=9))
    batch = made.stated(X)
    for i in (0, 150, 299):
        for alone, together in zip(again.stated(X[i : i + 1])[:4], batch[:4], strict=True):
            assert alone[0] == together[i]


@pytest.mark.parametrize(
    "change",
    [
        {"slope": -1.0}, {"usual": [-1.0]}, {"usual": []}, {"knots": [1.0, 0.0], "usual": [1.0, 1.0]},
        {"intercept": None}, {"knots": ["x"]},
    ],
)  # fmt: skip
def test_a_bundle_whose_uncertainty_makes_no_interval_is_refused(change: dict, tmp_path: Path):
    folder = write_bundle(bundle(), tmp_path / "1")
    model = json.loads((folder / "model.json").read_text())
    model["uncertainty"] |= change
    (folder / "model.json").write_text(json.dumps(model))
    rehash(folder)
    with pytest.raises(BundleRefused) as refused:
        load_bundle(folder)
    assert refused.value.code == "model"


def test_another_interval_than_when_it_was_written_is_refused(tmp_path: Path):
    folder = write_bundle(bundle(), tmp_path / "1")
    model = json.loads((folder / "model.json").read_text())
    model["uncertainty"]["intercept"] *= 1.5
    (folder / "model.json").write_text(json.dumps(model))
    rehash(folder)
    with pytest.raises(BundleRefused) as refused:
        load_bundle(folder)
    assert refused.value.code == "golden_rows"


def test_a_model_that_states_few_different_margins_has_knots_that_can_be_read_back():
    margins = np.full((997, 5), 0.7)  # means over 50 and over 49 of them differ in the last bit
    margin = np.linspace(-2, 2, 997)
    label = np.arange(997) % 3 == 0
    made = fit_uncertainty(margins, label=label, margin=margin, subject=np.arange(997), line=(1.0, 0.0))
    assert (np.diff(made.knots) >= 0).all()
    assert Uncertainty.from_json(json.loads(json.dumps(made.to_json()))) == made
