"""The judge is held against cases whose answer is known by hand; the product's own path never leads to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from wellkept import ceiling as of_ceiling
from wellkept.__main__ import main
from wellkept.ceiling import ceiling, expected_auroc
from wellkept.contracts import TIME
from wellkept.judging import _undecided
from wellkept.judging_steps import Worth, from_the_top, worth
from wellkept.offering import interventions
from wellkept.programs import NOBODY

ROOT = Path(__file__).parents[2]


def test_where_chances_are_certain_the_expected_auroc_is_the_auroc() -> None:
    random = np.random.default_rng(1)
    label, score = random.random(500) < 0.3, random.integers(0, 20, 500) / 20
    assert expected_auroc(score, label.astype(float)) == pytest.approx(roc_auc_score(label, score))


def test_the_expected_auroc_is_the_mean_over_many_worlds() -> None:
    random = np.random.default_rng(2)
    p = random.beta(1, 4, 2000)
    score = p + random.normal(0, 0.1, 2000)
    drawn = [roc_auc_score(random.random(2000) < p, score) for _ in range(200)]
    assert expected_auroc(score, p) == pytest.approx(np.mean(drawn), abs=0.003)


def test_who_has_booked_is_not_judged_and_of_the_others_it_is_known_that_they_have_not() -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    rows = [("returned", 0.5), ("returned", 3.0), ("returned", 5.0), ("returned", 0.9), ("lost", None)]
    truth = pa.table({
        "outcome": [outcome for outcome, _ in rows], "care_type": ["procedure"] * 5,
        "next_booked_at": pa.array([None if day is None else start + timedelta(days=day) for _, day in rows], TIME),
    })  # fmt: skip
    points = pa.table({"prediction_time": pa.array([start + timedelta(days=1)] * 5, TIME)})
    p, undecided = _undecided(points, truth, np.full(5, 0.2))
    np.testing.assert_array_equal(undecided, [False, True, True, False, True])
    np.testing.assert_allclose(p, 0.2 / (0.2 + 0.8 * 0.5))


def test_a_folder_without_a_truth_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    spec = str(ROOT / "models" / "no_return.toml")
    assert main(["judge", str(tmp_path), "--spec", spec, "--json"]) == 5
    assert json.loads(capsys.readouterr().out)["code"] == "truth"


def test_a_list_goes_from_the_top_down_until_the_minutes_are_spent() -> None:
    value = np.array([[5.0, 1.0], [0.0, 4.0], [3.0, 2.0], [0.0, 0.0]])
    assert from_the_top(value, np.array([10, 20]), 30).tolist() == [0, 1, NOBODY, NOBODY]


def test_a_policy_is_worth_what_it_truly_prevents_whatever_it_believed() -> None:
    catalogue = [i for i in interventions().values() if i.minutes == 25][:1]
    value, gain = np.array([[0.9], [0.8], [0.1]]), np.array([[-0.1], [0.3], [0.5]])
    told = worth(np.repeat(value, 21, axis=0), np.repeat(gain, 21, axis=0), catalogue, by_list=True)
    # 63 visits have 50.4 minutes: two calls, both for whom they harm
    assert told == Worth(prevented=pytest.approx(-0.2), harmed=1.0, given=2, minutes=50.0)


@pytest.mark.parametrize(("enough", "learned_from"), [(10**9, "all other folds"), (400, "the other half")])
def test_a_ceiling_is_learned_from_other_patients_before(
    monkeypatch: pytest.MonkeyPatch, enough: int, learned_from: str
) -> None:
    """Features tell nothing, and patients of folds 0, 2 and 4 have other chances than those of 1 and 3."""
    monkeypatch.setattr(of_ceiling, "ENOUGH", enough)
    fold, later = np.arange(3000) % 5, np.arange(3000) >= 2000
    even = fold % 2 == 0
    best = ceiling(np.zeros((3000, 1), np.float32), np.where(even & ~later, 0.9, 0.1), fold, later)
    expected = {"all other folds": (0.5, 0.7), "the other half": (0.1, 0.9)}[learned_from]
    assert best[even[later]] == pytest.approx(expected[0], abs=0.02)
    assert best[~even[later]] == pytest.approx(expected[1], abs=0.02)


@pytest.mark.slow
def test_a_small_system_is_judged_with_its_steps_and_nothing_beats_its_ceiling(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["simulate", str(tmp_path / "system"), "--patients", "6000", "--seed", "4"]) == 0
    capsys.readouterr()
    specs = [str(ROOT / "models" / f"{target}.toml") for target in ("detractor_risk", "no_return")]
    assert main(["judge", str(tmp_path / "system"), "--spec", specs[0], "--spec", specs[1], "--json"]) in (0, 1)
    told = json.loads(capsys.readouterr().out)["goals"]
    goals = {goal["goal"]: goal for goal in reversed(told)}
    assert set(goals) == {"G1", "G2", "G3", "G4", "G5", "G6", "G8"}
    assert 0.5 < goals["G1"]["value"] <= 1.05
    assert goals["G1"]["worst"]["ceiling AUROC"] > 0.6
    assert goals["G1"]["holds"] == (0.97 <= goals["G1"]["value"] <= 1.01)
    share, over = (goal for goal in told if goal["goal"] == "G5")
    assert 0.5 < share["value"] < 1.3
    assert over["value"] == pytest.approx(share["worst"]["prevented"] / share["worst"]["top SHAP"])
    assert goals["G6"]["holds"] == (goals["G6"]["value"] <= 0.02)
