"""Every bad delivery of the corpus (group B of the bad inputs) that a way in can meet, and what becomes of it."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
import shutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from wellkept.contracts import Batch, Limits
from wellkept.errors import InputHeld, InputRefused
from wellkept.files import write_parquet
from wellkept.journeys import Journeys, Landing
from wellkept.sources import meds, tables

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 2, 1, tzinfo=UTC)
ROWS = 400
HEADER = "visit_id,patient_id,end_at,lobby_minutes,care_type,seen,note"
MAPPING = """
file = "visits.csv"
subject = "patient_id"
key = ["visit_id"]
delimiter = ","

[[event]]
code = "VISIT//COMPLETED"
event_at = "end_at"
category = "care_type"
encounter_id = "visit_id"

[[event]]
code = "VISIT//WAIT"
event_at = "end_at"
number = "lobby_minutes"

[[event]]
code = "VISIT//NOTE"
event_at = "end_at"
text = "note"

[[event]]
prefix = "VISIT//"
event_at = "end_at"
flags = ["seen"]

[[expect]]
column = "lobby_minutes"
median_between = [5, 60]
null_share_below = 0.5
"""
COLUMNS = HEADER.split(",")


def row(i: int, **changed: str) -> str:
    values = {
        "visit_id": f"visit-{i:05d}",
        "patient_id": f"patient-{i % 97:05d}",
        "end_at": f"2026-01-{i % 28 + 1:02d}T09:17:23",
        "lobby_minutes": f"{10 + i % 20}.5",
        "care_type": ("cardiology", "oncology")[i % 2],
        "seen": ("yes", "no")[i % 2],
        "note": f"private remark {i:05d}",
    } | changed
    return ",".join(values[name] for name in COLUMNS)


def table(**changed: str) -> str:
    """A sound delivery but for the cells of row 7."""
    lines = [HEADER, *(row(i, **(changed if i == 7 else {})) for i in range(1, ROWS + 1))]
    return "\n".join(lines) + "\n"


@dataclass
class Ward:
    """A folder that tables arrive in, and a store that holds what came the night before."""

    folder: Path
    journeys: Journeys

    def deliver(self, content: str | bytes, *, mapping: str = MAPPING, name: str = "visits.csv") -> None:
        self.folder.mkdir(exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        (self.folder / name).write_bytes(data)
        (self.folder / "visits.toml").write_text(mapping.replace("visits.csv", name))

    def vouch(self, rows: int, name: str = "visits.csv") -> None:
        sha256 = hashlib.sha256((self.folder / name).read_bytes()).hexdigest()
        (self.folder / "manifest.json").write_text(json.dumps({"files": {name: {"rows": rows, "sha256": sha256}}}))

    def read(self, **limits: object) -> Batch:
        return tables.read(self.folder, now=NOW, limits=Limits(**limits))

    def land(self, *, accept: frozenset[str] = frozenset(), **limits: object) -> tuple[Batch, Landing]:
        batch = self.read(accept=accept, **limits)
        landing = self.journeys.land(batch, accept=accept)
        if batch.rejected:
            self.journeys.quarantine(batch.digest, batch.rejected)
        return batch, landing

    def events(self, code: str = "VISIT//COMPLETED") -> pa.Table:
        snapshot = self.journeys.snapshot()
        paths = [path for shard in range(snapshot.shards) if (path := snapshot.path(shard))]
        events = pa.concat_tables([pq.read_table(path) for path in paths])
        return events.filter(pc.equal(events["code"], code))

    def outside_ids(self) -> set[str]:
        entry = self.journeys.snapshot().manifest["subjects"]
        return set(pq.read_table(self.journeys.folder / entry["name"])["outside_id"].to_pylist())

    def stored(self) -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in sorted(self.journeys.folder.rglob("*")) if p.is_file()}

    def refused(self, code: str, kind: type[InputRefused] = InputRefused, **limits: object) -> InputRefused:
        """Nothing lands, nothing changes in the store, and the error shows nothing of what was delivered."""
        before = self.stored()
        with pytest.raises(InputRefused) as caught:
            self.land(**limits)
        assert (type(caught.value), caught.value.code, caught.value.exit_code) == (kind, code, kind.exit_code)
        assert self.stored() == before
        self.discloses_nothing("".join(traceback.format_exception(caught.value)) + repr(caught.value.breaches))
        return caught.value

    def set_aside(self, rule: str, rows: list[int]) -> Batch:
        """The rows go to quarantine by their number alone, and all others land."""
        batch, landing = self.land()
        assert sorted(b.row for b in batch.rejected) == rows
        assert {b.rule for b in batch.rejected} == {rule}
        assert landing.rejected == len(rows)
        assert batch.rows == len((self.folder / "visits.csv").read_text().splitlines()) - 1
        written = (self.journeys.folder / "quarantine" / f"{batch.digest[:16]}.csv").read_text()
        assert written.count("\n") == len(rows) + 1
        self.discloses_nothing(written)
        return batch

    def discloses_nothing(self, text: str) -> None:
        for path in self.folder.iterdir():
            if path.suffix == ".csv" and not path.is_symlink():
                cells = set(re.split(r'[,;"\r\n\ufeff]+', path.read_bytes().decode("latin-1"))) - set(HEADER.split(","))
                assert [cell for cell in cells if len(cell) > 4 and cell in text] == []


def hostile(rows: list[str]) -> str:
    """Sound rows, with these in front."""
    return "\n".join([HEADER, *rows, *(row(i) for i in range(101, ROWS + 1))]) + "\n"


def b_leading_zero(ward: Ward) -> None:
    ward.deliver(hostile([row(1, patient_id="00123"), row(2, patient_id="0123"), row(3, patient_id="123")]))
    ward.land()
    assert {"00123", "0123", "123"} <= ward.outside_ids()


def b_na_id(ward: Ward) -> None:
    names = ["NA", "null", "None", "nan", "N/A", "NULL"]
    ward.deliver(hostile([*(row(i, patient_id=name) for i, name in enumerate(names)), row(9, patient_id=" ")]))
    ward.set_aside("id_empty", [len(names) + 1])
    assert set(names) <= ward.outside_ids()
    assert "" not in ward.outside_ids()
    ward.deliver(hostile([row(1, patient_id="")]), mapping=MAPPING + '[[check]]\ncolumn="lobby_minutes"\nminimum=0\n')
    ward.set_aside("id_empty", [1])
    ward.deliver(hostile([row(1, patient_id="")]), mapping='missing = ["unknown"]\n' + MAPPING)
    ward.set_aside("id_empty", [1])


def b_exp_id(ward: Ward) -> None:
    ids = ["1e5", "12E3", "100000", "100000.0", "0x10", "1_0", "inf"]
    ward.deliver(hostile([row(i, patient_id=name) for i, name in enumerate(ids)]))
    ward.land()
    assert set(ids) <= ward.outside_ids()


def b_long_id(ward: Ward) -> None:
    ids = ["1234567890123456781", "1234567890123456782", "9999999999999999999999999"]
    ward.deliver(hostile([*(row(i, patient_id=name) for i, name in enumerate(ids)), row(9, patient_id="")]))
    ward.set_aside("id_empty", [4])
    assert set(ids) <= ward.outside_ids()
    patients = ward.events().filter(pc.is_in(ward.events()["encounter_id"], pa.array(["visit-00000", "visit-00001"])))
    assert len(set(patients["subject_id"].to_pylist())) == patients.num_rows


def b_short_row(ward: Ward) -> None:
    ward.deliver(hostile([row(1), row(2), row(3).rpartition(",")[0]]))
    assert [b.row for b in ward.refused("row_width").breaches] == [3]


def b_long_first(ward: Ward) -> None:
    ward.deliver(hostile([row(1) + ",more", row(2)]))
    assert [b.row for b in ward.refused("row_width").breaches] == [1]


def b_dup_header(ward: Ward) -> None:
    ward.deliver(table().replace("care_type", "note", 1))
    assert [b.column for b in ward.refused("duplicate_column").breaches] == ["column 7"]
    ward.deliver("\n".join(row(i, note="twice", care_type="twice") for i in range(ROWS)))
    ward.refused("duplicate_column")
    ward.deliver("\n".join(row(i) for i in range(ROWS)))
    strange = [b.column for b in ward.refused("column_not_in_contract").breaches if b.rule == "column_not_in_contract"]
    assert strange == [f"column {i}" for i in range(1, 8)]


def b_truncated(ward: Ward) -> None:
    whole = table().encode()
    ward.deliver(whole)
    ward.vouch(ROWS)
    for cut in [int(len(whole) * i / 99) for i in range(99)]:
        (ward.folder / "visits.csv").write_bytes(whole[:cut])
        with pytest.raises(InputRefused) as caught:
            ward.read()
        assert caught.value.code == "manifest_mismatch"
    ward.refused("manifest_mismatch")
    for damaged in ("[]", '{"files": 1}', '{"files": {"visits.csv": 1}}', '{"files": {}}', "[" * 100_000, "\xff"):
        (ward.folder / "manifest.json").write_text(damaged, encoding="latin-1")
        ward.refused("manifest_mismatch")
    (ward.folder / "visits.csv").write_bytes(whole)
    ward.vouch(ROWS + 1)
    ward.refused("manifest_mismatch")
    ward.vouch(ROWS)
    assert ward.land()[1].new


def b_open_quote(ward: Ward) -> None:
    ward.deliver(hostile([row(1, note='"never closed'), row(2)]))
    ward.refused("row_count")
    ward.deliver(hostile([row(1, note='"closed'), row(2, note='later"')]))
    ward.refused("row_count")
    ward.deliver(hostile([row(1, note='"closed'), row(2, visit_id='too early"')]))
    ward.refused("row_width")
    ward.deliver('"' + table())
    ward.refused("row_count")
    ward.deliver(table().replace("\n", "\r"))
    ward.refused("row_count")


def b_nul(ward: Ward) -> None:
    ward.deliver(table(note="private\0remark"))
    assert [b.row for b in ward.refused("control_character").breaches] == [7]
    ward.deliver(table(patient_id="patient\x1b[2J"))
    ward.refused("control_character")
    ward.deliver(parquet_of(table(note="private\0remark")), name="visits.parquet")
    assert [(b.row, b.column) for b in ward.refused("control_character").breaches] == [(7, "note")]


def b_bom(ward: Ward) -> None:
    ward.deliver(b"\xef\xbb\xbf" + table().encode())
    assert ward.land()[0].rows == ROWS
    ward.deliver(b"\xef\xbb\xbf")
    ward.refused("empty_file")


def b_utf16(ward: Ward) -> None:
    ward.deliver(table().encode("utf-16"))
    ward.refused("not_utf8")
    ward.deliver(table().encode("utf-16-le"))
    ward.refused("control_character")


def b_latin1(ward: Ward) -> None:
    ward.deliver(table(note="M\u00fcller").encode("latin-1"))
    assert [b.row for b in ward.refused("not_utf8").breaches] == [7]


def b_decimal_comma(ward: Ward) -> None:
    semicolons = table(lobby_minutes="12!5").replace(",", ";").replace("!", ",")
    ward.deliver(semicolons, mapping=MAPPING.replace('","', '";"', 1))
    assert [(b.row, b.column) for b in ward.refused("not_a_number").breaches] == [(7, "lobby_minutes")]


def b_thousands(ward: Ward) -> None:
    for text in ('"1,200"', "1_200", "1'200", "1 200", "0x12", "12,5".replace(",", "\u066b"), "\u0661\u0662"):
        ward.deliver(table(lobby_minutes=text))
        ward.refused("not_a_number")


def b_inf_text(ward: Ward) -> None:
    for text in ("inf", "-Infinity", "NaN", "+INF", "1e400"):
        ward.deliver(table(lobby_minutes=text))
        assert [b.row for b in ward.refused("non_finite").breaches] == [7]
    ward.deliver(table(lobby_minutes="1e16"))
    ward.refused("out_of_range")


def b_bool_mix(ward: Ward) -> None:
    for text in ("True", "1", "maybe", "Y"):
        ward.deliver(table(seen=text))
        assert [b.row for b in ward.refused("not_a_boolean").breaches] == [7]
    ward.deliver(table(seen="YES"))
    ward.land()


def b_us_date(ward: Ward) -> None:
    for text in ("03/04/2026", "20260304", "1767603443", "4 March 2026", "2026-3-4", "2026-03-04T9:00", "2026-03-04T"):
        ward.deliver(table(end_at=text))
        assert [b.row for b in ward.refused("date_format").breaches] == [7]


def b_mixed_date(ward: Ward) -> None:
    ward.deliver(hostile([row(1, end_at="03/04/2026"), row(2, end_at="13/04/2026")]))
    assert [b.row for b in ward.refused("date_format").breaches] == [1, 2]


def b_feb30(ward: Ward) -> None:
    for text in ("2026-02-30", "2026-01-05T24:00:00Z", "2016-12-31T23:59:60Z", "0001-01-01T00:00:00+14:00",
                 "2026-01-05T09:00:00+25:00", "0000-01-01"):  # fmt: skip
        ward.deliver(table(end_at=text))
        ward.set_aside("date", [7])
    ward.deliver(hostile([row(i, end_at="2026-02-30") for i in range(1, 4)]))
    ward.refused("too_many_rejected")


def b_empty(ward: Ward) -> None:
    for content in (b"", b"\n\r\n\n"):
        ward.deliver(content)
        ward.refused("empty_file")
    ward.deliver(gzip.compress(b""), name="visits.csv.gz")
    ward.refused("empty_file")


def b_header_only(ward: Ward) -> None:
    ward.deliver(HEADER + "\n")
    ward.refused("no_rows")
    ward.deliver(parquet_of(HEADER + "\n"), name="visits.parquet")
    ward.refused("no_rows")


def b_row_drop(ward: Ward) -> None:
    mapping = "full_export = true\n" + MAPPING
    for i in range(3):
        ward.deliver(table(note=f"another {i}"), mapping=mapping)
        ward.land()
    ward.deliver("\n".join(table().splitlines()[: int(0.79 * ROWS)]), mapping=mapping)
    ward.refused("volume", InputHeld)
    ward.deliver("\n".join(table().splitlines()[: int(0.81 * ROWS)]), mapping=mapping)
    ward.land()
    ward.deliver("\n".join(table().splitlines()[: int(0.5 * ROWS)]), mapping=mapping)
    assert ward.land(accept=frozenset({"volume"}))[1].new


def b_unit_change(ward: Ward) -> None:
    hours = [row(i, lobby_minutes=f"{(10 + i % 20) / 60:.3f}") for i in range(ROWS)]
    ward.deliver("\n".join([HEADER, *hours]))
    ward.refused("distribution", InputHeld)
    assert ward.land(accept=frozenset({"distribution"}))[1].new


def b_all_null(ward: Ward) -> None:
    ward.deliver("\n".join([HEADER, *(row(i, lobby_minutes="") for i in range(ROWS))]))
    ward.refused("null_rate", InputHeld)
    median_only = MAPPING.replace("null_share_below = 0.5\n", "")
    ward.deliver("\n".join([HEADER, *(row(i, lobby_minutes="") for i in range(ROWS))]), mapping=median_only)
    ward.refused("null_rate", InputHeld)
    of_texts = MAPPING.replace('column = "lobby_minutes"\nmedian_between = [5, 60]', 'column = "care_type"')
    ward.deliver("\n".join([HEADER, *(row(i, care_type="") for i in range(ROWS))]), mapping=of_texts)
    ward.refused("null_rate", InputHeld)
    ward.deliver(table(), mapping=of_texts)
    assert ward.land()[1].new


def b_extra_col(ward: Ward) -> None:
    with_ssn = "\n".join(line + ("," + ("ssn" if line == HEADER else "123-45-6789")) for line in table().splitlines())
    ward.deliver(with_ssn)
    assert [b.column for b in ward.refused("column_not_in_contract").breaches] == ["ssn"]
    for ignored in ("ssn", "*"):
        ward.deliver(with_ssn, mapping=f'ignore = ["{ignored}"]\n' + MAPPING)
        assert ward.read().rows == ROWS


def b_missing_col(ward: Ward) -> None:
    ward.deliver("\n".join(line.rpartition(",")[0] for line in table().splitlines()))
    assert [b.column for b in ward.refused("missing_column").breaches] == ["note"]


def b_reordered(ward: Ward) -> None:
    ward.deliver(table(note="first"))
    expected = ward.read().events
    ward.deliver("\n".join(",".join(reversed(line.split(","))) for line in table(note="first").splitlines()))
    assert ward.read().events.equals(expected)


def b_dup_patient(ward: Ward) -> None:
    ward.deliver("\n".join([*table(note="x").splitlines(), row(5)]))
    batch = ward.set_aside("duplicate_row", [ROWS + 1])
    assert batch.events.filter(pc.equal(batch.events["code"], "VISIT//COMPLETED")).num_rows == ROWS


def b_dup_conflict(ward: Ward) -> None:
    ward.deliver("\n".join([*table().splitlines(), row(5, lobby_minutes="44")]))
    assert [b.row for b in ward.refused("conflicting_duplicate").breaches] == [ROWS + 1]


def b_future(ward: Ward) -> None:
    for text in ("2031-01-01", "2026-02-01T00:05:01", "2026-02-01T00:00:00-01:00", "9999-12-31T23:59:59-12:00"):
        ward.deliver(table(end_at=text))
        ward.set_aside("date" if text.startswith("9999") else "future_event", [7])
    ward.deliver(table(end_at="2026-02-01T00:04:59"))
    assert ward.land()[0].rejected == ()


def b_late(ward: Ward) -> None:
    known_later = MAPPING.replace('event_at = "end_at"\nnumber', 'event_at = "end_at"\ntime = "note"\nnumber')
    known_later = known_later.replace('[[event]]\ncode = "VISIT//NOTE"\nevent_at = "end_at"\ntext = "note"\n', "")
    lines = [row(i, end_at="2026-01-05T09:00:00", note="2026-01-15T10:00:00") for i in range(ROWS)]
    before = ward.journeys.snapshot()
    ward.deliver("\n".join([HEADER, *lines]), mapping=known_later)
    ward.land()
    waits = ward.events("VISIT//WAIT")
    late = waits.filter(pc.equal(waits["time"], datetime(2026, 1, 15, 10, tzinfo=UTC)))
    assert late.num_rows == ROWS
    assert set(late["event_at"].to_pylist()) == {datetime(2026, 1, 5, 9, tzinfo=UTC)}
    assert ward.journeys.snapshot(before.version) == before
    lines[:2] = [row(0, note="2026-01-15"), row(1, note="2025-12-31")]
    ward.deliver("\n".join([HEADER, *lines]), mapping=known_later)
    assert {b.rule for b in ward.read().rejected} == {"known_before_happened"}


def b_label_col(ward: Ward) -> None:
    ward.deliver("\n".join(line + ("," + ("nps" if line == HEADER else "3")) for line in table().splitlines()))
    assert [b.column for b in ward.refused("column_not_in_contract").breaches] == ["nps"]


def b_parquet_bitflip(ward: Ward) -> None:
    chance = random.Random(5)
    name = "visits.parquet"
    ward.deliver(parquet_of(table()), name=name)
    whole = (ward.folder / name).read_bytes()
    ward.vouch(ROWS, name)
    expected = ward.read()
    for _ in range(60):
        (ward.folder / name).write_bytes(flipped(whole, chance.randrange(len(whole)), chance.randrange(8)))
        with pytest.raises(InputRefused) as caught:
            ward.read()
        assert caught.value.code == "manifest_mismatch"
    (ward.folder / "manifest.json").unlink()
    footer = len(whole) - int.from_bytes(whole[-8:-4], "little") - 8
    refused = 0
    for _ in range(300):
        (ward.folder / name).write_bytes(flipped(whole, chance.randrange(footer), chance.randrange(8)))
        try:
            assert ward.read().events.equals(expected.events)
        except InputRefused:
            refused += 1
    assert refused > 200
    for _ in range(100):
        (ward.folder / name).write_bytes(flipped(whole, chance.randrange(footer, len(whole)), chance.randrange(8)))
        try:
            ward.read()
        except InputRefused as error:
            ward.discloses_nothing(str(error))


def b_parquet_half(ward: Ward) -> None:
    ward.deliver(parquet_of(table()), name="visits.parquet")
    whole = (ward.folder / "visits.parquet").read_bytes()
    for part in (0.01, 0.25, 0.5, 0.9, 0.9999):
        (ward.folder / "visits.parquet").write_bytes(whole[: int(len(whole) * part)])
        ward.refused("parquet")


def b_parquet_schema(ward: Ward) -> None:
    cells = zip(*(line.split(",") for line in table().splitlines()[1:]), strict=True)
    columns = {name: pa.array(values) for name, values in zip(COLUMNS, cells, strict=True)}
    wrong = {
        "patient_id": [pa.array([float(i) for i in range(ROWS)]), pa.array([i % 2 == 0 for i in range(ROWS)])],
        "end_at": [pa.array(range(ROWS)), pa.array([[1]] * ROWS)],
        "lobby_minutes": [pa.array([NOW] * ROWS), pa.array([b"\xff"] * ROWS)],
        "care_type": [pa.array([{"a": 1}] * ROWS)],
        "visit_id": [pa.array([["a"]] * ROWS)],
    }
    for column, arrays in wrong.items():
        for array in arrays:
            ward.deliver(b"", name="visits.parquet")
            pq.write_table(pa.table({**columns, column: array}), ward.folder / "visits.parquet")
            assert {(b.row, b.column) for b in ward.refused("dtype").breaches} == {(0, column)}
    bytes_of_a_text = [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]
    not_text = pa.Array.from_buffers(pa.string(), 1, bytes_of_a_text)
    pq.write_table(pa.table({**columns, "note": pa.concat_arrays([not_text] * ROWS)}), ward.folder / "visits.parquet")
    ward.refused("parquet")


def b_swap(ward: Ward) -> None:
    ward.deliver(table())
    ward.vouch(ROWS)
    seen, other = Path.is_file, table(note="exchanged").encode()

    def exchanging(path: Path) -> bool:
        answer = seen(path)
        if path.name == "visits.csv":
            path.write_bytes(other)
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "is_file", exchanging)
        with pytest.raises(InputRefused) as caught:
            ward.read()
        assert caught.value.code == "manifest_mismatch"
        (ward.folder / "manifest.json").unlink()
        (ward.folder / "visits.csv").write_text(table())
        batch = ward.read()
    assert batch.inputs["visits.csv by visits.toml"].startswith(hashlib.sha256(other).hexdigest())


def b_symlink(ward: Ward) -> None:
    ward.deliver(table())
    outside = ward.folder.parent / "outside"
    outside.mkdir()
    (ward.folder / "visits.csv").rename(outside / "visits.csv")
    (ward.folder / "visits.csv").symlink_to(outside / "visits.csv")
    ward.refused("path")
    (ward.folder / "linked").symlink_to(outside)
    for name in ("../outside/visits.csv", str(outside / "visits.csv"), "linked/visits.csv", "linked/../visits.csv"):
        (ward.folder / "visits.toml").write_text(MAPPING.replace("visits.csv", name))
        ward.refused("path")
    (ward.folder / "visits.toml").write_text(MAPPING.replace("visits.csv", "nowhere.csv"))
    ward.refused("missing_file")
    (ward.folder / "data").symlink_to(outside)
    pq.write_table(pa.table({"subject_id": [1]}), outside / "0.parquet")
    with pytest.raises(InputRefused) as caught:
        meds.read(ward.folder, now=NOW)
    assert caught.value.code in {"path", "no_data"}


def b_yesterday(ward: Ward) -> None:
    ward.deliver(table(note="today"))
    _, first = ward.land()
    before = ward.stored()
    _, again = ward.land()
    assert (again.new, again.added, again.digest) == (False, 0, first.digest)
    assert {p: c for p, c in ward.stored().items() if not p.endswith(".lock")} == {
        p: c for p, c in before.items() if not p.endswith(".lock")}  # fmt: skip


def b_zip(ward: Ward) -> None:
    bomb = gzip.compress((HEADER + "\n").encode() + b"x" * 30_000_000)
    ward.deliver(bomb, name="visits.csv.gz")
    assert len(bomb) < 100_000
    ward.refused("too_large", max_table_bytes=1_000_000)
    ward.deliver(bomb[: len(bomb) // 2], name="visits.csv.gz")
    ward.refused("gzip")
    ward.deliver(b"PK\x03\x04" + bytes(100), name="visits.csv")
    ward.refused("control_character")
    repeated = pa.chunked_array([pa.repeat("x", 2_000_000)])
    ward.deliver(b"", name="visits.parquet")
    pq.write_table(pa.table(dict.fromkeys(COLUMNS, repeated)), ward.folder / "visits.parquet", compression="zstd")
    assert (ward.folder / "visits.parquet").stat().st_size < 100_000
    ward.refused("too_large", max_table_bytes=1_000_000)
    ward.deliver(table())
    ward.refused("too_large", max_table_bytes=1000)


def b_formula(ward: Ward) -> None:
    texts = ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\u202e1"]
    ward.deliver(hostile([row(i, note=text) for i, text in enumerate(texts)]))
    ward.land()
    assert set(texts) <= set(ward.events("VISIT//NOTE")["text_value"].to_pylist())


def parquet_of(text: str) -> bytes:
    lines = [line.split(",") for line in text.splitlines()]
    columns = {name: pa.array([line[i] for line in lines[1:]], pa.string()) for i, name in enumerate(lines[0])}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue().to_pybytes()


def flipped(content: bytes, place: int, bit: int) -> bytes:
    return content[:place] + bytes([content[place] ^ (1 << bit)]) + content[place + 1 :]


CASES: dict[str, Callable[[Ward], None]] = {name: case for name, case in globals().items() if name.startswith("b_")}


@pytest.fixture(scope="module")
def night_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which a sound delivery has landed."""
    folder = tmp_path_factory.mktemp("before")
    ward = Ward(folder / "in", Journeys(folder / "journeys", shards=1, key="a test"))
    ward.deliver("\n".join([HEADER, row(9001), row(9002)]))
    ward.land()
    return folder / "journeys"


