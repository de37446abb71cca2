"""What a group is told: figures where there is enough, and silence said aloud where there is not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellkept.performance import essentials
from wellkept.subgroups import by_group
from wellkept.tallying import acted_rows

N = 4000


@pytest.fixture(scope="module")
def rows() -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    risk = random.beta(2, 6, N)
    group = np.where(np.arange(N) % 4 == 0, "few", "many")
    stated = np.where(group == "few", risk * 0.6, risk)  # too low for the few
    return {"label": random.random(N) < risk, "risk": stated, "subject": np.arange(N) // 2, "group": group}


def grouped(rows: dict[str, np.ndarray], words: np.ndarray) -> dict:
    groups = pa.table({"g": pa.array(words.tolist(), pa.string())})
    return by_group(rows["label"], rows["risk"], rows["subject"], groups, capacity=0.1, resamples=50)["g"]


def test_a_group_has_the_figures_of_its_own_rows(rows: dict[str, np.ndarray]) -> None:
    found = grouped(rows, rows["group"])
    mine = rows["group"] == "few"
    alone = essentials(rows["label"][mine], rows["risk"][mine], rows["subject"][mine], resamples=50)
    assert {name: found["few"].figures[name] for name in alone} == alone
    assert found["few"].rows == mine.sum()
    assert found["few"].events == rows["label"][mine].sum()
    assert found["few"].figures["observed_expected"].low > 1.3
    assert found["many"].figures["observed_expected"].high < 1.2


def test_the_list_is_one_and_its_attention_adds_up_as_the_need_does(rows: dict[str, np.ndarray]) -> None:
    found = grouped(rows, rows["group"]).values()
    for share in ("attention", "need"):
        assert sum(group.figures[share].value for group in found) == pytest.approx(1)
    few = grouped(rows, rows["group"])["few"].figures
    assert few["attention"].high < few["need"].low  # stated too low, they are on the list too seldom


def test_below_a_hundred_events_nothing_is_stated_and_below_ten_patients_nobody_is_counted(
    rows: dict[str, np.ndarray]
) -> None:
    words = np.full(N, "others", object)
    words[:160] = "some"
    words[160:170] = "five patients"
    found = grouped(rows, words)
    assert found["some"].events < 100
    assert found["some"].figures == {}
    assert found["some"].plain["too_few"]
    assert "five patients" not in found
    assert not found["others"].plain["too_few"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.9]), min_size=2, max_size=30), st.floats(0.05, 1))
def test_as_much_is_acted_on_as_there_is_room_for_and_the_highest_risks_first(risks: list, capacity: float) -> None:
    risk = np.array(risks)
    acted = acted_rows(risk, capacity)
    assert acted.sum() == pytest.approx(capacity * len(risk))
    assert ((acted >= 0) & (acted <= 1)).all()
    for a, b in zip(*np.triu_indices(len(risk), 1), strict=True):
        assert (acted[a] - acted[b]) * (risk[a] - risk[b]) >= 0
        assert risk[a] != risk[b] or acted[a] == acted[b]
