"""A MEDS 0.4 dataset lands as it is."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wellkept.contracts import EVENTS, Limits
from wellkept.errors import InputRefused
from wellkept.journeys import Journeys
from wellkept.sources.meds import read

NOW = datetime(2026, 2, 1, tzinfo=UTC)
SCHEMA = pa.schema([
    ("subject_id", pa.int64()), ("time", pa.timestamp("us")), ("code", pa.large_string()),
    ("numeric_value", pa.float32()), ("text_value", pa.large_string()),
])  # fmt: skip


def naive(text: str) -> datetime:
    return datetime.fromisoformat(text)


ROWS = [
    (1, None, "GENDER//F", None, None),
    (1, naive("1950-02-28"), "MEDS_BIRTH", None, None),
    (1, naive("2025-03-01T10:30:00.000001"), "LAB//CREATININE", 1.25, None),
    (1, naive("2025-03-01T10:30:00.000001"), "LAB//CREATININE", float("nan"), "not\nmeasured"),
    (2, naive("2025-03-02"), "ADMISSION", None, ""),
]


def table(rows: list[tuple] = ROWS, schema: pa.Schema = SCHEMA, **columns: Any) -> pa.Table:
    made = pa.table([pa.array(c, f.type) for c, f in zip(zip(*rows, strict=True), schema, strict=True)], schema=schema)
    for name, values in columns.items():
        array = values if isinstance(values, pa.Array) else pa.array(values)
        found = made.schema.get_field_index(name)
        made = made.append_column(name, array) if found < 0 else made.set_column(found, name, array)
    return made


def kind_of(columns: dict[str, Any]) -> str:
    name, values = next(iter(columns.items()))
    return f"{name} {values.type if isinstance(values, pa.Array) else type(values[0]).__name__}"


def dataset(folder: Path, *tables: pa.Table) -> Path:
    for number, part in enumerate(tables):
        path = folder / "data" / ("train", "held_out")[number % 2] / "nested" / f"{number}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(part, path)
    return folder


def test_a_dataset_lands_with_static_rows_naive_times_and_large_strings(tmp_path: Path) -> None:
    later = [(3, naive("2025-05-01"), "ADMISSION", 2, "x")]
    folder = dataset(tmp_path / "meds", table(), table(later), SCHEMA.empty_table())
    (folder / "data" / ".hidden.parquet").write_text("no parquet")
    batch = read(folder, now=NOW)
    assert (batch.rows, batch.rejected, batch.notes) == (6, (), ())
    journeys = Journeys(tmp_path / "journeys", shards=1)
    assert journeys.land(batch).added == 6
    events = journeys.snapshot().of_subject(1).drop_columns(["sequence"])
    assert EVENTS.check(events).num_rows == 4
    assert events["time"].to_pylist() == [t and t.replace(tzinfo=UTC) for _, t, *_ in ROWS[:4]]
    assert events["event_at"].to_pylist() == events["time"].to_pylist()
    assert events["numeric_value"].to_pylist() == [None, None, None, 1.25]
    assert events["text_value"].to_pylist() == [None, None, "not\nmeasured", None]
    assert journeys.snapshot().observed_until == datetime(2025, 5, 1, tzinfo=UTC)


def test_words_for_codes_come_from_the_metadata_and_new_ones_make_a_new_batch(tmp_path: Path) -> None:
    folder = dataset(tmp_path, table())
    without = read(folder, now=NOW)
    (folder / "metadata").mkdir()
    for text in ("creatinine", "creatinine in blood"):
        codes = {"code": ["LAB//CREATININE", "ADMISSION", None], "description": [text, None, "nobody"]}
        pq.write_table(pa.table(codes), folder / "metadata" / "codes.parquet")
        batch = read(folder, now=NOW)
        assert batch.codes == {"LAB//CREATININE": {"says": text, "unit": ""}}
        assert batch.digest != without.digest
    pq.write_table(pa.table({"code": ["A"], "parent_codes": [["B"]]}), folder / "metadata" / "codes.parquet")
    assert read(folder, now=NOW).codes == {}
    (folder / "metadata" / "codes.parquet").write_text("damaged")
    with pytest.raises(InputRefused) as caught:
        read(folder, now=NOW)
    assert caught.value.code == "parquet"


def test_optional_columns_are_taken_and_others_are_named(tmp_path: Path) -> None:
    more = table(event_at=pa.array([None, *[naive("1940-01-01")] * 4], pa.timestamp("ms")),
                 encounter_id=["e"] * 5, hadm_id=[7] * 5, unit=["x"] * 5)  # fmt: skip
    batch = read(dataset(tmp_path, more), now=NOW)
    assert set(batch.events["encounter_id"].to_pylist()) == {"e"}
    assert batch.events["event_at"].to_pylist()[:2] == [None, datetime(1940, 1, 1, tzinfo=UTC)]
    assert batch.notes == ("column 'hadm_id' is not used", "column 'unit' is not used")


@pytest.mark.parametrize(
    "columns",
    [
        {"time": pa.array([naive("2025-01-01")] * 5, pa.timestamp("ns"))},
        {"time": pa.array([datetime(2025, 1, 1, tzinfo=UTC)] * 5, pa.timestamp("s", "America/New_York"))},
        {"subject_id": pa.array([1, 2, 3, 4, 5], pa.uint16())},
        {"numeric_value": pa.array([1, 2, 3, 4, None], pa.int32())},
        {"numeric_value": pa.array([0.1] * 5, pa.float64())},
        {"code": pa.array(["A"] * 5).dictionary_encode()},
        {"text_value": pa.nulls(5)},
    ],
    ids=kind_of,
)
def test_columns_of_the_same_kind_in_another_width_are_taken(columns: dict, tmp_path: Path) -> None:
    batch = read(dataset(tmp_path, table(**columns)), now=NOW)
    assert EVENTS.check(batch.events).num_rows == 5


@pytest.mark.parametrize(
    "columns",
    [
        {"subject_id": ["1", "2", "3", "4", "5"]},
        {"subject_id": [1.0, 2.0, 3.0, 4.0, 5.0]},
        {"subject_id": pa.array([2**63] * 5, pa.uint64())},
        {"time": [1_700_000_000] * 5},
        {"time": ["2025-01-01"] * 5},
        {"time": pa.array([2**62] * 5, pa.timestamp("ms"))},
        {"code": [1, 2, 3, 4, 5]},
        {"numeric_value": ["1.5"] * 5},
        {"text_value": [[1]] * 5},
    ],
    ids=kind_of,
)
def test_nothing_is_read_out_of_a_column_of_another_kind(columns: dict, tmp_path: Path) -> None:
    with pytest.raises(InputRefused) as caught:
        read(dataset(tmp_path, table(), table(**columns)), now=NOW)
    assert caught.value.code == "dtype"
    (breach,) = caught.value.breaches
    assert (breach.file, breach.column) == ("data/held_out/nested/1.parquet", next(iter(columns)))


def test_a_missing_column_is_named_with_its_file(tmp_path: Path) -> None:
    with pytest.raises(InputRefused) as caught:
        read(dataset(tmp_path, table().drop_columns(["code", "numeric_value", "text_value"])), now=NOW)
    assert [(b.rule, b.column) for b in caught.value.breaches] == [
        ("missing_column", "code"), ("missing_column", "numeric_value")]  # fmt: skip


def test_rows_that_break_a_rule_are_set_aside_up_to_a_share(tmp_path: Path) -> None:
    wrong = [
        (None, naive("2025-01-01"), "A", None, None),
        (1, naive("2025-01-01"), None, None, None),
        (1, naive("2025-01-01"), "", None, None),
        (1, naive("2026-02-02"), "A", None, None),
        (1, naive("2025-01-01"), "A", float("inf"), None),
        (None, naive("2027-01-01"), "A", 1e20, "a\0b"),
        (1, None, "A", None, None),
    ]
    times = [*(row[1] for row in [*ROWS, *wrong[:-1]]), -(2**56)]
    folder = dataset(tmp_path, table([*ROWS, *wrong], time=pa.array(times, pa.timestamp("us"))))
    batch = read(folder, now=NOW, limits=Limits(max_rejected_share=0.6))
    assert batch.events.num_rows == 5
    assert batch.rows == 12
    assert {(b.row, b.rule) for b in batch.rejected} == {
        (6, "missing_value"), (7, "missing_value"), (8, "missing_value"), (9, "future_event"), (10, "non_finite"),
        (11, "missing_value"), (11, "future_event"), (11, "out_of_range"), (11, "control_character"),
        (12, "date")}  # fmt: skip
    with pytest.raises(InputRefused) as caught:
        read(folder, now=NOW)
    assert caught.value.code == "too_many_rejected"
    assert "7 of 12 rows" in str(caught.value)


def test_what_happened_after_it_was_known_or_with_no_time_known_is_set_aside(tmp_path: Path) -> None:
    happened = pa.array([naive("2020-01-01"), None, naive("2025-03-02"), naive("2025-03-01"), None], pa.timestamp("us"))
    batch = read(dataset(tmp_path, table(event_at=happened)), now=NOW, limits=Limits(max_rejected_share=0.5))
    assert [(b.row, b.rule) for b in batch.rejected] == [(1, "known_before_happened"), (3, "known_before_happened")]


def test_with_a_manifest_every_file_is_the_one_that_was_sent(tmp_path: Path) -> None:
    folder = dataset(tmp_path, table())
    path = folder / "data" / "train" / "nested" / "0.parquet"
    facts = {"rows": 5, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps({"files": {"data/train/nested/0.parquet": facts}}))
    assert read(folder, now=NOW).rows == 5
    pq.write_table(table(ROWS[:4]), path)
    with pytest.raises(InputRefused) as caught:
        read(folder, now=NOW)
    assert caught.value.code == "manifest_mismatch"


def test_a_folder_that_is_no_dataset_and_a_mapping_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused) as caught:
        read(tmp_path, now=NOW)
    assert caught.value.code == "no_data"
    with pytest.raises(InputRefused) as caught:
        read(dataset(tmp_path, table()), now=NOW, mapping=tmp_path)
    assert caught.value.code == "mapping_not_used"


def test_a_dataset_without_a_single_row_is_no_delivery(tmp_path: Path) -> None:
    batch = read(dataset(tmp_path / "meds", SCHEMA.empty_table()), now=NOW)
    with pytest.raises(InputRefused) as caught:
        Journeys(tmp_path / "journeys").land(batch)
    assert caught.value.code == "no_rows"
