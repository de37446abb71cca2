"""What every feature of every family must keep; a new file in features/ is tested without an edit here."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

import wellkept.features
from tests.conftest import points_table
from wellkept.catalogue import Feature, families
from wellkept.encoding import Encoder
from wellkept.explaining import reasons
from wellkept.history import FeatureQuery


def shared_codes(page: str) -> set[str]:
    """The codes of docs/codes.md, whose tables write `A//x`, `//y` for A//x and A//y."""
    codes = set()
    for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE):
        first, *others = re.findall(r"`(.+?)`", row)
        codes |= {first, *(first.partition("//")[0] + other for other in others)}
    return codes


SNAPSHOT = Path(__file__).with_name("catalogue.json")
SHARED_CODES = shared_codes((SNAPSHOT.parents[2] / "docs" / "codes.md").read_text())
FEATURES = [pytest.param(f, id=f"{family}.{f.name}") for family, group in families().items() for f in group]


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_says_what_it_is_in_words_units_and_docs(feature: Feature) -> None:
    assert feature.docs.endswith(".")
    assert feature.unit
    assert feature.null
    assert feature.name.isidentifier()
    assert feature.family in families()


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_puts_every_value_into_words(feature: Feature) -> None:
    values = ["a", None] if feature.expression.is_text else [0.0, 1.0, 0.25, 1234.5, -3.0, None, float("nan")]
    for value in values:
        words = feature.sentence(value)
        assert words
        assert not set("{}") & set(words)
        assert "nan" not in words.lower().split()


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_is_null_or_a_number_where_nothing_is_known(feature: Feature, value_at) -> None:
    value = value_at(feature.expression, [], at=10)
    assert value is None or value == 0.0


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_does_not_see_what_comes_later(feature: Feature, store) -> None:
    later = [
        {"subject_id": 1, "time": 20.5, "event_at": 3, "code": c.rstrip("*"), "numeric_value": 7.0, "text_value": "t"}
        for c in dict.fromkeys(feature.codes)
    ]  # fmt: skip
    other = [{"subject_id": 2, "time": 0, "code": "SOMEBODY ELSE"}]
    query, point = FeatureQuery({"x": feature.expression}), points_table((1, 20))
    assert query.run(store([*later, *other]), point).equals(query.run(store(other), point))


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_survives_a_bundle(feature: Feature) -> None:
    assert Feature.from_json(json.loads(json.dumps(feature.to_json()))) == feature


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_never_reads_race(feature: Feature) -> None:
    assert "PERSON//race" not in feature.codes


@pytest.mark.parametrize("feature", [f for f in FEATURES if f.values[0].family in json.loads(SNAPSHOT.read_text())])
def test_a_feature_of_ours_reads_codes_as_docs_codes_spells_them(feature: Feature) -> None:
    """A new family may read codes of its own; ours are shared with whoever writes a mapping."""
    stages = {code.partition("//")[0] for code in SHARED_CODES}
    assert {code for code in feature.codes if code.partition("//")[0] in stages} <= SHARED_CODES


def test_the_catalogue_changed_only_on_purpose() -> None:
    """New families are welcome; a change of these shows here (`python -m tests.contract.test_features` accepts it)."""
    known = json.loads(SNAPSHOT.read_text())
    assert {name: rows for name, rows in snapshot().items() if name in known} == known


def test_one_new_file_gives_a_column_and_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store) -> None:
    (tmp_path / "parking.py").write_text(NEW_FAMILY)
    monkeypatch.setattr(wellkept.features, "__path__", [*wellkept.features.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    (new,) = families()["parking"]

    rows = [{"subject_id": 1, "time": t, "code": "PARKING//FULL"} for t in (1, 2)]
    point = points_table((1, 5))
    values = FeatureQuery({new.name: new.expression}).run(store(rows), point)
    assert values[new.name].to_pylist() == [2.0]

    encoder = Encoder((new,), {})
    contributions = encoder.matrix(values).repeat(2, axis=1)
    why = reasons(point, "detractor_risk", encoder.features, values, contributions, agreement=np.ones((1, 1)))
    assert why["sentence"].to_pylist() == ["found the car park full 2 times"]


NEW_FAMILY = '''
"""Parking."""

from wellkept.catalogue import feature
from wellkept.history import Expression, History


@feature(says="found the car park full {value:.0f} times", null="never parked", unit="times", touchpoint="arrival",
         dimension="customer", monotone=+1, modifiable=True)
def car_park_full(past: History) -> Expression:
    """How often the car park was full."""
    return past.of("PARKING//FULL").count()
'''


def snapshot() -> dict[str, list]:
    return {family: [f.to_json() for f in group] for family, group in families().items()}


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(snapshot(), indent=1, sort_keys=True) + "\n")
