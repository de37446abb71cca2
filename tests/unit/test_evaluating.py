"""What stands beside a model of no return, on SYNTHETIC patients who come and leave as BG/NBD has it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from tests.conftest import batch_of, events_table
from wellkept.errors import NotEnoughData, SpecRefused
from wellkept.evaluating import Report, evaluate, plain
from wellkept.examples import Examples, examples
from wellkept.journeys import Journeys, Snapshot
from wellkept.listing import report_lines
from wellkept.spec import Spec, load_spec
from wellkept.training import train

AWAY = {
    "target": "away",
    "features": ["return_pattern"],
    "baseline": "days_since_visit",
    "beside": ["hazard", "hiatus", "bg_nbd"],
    "points": {"each": "VISIT//COMPLETED", "after": ["24h", "60d"], "active": "100d"},
    "label": {"true_when": "no event of VISIT//COMPLETED by chronic: 100d after the last"},
    "trees": {"rounds": 40, "learning_rate": 0.15, "columns": 1.0},
    "logistic": {"inverse_penalties": [0.1]},
}


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """1200 patients with exponential gaps at a gamma distributed rate, who may leave after each visit but the first."""
    random = np.random.default_rng(3)
    rows = [{"subject_id": 10**6, "time": 900, "code": "THE END"}]
    for subject in range(1200):
        rate, leaves, at, here = random.gamma(1.5, 1 / 75), random.beta(1, 5), random.uniform(0, 500), True
        while here and at < 900:
            rows.append({"subject_id": subject, "time": at, "code": "VISIT//COMPLETED", "text_value": "chronic"})
            again = rows[-2]["subject_id"] == subject
            here = not again or random.random() >= leaves
            at += random.exponential(1 / rate)
    store = Journeys(tmp_path_factory.mktemp("away") / "journeys", shards=2, key="test")
    store.land(batch_of(events_table(rows)))
    return store.snapshot()


@pytest.fixture(scope="module")
def data(snapshot: Snapshot) -> Examples:
    return examples(snapshot, Spec(**AWAY))


@pytest.fixture(scope="module")
def reported(data: Examples) -> tuple[Report, list[str]]:
    """The report, and what is printed of it."""
    trained = train(data, Spec(**AWAY))
    report = evaluate(trained, data, Spec(**AWAY))
    return report, report_lines({"target": "away", **plain(trained, report)})


def test_the_rules_stand_in_the_report_and_in_what_is_printed(reported: tuple[Report, list[str]]) -> None:
    report, lines = reported
    assert list(report) == ["trees", "logistic", "baseline", "hazard", "hiatus", "bg_nbd"]
    titles = [line.replace(" (ships)", "").split() for line in lines if line.startswith(" " * 20)]
    assert titles == [["trees", "logistic", "baseline"], ["hazard", "hiatus", "bg_nbd"]]
    assert max(map(len, lines)) <= 120


def test_where_bg_nbd_is_the_truth_it_is_right_and_no_model_is_better(reported: tuple[Report, list[str]]) -> None:
    report, _ = reported
    # learned from the latest point of each patient, it would be 1.3: points lie where visits were
    assert report["bg_nbd"]["observed_expected"].value == pytest.approx(1, abs=0.1)
    assert report["bg_nbd"]["auroc"].value > max(report[name]["auroc"].value for name in ("hiatus", "baseline"))
    assert report["bg_nbd"]["auroc"].high > report["trees"]["auroc"].value


def test_the_hiatus_is_calibrated(reported: tuple[Report, list[str]]) -> None:
    report, _ = reported
    assert 0.85 < report["hiatus"]["observed_expected"].value < 1.15


def test_the_hazard_is_right_on_average_in_the_kind_of_care_and_beats_the_hiatus(
    reported: tuple[Report, list[str]],
) -> None:
    report, _ = reported
    hazard = report["hazard"]
    assert hazard["observed_expected"].value == pytest.approx(1, abs=0.1)
    assert hazard["auroc"].value > report["hiatus"]["auroc"].value
    assert hazard["came_true_chronic"].value == hazard["base_rate"].value
    assert hazard["stated_chronic"].value == pytest.approx(hazard["base_rate"].value, rel=0.1)


def test_where_model_and_hazard_disagree_on_a_kind_of_care_the_report_says_so(
    data: Examples, reported: tuple[Report, list[str]]
) -> None:
    line = next(line for line in reported[1] if line.startswith("chronic"))
    assert "caution" not in line
    spec, seen = Spec(**{**AWAY, "beside": ["hazard"]}), data.control.visits
    sooner = pc.add(seen["visited"], pc.divide(pc.subtract(seen["returned"], seen["visited"]), 9))
    hasty = seen.set_column(seen.column_names.index("returned"), "returned", sooner)
    trained = train(data, spec)
    report = evaluate(trained, replace(data, control=replace(data.control, visits=hasty)), spec)
    lines = report_lines({"target": "away", **plain(trained, report)})
    assert next(line for line in lines if line.startswith("chronic")).endswith("caution: they disagree")


def test_without_a_second_visit_there_is_no_usual_gap(data: Examples) -> None:
    spec = Spec(**{**AWAY, "baseline": "", "beside": ["hiatus"]})
    once = np.flatnonzero(data.features["visits"].to_numpy() == 1)
    only = replace(data, points=data.points.take(once), features=data.features.take(once), role=data.role[once],
                   fold=data.fold[once])  # fmt: skip
    with pytest.raises(NotEnoughData, match="twice"):
        evaluate(train(data, spec), only, spec)


@pytest.mark.parametrize(("change", "named"), [
    ({"features": ["visit"], "baseline": ""}, "visits, days_since_visit, usual_gap_days"),
    ({"label": {"true_when": "event of VISIT//COMPLETED within 100d"}}, "no event of VISIT//COMPLETED"),
    ({"points": {**AWAY["points"], "each": "VISIT*"}}, "each = 'VISIT//COMPLETED'"),
])  # fmt: skip
def test_rules_that_do_not_fit_the_model_are_refused_before_anything_is_trained(
    change: dict, named: str, snapshot: Snapshot
) -> None:
    with pytest.raises(SpecRefused, match=r"hazard and hiatus and bg_nbd") as refused:
        examples(snapshot, Spec(**{**AWAY, **change}))
    assert refused.value.code == "beside"
    assert named in str(refused.value)


def test_an_unknown_rule_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    model = Path(__file__).parents[2] / "models" / "no_return.toml"
    (tmp_path / "model.toml").write_text(model.read_text().replace('"bg_nbd"', '"pareto_nbd"'))
    with pytest.raises(SpecRefused, match=r"beside.*'hazard', 'hiatus' or 'bg_nbd'"):
        load_spec(tmp_path / "model.toml")
