"""Which codes become features by themselves, and in which words."""

from __future__ import annotations

import pytest

from tests.conftest import points_table
from wellkept.automatic import MANY_TEXTS, CodeFacts, automatic_features, common_codes
from wellkept.errors import SpecRefused
from wellkept.history import FeatureQuery
from wellkept.spec import Automatic

ROWS = [
    *({"subject_id": s, "time": 1, "code": "LAB//X", "numeric_value": 2.0} for s in range(10)),
    *({"subject_id": s, "time": 2, "code": "DIAGNOSIS//RARE"} for s in range(2)),
    *({"subject_id": s, "time": 3, "code": "CARE", "text_value": "home"} for s in range(6)),
    *({"subject_id": s, "time": 50, "code": "LATER"} for s in range(10)),
    {"subject_id": 99, "time": 1, "code": "SOMEBODY ELSE'S"},
]
POINTS = points_table(*[(s, 10) for s in range(10)])


def test_codes_in_the_past_of_enough_subjects_are_found_with_what_they_carry(store) -> None:
    facts = common_codes(store(ROWS), POINTS, Automatic(min_share=0.5))
    assert facts == [CodeFacts("LAB//X", 10, 10, 0), CodeFacts("CARE", 6, 0, 1)]


@pytest.mark.parametrize(("automatic", "never", "expected"), [
    (Automatic(min_share=0.2), (), ["LAB//X", "CARE", "DIAGNOSIS//RARE"]),
    (Automatic(min_share=0.2, max_codes=1), (), ["LAB//X"]),
    (Automatic(min_share=0.2, exclude=("DIAGNOSIS//*",)), (), ["LAB//X", "CARE"]),
    (Automatic(min_share=0.2), ("CARE",), ["LAB//X", "DIAGNOSIS//RARE"]),
])  # fmt: skip
def test_the_toml_says_which_codes_stay_out(automatic, never, expected, store) -> None:
    assert [f.code for f in common_codes(store(ROWS), POINTS, automatic, never)] == expected


@pytest.mark.parametrize(("exclude", "never", "near"), [
    (("DIAGNOSES//*",), (), "there is 'DIAGNOSIS//RARE'"),
    ((), ("CARES",), "there is 'CARE'"),
])  # fmt: skip
def test_a_mistyped_code_that_is_to_stay_out_is_refused_since_it_would_come_in(exclude, never, near, store) -> None:
    with pytest.raises(SpecRefused, match=near):
        common_codes(store(ROWS), POINTS, Automatic(exclude=exclude), never)


def test_a_code_that_only_comes_later_may_be_kept_out_beforehand(store) -> None:
    assert common_codes(store(ROWS), POINTS, Automatic(min_share=0.9), ("LATER",)) == [CodeFacts("LAB//X", 10, 10, 0)]


def test_each_code_is_described_by_what_it_carries() -> None:
    def suffixes(fact: CodeFacts) -> list[str]:
        return [f.name.partition(".")[2] for f in automatic_features([fact], ("30d",), {})]

    assert suffixes(CodeFacts("A", 5, 0, 0)) == ["since", "count_30d", "count"]
    assert suffixes(CodeFacts("A", 5, 5, 0)) == [
        "last", "since", "count_30d", "mean_30d", "max_30d", "count", "mean", "max",
    ]  # fmt: skip
    assert suffixes(CodeFacts("A", 5, 0, 3)) == ["category", "since", "count_30d", "count"]
    assert "category" not in suffixes(CodeFacts("FREE TEXT", 5, 0, MANY_TEXTS + 1))


@pytest.mark.parametrize(("name", "value", "sentence"), [
    ("ARRIVAL//LOBBY_WAIT.last", 12.0, "lobby wait: 12 min"),
    ("ARRIVAL//LOBBY_WAIT.mean_90d", 12.345, "lobby wait: 12.35 min on average in the last 90 days"),
    ("ARRIVAL//LOBBY_WAIT.count_90d", 2.0, "lobby wait: 2 times in the last 90 days"),
    ("ARRIVAL//LOBBY_WAIT.count_90d", 0.0, "no lobby wait in the last 90 days"),
    ("ARRIVAL//LOBBY_WAIT.since", 3.2, "lobby wait: last 3 days ago"),
    ("ARRIVAL//LOBBY_WAIT.max", None, "no lobby wait so far"),
    ("ARRIVAL//LOBBY_WAIT.since", None, "no lobby wait on record"),
])  # fmt: skip
def test_a_reason_is_a_sentence_with_the_patients_own_number(name: str, value: float | None, sentence: str) -> None:
    words = {"ARRIVAL//LOBBY_WAIT": {"says": "lobby wait", "unit": "min"}}
    features = automatic_features([CodeFacts("ARRIVAL//LOBBY_WAIT", 5, 5, 0)], ("90d",), words)
    (feature,) = [f for f in features if f.name == name]
    assert feature.sentence(value) == sentence
    assert (feature.touchpoint, feature.dimension) == ("arrival", "customer")


def test_words_with_braces_are_only_words(store) -> None:
    (feature, *_) = automatic_features([CodeFacts("ODD//{x}", 5, 5, 0)], (), {"ODD//{x}": {"says": "odd {thing}"}})
    assert feature.sentence(1.0) == "odd (thing): 1"
    rows = [{"subject_id": 1, "time": 1, "code": "ODD//{x}", "numeric_value": 3}]
    table = FeatureQuery({feature.name: feature.expression}).run(store(rows), points_table((1, 2)))
    assert table[feature.name].to_pylist() == [3.0]
