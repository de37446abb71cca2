"""The least that will do: what recalibrating changes and leaves, and which rung is taken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.bundling import FOLDS, bundle, values
from wellkept.calibrating import sigmoid
from wellkept.gates import Gate
from wellkept.ladder import Rung, lowest_enough, margins_of, recalibrated

N = 4000
OPEN, SHUT = Gate("skill", True, 0.7, "", ""), Gate("calibration", False, 1.5, "", "")
RANDOM = np.random.default_rng(3)
MARGIN = RANDOM.normal(-1, 1, N)
PATIENT = np.arange(len(MARGIN))
SUBJECT = np.arange(N)


def drawn(margin: np.ndarray) -> np.ndarray:
    return np.random.default_rng(4).random(N) < sigmoid(margin)


def rung(name: str, margin: np.ndarray, *gates: Gate) -> Rung:
    return Rung(name, bundle(), sigmoid(margin), gates or (OPEN,))


@pytest.mark.parametrize(("slope", "truth"), [(False, MARGIN + 0.5), (True, 0.6 * MARGIN - 0.3)])
def test_newer_labels_move_the_line_and_nothing_else(slope: bool, truth: np.ndarray) -> None:
    before = bundle()
    after = recalibrated(before, MARGIN, drawn(truth), subject=PATIENT, slope=slope)
    X = before.encoder.matrix(values(200))
    b, a = np.polyfit(before.margin(X), after.margin(X), 1)
    assert b == pytest.approx(0.6 if slope else 1, abs=0.06)
    assert a == pytest.approx(-0.3 if slope else 0.5, abs=0.06)
    np.testing.assert_array_equal(np.argsort(after.risk(X)), np.argsort(before.risk(X)))
    assert after.estimator is before.estimator
    assert after.spec == before.spec


def test_both_heads_move_alike_so_that_the_expected_nps_keeps_its_sense() -> None:
    before = bundle()
    after = recalibrated(before, MARGIN, drawn(MARGIN + 0.5), subject=PATIENT, slope=False)
    assert before.second is not None
    assert after.second is not None
    assert after.second[1] - before.second[1] == pytest.approx(after.intercept - before.intercept)
    X = before.encoder.matrix(values(50))
    moved = after.stated(X).nps
    assert moved is not None
    assert (moved <= np.asarray(before.stated(X).nps)).all()


def test_recalibrated_contributions_add_up_to_the_recalibrated_margin() -> None:
    after = recalibrated(bundle(), MARGIN, drawn(0.6 * MARGIN - 0.3), subject=PATIENT, slope=True)
    X = after.encoder.matrix(values(100))
    np.testing.assert_allclose(after.contributions(X).sum(axis=1), after.margin(X), atol=1e-5)


def test_a_row_is_judged_by_the_member_that_never_saw_its_patient_in_the_way_it_was_asked() -> None:
    ours = replace(bundle(), mode_effects={"phone": -0.4})
    X = ours.encoder.matrix(values(60))
    subject = np.arange(60)
    by_sms, by_phone = (margins_of(ours, X, subject, [way] * 60) for way in ("sms", "phone"))
    np.testing.assert_allclose(by_phone - by_sms, -0.4)
    members = ours.slope * ours.estimator.margins(X) + ours.intercept
    assert all(np.isclose(members[i], by_sms[i]).any() for i in range(60))
    assert members.shape[1] == FOLDS


def test_the_lowest_rung_that_will_do_is_taken() -> None:
    label = drawn(MARGIN)
    keep, shifted, refit = (rung(name, m) for name, m in (("keep", MARGIN), ("intercept", MARGIN), ("refit", MARGIN)))
    assert lowest_enough([keep, shifted, refit], label, SUBJECT) is keep


def test_a_rung_that_is_surely_beaten_is_passed_over_and_one_whose_gate_is_closed_too() -> None:
    label = drawn(MARGIN)
    worse, shut = rung("keep", 0.3 * MARGIN), rung("intercept", MARGIN, SHUT)
    refit = rung("refit", MARGIN)
    assert lowest_enough([worse, shut, refit], label, SUBJECT) is refit
    assert lowest_enough([worse, shut], label, SUBJECT) is worse
    assert lowest_enough([shut], label, SUBJECT) is None
