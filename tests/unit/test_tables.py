"""What each line of a table mapping does, by example."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wellkept.contracts import Batch, Limits
from wellkept.errors import Breach, InputHeld, InputRefused, SpecRefused
from wellkept.mapping import load_mapping
from wellkept.sources.tables import read

NOW = datetime(2026, 2, 1, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
A = '[[event]]\ncode = "A"\nstatic = true\n'


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def batch_of(
    folder: Path, mapping: str, table: str | pa.Table, *, top: str = "", rejected: float = 1, now: datetime = NOW
) -> Batch:
    """Read one table, drawn with a header and blanks between its cells (- is an empty one), through one mapping."""
    name = "t.csv" if isinstance(table, str) else "t.parquet"
    if isinstance(table, str):
        lines = [["" if cell == "-" else cell for cell in line.split()] for line in table.strip().splitlines()]
        (folder / name).write_text("\n".join(",".join(line) for line in lines) + "\n")
    else:
        pq.write_table(table, folder / name)
    (folder / "t.toml").write_text(f'file = "{name}"\nsubject = "who"\n{top}\n{mapping}')
    return read(folder, now=now, limits=Limits(max_rejected_share=rejected))


def events_of(*args: Any, **kwargs: Any) -> list[dict[str, Any]]:
    """The events of that batch, without what is null."""
    events = batch_of(*args, **kwargs).events.to_pylist()
    return [{name: value for name, value in event.items() if value is not None} for event in events]


def test_an_event_a_row_is_known_when_it_happened(tmp_path: Path) -> None:
    assert events_of(tmp_path, '[[event]]\ncode = "A"\nevent_at = "at"', """
        who  at
        001  2026-01-05T09:00:00Z
        2    -
    """) == [{"outside_id": "001", "code": "A", "time": at("2026-01-05T09:00"), "event_at": at("2026-01-05T09:00")}]


def test_it_is_known_at_a_column_and_without_it_there_is_no_event(tmp_path: Path) -> None:
    events = events_of(tmp_path, '[[event]]\ncode = "A"\nevent_at = "at"\ntime = "told"', """
        who  at          told
        1    2026-01-05  2026-01-07
        2    2026-01-05  -
        3    -           2026-01-07
    """)
    assert [(e["outside_id"], e.get("event_at"), e["time"]) for e in events] == [
        ("1", at("2026-01-05"), at("2026-01-07")), ("3", None, at("2026-01-07"))]


def test_it_is_known_after_a_delay_and_waits_until_then(tmp_path: Path) -> None:
    mapping = '[[event]]\ncode = "A"\nevent_at = "at"\ndelay = "36h"\n[[event]]\ncode = "B"\nevent_at = "at"'
    batch = batch_of(tmp_path, mapping, """
        who  at
        1    2026-01-05
        2    2026-01-31
    """)
    assert [(e["outside_id"], e["code"], e["time"]) for e in batch.events.to_pylist()] == [
        ("1", "A", at("2026-01-06T12:00")), ("1", "B", at("2026-01-05")), ("2", "B", at("2026-01-31"))]
    assert batch.rejected == ()
    assert "t.csv: 1 events are known only after their delay: send them again then" in batch.notes


def test_a_constant_time_or_none_at_all(tmp_path: Path) -> None:
    mapping = '[[event]]\ncode = "A"\nat = "2021-12-31T19:00:00-05:00"\n[[event]]\ncode = "B"\nstatic = true'
    a, b = events_of(tmp_path, mapping, "who\n7")
    assert (a["time"], a["event_at"]) == (at("2022-01-01"), at("2022-01-01"))
    assert b == {"outside_id": "7", "code": "B"}


def test_a_code_holds_columns_and_a_missing_one_is_unknown(tmp_path: Path) -> None:
    assert [e["code"] for e in events_of(tmp_path, '[[event]]\ncode = "VISIT//{kind}//{n}+"\nstatic = true', """
        who  kind    n
        1    eye     1
        2    -       2
        3    a.*{n}  1.0
    """)] == ["VISIT//eye//1+", "VISIT//unknown//2+", "VISIT//a.*{n}//1.0+"]


def test_a_number_a_category_and_the_links_of_an_event(tmp_path: Path) -> None:
    mapping = """
        [[event]]
        code = "A"
        static = true
        number = "n"
        category = "c"
        encounter_id = "e"
        site = "s"
        clinician = "d"
    """
    both, number, text = events_of(tmp_path, mapping, """
        who  n     c    e    s      d
        1    1.5   red  007  north  dr
        2    -2e1  -    -    -      -
        3    -     red  -    -      -
        4    -     -    008  north  dr
    """)
    assert both == {"outside_id": "1", "code": "A", "numeric_value": 1.5, "text_value": "red", "encounter_id": "007",
                    "site": "north", "clinician": "dr"}
    assert (number["numeric_value"], text["text_value"]) == (-20, "red")


def test_one_event_for_each_of_many_columns(tmp_path: Path) -> None:
    mapping = '[[event]]\nprefix = "P//"\nstatic = true\nnumbers = ["n"]\ncategories = ["c"]\nflags = ["f", "g"]'
    events = events_of(tmp_path, mapping, """
        who  n  c    f    g
        1    3  red  yes  1
        2    -  -    NO   0
        3    0  -    -    -
    """)
    assert [(e["outside_id"], e["code"], e.get("numeric_value"), e.get("text_value")) for e in events] == [
        ("1", "P//n", 3, None), ("3", "P//n", 0, None), ("1", "P//c", None, "red"), ("1", "P//f", None, None),
        ("1", "P//g", None, None)]


def test_only_the_rows_where_and_their_times_alone_are_looked_at(tmp_path: Path) -> None:
    mapping = '[[event]]\ncode = "KEPT"\nevent_at = "at"\nwhen = { column = "s", is = ["kept", "1"] }'
    batch = batch_of(tmp_path, mapping, """
        who  at          s
        1    2026-01-05  kept
        2    2026-01-06  Kept
        3    2026-01-07  -
        4    2027-01-01  planned
        5    2026-01-08  1
    """)
    assert batch.events["outside_id"].to_pylist() == ["1", "5"]
    assert batch.rejected == ()


def test_days_between_two_times_are_days_of_the_calendar_in_the_tables_zone(tmp_path: Path) -> None:
    mapping = '[[event]]\ncode = "A"\nstatic = true\ndays_between = ["a", "b"]'
    table = """
        who  a                     b
        1    2026-01-05T23:30      2026-01-06T00:30
        2    2026-01-05T00:30      2026-01-05T23:30
        3    2026-01-05T04:30Z     2026-01-05T05:30Z
        4    2026-03-07            2026-03-09
        5    2026-01-06            2026-01-05
        6    -                     2026-01-05
    """
    events = events_of(tmp_path, mapping, table, top='timezone = "America/New_York"')
    assert [(e["outside_id"], e["numeric_value"]) for e in events] == [
        ("1", 1), ("2", 0), ("3", 1), ("4", 2), ("5", -1)]


def test_times_without_an_offset_are_of_the_tables_zone(tmp_path: Path) -> None:
    """02:30 did not exist on 8 March 2026 (03:00 comes for it), and 01:30 was twice on 2 November 2025."""
    mapping = '[[event]]\ncode = "A"\nevent_at = "at"'
    texts = {
        "2026-01-05T09:00": at("2026-01-05T14:00"),
        "2026-01-05": at("2026-01-05T05:00"),
        "2026-01-05T09:00-0700": at("2026-01-05T16:00"),
        "2026-01-05T09:00:00.25Z": at("2026-01-05T09:00:00.25"),
        "2026-03-08T02:30": at("2026-03-08T07:00"),
        "2025-11-02T01:30": at("2025-11-02T05:30"),
        "2025-11-02T01:30-05:00": at("2025-11-02T06:30"),
        "1880-06-01T12:00": at("1880-06-01T16:56:02"),
    }
    table = "who at\n" + "\n".join(f"1 {text}" for text in texts)
    later = NOW + timedelta(days=100)
    events = events_of(tmp_path, mapping, table, top='timezone = "America/New_York"', now=later)
    assert [e["time"] for e in events] == list(texts.values())
    naive = pa.array([datetime.fromisoformat(t) for t in texts if len(t) == 16], pa.timestamp("ns"))
    parquet = pa.table({"who": pa.repeat("1", len(naive)), "at": naive})
    events = events_of(tmp_path, mapping, parquet, top='timezone = "America/New_York"', now=later)
    assert [e["time"] for e in events] == [time for text, time in texts.items() if len(text) == 16]


def test_missing_values_are_empty_cells_and_the_texts_named(tmp_path: Path) -> None:
    mapping = '[[event]]\nprefix = "P//"\nstatic = true\nnumbers = ["n"]\ncategories = ["c"]'
    table = "who n c\n1 -9 NA\n2 - NA\n3 -9 -\n4 9 na"
    events = events_of(tmp_path, mapping, table, top='missing = ["NA", "-9"]')
    assert [(e["outside_id"], e["code"]) for e in events] == [("4", "P//n"), ("4", "P//c")]
    parquet = pa.table({"who": ["1", "2", "3"], "n": pa.array([-9, None, 9], pa.int16()), "c": pa.nulls(3)})
    assert [e["outside_id"] for e in events_of(tmp_path, mapping, parquet, top='missing = ["NA", "-9"]')] == ["3"]


def test_parquet_types_become_what_their_text_would(tmp_path: Path) -> None:
    columns = {
        "who": pa.array([12345678901234567, None, 3]),
        "at": pa.array([at("2026-01-05").date()] * 3, pa.date32()),
        "n": pa.array([1, 2, 10**6]),
        "c": pa.array([1.0, 0.5, None]),
        "f": pa.array([True, False, None]),
        "d": pa.array(["red", None, "red"]).dictionary_encode(),
    }
    mapping = '[[event]]\nprefix = "P//"\nevent_at = "at"\nnumbers = ["n"]\ncategories = ["c", "d"]\nflags = ["f"]'
    batch = batch_of(tmp_path, mapping, pa.table(columns))
    assert [(e["outside_id"], e["code"], e["numeric_value"], e["text_value"]) for e in batch.events.to_pylist()] == [
        ("12345678901234567", "P//n", 1, None), ("3", "P//n", 1e6, None), ("12345678901234567", "P//c", None, "1"),
        ("12345678901234567", "P//d", None, "red"), ("3", "P//d", None, "red"),
        ("12345678901234567", "P//f", None, None)]
    assert batch.rejected == (Breach("t.parquet", 2, "id_empty", "who"),)


def test_parquet_of_pandas_with_an_index_is_read_by_its_columns(tmp_path: Path) -> None:
    frame = pd.DataFrame({"who": ["1", "2"], "c": ["a", "b"]}).set_index("who")
    mapping = '[[event]]\ncode = "A"\nstatic = true\ncategory = "c"'
    assert batch_of(tmp_path, mapping, pa.Table.from_pandas(frame), top='key = ["who"]').events.num_rows == 2


def test_a_key_keeps_equal_repeats_once_and_refuses_conflicting_ones(tmp_path: Path) -> None:
    mapping = '[[event]]\ncode = "A"\nstatic = true\nnumber = "n"'
    top = 'key = ["k", "l"]\nignore = ["seen"]'
    batch = batch_of(tmp_path, mapping, "who k l n seen\n1 a b 1 x\n1 a c 1 x\n1 a b 1 y", top=top)
    assert batch.events.num_rows == 2
    assert batch.rejected == (Breach("t.csv", 3, "duplicate_row", "k"),)
    assert batch.rows == 3
    with pytest.raises(InputRefused) as caught:
        batch_of(tmp_path, mapping, "who k l n seen\n1 a b 1 x\n2 a b 1 x", top=top)
    assert caught.value.code == "conflicting_duplicate"
    assert batch_of(tmp_path, mapping, "who n\n1 1\n1 1").events.num_rows == 2


@pytest.mark.parametrize(
    ("check", "rule", "rows"),
    [
        ('column = "n"\nminimum = 0', "out_of_bounds", [1]),
        ('column = "n"\nmaximum = 5', "out_of_bounds", [4]),
        ('column = "n"\nminimum = 0\nmaximum = 5', "out_of_bounds", [1, 4]),
        ('column = "a"\nnot_after = "b"', "out_of_order", [2, 4]),
        ('column = "a"\nnot_after = "b"\nby = "day"', "out_of_order", [4]),
    ],
)
def test_rows_that_break_a_check_are_set_aside(check: str, rule: str, rows: list[int], tmp_path: Path) -> None:
    batch = batch_of(tmp_path, f'[[event]]\ncode = "A"\nstatic = true\n[[check]]\n{check}', """
        who  n     a                 b
        1    -0.1  2026-01-05        2026-01-05
        2    0     2026-01-05T10:00  2026-01-05T09:00
        3    -     -                 2026-01-05
        4    5.1   2026-01-06        2026-01-05
        5    5     2026-01-05        -
    """, top='ignore = ["n", "a", "b"]')
    assert [(b.rule, b.row) for b in batch.rejected] == [(rule, row) for row in rows]
    assert len(batch.events) == 5 - len(rows)


@pytest.mark.parametrize(
    ("expect", "code"),
    [
        ('column = "n"\nmedian_between = [1, 2]', "distribution"),
        ('column = "n"\nmedian_between = [4, 9]', "distribution"),
        ('column = "n"\nnull_share_below = 0.25', "null_rate"),
        ('column = "n"\nnull_share_below = 0.26\nmedian_between = [3, 3]', ""),
        ('column = "c"\nnull_share_below = 0.5', "null_rate"),
        ('column = "c"\nnull_share_below = 0.51', ""),
        ('column = "at"\nnull_share_below = 0.01', ""),
    ],
)
def test_a_delivery_that_is_not_as_expected_is_held_until_accepted(expect: str, code: str, tmp_path: Path) -> None:
    mapping = f'[[event]]\ncode = "A"\nstatic = true\n[[expect]]\n{expect}'
    table = "who n c at\n1 1 a 2026-01-05\n2 3 b 2026-01-05\n3 100 - 2026-01-05\n4 - - 2026-01-05"
    if not code:
        assert batch_of(tmp_path, mapping, table, top='ignore = ["*"]').rows == 4
        return
    with pytest.raises(InputHeld) as caught:
        batch_of(tmp_path, mapping, table, top='ignore = ["*"]')
    assert caught.value.code == code
    assert f"--accept {code}" in str(caught.value)
    assert read(tmp_path, now=NOW, limits=Limits(accept=frozenset({code}))).rows == 4


@pytest.mark.parametrize(
    ("time", "top", "noted"),
    [
        ("2026-01-05T09:00", "", True),
        ("2026-01-05T09:00", 'timezone = "America/New_York"', False),
        ("2026-01-05T09:00", 'timezone = "UTC"', False),
        ("2026-01-05T09:00Z", "", False),
        ("2026-01-05T09:00-05:00", "", False),
        ("2026-01-05", "", False),
    ],
)
def test_a_clock_whose_zone_nobody_named_is_noted(time: str, top: str, noted: bool, tmp_path: Path) -> None:
    batch = batch_of(tmp_path, '[[event]]\ncode = "A"\nevent_at = "at"', f"who at\n1 2026-01-04\n2 {time}", top=top)
    assert [note for note in batch.notes if "timezone" in note] == (
        ["t.csv: at: no offset, read as UTC: say which `timezone` they are in"] if noted else [])


def test_a_parquet_column_without_a_zone_is_noted_too(tmp_path: Path) -> None:
    mapping, naive = '[[event]]\ncode = "A"\nevent_at = "at"', pa.array([0], pa.timestamp("us"))
    for column, notes in ((naive, 1), (naive.cast(pa.timestamp("us", "UTC")), 0)):
        batch = batch_of(tmp_path, mapping, pa.table({"who": ["1"], "at": column}))
        assert sum("timezone" in note for note in batch.notes) == notes


def calls(**odd: str) -> str:
    """Two sites with 20 calls each in January and in February, February of `b` from row 61 on; some may be odd."""
    return "who site at n\n" + "\n".join(
        f"{who} {site} {month}-03T00:30Z {odd.get(site + month[-2:], 300)}"
        for month in ("2026-01", "2026-02") for site in "ab" for who in range(20)
    )


MEDIANS = '[[event]]\ncode = "A"\nstatic = true\n[[expect]]\ncolumn = "n"\nmedian_between = [30, 1200]\n'


@pytest.mark.parametrize(
    ("groups", "table", "row"),
    [
        ('each = "site"\nmonthly = "at"', calls(b02="5"), 61),
        ('monthly = "at"', calls(a02="5", b02="5"), 41),
        ('each = "site"', calls(b01="5", b02="5"), 21),
        ("", calls(b02="5"), 0),
        ('each = "site"', calls(b02="200"), 0),
        ('each = "site"\nmonthly = "at"', calls(b02="-"), 0),
        ('each = "site"\nmonthly = "at"', calls(b02="5").rpartition("\n")[0], 0),
        ('each = "site"\nmonthly = "at"', calls(b02="5").replace(" b 2026-02", " - 2026-02"), 0),
    ],
    ids=["site and month", "month", "site", "no groups", "all as expected", "no numbers", "too few", "no site"],
)
def test_the_median_of_each_site_in_each_month_is_looked_at(groups: str, table: str, row: int, tmp_path: Path) -> None:
    top = 'ignore = ["site", "at"]'
    if not row:
        batch_of(tmp_path, MEDIANS + groups, table, top=top)
        return
    with pytest.raises(InputHeld, match="--accept distribution") as caught:
        batch_of(tmp_path, MEDIANS + groups, table, top=top)
    assert caught.value.breaches == [Breach("t.csv", row, "distribution", "n")]


def test_months_are_those_of_the_tables_zone(tmp_path: Path) -> None:
    """In New York half of them are January's still, and too few are left of February."""
    table = calls(a02="5").replace("a 2026-02-03", "a 2026-02-01", 10)
    mapping = MEDIANS + 'each = "site"\nmonthly = "at"'
    with pytest.raises(InputHeld):
        batch_of(tmp_path, mapping, table)
    batch_of(tmp_path, mapping, table, top='timezone = "America/New_York"')


