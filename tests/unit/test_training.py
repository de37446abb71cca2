"""Splits, choice and honesty of training, on small synthetic journeys whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from tests.conftest import batch_of, day, events_table, points_table
from wellkept.errors import NotEnoughData, SpecRefused
from wellkept.evaluating import evaluate, plain
from wellkept.examples import Examples, examples, fold_of
from wellkept.journeys import Journeys, Snapshot
from wellkept.labelling import labels, question
from wellkept.parts import discover
from wellkept.spec import Spec
from wellkept.stability import overlap, refits, risk_by_all, stability
from wellkept.training import Trained, train

SMALL = {
    "target": "unhappy",
    "points": {"each": "VISIT", "after": ["24h"]},
    "label": {"true_when": "ANSWER <= 6 within 20d"},
    "automatic": {"windows": ["90d"], "exclude": ["ANSWER"]},
    "trees": {"rounds": 40, "depth": 3, "learning_rate": 0.15, "columns": 1.0},
    "logistic": {"inverse_penalties": [0.1]},
}
SUBJECTS = 1500


def journeys_of(folder: Path, chance, *, seed: int = 1) -> Snapshot:
    """Two visits a subject with two waits each; `chance(a, b)` is the chance of an answer of 0-6."""
    random = np.random.default_rng(seed)
    rows = []
    for subject in range(SUBJECTS):
        for start in random.uniform(0, 300, 2):
            a, b = random.normal(size=2)
            unhappy = random.random() < chance(a, b)
            site = f"site {random.integers(3)}"
            rows += [
                {"subject_id": subject, "time": start, "code": "WAIT//A", "numeric_value": a},
                {"subject_id": subject, "time": start, "code": "WAIT//B", "numeric_value": b},
                {"subject_id": subject, "time": start, "code": "VISIT", "text_value": site},
                {"subject_id": subject, "time": start + 5, "code": "ANSWER", "numeric_value": 3 if unhappy else 9},
            ]
            if start > 250:
                rows.append({"subject_id": subject, "time": start, "code": "NEW IN TEST", "numeric_value": a})
    rows.append({"subject_id": 10**6, "time": 400, "code": "THE END"})
    store = Journeys(folder / "journeys", shards=2, key="test")
    store.land(batch_of(events_table(rows)))
    return store.snapshot()


def linear(a: float, b: float) -> float:
    return 1 / (1 + np.exp(-(1.5 * a + 0.5 * b - 0.5)))


def crossed(a: float, b: float) -> float:
    return 0.85 if a * b > 0 else 0.15


@pytest.fixture(scope="module")
def linear_snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return journeys_of(tmp_path_factory.mktemp("linear"), linear)


@pytest.fixture(scope="module")
def linear_examples(linear_snapshot: Snapshot) -> Examples:
    return examples(linear_snapshot, Spec(**SMALL))


@pytest.fixture(scope="module")
def linear_trained(linear_examples: Examples) -> Trained:
    return train(linear_examples, Spec(**SMALL))


def test_training_knows_only_what_was_known_when_the_test_period_began(linear_examples: Examples) -> None:
    points, role = linear_examples.points, linear_examples.role
    at, known = (pc.cast(points[c], "int64").to_numpy() for c in ("prediction_time", "known_at"))
    begins = at[role == "test"].min()
    assert known[np.isin(role, ["train", "calibrate"])].max() <= begins
    assert at[role == "train"].max() < at[role == "calibrate"].min()
    assert at[role == "embargo"].max() < begins
    assert known[role == "embargo"].min() > begins


def test_codes_that_only_the_test_period_has_are_no_features(linear_examples: Examples) -> None:
    names = {f.name.partition(".")[0] for f in linear_examples.catalogue}
    assert names == {"WAIT//A", "WAIT//B", "VISIT"}


def test_a_patient_is_in_one_fold_and_folds_are_alike() -> None:
    ids = np.arange(100_000)
    fold = fold_of(ids, 5, seed=1)
    assert np.array_equal(fold, fold_of(ids, 5, seed=1))
    assert not np.array_equal(fold, fold_of(ids, 5, seed=2))
    assert np.bincount(fold).min() > 19_000
    assert abs(np.corrcoef(fold, ids)[0, 1]) < 0.01


def test_logistic_regression_ships_where_the_truth_is_linear(linear_trained: Trained) -> None:
    assert linear_trained.shipped.estimator.kind == "logistic"


def test_trees_ship_where_they_are_clearly_better(tmp_path: Path) -> None:
    data = examples(journeys_of(tmp_path, crossed), Spec(**SMALL))
    trained = train(data, Spec(**SMALL))
    report = evaluate(trained, data, Spec(**SMALL))
    assert trained.shipped.estimator.kind == "trees"
    assert report["logistic"]["auroc"].high < report["trees"]["auroc"].low


def test_risks_are_calibrated_and_near_the_truth_on_the_test_rows(
    linear_trained: Trained, linear_examples: Examples
) -> None:
    report = evaluate(linear_trained, linear_examples, Spec(**SMALL))["logistic"]
    assert 0.80 < report["auroc"].value < 0.88  # the true chances themselves reach .84
    assert report["calibration_slope"].low < 1 < report["calibration_slope"].high
    assert 0.85 < report["observed_expected"].value < 1.15  # 500 rows calibrate: about .045 of chance in each


def test_training_again_gives_the_same_bits(linear_examples: Examples, linear_trained: Trained) -> None:
    again = train(linear_examples, Spec(**SMALL))
    for kind, contestant in linear_trained.contestants.items():
        assert np.array_equal(contestant.risk, again.contestants[kind].risk)


def test_nothing_is_found_where_there_is_nothing(tmp_path: Path) -> None:
    data = examples(journeys_of(tmp_path, lambda a, b: 0.4), Spec(**SMALL))
    report = evaluate(train(data, Spec(**SMALL)), data, Spec(**SMALL))
    assert report["trees"]["auroc"].low < 0.5
    assert report["logistic"]["auroc"].low < 0.5


def test_one_date_is_judged_across_folds_of_patients(linear_snapshot: Snapshot) -> None:
    spec = Spec(**{**SMALL, "split": {"by": "subject"}})
    data = examples(linear_snapshot, spec)
    trained = train(data, spec)
    assert set(data.role) == {"train"}
    assert 0.80 < evaluate(trained, data, spec)["logistic"]["auroc"].value < 0.88


def test_the_report_is_plain_data_with_a_baseline(linear_trained: Trained, linear_examples: Examples) -> None:
    spec = Spec(**{**SMALL, "baseline": "WAIT//B.last"})
    report = plain(linear_trained, evaluate(linear_trained, linear_examples, spec))
    assert report["shipped"] == "logistic"
    assert report["test"]["baseline"]["auroc"][0] < report["test"]["logistic"]["auroc"][0]


@pytest.mark.parametrize(("change", "error", "code"), [
    ({"label": {"true_when": "ANSWER <= 6 within 2d"}}, NotEnoughData, "too_few_labels"),
    ({"label": {"true_when": "ANSWER <= 6 within 390d"}}, NotEnoughData, "too_few_labels"),
    ({"points": {"each": "NEVER"}}, NotEnoughData, "no_points"),
    ({"features": ["no such family"]}, SpecRefused, "no_family"),
    ({"points": {"at": "2025-02-01T00:00:00Z"}}, SpecRefused, "split"),
])  # fmt: skip
def test_what_cannot_be_trained_honestly_is_refused(change, error, code, linear_snapshot: Snapshot) -> None:
    with pytest.raises(error) as refused:
        examples(linear_snapshot, Spec(**{**SMALL, **change}))
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"asked": {"by": "INVITED"}}, "in the same encounter"),
        ({"asked": {"by": "INVITED"}, "label": {"true_when": "event of ANSWER within 20d"}}, "in the same encounter"),
        ({"label": {"true_when": "ANSWER > 6 within 20d", "second_cut": 8}}, "second_cut"),
        ({"label": {"true_when": "event of ANSWER within 20d", "second_cut": 8}}, "second_cut"),
        ({"label": {"true_when": "ANSWER <= 6 within 20d in the same encounter"},
          "asked": {"by": "INVITED", "reference": "sms"}}, "no label|reference|not one point"),
    ],
)  # fmt: skip
def test_what_is_said_of_answers_must_fit_the_question(linear_snapshot: Snapshot, changed: dict, what: str) -> None:
    with pytest.raises((SpecRefused, NotEnoughData), match=what):
        examples(linear_snapshot, Spec(**{**SMALL, **changed}))


def test_an_answer_that_is_entered_late_is_known_late(tmp_path: Path) -> None:
    rows = [
        {"subject_id": 1, "time": 10, "code": "VISIT"},
        {"subject_id": 1, "time": 50, "event_at": 12, "code": "ANSWER", "numeric_value": 3.0},
        {"subject_id": 2, "time": 100, "code": "THE END"},
    ]
    store = Journeys(tmp_path / "journeys", shards=2, key="test")
    store.land(batch_of(events_table(rows)))
    asked = question("ANSWER <= 6 within 20d", discover("targets"))
    told = labels(store.snapshot(), points_table((1, 11)), asked)
    assert told["label"].to_pylist() == [True]
    assert told["known_at"].to_pylist() == [day(50)]


def test_refits_on_the_same_patients_twice_are_the_same_and_on_others_nearly(
    linear_examples: Examples, linear_trained: Trained
) -> None:
    spec = Spec(**SMALL)
    X = linear_trained.encoder.matrix(linear_examples.features)
    fitted = linear_examples, linear_trained.encoder, linear_trained.shipped.estimator.kind, spec
    one, two = (risk_by_all(refit, X) for refit in refits(*fitted, 2))
    again = risk_by_all(next(refits(*fitted, 1)), X)
    np.testing.assert_array_equal(one, again)
    assert 0 < np.abs(one - two).mean() < 0.05
    told = stability(linear_examples, linear_trained, spec, 2)
    assert told["overlap"].value > 0.5
    assert 0 < told["mean_change"].value < 0.05


def test_the_overlap_of_lists_is_the_jaccard_of_every_two() -> None:
    a, b = np.arange(100.0), np.arange(100.0)
    b[[95, 50]] = b[[50, 95]]
    assert overlap([a, a]) == [1.0]
    assert overlap([a, b]) == pytest.approx([4 / 6])