@pytest.fixture
def ward(night_before: Path, tmp_path: Path) -> Ward:
    shutil.copytree(night_before, tmp_path / "journeys")
    return Ward(tmp_path / "in", Journeys(tmp_path / "journeys", key="a test"))


@pytest.mark.parametrize("case", CASES)
def test_a_bad_delivery_is(case: str, ward: Ward) -> None:
    CASES[case](ward)


def test_a_sound_delivery_lands(ward: Ward) -> None:
    ward.deliver(table())
    batch, landing = ward.land()
    assert (batch.rows, batch.rejected, landing.new) == (ROWS, (), True)


def test_a_refused_first_delivery_leaves_no_store(tmp_path: Path) -> None:
    ward = Ward(tmp_path / "in", Journeys(tmp_path / "journeys"))
    ward.deliver(table(end_at="03/04/2026"))
    ward.refused("date_format")
    assert not (tmp_path / "journeys").exists()


def test_parquet_without_anything_to_check_it_by_is_still_read_by_type(ward: Ward) -> None:
    ward.deliver(b"", name="visits.parquet")
    write_parquet(ward.folder / "visits.parquet", pa.table({"a": [1]}))
    ward.refused("column_not_in_contract")


def test_the_cases_tested_elsewhere_have_their_file() -> None:
    assert not set(ELSEWHERE) & set(CASES) - {"b_yesterday"}
    assert [place for places in ELSEWHERE.values() for place in places if not (ROOT / place).is_file()] == []


ELSEWHERE = {
    "b_new_category": ["tests/unit/test_encoding.py", "tests/unit/test_scoring.py"],
    "b_cat_null": ["tests/unit/test_encoding.py"],
    "b_leak": ["tests/unit/test_history.py", "tests/contract/test_features.py"],
    "b_yesterday": ["tests/integration/test_command_line.py"],
}