def test_what_is_expected_of_a_column_does_not_excuse_its_cells(tmp_path: Path) -> None:
    mapping = '[[event]]\ncode = "A"\nstatic = true\n[[expect]]\ncolumn = "n"\nmedian_between = [0, 9]'
    with pytest.raises(InputRefused) as caught:
        batch_of(tmp_path, mapping, "who n\n1 1\n2 2,5".replace("2,5", "2;5"))
    assert caught.value.code == "not_a_number"


def test_two_events_of_one_column_each_note_their_own_rows(tmp_path: Path) -> None:
    mapping = ('[[event]]\ncode = "A"\nevent_at = "at"\nwhen = { column = "s", is = ["a"] }\n'
               '[[event]]\ncode = "B"\nevent_at = "at"\nwhen = { column = "s", is = ["b"] }')
    batch = batch_of(tmp_path, mapping, "who at s\n1 2027-01-01 a\n2 2027-01-01 b\n3 2026-01-01 b")
    assert [(b.row, b.rule) for b in batch.rejected] == [(1, "future_event"), (2, "future_event")]


def test_words_and_units_go_to_the_codes_of_their_event_alone(tmp_path: Path) -> None:
    batch = batch_of(tmp_path, """
        [[event]]
        code = "WAIT"
        says = "waited"
        unit = "min"
        static = true
        [[event]]
        code = "WAIT//{kind}"
        says = "waited for {kind}"
        static = true
        [[event]]
        code = "W.IT"
        static = true
        [[event]]
        prefix = "P//"
        says = "person"
        static = true
        numbers = ["n"]
    """, "who kind n\n1 eye 2")
    assert batch.codes == {
        "WAIT": {"says": "waited", "unit": "min"},
        "WAIT//eye": {"says": "waited for {kind}", "unit": ""},
        "P//n": {"says": "person", "unit": ""},
    }


