"""One group under several models: the figures of the group alone, and changes on the same draws."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from wellkept.disparities import FIGURES, disparities
from wellkept.performance import essentials
from wellkept.subgroups import by_group

N = 3000


@pytest.fixture(scope="module")
def rows() -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    risk, few = random.beta(2, 6, N), np.arange(N) % 3 == 0
    return {"label": random.random(N) < risk, "risk": np.where(few, 0.7 * risk, risk), "right": risk, "few": few,
            "subject": np.arange(N) // 2}  # fmt: skip


def test_its_figures_are_those_of_the_report(rows: dict[str, np.ndarray]) -> None:
    found, _ = disparities(rows["label"], [[rows["risk"]]], rows["subject"], rows["few"])[0]
    words = pa.table({"g": np.where(rows["few"], "few", "many").tolist()})
    report = by_group(rows["label"], rows["risk"], rows["subject"], words, resamples=50)["g"]["few"].figures
    for name in set(FIGURES) & set(report):
        assert found[name].value == pytest.approx(report[name].value), name
    assert found["attention_over_need"].value == pytest.approx(report["attention"].value / report["need"].value)


def test_the_interval_of_auroc_by_placements_is_that_of_counting_anew(rows: dict[str, np.ndarray]) -> None:
    found, _ = disparities(rows["label"], [[rows["risk"]]], rows["subject"], np.ones(N, bool), resamples=400)[0]
    anew = essentials(rows["label"], rows["risk"], rows["subject"], resamples=400)["auroc"]
    assert found["auroc"].low == pytest.approx(anew.low, abs=0.003)
    assert found["auroc"].high == pytest.approx(anew.high, abs=0.003)


def test_a_model_that_states_the_few_too_little_is_found_and_the_change_is_paired(rows: dict[str, np.ndarray]) -> None:
    (_, nothing), (right, change) = disparities(
        rows["label"], [[rows["risk"]], [rows["right"]]], rows["subject"], rows["few"]
    )
    assert {(e.value, e.low, e.high) for e in nothing.values()} == {(0, 0, 0)}
    assert right["observed_expected"].value == pytest.approx(1, abs=0.1)
    assert change["observed_expected"].high < -0.3
    assert change["recall_at_capacity"].low > 0
    alone = right["observed_expected"]  # the same draws judge both: a change is surer than either
    assert change["brier"].high - change["brier"].low < alone.high - alone.low


def test_refits_count_alike_and_are_drawn_with_the_patients(rows: dict[str, np.ndarray]) -> None:
    random = np.random.default_rng(4)
    refits = [np.clip(rows["risk"] * random.lognormal(0, 0.3, N), 0, 1) for _ in range(3)]

    def found(*risks: list[np.ndarray]) -> list:
        return disparities(rows["label"], risks, rows["subject"], rows["few"])

    alone = [found([risk])[0][0]["auroc"].value for risk in refits]
    assert found(refits)[0][0]["auroc"].value == pytest.approx(np.mean(alone))
    _, (_, change) = found(refits, [refits[1], refits[2], refits[0]])  # the same fits: nothing changed
    assert change["auroc"].value == pytest.approx(0)
    assert change["auroc"].low < 0 < change["auroc"].high


def test_a_group_without_events_has_no_figures(rows: dict[str, np.ndarray]) -> None:
    quiet = ~rows["label"] & rows["few"]
    found, _ = disparities(rows["label"], [[rows["risk"]]], rows["subject"], quiet)[0]
    assert np.isnan(found["auroc"].value)
    assert found["need"].value == 0
