"""The synthetic health system's export: repeatable, readable by our own reader, and with causes before records."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import wellkept
from wellkept.deriving import WORDS
from wellkept.errors import InputRefused
from wellkept.mapping import load_mapping
from wellkept.simulator import simulate
from wellkept.simulator.tables import NAMES
from wellkept.sources.tables import read

EXPORTED_AT = pd.Timestamp("2026-01-01", tz="UTC")
DAY = pd.Timedelta(days=1)
AHEAD = {"start_at", "due_at"}  # times that may lie after the export
JUDGES = {"simulator", "judging.py", "judging_drift.py", "judging_steps.py", "ceiling.py"}
UNMAPPED = {"sites", "clinicians"}
CONTRACT = Path(__file__).parents[2] / "docs" / "codes.md"


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthetic") / "export"
    simulate(out, patients=4000, follow_up=20)
    return out


@pytest.fixture(scope="module")
def tables(export: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: pq.read_table(path).to_pandas() for path in sorted(export.glob("*.parquet"))}


@pytest.fixture(scope="module")
def answers(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Answered surveys beside the visits they are about, without those taken by telephone afterwards."""
    answered = tables["surveys"].dropna(subset="nps").query("mode != 'follow_up'")
    return answered.merge(tables["encounters"], on=["visit_id", "patient_id"], suffixes=("", "_visit"))


@pytest.fixture(scope="module")
def codes(export: Path) -> pd.DataFrame:
    batch = read(export, now=EXPORTED_AT.to_pydatetime())
    assert not batch.rejected
    return batch.events.to_pandas()


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _contract() -> set[str]:
    """The codes in the first column of docs/codes.md, those written `//SHORT` spelled out."""
    codes: set[str] = set()
    for line in CONTRACT.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            written = re.findall(r"`([^`]+)`", line.split("|")[1])
            stem = written[0].partition("//")[0]
            codes |= {stem + code if code.startswith("//") else code for code in written}
    return codes


def test_equal_seeds_give_equal_bytes_also_over_an_earlier_export(tmp_path: Path) -> None:
    simulate(tmp_path / "one", patients=300, seed=7, traps=["local-times"])
    simulate(tmp_path / "two", patients=400, seed=8, follow_up=5)
    simulate(tmp_path / "two", patients=300, seed=7, traps=["local-times"])
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two")


def test_different_seeds_give_different_tables(tmp_path: Path) -> None:
    simulate(tmp_path / "one", patients=300, seed=7)
    simulate(tmp_path / "two", patients=300, seed=8)
    one, two = _bytes(tmp_path / "one"), _bytes(tmp_path / "two")
    same = {name for name in one if name.endswith(".parquet") and one[name] == two.get(name)}
    assert same == {"sites.parquet", "clinicians.parquet"}


def test_start_moves_every_time_and_nothing_else(tmp_path: Path) -> None:
    simulate(tmp_path / "one", patients=50, start="2022-01-01")
    simulate(tmp_path / "two", patients=50, start="2022-01-31")
    one, two = (pq.read_table(tmp_path / name / "calls.parquet").to_pandas() for name in ("one", "two"))
    times = ["called_at", "available_at"]
    assert (two[times] - one[times] == 30 * DAY).all(axis=None)
    assert one.drop(columns=times).equals(two.drop(columns=times))


def test_the_manifest_says_synthetic_and_what_the_files_hold(export: Path) -> None:
    manifest = json.loads((export / "manifest.json").read_text())
    assert manifest["synthetic"] is True
    assert "no real patient" in manifest["note"]
    assert set(manifest["files"]) == {f"{name}.parquet" for name in NAMES}
    for name, told in manifest["files"].items():
        sha256 = hashlib.sha256((export / name).read_bytes()).hexdigest()
        assert told == {"rows": pq.read_metadata(export / name).num_rows, "sha256": sha256}


def test_every_file_says_that_it_is_synthetic(export: Path) -> None:
    files = [*export.glob("*.parquet"), *export.glob("truth/*.parquet")]
    assert len(files) == len(NAMES) + 3
    assert all(b"no real patient" in pq.read_schema(path).metadata[b"synthetic"] for path in files)


def test_every_column_is_mapped_or_ignored_and_every_mapped_column_exists(export: Path) -> None:
    assert {path.stem for path in export.glob("*.toml")} == set(NAMES) - UNMAPPED
    for path in export.glob("*.toml"):
        mapping = load_mapping(path)
        assert mapping.file == f"{path.stem}.parquet"
        assert sorted({*mapping.columns, *mapping.ignore}) == sorted(pq.read_schema(export / mapping.file).names)


def test_our_reader_takes_the_export_whole_and_finds_the_codes_of_the_contract(codes: pd.DataFrame) -> None:
    contract = _contract()
    assert {"PERSON//birth_year", "APPOINTMENT//NO_SHOW", "ADDRESS//MOVED_AWAY"} <= contract
    assert set(codes["code"]) == contract - set(WORDS)  # ingest makes these itself