def test_many_tables_are_one_batch_that_counts_table_rows_and_names_what_nobody_read(tmp_path: Path) -> None:
    for name, rows in (("a", 3), ("b", 2)):
        (tmp_path / f"{name}.csv").write_text("who\n" + "1\n" * rows)
    (tmp_path / "c.csv").write_text("who\n1\n")
    top = 'file = "{}.csv"\nsubject = "who"\nfull_export = {}\n[[event]]\ncode = "{}"\nstatic = true\n'
    for toml, file, full in (("1", "a", "true"), ("2", "a", "false"), ("3", "b", "false")):
        (tmp_path / f"{toml}.toml").write_text(top.format(file, full, toml))
    batch = read(tmp_path, now=NOW)
    assert (batch.rows, batch.events.num_rows, batch.full_exports) == (5, 8, {"a.csv": 3})
    assert sorted(batch.inputs) == ["a.csv by 1.toml", "a.csv by 2.toml", "b.csv by 3.toml"]
    assert "c.csv: no mapping reads it" in batch.notes
    assert read(tmp_path, now=NOW + timedelta(days=1)).digest == batch.digest
    assert read(tmp_path, now=NOW, mapping=tmp_path / "3.toml").rows == 2


def test_an_event_that_two_mappings_make_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("who\n1\n")
    for toml in ("one", "copy"):
        text = 'file = "a.csv"\nsubject = "who"\n[[event]]\ncode = "A"\nstatic = true\n'
        (tmp_path / f"{toml}.toml").write_text(text)
    with pytest.raises(SpecRefused) as caught:
        read(tmp_path, now=NOW)
    assert caught.value.code == "mapping_twice"


