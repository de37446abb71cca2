"""The language of features against a plain Python reading of the same words, and its invariants."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import START, batch_of, day, events_table, points_table
from wellkept.errors import SpecRefused
from wellkept.history import FeatureQuery, JourneyFeatures, expression_from, past
from wellkept.journeys import Journeys, Snapshot
from wellkept.serving.journey import rows_of

CODES = ["A", "B//x", "B//y"]
HOWS = ["count", "sum", "mean", "max", "min", "last", "first", "since", "since_first", "last_text", "last_code"]
SELECTIONS = {
    "A": past.of("A"),
    "A_10d": past.of("A").within("10d"),
    "B*": past.of("B*"),
    "A_and_By_48h": past.of("A", "B//y").within("48h"),
    "A_low": past.of("A").valued("<=", 1.5),
    "B_said": past.of("B*").saying("yes"),
    "A_here": past.of("A").same_encounter(),
}
FEATURES = {f"{name}.{how}": getattr(s, how)() for name, s in SELECTIONS.items() for how in HOWS}
FEATURES["share"] = past.of("A").share_of(past.of("A", "B*"))
FEATURES["sum_less_mean"] = past.of("A").sum() - past.of("B*").mean() * 2
FEATURES["or_else"] = past.of("A").last().coalesce(past.of("B*").last(), -1)
FEATURES["said_yes"] = past.of("B*").last_text().equals("yes")
FEATURES["often"] = past.of("A").count() >= 2
FEATURES["only_if_B"] = past.of("A").sum().where(past.of("B*").count() > 0)
FEATURES["years_less_A"] = past.year() - past.of("A").last()

LARGE = float(np.float32(9e14))
ODD = [0.0, -0.0, 1.5, 1e-30, float(np.float32(0.1))]
numbers = st.one_of(st.none(), st.floats(-LARGE, LARGE, width=32), st.sampled_from(ODD))
rows = st.fixed_dictionaries({
    "subject_id": st.integers(0, 3),
    "event_at": st.floats(0, 40, width=16),
    "delay": st.sampled_from([0, 0, 0.5, 20]),
    "code": st.sampled_from(CODES),
    "numeric_value": numbers,
    "text_value": st.sampled_from([None, "yes", "it's \"no\""]),
    "encounter_id": st.sampled_from([None, "e", "f"]),
}).map(lambda row: {**row, "time": row["event_at"] + row["delay"]})
journeys = st.lists(rows, min_size=1, max_size=25)
points = st.lists(
    st.tuples(st.integers(0, 4), st.floats(0, 45, width=16), st.sampled_from([None, "e"])), min_size=1, max_size=6
)
CALM = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


Landed = Callable[[list[dict[str, Any]]], Snapshot]


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Landed:
    def land(events: list[dict[str, Any]]) -> Snapshot:
        store = Journeys(tmp_path_factory.mktemp("journeys"), shards=2, key="test")
        store.land(batch_of(events_table(events)))
        return store.snapshot()

    return land


def plain(name: str, how: str, events: list[dict], point: tuple) -> float | str | None:
    """What the words mean, one event at a time."""
    subject, at, encounter = point
    chosen = [e for e in events if e["subject_id"] == subject and day(e["time"]) <= day(at)]
    codes = {"A_and_By_48h": ["A", "B//y"]}.get(name) or (["B//x", "B//y"] if name.startswith("B") else ["A"])
    chosen = [e for e in chosen if e["code"] in codes]
    window = {"A_10d": timedelta(days=10), "A_and_By_48h": timedelta(hours=48)}.get(name)
    chosen = [e for e in chosen if window is None or day(at) - day(e["event_at"]) < window]
    if name == "A_low":
        chosen = [e for e in chosen if e["numeric_value"] is not None and e["numeric_value"] <= 1.5]
    if name == "B_said":
        chosen = [e for e in chosen if e["text_value"] == "yes"]
    if name == "A_here":
        chosen = [e for e in chosen if encounter is not None and e["encounter_id"] == encounter]
    return aggregate(how, chosen, at)


def in_store_order(event: dict) -> tuple:
    def first_null(value: Any) -> tuple:
        return (value is not None, value if value is not None else 0)

    return (day(event["event_at"]), day(event["time"]), event["code"], first_null(event["numeric_value"]),
            (event["text_value"] is not None, event["text_value"] or ""),
            (event["encounter_id"] is not None, event["encounter_id"] or ""))


def aggregate(how: str, events: list[dict], at: float) -> float | str | None:
    ordered = sorted(events, key=in_store_order)
    values = [e["numeric_value"] for e in ordered if e["numeric_value"] is not None]
    total = sum((round(Decimal(v), 12) for v in values), Decimal(0))
    texts = [e["text_value"] for e in ordered if e["text_value"] is not None]
    answers = {
        "count": float(len(events)),
        "sum": float(total) if values else None,
        "mean": float(total) / len(values) if values else None,
        "max": max(values, default=None),
        "min": min(values, default=None),
        "last": values[-1] if values else None,
        "first": values[0] if values else None,
        "since": (day(at) - day(ordered[-1]["event_at"])) / timedelta(days=1) if events else None,
        "since_first": (day(at) - day(ordered[0]["event_at"])) / timedelta(days=1) if events else None,
        "last_text": texts[-1] if texts else None,
        "last_code": ordered[-1]["code"] if events else None,
    }
    return answers[how]


@CALM
@given(journeys, points)
def test_every_aggregate_is_what_a_plain_reading_of_its_words_gives(
    landed: Landed, events: list[dict], at: list[tuple]
) -> None:
    table = FeatureQuery(FEATURES).run(landed(events), points_table(*at))
    for column in [f"{name}.{how}" for name in SELECTIONS for how in HOWS]:
        name, how = column.rsplit(".", 1)
        expected = [plain(name, how, events, point) for point in at]
        found = table[column].to_pylist()
        if how in ("last_text", "last_code"):
            assert found == expected, column
        else:
            same = [f == e or (f is not None and math.isclose(f, np.float32(e), rel_tol=2e-7, abs_tol=1e-12))
                    for f, e in zip(found, expected, strict=True)]  # fmt: skip
            assert all(same), (column, found, expected)


@CALM
@given(journeys, points, journeys)
def test_what_becomes_known_after_the_point_changes_nothing(
    landed: Landed, events: list[dict], at: list[tuple], others: list[dict]
) -> None:
    known_by = {subject: max(t for s, t, _ in at if s == subject) for subject, _, _ in at}
    later = [{**e, "time": known_by.get(e["subject_id"], 0) + 0.25 + e["time"]} for e in others]
    before = FeatureQuery(FEATURES).run(landed(events), points_table(*at))
    after = FeatureQuery(FEATURES).run(landed([*events, *later]), points_table(*at))
    assert before.equals(after)


@CALM
@given(journeys, points)
def test_one_patient_alone_has_the_same_bits_as_in_the_batch(
    landed: Landed, events: list[dict], at: list[tuple]
) -> None:
    query, snapshot, wanted = FeatureQuery(FEATURES), landed(events), points_table(*at)
    batch = query.run(snapshot, wanted)
    for i in range(wanted.num_rows):
        alone = query.run_on(snapshot.of_subject(at[i][0]), wanted.slice(i, 1))
        assert bits(alone) == bits(batch.slice(i, 1))


@CALM
@given(journeys, points)
def test_without_the_query_one_patient_has_its_bits(landed: Landed, events: list[dict], at: list[tuple]) -> None:
    query, snapshot, wanted = FeatureQuery(FEATURES), landed(events), points_table(*at)
    batch, alone = query.run(snapshot, wanted), JourneyFeatures(FEATURES)
    for i, moment in enumerate(wanted["prediction_time"].cast(pa.timestamp("us")).cast(pa.int64()).to_pylist()):
        features = alone.at(moment, at[i][2], rows_of(snapshot.of_subject(at[i][0])))
        assert bits(pa.Table.from_pylist([features], batch.schema)) == bits(batch.slice(i, 1))


@CALM
@given(journeys, st.randoms())
def test_the_order_in_which_events_arrive_changes_no_bit(landed: Landed, events: list[dict], random: Any) -> None:
    shuffled = random.sample(events, len(events))
    at = points_table(*[(s, 40, "e") for s in range(4)])
    query = FeatureQuery(FEATURES)
    assert bits(query.run(landed(events), at)) == bits(query.run(landed(shuffled), at))


def bits(table: pa.Table) -> list:
    return [np.float32(v).tobytes() if isinstance(v, float) else v for row in table.to_pylist() for v in row.values()]


@pytest.mark.parametrize("name", list(FEATURES))
def test_an_expression_survives_its_json_form(name: str) -> None:
    again = expression_from(FEATURES[name].to_json())
    assert FeatureQuery({"x": again}).sql == FeatureQuery({"x": FEATURES[name]}).sql


def test_a_static_event_is_known_always_and_lies_in_no_window(value_at) -> None:
    static = [{"code": "BORN_IN", "text_value": "Pisa"}]
    assert value_at(past.of("BORN_IN").last_text(), static, at=-4000) == "Pisa"


def test_a_window_is_counted_by_when_things_happened_not_by_when_they_became_known(value_at) -> None:
    bill = [{"event_at": 1, "time": 35, "code": "BILL"}]
    assert value_at(past.of("BILL").within("30d").count(), bill, at=36) == 0.0


def test_the_language_has_no_word_for_the_future() -> None:
    with pytest.raises(SpecRefused, match="duration"):
        past.of("A").within("-5d")


@pytest.mark.parametrize("wrong", [
    past.of,
    lambda: past.of("A").valued("=>", 3),
    lambda: past.of("A").last() + past.of("A").last_text(),
    lambda: past.of("A").last().coalesce("none"),
    lambda: FeatureQuery({}),
])  # fmt: skip
def test_nonsense_is_refused_when_it_is_written(wrong) -> None:
    with pytest.raises(SpecRefused):
        wrong()


@pytest.mark.parametrize(("codes", "expected"), [(["A"], 3.0), (["A", "B"], 3.0), (["B"], None), ([], None)])
def test_a_number_is_null_where_its_condition_does_not_hold(codes, expected, value_at) -> None:
    rows = [{"time": 1, "code": code, "numeric_value": 3.0} for code in codes]
    found = past.of("A", "B").last().where(past.of("A").count() > 0)
    assert value_at(found, rows, at=2) == expected


def test_a_condition_that_is_not_known_gives_null(value_at) -> None:
    rows = [{"time": 1, "code": "A", "numeric_value": 3.0}]
    assert value_at(past.of("A").last().where(past.of("B").last() > 0), rows, at=2) is None


@pytest.mark.parametrize(("at", "year"), [(0, 2025), (182.5, 2025.5), (365, 2026), (-365, 2024)])
def test_the_year_is_that_of_the_prediction_time(at, year, value_at) -> None:
    rows = [{"time": -500, "code": "BORN", "numeric_value": 1960.0}]
    age = value_at(past.year() - past.of("BORN").last(), rows, at=at)
    assert age == pytest.approx(year - 1960, abs=0.005)


def test_names_and_texts_with_quotes_are_only_names_and_texts(value_at) -> None:
    odd = "it's; DROP TABLE events --"
    assert value_at(past.of(odd).saying(odd).count(), [{"time": 1, "code": odd, "text_value": odd}], at=2) == 1.0


def test_days_start_where_tests_say(store) -> None:
    assert store([{"subject_id": 1, "time": 3, "code": "A"}]).observed_until == START + timedelta(days=3)
