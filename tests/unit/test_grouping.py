"""Which site, kind of care and group a point belongs to."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from tests.conftest import batch_of, events_table, points_table
from wellkept.grouping import groups_at, sites_at
from wellkept.journeys import Journeys, Snapshot
from wellkept.spec import Label, Points, Spec

VISIT = "VISIT//COMPLETED"
SPEC = Spec(
    target="t", points=Points(each=VISIT), label=Label(true_when="event of X within 1d"),
    audit=("PERSON//race",), protected=("PERSON//birth_year", "PERSON//disability", "CLINICIAN//SHARE"),
    groups=("PERSON//income",), baseline="score",
)  # fmt: skip
EVENTS = [
    {"subject_id": 1, "code": VISIT, "time": 1, "encounter_id": "a", "site": "north", "text_value": "acute"},
    {"subject_id": 1, "code": VISIT, "time": 9, "encounter_id": "b", "site": "south", "text_value": "chronic"},
    {"subject_id": 2, "code": VISIT, "time": 1, "encounter_id": "a"},
    {"subject_id": 1, "code": "PERSON//race", "time": 0, "text_value": "black"},
    {"subject_id": 2, "code": "PERSON//race", "time": 20, "text_value": "white"},
    {"subject_id": 1, "code": "PERSON//birth_year", "time": 0, "numeric_value": 1990},
    {"subject_id": 2, "code": "PERSON//birth_year", "time": 0, "numeric_value": 1950},
    {"subject_id": 2, "code": "PERSON//disability", "time": 0},
]
AT = ((1, 2, "a"), (1, 10, "b"), (2, 2, "a"), (3, 2, None))


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    store = Journeys(tmp_path, shards=2, key="test")
    store.land(batch_of(events_table(EVENTS)))
    return store.snapshot()


def groups(snapshot: Snapshot, spec: Spec = SPEC) -> dict[str, list[str]]:
    features = pa.table({"score": pa.array([None, 3.0, 1.0, None], pa.float32())})
    return groups_at(snapshot, spec, points_table(*AT), features).to_pydict()


def test_a_point_belongs_to_the_site_and_the_kind_of_its_own_encounter(snapshot: Snapshot) -> None:
    assert groups(snapshot)["site"] == ["north", "south", "not on record", "not on record"]
    assert groups(snapshot)["kind"] == ["acute", "chronic", "not on record", "not on record"]
    assert sites_at(snapshot, SPEC, points_table(*AT)).tolist() == groups(snapshot)["site"]


def test_persons_are_told_apart_by_what_was_known_at_the_point(snapshot: Snapshot) -> None:
    found = groups(snapshot)
    assert found["race"] == ["black", "black", "not on record", "not on record"]
    assert found["birth_year"] == ["18 to 39", "18 to 39", "65 and over", "not on record"]
    assert found["disability"] == ["no", "no", "yes", "no"]


def test_whether_there_is_a_prior_answer_is_a_group_and_what_tells_nobody_apart_is_none(snapshot: Snapshot) -> None:
    found = groups(snapshot)
    assert found["prior"] == ["score not known", "score known", "score known", "score not known"]
    assert "income" not in found
    assert "SHARE" not in found


def test_many_numbers_become_thirds_and_many_categories_the_commonest(tmp_path: Path) -> None:
    store = Journeys(tmp_path, shards=2, key="test")
    people = range(1, 61)
    store.land(batch_of(events_table([
        {"subject_id": s, "code": code, "time": 0, **value}
        for s in people
        for code, value in (("PERSON//income", {"numeric_value": s}), ("PERSON//race", {"text_value": f"r{s % 30}"}))
    ])))  # fmt: skip
    spec = SPEC.model_copy(update={"baseline": ""})
    found = groups_at(store.snapshot(), spec, points_table(*[(s, 2, None) for s in people]), pa.table({}))
    assert set(found["income"].to_pylist()) == {"up to 20.6667", "up to 40.3333", "over 40.3333"}
    assert len(set(found["race"].to_pylist())) == 21
    assert "others" in found["race"].to_pylist()