@pytest.mark.parametrize(("end", "noted"), [("1\n", False), ("1", True)])
def test_a_last_line_without_an_end_is_noted(tmp_path: Path, end: str, noted: bool) -> None:
    (tmp_path / "a.csv").write_text("who\n" + end)
    (tmp_path / "a.toml").write_text('file = "a.csv"\nsubject = "who"\n[[event]]\ncode = "A"\nstatic = true\n')
    assert ("a.csv: its last line has no line end: was it cut?" in read(tmp_path, now=NOW).notes) is noted


def test_a_quote_that_is_open_on_the_last_line_refuses_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('who,what\n1,"ok\n')
    (tmp_path / "a.toml").write_text(
        'file = "a.csv"\nsubject = "who"\nignore = ["what"]\n[[event]]\ncode = "A"\nstatic = true\n')
    with pytest.raises(InputRefused) as caught:
        read(tmp_path, now=NOW)
    assert caught.value.code == "row_count"


def test_the_batch_is_refused_when_too_many_of_one_tables_rows_are(tmp_path: Path) -> None:
    mapping = A + '[[check]]\ncolumn = "n"\nmaximum = 0\n[[check]]\ncolumn = "m"\nmaximum = 0'
    table = "who n m\n1 1 1\n" + "2 0 0\n" * 9
    assert len(batch_of(tmp_path, mapping, table, rejected=0.1).rejected) == 2
    with pytest.raises(InputRefused) as caught:
        batch_of(tmp_path, mapping, table, rejected=0.09)
    assert caught.value.code == "too_many_rejected"
    assert "1 of 10 rows" in str(caught.value)


