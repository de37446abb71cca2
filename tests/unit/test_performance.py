"""How good are the risks: held against scikit-learn, against known miscalibration and against copied rows."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from wellkept.calibrating import calibrate_logistic, logit, sigmoid
from wellkept.errors import NotEnoughData
from wellkept.intervals import Estimate
from wellkept.measures import all_measures, net_benefit
from wellkept.performance import _weights_drawn, compared, essentials, metrics, paired_difference
from wellkept.tallying import Tally, smooth_calibration, tally

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]
NAMES = [
    "base_rate", "auroc", "auprc", "brier", "brier_skill", "log_loss", "calibration_intercept",
    "calibration_slope", "observed_expected", "ici", "e90", "recall_at_capacity", "ppv_at_capacity",
    "lift_at_capacity", "net_benefit_at_capacity", "net_benefit_0.10", "net_benefit_0.20",
]  # fmt: skip

# risk, events and non-events at it: 40 rows, 12 events; the top tenth is 4 rows and ends among those at 0.6
TABLE = [
    (0.9, 2, 0),
    (0.6, 3, 1),
    (0.3, 4, 6),
    (0.1, 3, 21),
]


def simulated(n: int = 2000, *, seed: int = 0, per_subject: int = 1, decimals: int | None = None) -> Rows:
    """Calibrated risks; patients with several rows have one true risk and one outcome."""
    random = np.random.default_rng(seed)
    patients = n // per_subject
    true = sigmoid(random.normal(-1.5, 1.0, patients))
    label = random.random(patients) < true
    risk = np.repeat(true, per_subject)
    risk = risk if decimals is None else np.round(risk, decimals)
    return np.repeat(label, per_subject), risk, np.repeat(np.arange(patients), per_subject)


def measured(counted: Tally) -> dict[str, float]:
    return all_measures(counted, 0.10, (0.1, 0.2))


def from_table() -> Rows:
    risk = np.repeat([r for r, _, _ in TABLE], [e + o for _, e, o in TABLE])
    label = np.concatenate([[True] * e + [False] * o for _, e, o in TABLE])
    return label, risk, np.arange(len(risk))


@pytest.mark.parametrize("decimals", [None, 1], ids=["distinct risks", "tied risks"])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_discrimination_and_losses_are_those_of_scikit_learn(decimals: int | None, weighted: bool) -> None:
    label, risk, _ = simulated(decimals=decimals)
    weight = np.random.default_rng(1).integers(0, 4, len(label)).astype(float) if weighted else None
    found = measured(tally(label, risk, weight))
    assert found["auroc"] == pytest.approx(roc_auc_score(label, risk, sample_weight=weight), abs=1e-12)
    average_precision = average_precision_score(label, risk, sample_weight=weight)
    assert found["auprc"] == pytest.approx(average_precision, abs=1e-12)
    assert found["brier"] == pytest.approx(brier_score_loss(label, risk, sample_weight=weight), abs=1e-12)
    inside = np.clip(risk, 1e-9, 1 - 1e-9)
    assert found["log_loss"] == pytest.approx(log_loss(label, inside, sample_weight=weight), abs=1e-9)


def test_weights_say_the_same_as_copies_of_the_rows() -> None:
    label, risk, _ = simulated(600, decimals=3)
    copies = np.random.default_rng(2).integers(0, 4, len(label))
    weighted = measured(tally(label, risk, copies.astype(float)))
    copied = measured(tally(np.repeat(label, copies), np.repeat(risk, copies)))
    assert weighted == pytest.approx(copied, abs=1e-9)


def test_a_resample_of_patients_is_a_copy_of_all_their_rows() -> None:
    label, risk, subject = simulated(900, per_subject=3, seed=3)
    seed, patients = 5, 300
    drawn = np.random.default_rng(seed).integers(0, patients, patients)
    rows = np.concatenate([np.flatnonzero(subject == s) for s in drawn])
    expected = measured(tally(label[rows], risk[rows]))
    once = metrics(label, risk, subject, resamples=1, seed=seed)
    assert {name: e.low for name, e in once.items()} == pytest.approx(expected, abs=1e-9)
    assert all(e.low == e.high for e in once.values())


def test_the_report_is_complete_ordered_and_repeatable() -> None:
    label, risk, subject = simulated()
    report = metrics(label, risk, subject, resamples=20)
    assert sorted(report) == sorted(NAMES)
    assert all(e.low <= e.high for e in report.values())
    assert report == metrics(label, risk, subject, resamples=20)
    assert report != metrics(label, risk, subject, resamples=20, seed=1)


def test_draws_without_events_are_left_out() -> None:
    draws = islice(_weights_drawn(np.array([True, False]), np.array([0, 1]), 0), 20)
    assert [draw.tolist() for draw in draws] == [[1, 1]] * 20


def test_the_order_of_the_rows_does_not_matter() -> None:
    label, risk, subject = simulated(500, decimals=2)
    other = np.random.default_rng(0).permutation(len(label))
    one = metrics(label, risk, subject, resamples=5)
    two = metrics(label[other], risk[other], subject[other], resamples=5)
    for name in one:
        assert vars(one[name]) == pytest.approx(vars(two[name]), abs=1e-9)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.6, -0.4), (1.5, 0.5)])
def test_known_miscalibration_is_found(slope: float, intercept: float) -> None:
    random = np.random.default_rng(4)
    margin = random.normal(-1, 1, 40_000)
    label = random.random(len(margin)) < sigmoid(slope * margin + intercept)
    counted = tally(label, sigmoid(margin))
    found = measured(counted)
    assert found["calibration_slope"] == pytest.approx(slope, abs=0.06)
    assert calibrate_logistic(label, margin) == pytest.approx((slope, intercept), abs=0.06)
    true_gap = np.abs(sigmoid(slope * margin + intercept) - sigmoid(margin))
    assert found["ici"] == pytest.approx(true_gap.mean(), abs=0.012)
    assert found["e90"] == pytest.approx(np.quantile(true_gap, 0.9), abs=0.02)


def test_the_calibration_intercept_is_the_shift_at_slope_one() -> None:
    random = np.random.default_rng(5)
    margin = random.normal(-1, 1, 40_000)
    label = random.random(len(margin)) < sigmoid(margin + 0.5)
    found = measured(tally(label, sigmoid(margin)))
    assert found["calibration_intercept"] == pytest.approx(0.5, abs=0.04)
    shifted = sigmoid(margin + found["calibration_intercept"])
    assert shifted.sum() == pytest.approx(label.sum(), rel=1e-6)


def test_the_smooth_curve_bends_where_a_line_cannot() -> None:
    margin = np.linspace(-3, 3, 6001)
    true = sigmoid(-0.5 + 0.25 * margin**2)
    counted = tally(np.random.default_rng(6).random(len(margin)) < true, sigmoid(margin))
    middle = np.abs(margin) < 2.5
    assert np.abs(smooth_calibration(counted) - true)[middle].max() < 0.08


def test_the_smooth_curve_is_straight_beyond_the_outer_knots() -> None:
    margin = np.linspace(-3, 3, 601)
    label = np.random.default_rng(8).random(601) < sigmoid(-0.5 + 0.25 * margin**2)
    bend = np.abs(np.diff(logit(smooth_calibration(tally(label, sigmoid(margin)))), 2))
    outside = np.abs(margin[1:-1]) > 2.75  # the 5 and 95 % quantiles are at 2.7
    assert bend[outside].max() < 1e-9 < bend[~outside].max()


def test_few_distinct_risks_have_a_line_and_one_has_the_base_rate() -> None:
    two = Tally(np.array([0.2, 0.5]), np.array([30.0, 40.0]), np.array([70.0, 60.0]))
    assert smooth_calibration(two) == pytest.approx([0.3, 0.4], abs=1e-4)
    one = Tally(np.array([0.2]), np.array([30.0]), np.array([70.0]))
    assert smooth_calibration(one) == pytest.approx([0.3], abs=1e-4)


def test_equal_risks_for_all_are_judged_without_a_slope() -> None:
    label, _, subject = simulated(400)
    report = metrics(label, np.full(400, 0.25), subject, resamples=20)
    assert report["auroc"] == Estimate(0.5, 0.5, 0.5)
    assert np.isnan([report["calibration_slope"].value, report["calibration_slope"].low]).all()
    assert report["ici"].value == pytest.approx(abs(label.mean() - 0.25), abs=1e-5)
    assert report["lift_at_capacity"].value == pytest.approx(1)


def test_risks_of_exactly_zero_and_one_and_perfect_ones_stay_finite() -> None:
    label, _, subject = simulated(400)
    for risk in (label.astype(float), 1 - label.astype(float), np.where(label, 0.9, 0.1), np.zeros(400)):
        report = metrics(label, risk, subject, resamples=10)
        finite = {name for name, e in report.items() if np.isfinite([e.value, e.low, e.high]).all()}
        assert set(NAMES) - finite <= {"calibration_slope"}
    assert metrics(label, label.astype(float), subject, resamples=5)["brier_skill"].value == 1


def test_capacity_takes_from_the_top_and_shares_ties() -> None:
    """4 of 40 rows: both rows at 0.9 (2 events), then 2 of the 4 at 0.6, which hold 3/4 events each."""
    found = measured(tally(*from_table()[:2]))
    assert found["recall_at_capacity"] == pytest.approx(3.5 / 12)
    assert found["ppv_at_capacity"] == pytest.approx(3.5 / 4)
    assert found["lift_at_capacity"] == pytest.approx(3.5 / 4 / (12 / 40))
    assert found["net_benefit_at_capacity"] == pytest.approx((3.5 - 0.5 * 0.6 / 0.4) / 40)
    assert found["net_benefit_0.10"] == pytest.approx((12 - 28 / 9) / 40)
    assert found["net_benefit_0.20"] == pytest.approx((9 - 7 / 4) / 40)
    assert found["base_rate"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("capacity", "recall", "cut_off"),
    [
        (0.05, 2 / 12, 0.9),  # exactly the two rows at 0.9
        (0.15, 5 / 12, 0.6),  # exactly the rows down to 0.6
        (0.0625, 2.375 / 12, 0.6),  # two rows and a half
        (1.0, 1.0, 0.1),
    ],
)
def test_capacity_may_end_at_a_tie_or_within_one(capacity: float, recall: float, cut_off: float) -> None:
    label, risk, subject = from_table()
    report = metrics(label, risk, subject, capacity=capacity, resamples=1)
    found = recall * 12
    missed = capacity * 40 - found
    assert report["recall_at_capacity"].value == pytest.approx(recall)
    assert report["net_benefit_at_capacity"].value == pytest.approx(
        (found - missed * cut_off / (1 - cut_off)) / 40
    )


def test_capacity_that_ends_at_a_risk_has_that_cut_off_whatever_the_rounding() -> None:
    assert 0.07 * 100 > 7
    label, risk = np.arange(100) % 2 == 0, np.where(np.arange(100) < 7, 0.9, 0.1)
    report = metrics(label, risk, np.arange(100), capacity=0.07, resamples=1)
    assert report["net_benefit_at_capacity"].value == pytest.approx((4 - 3 * 9) / 100)


def test_thresholds_name_their_net_benefit() -> None:
    label, risk, subject = simulated(500)
    report = metrics(label, risk, subject, thresholds=(0.05, 0.125, 0.5), resamples=1)
    assert {n for n in report if n.startswith("net_benefit_0")} == {
        "net_benefit_0.05", "net_benefit_0.125", "net_benefit_0.50"
    }  # fmt: skip
    assert report["net_benefit_0.125"].value == net_benefit(tally(label, risk), 0.125)


def test_repeated_rows_of_a_patient_do_not_narrow_the_intervals() -> None:
    label, risk, subject = simulated(2000, per_subject=5)
    by_patient = metrics(label, risk, subject, resamples=100)
    by_row = metrics(label, risk, np.arange(len(label)), resamples=100)
    for name in ("auroc", "brier", "observed_expected", "calibration_slope"):
        narrow, wide = by_row[name], by_patient[name]
        assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """Two risks for patients of three equal rows; the true difference of mean Brier losses is known."""
    random = np.random.default_rng(7)
    covered = 0
    for _ in range(200):
        true = random.uniform(0.1, 0.9, 150)
        label = np.repeat(random.random(150) < true, 3)
        risk, other = np.repeat(true, 3), np.full(450, 0.5)
        subject = np.repeat(np.arange(150), 3)
        found = paired_difference(label, risk, other, subject, loss="brier", resamples=200)
        expected = -(0.8**2) / 12  # Brier of p minus Brier of 0.5 is -E(p - 0.5)^2
        covered += found.low <= expected <= found.high
    assert 0.90 <= covered / 200 <= 0.985


def test_the_paired_difference_is_that_of_the_mean_losses() -> None:
    label, risk, subject = simulated(1000, per_subject=2)
    worse = sigmoid(2 * logit(risk))
    found = paired_difference(label, risk, worse, subject)
    assert found.value == pytest.approx(log_loss(label, risk) - log_loss(label, worse))
    assert found.low < found.value < found.high < 0
    turned = paired_difference(label, worse, risk, subject)
    assert (turned.value, turned.low, turned.high) == pytest.approx((-found.value, -found.high, -found.low))
    assert paired_difference(label, risk, risk, subject) == Estimate(0, 0, 0)


def test_few_labels_hardly_move_the_calibration() -> None:
    assert calibrate_logistic(np.array([], bool), np.array([])) == (1.0, 0.0)
    label, margin = np.array([True, False] * 3), np.array([2.0, -2.0] * 3)
    slope, _ = calibrate_logistic(label, margin)
    assert 1 < slope < 1.5  # they separate: without the prior, it would be infinite
    slope, intercept = calibrate_logistic(np.zeros(5, bool), np.linspace(-2, 0, 5))
    assert slope == pytest.approx(1, abs=0.2)
    assert -10 < intercept < 0


def test_a_weaker_prior_lets_the_labels_speak() -> None:
    label, margin = np.array([True, False] * 3), np.array([2.0, -2.0] * 3)
    loose, _ = calibrate_logistic(label, margin, prior_precision=(0.01, 0.01))
    assert loose > calibrate_logistic(label, margin)[0] + 0.5


def test_calibration_weights_are_copies_of_rows() -> None:
    label, risk, _ = simulated(300)
    copies = np.random.default_rng(0).integers(0, 4, 300)
    copied = calibrate_logistic(np.repeat(label, copies), np.repeat(logit(risk), copies))
    assert calibrate_logistic(label, logit(risk), copies) == pytest.approx(copied, abs=1e-6)


def test_helpers_never_overflow() -> None:
    assert sigmoid(np.array([-1e6, 0.0, 1e6])).tolist() == [0.0, 0.5, 1.0]
    assert logit(np.array([0.0, 0.5, 1.0])) == pytest.approx([-20.723, 0, 20.723], abs=1e-3)
    assert sigmoid(logit(np.array([0.01, 0.7]))) == pytest.approx([0.01, 0.7])


def test_estimates_are_readable() -> None:
    assert str(Estimate(0.7591, 0.734, 0.784)) == "0.759 [0.734-0.784]"
    assert str(Estimate(-0.0301, -0.034, -0.026)) == "-0.030 [-0.034 to -0.026]"
    assert str(Estimate(0.0, -0.0001, 0.0001)) == "0.000 [0.000-0.000]"


grids = arrays(np.int64, 60, elements=st.integers(1, 999))
halves = np.arange(60) % 2 == 0


@settings(max_examples=50, deadline=None)
@given(grids)
def test_ranking_measures_see_only_the_ranks(grid: np.ndarray) -> None:
    risk = grid / 1000
    one, two = (measured(tally(halves, r)) for r in (risk, sigmoid(3 * logit(risk) - 1)))
    for name in ("auroc", "auprc", "recall_at_capacity", "ppv_at_capacity"):
        assert one[name] == pytest.approx(two[name], abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(grids)
def test_turning_the_risks_turns_the_auroc(grid: np.ndarray) -> None:
    one, two = (measured(tally(halves, r)) for r in (grid / 1000, (1000 - grid) / 1000))
    assert one["auroc"] + two["auroc"] == pytest.approx(1)


@settings(max_examples=50, deadline=None)
@given(grids, arrays(np.bool_, 40))
def test_any_risks_give_sums_that_add_up(grid: np.ndarray, some: np.ndarray) -> None:
    label = np.concatenate([np.arange(20) % 2 == 0, some])
    risk = grid / 1000
    found = measured(tally(label, risk))
    assert found["observed_expected"] == pytest.approx(label.sum() / risk.sum())
    assert 0 <= found["ici"] <= 1
    assert 0 <= found["e90"] <= 1
    assert 0 <= found["recall_at_capacity"] <= 1
    assert found["net_benefit_0.10"] <= found["base_rate"] + 1e-12
    assert all(np.isfinite(v) for k, v in found.items() if k != "calibration_slope")


@pytest.mark.parametrize("events", [9, 491], ids=["few events", "few non-events"])
def test_too_few_labels_are_refused(events: int) -> None:
    label, risk, subject = np.arange(500) < events, np.full(500, 0.3), np.arange(500)
    with pytest.raises(NotEnoughData, match=f"{events} rows with events and {500 - events}"):
        tally(label, risk)
    with pytest.raises(NotEnoughData, match="at least 10"):
        metrics(label, risk, subject)
    with pytest.raises(NotEnoughData, match="at least 10"):
        paired_difference(label, risk, risk, subject)


def test_many_events_of_few_patients_are_too_few() -> None:
    label, risk, subject = np.arange(500) < 100, np.full(500, 0.3), np.arange(500)
    subject[:100] //= 20
    with pytest.raises(NotEnoughData, match="5 patients with events"):
        metrics(label, risk, subject)


def test_no_rows_are_too_few() -> None:
    with pytest.raises(NotEnoughData, match="0 rows with events"):
        tally(np.array([], bool), np.array([]))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"risk": np.full(99, 0.5)}, r"label \(100,\), risk \(99,\), subject \(100,\)"),
        ({"subject": np.arange(3)}, r"subject \(3,\)"),
        ({"risk": np.full((100, 1), 0.5)}, "one axis"),
        ({"risk": np.r_[np.full(99, 0.5), np.nan]}, "risk is missing or infinite on 1 of 100"),
        ({"risk": np.r_[np.full(98, 0.5), -0.1, 1.1]}, r"outside \[0, 1\] on 2 of 100"),
        ({"label": np.r_[np.ones(99), np.nan]}, "true or false"),
        ({"label": np.arange(100)}, "true or false"),
        ({"label": np.array([True, None] * 50, object)}, "true or false"),
        ({"subject": np.r_[np.arange(99.0), np.nan]}, "subject is missing"),
        ({"capacity": 0.0}, "capacity is 0"),
        ({"capacity": 1.5}, "capacity is 1.5"),
        ({"thresholds": (0.1, 1.0)}, "thresholds are"),
        ({"resamples": 0}, "resamples is 0"),
    ],
)
def test_what_cannot_be_judged_is_refused(changes: dict, says: str) -> None:
    arguments = {"label": np.arange(100) % 2 == 0, "risk": np.full(100, 0.5), "subject": np.arange(100)}
    with pytest.raises(ValueError, match=says):
        metrics(**{**arguments, **changes})


def test_other_calls_refuse_in_the_same_way() -> None:
    label, risk = np.arange(100) % 2 == 0, np.full(100, 0.5)
    with pytest.raises(ValueError, match="log_loss, brier"):
        paired_difference(label, risk, risk, np.arange(100), loss="hinge")
    with pytest.raises(ValueError, match="risk_b"):
        paired_difference(label, risk, risk[:9], np.arange(100))
    with pytest.raises(ValueError, match="margin is missing or infinite on 1"):
        calibrate_logistic(label, np.r_[risk[1:], np.inf])
    with pytest.raises(ValueError, match="weight is negative on 100"):
        calibrate_logistic(label, risk, -np.ones(100))
    with pytest.raises(ValueError, match="weight"):
        tally(label, risk, np.ones(3))


def test_the_few_figures_of_a_group_are_those_of_the_whole_report() -> None:
    label, risk, subject = simulated(2000)
    whole = metrics(label, risk, subject, resamples=20)
    assert essentials(label, risk, subject, resamples=20).items() <= whole.items()


def test_two_models_are_compared_on_the_same_rows_and_the_same_draws() -> None:
    label, risk, subject = simulated(3000)
    worse = np.clip(risk + np.random.default_rng(1).normal(0, 0.1, len(risk)), 0.001, 0.999)
    found = compared(label, risk, worse, subject, resamples=100)
    assert found["auroc"].low > 0
    assert found["brier"].high < 0
    assert found["net_benefit_at_capacity"].value > 0
    one, other = (metrics(label, r, subject, resamples=1) for r in (risk, worse))
    assert found["auroc"].value == pytest.approx(one["auroc"].value - other["auroc"].value)
    assert found["brier"].value == pytest.approx(paired_difference(label, risk, worse, subject, loss="brier").value)
    assert set(compared(label, risk, risk, subject, resamples=10).values()) == {Estimate(0, 0, 0)}


def test_at_one_capacity_the_gain_is_true_alarms_found_at_the_other_models_exchange() -> None:
    label = np.array([True] * 20 + [False] * 180)
    finds, misses = np.linspace(0.9, 0.1, 200), np.linspace(0.1, 0.9, 200)
    found = compared(label, finds, misses, np.arange(200), capacity=0.1, resamples=1)["net_benefit_at_capacity"]
    odds = misses[180] / (1 - misses[180])
    assert found.value == pytest.approx((20 - (-20 * odds)) / 200)