def test_numbers_and_categories_are_those_of_the_contract(codes: pd.DataFrame) -> None:
    numbers, texts = codes.groupby("code")["numeric_value"], codes.groupby("code")["text_value"].unique()
    assert set(texts["VISIT//COMPLETED"]) == {"preventive", "chronic", "acute", "procedure"}
    assert set(texts["SURVEY//INVITED"]) == {"sms", "email", "phone", "paper", "follow_up"}
    assert len(texts["INTERVENTION//DONE"]) == 10
    for code, low, high in (("SURVEY//NPS", 0, 10), ("SURVEY//CSAT", 1, 5), ("SURVEY//CES", 1, 7)):
        assert (numbers.min()[code], numbers.max()[code]) == (low, high)
    assert 90 < numbers.median()["FOLLOW_UP//DUE"] < 366
    assert 5 < numbers.median()["APPOINTMENT//BOOKED"] < 15
    tied = ~codes["code"].str.startswith(("PERSON//", "CALL//", "PORTAL//", "VITAL//", "ADDRESS//"))
    assert (codes["encounter_id"].notna() == tied).all()


def test_nothing_is_known_after_the_export_and_open_is_open(tables: dict[str, pd.DataFrame]) -> None:
    for frame in tables.values():
        past = [name for name in frame.columns if name.endswith("_at") and name not in AHEAD]
        assert all(frame[name].max() <= EXPORTED_AT for name in past)
    appointments = tables["appointments"]
    ahead = appointments["start_at"] > EXPORTED_AT + DAY
    assert ahead.any()
    assert set(appointments.loc[ahead, "status"]) <= {"booked", "cancelled"}
    assert (appointments["status"] == "booked").equals(appointments["status_at"].isna())


def test_causes_come_before_their_records(tables: dict[str, pd.DataFrame], answers: pd.DataFrame) -> None:
    bills = tables["billing_events"]
    waits = ((bills["available_at"] - bills["happened_at"]) / DAY).groupby(bills["kind"].astype(str))
    assert waits.min()["surprise"] > 4.99
    assert waits.max()["denial"] < 40.01
    assert waits.max()["resolved"] == 0
    assert ((answers["available_at"] - answers["end_at"]) / DAY).between(2, 20.1).all()
    registered = tables["patients"].groupby("patient_id")["changed_at"].min()
    for name in ("calls", "appointments", "encounters", "surveys"):
        known_at = tables[name][next(c for c in tables[name] if c.endswith("_at"))]
        assert (known_at >= tables[name]["patient_id"].map(registered)).all()
    assert (tables["appointments"]["made_at"] <= tables["appointments"]["start_at"]).all()


def test_what_is_done_is_done_before_the_survey_is_answered(
    tables: dict[str, pd.DataFrame], answers: pd.DataFrame
) -> None:
    both = answers.merge(tables["interventions"].dropna(subset="done_at"), on="visit_id")
    assert len(both) > 20
    assert (both["done_at"] < both["answered_at"]).all()


def test_the_pilot_logs_its_propensity(tables: dict[str, pd.DataFrame]) -> None:
    done = tables["interventions"]
    pilot = done[done["pilot"]]
    assert pilot["propensity"].between(0, 0.5, inclusive="right").all()
    assert done.loc[~done["pilot"], ["propensity", "arm"]].isna().all(axis=None)
    assert pilot["holdout"].mean() == pytest.approx(0.5, abs=0.06)
    assert (pilot["holdout"] == (pilot["arm"] == "control")).all()
    assert (pilot["holdout"] == pilot["type"].isna()).all()


def test_deaths_and_moves_are_recorded_late_or_never(export: Path, tables: dict[str, pd.DataFrame]) -> None:
    truth = pq.read_table(export / "truth" / "patients.parquet").to_pandas()
    for name, happened, late, ever in (
        ("vital_status", "died_at", 45, 0.70), ("address_changes", "moved_at", 30, 0.60)
    ):  # fmt: skip
        table = tables[name]
        early = truth[truth[happened] < EXPORTED_AT - 365 * DAY]
        assert ((table["available_at"] - table[happened]) / DAY).median() == pytest.approx(late, rel=0.25)
        assert early["patient_id"].isin(table["patient_id"]).mean() == pytest.approx(ever, abs=0.12)


def test_non_respondents_are_reached_by_telephone_so_many_a_quarter(tables: dict[str, pd.DataFrame]) -> None:
    surveys = tables["surveys"]
    reached = surveys[surveys["mode"] == "follow_up"]
    first = surveys[surveys["mode"] != "follow_up"].set_index("visit_id")
    quarter = ((reached["invited_at"] - EXPORTED_AT) / (365.25 / 4 * DAY)).astype(int)
    assert quarter.value_counts().max() <= 21  # a quarter's edge is a fraction of a day off
    assert reached["nps"].notna().mean() > 0.99
    assert first.loc[reached["visit_id"], "nps"].isna().all()