@pytest.mark.parametrize(
    ("mapping", "place"),
    [
        ("", "event: Field required"),
        ('[[event]]\nstatic = true', "event.0: "),
        ('[[event]]\ncode = "A"\nprefix = "B"\nstatic = true', "event.0: "),
        (A + '[[event]]\ncode = "A"', "event.1: "),
        ('[[event]]\ncode = "A"\nstatic = true\nevent_at = "x"', "event.0: "),
        (A + 'delay = "2d"', "event.0: "),
        ('[[event]]\ncode = "A"\nevent_at = "x"\ntime = "y"\ndelay = "2d"', "event.0: "),
        ('[[event]]\ncode = "A"\nevent_at = "x"\ndelay = "soon"', "event.0.delay: "),
        ('[[event]]\ncode = "A"\nat = 2021-12-31T00:00:00', "event.0.at: "),
        ('[[event]]\nprefix = "A"\nstatic = true', "event.0: "),
        (A + 'numbers = ["n"]', "event.0: "),
        (A + 'number = "n"\ndays_between = ["a", "b"]', "event.0: "),
        (A + 'category = "n"\ntext = "a"', "event.0: "),
        (A + 'nubmer = "n"', "event.0.nubmer: "),
        (A + 'when = { column = "a" }', "event.0.when.is: "),
        (A + '[[check]]\ncolumn = "n"', "check.0: "),
        (A + '[[check]]\ncolumn = "n"\nminimum = 0\nby = "week"', "check.0.by: "),
        (A + '[[expect]]\ncolumn = "n"', "expect.0: "),
        (A + '[[expect]]\ncolumn = "n"\nmedian_between = [1]', "expect.0.median_between"),
        (A + '[[expect]]\ncolumn = "n"\nnull_share_below = 1\neach = "a"', "expect.0: "),
        ('timezone = "Mars/Olympus"\n' + A, "timezone: "),
        ('timezone = "../../etc/passwd"\n' + A, "timezone: "),
        ('delimiter = "x"\n' + A, "delimiter: "),
        ('delimiter = "\\n"\n' + A, "delimiter: "),
        ("key = 1\n" + A, "key: "),
    ],
)
def test_a_mapping_that_cannot_be_carried_out_names_the_place(mapping: str, place: str, tmp_path: Path) -> None:
    with pytest.raises(SpecRefused) as caught:
        batch_of(tmp_path, mapping, "who n\n1 1")
    assert (caught.value.code, caught.value.exit_code) == ("toml", 5)
    assert f"t.toml cannot be carried out: {place}" in str(caught.value)


def test_a_mapping_that_is_no_toml_or_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(SpecRefused) as caught:
        batch_of(tmp_path, "[[event", "who\n1")
    assert caught.value.code == "not_toml"
    for nowhere in (tmp_path / "no.toml", tmp_path / "no"):
        with pytest.raises(SpecRefused) as caught:
            read(tmp_path, now=NOW, mapping=nowhere)
        assert caught.value.code == "no_mapping"


def test_the_mapping_in_the_documentation_can_be_carried_out(tmp_path: Path) -> None:
    block = re.search(r"```toml\n(.*?)```", (ROOT / "docs" / "mapping.md").read_text(), re.DOTALL)
    (tmp_path / "docs.toml").write_text(block[1])
    mapping = load_mapping(tmp_path / "docs.toml")
    parts = (mapping, *mapping.event, *mapping.check, *mapping.expect)
    fields = {name for part in parts for name in type(part).model_fields}
    assert [name for name in fields if name.rstrip("_") not in block[1]] == []
