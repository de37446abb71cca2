"""What every part of sources/ must keep."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wellkept.contracts import EVENTS, Batch, Limits
from wellkept.errors import WellkeptError
from wellkept.journeys import Journeys
from wellkept.parts import discover

PARTS = discover("sources")
NOW = datetime(2026, 2, 1, tzinfo=UTC)


def tables(folder: Path) -> None:
    (folder / "calls.csv").write_text("patient,at,minutes\n007,2026-01-05T09:00Z,3.5\n008,2026-01-06T09:00Z,4\n")
    (folder / "calls.toml").write_text(
        'file = "calls.csv"\nsubject = "patient"\n[[event]]\ncode = "CALL"\nevent_at = "at"\nnumber = "minutes"\n'
    )


def meds(folder: Path) -> None:
    (folder / "data").mkdir()
    time = pa.array([None, datetime(2026, 1, 5)], pa.timestamp("us"))  # noqa: DTZ001  MEDS times carry no zone
    columns = {"subject_id": [1, 1], "time": time, "code": ["SEX//F", "CALL"], "numeric_value": [None, 3.5]}
    pq.write_table(pa.table(columns), folder / "data" / "0.parquet")


EXAMPLES: dict[str, Callable[[Path], None]] = {"tables": tables, "meds": meds}


@pytest.fixture(params=PARTS)
def part(request: pytest.FixtureRequest) -> ModuleType:
    return PARTS[request.param]


@pytest.fixture
def example(part: ModuleType, tmp_path: Path) -> Path:
    """A folder with a tiny delivery for this source."""
    name = part.__name__.rpartition(".")[2]
    if name not in EXAMPLES:
        pytest.fail(f"sources/{name}.py has no example: add one to EXAMPLES in {Path(__file__).name}, with 2 events")
    folder = tmp_path / "in"
    folder.mkdir()
    EXAMPLES[name](folder)
    return folder


def as_landed(batch: Batch) -> pa.Table:
    """Events with `subject_id` in the place of the outside identifier, as the journey store makes them."""
    events = batch.events
    if "outside_id" in events.column_names:
        assert events.schema.field("outside_id").type == pa.string()
        assert events["outside_id"].null_count == 0
        events = events.drop_columns(["outside_id"]).append_column("subject_id", pa.array(range(len(events))))
    return EVENTS.check(events)


def test_a_source_says_what_it_reads_and_takes_the_agreed_arguments(part: ModuleType) -> None:
    assert part.SAYS
    assert part.__doc__
    signature = inspect.signature(part.read)
    assert list(signature.parameters) == ["path", "now", "mapping", "limits"]
    assert [p.kind for p in signature.parameters.values()][1:] == [inspect.Parameter.KEYWORD_ONLY] * 3
    assert signature.parameters["now"].default is inspect.Parameter.empty
    assert signature.parameters["limits"].default == Limits()
    assert signature.return_annotation == "Batch"


def test_a_source_gives_a_batch_that_fits_and_lands(part: ModuleType, example: Path, tmp_path: Path) -> None:
    batch = part.read(example, now=NOW)
    assert isinstance(batch, Batch)
    assert batch.source == part.__name__.rpartition(".")[2]
    assert as_landed(batch).num_rows == 2
    assert batch.rows == 2
    assert batch.inputs
    assert batch.rejected == ()
    journeys = Journeys(tmp_path / "journeys")
    assert journeys.land(batch).added == 2
    assert not journeys.land(part.read(example, now=NOW)).new


def test_the_same_files_are_the_same_batch_whenever_they_are_read(part: ModuleType, example: Path) -> None:
    assert part.read(example, now=NOW).digest == part.read(example, now=NOW + timedelta(days=1)).digest


def test_nothing_of_the_future_comes_in(part: ModuleType, example: Path) -> None:
    batch = part.read(example, now=NOW - timedelta(days=365), limits=Limits(max_rejected_share=1))
    assert {b.rule for b in batch.rejected} == {"future_event"}
    assert batch.events["time"].null_count == batch.events.num_rows


def test_an_empty_folder_and_a_missing_one_are_refused(part: ModuleType, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(WellkeptError) as caught:
            part.read(folder, now=NOW)
        assert caught.value.exit_code in (2, 5)


def test_a_table_beyond_the_limit_is_refused(part: ModuleType, example: Path) -> None:
    with pytest.raises(WellkeptError) as caught:
        part.read(example, now=NOW, limits=Limits(max_table_bytes=10))
    assert caught.value.code == "too_large"


def test_the_examples_are_of_parts_that_are_there() -> None:
    assert set(EXAMPLES) <= set(PARTS)