def test_comments_are_by_those_who_answered_and_say_what_went_wrong(answers: pd.DataFrame) -> None:
    comments = answers.dropna(subset="comment")
    assert len(comments) / len(answers) == pytest.approx(0.35, abs=0.04)
    told = comments["comment"].str.contains("no interpreter|No había intérprete")
    assert told.sum() > 5
    assert (comments.loc[told, "interpreter"] == "missed").all()
    spanish = comments["comment"].str.contains(r"[áéíóúñ]|gracias|el seguro|tiempo|citas?\b", regex=True)
    assert 0.05 < spanish.mean() < 0.15


def test_the_links_between_tables_hold(tables: dict[str, pd.DataFrame]) -> None:
    appointments = tables["appointments"].set_index("appointment_id")
    visits = tables["encounters"].set_index("visit_id")
    visited = appointments.loc[visits.index]
    assert (visited["patient_id"].to_numpy() == visits["patient_id"].to_numpy()).all()
    assert set(visited["status"]) == {"kept"}
    for name in ("surveys", "billing_events", "complaints", "orders_followup", "interventions"):
        assert tables[name]["visit_id"].isin(visits.index).all()
    for name, table in tables.items():
        assert not table.duplicated(key_of(name)).any()
        if "patient_id" in table:
            assert table["patient_id"].isin(tables["patients"]["patient_id"]).all()


def key_of(name: str) -> list[str]:
    """The columns that tell the rows of a table apart."""
    if name in UNMAPPED:
        return [name.removesuffix("s")]
    return list(load_mapping(Path(wellkept.__file__).parent / "simulator" / "mappings" / f"{name}.toml").key)


def test_a_patient_who_begins_to_use_the_portal_has_a_second_version(tables: dict[str, pd.DataFrame]) -> None:
    versions = tables["patients"].sort_values("changed_at").groupby("patient_id")
    first, last = versions.first(), versions.last()
    changed = versions.size() == 2
    assert 0.1 < changed.mean() < 0.3
    assert not first.loc[changed, "portal_active"].any()
    assert last.loc[changed, "portal_active"].all()
    messages = tables["portal_messages"].groupby("patient_id")["sent_at"].max()
    assert last["portal_active"].loc[messages.index].all()


def test_patient_identifiers_say_nothing_about_leaving(tables: dict[str, pd.DataFrame]) -> None:
    last = tables["encounters"].groupby("patient_id")["end_at"].max().sort_index()
    assert last.reset_index(drop=True).astype("int64").corr(pd.Series(range(len(last)))) == pytest.approx(0, abs=0.05)


def test_the_product_never_reads_what_only_the_simulator_knows() -> None:
    package = Path(wellkept.__file__).parent
    read_by = [
        path for path in package.rglob("*") if path.suffix in {".py", ".toml"}
        and path.relative_to(package).parts[0] not in JUDGES
        and re.search(r"\btruth\b", path.read_text(encoding="utf-8"))
    ]  # fmt: skip
    assert read_by == []


def test_a_folder_that_no_simulator_wrote_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "visits.csv").write_text("real")
    with pytest.raises(InputRefused, match="no simulator wrote"):
        simulate(tmp_path, patients=10)
    assert _bytes(tmp_path) == {"visits.csv": b"real"}


def test_a_table_without_rows_is_left_out(tmp_path: Path) -> None:
    simulate(tmp_path, patients=3, days=30)
    assert not (tmp_path / "complaints.parquet").exists()
    assert not (tmp_path / "complaints.toml").exists()
    assert not read(tmp_path, now=datetime(2022, 1, 31, tzinfo=UTC)).rejected


@pytest.mark.parametrize(("wrong", "says"), [
    ({"patients": 0}, "at least 1"),
    ({"days": 0}, "at least 1"),
    ({"start": "01/02/2023"}, "ISO 8601"),
    ({"jitter": 1.0}, "under 1"),
    ({"follow_up": -1}, "at least 0"),
    ({"world": "flat"}, "additive, interacting, strong-mnar, wrong-triggers, dead-interventions"),
    ({"drift": ["flood"]}, "vendor-change, unit-error"),
    ({"traps": ["pit"]}, "loop-closed, account-status"),
])  # fmt: skip
def test_arguments_that_make_no_sense_are_refused(tmp_path: Path, wrong: dict, says: str) -> None:
    with pytest.raises(InputRefused, match=says):
        simulate(tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()


def test_a_world_that_changes_writes_down_what_changes_and_one_that_does_not_has_no_such_file(tmp_path: Path) -> None:
    simulate(tmp_path, patients=30, drift=["unit-error"])
    told = json.loads((tmp_path / "truth" / "drift.json").read_text())
    assert told == {"drift": ["unit-error"], "from": "2024-07-02T03:00:00Z", "site_of_unit_error": "site-03"}
    simulate(tmp_path, patients=30)
    assert not (tmp_path / "truth" / "drift.json").exists()
