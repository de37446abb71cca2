"""The synthetic health system: repeatable, readable by our own reader, and with causes that have effects."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from wellkept.errors import InputRefused
from wellkept.mapping import load_mapping
from wellkept.simulator import simulate
from wellkept.sources.tables import read

EXPORTED_AT = pd.Timestamp("2023-01-01", tz="UTC") + pd.Timedelta(days=1096)
CODES = {
    "APPOINTMENT//BOOKED", "APPOINTMENT//KEPT", "APPOINTMENT//NO_SHOW", "APPOINTMENT//CANCELLED",
    "APPOINTMENT//RESCHEDULED", "ARRIVAL//LOBBY_WAIT", "BILLING//DENIAL", "BILLING//SURPRISE", "CALL//HOLD",
    "CALL//TRANSFERS", "COMPLAINT//FILED", "DISCHARGE//NO_INSTRUCTIONS", "INSURANCE//VERIFICATION_FAILED",
    "PERSON//birth_year", "PERSON//disability", "PERSON//distance_km", "PERSON//language", "PERSON//payer",
    "PERSON//race", "PERSON//sex", "PORTAL//RESPONSE_HOURS", "SURVEY//INVITED", "SURVEY//NPS",
    "VISIT//CARE_TYPE//acute", "VISIT//CARE_TYPE//chronic", "VISIT//CARE_TYPE//preventive",
    "VISIT//CARE_TYPE//procedure", "VISIT//COMPLETED", "VISIT//INTERPRETER_MISSED", "VISIT//NEW_CLINICIAN",
}  # fmt: skip


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthetic") / "export"
    simulate(out)
    return out


@pytest.fixture(scope="module")
def tables(export: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: _table(path) for path in sorted(export.glob("*.csv"))}


@pytest.fixture(scope="module")
def answers(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Answered surveys beside the visits they are about."""
    return tables["surveys"].dropna(subset="nps").merge(tables["visits"], on=["visit_id", "patient_id"])


@pytest.fixture(scope="module")
def mature(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Chronic-care visits with 270 days after them, and whether the patient came back in those."""
    visits = tables["visits"].sort_values("end_at")
    gap = visits.groupby("patient_id")["end_at"].shift(-1) - visits["end_at"]
    visits = visits.assign(returned=gap <= pd.Timedelta(days=270))
    old_enough = visits["end_at"] <= EXPORTED_AT - pd.Timedelta(days=270)
    return visits[old_enough & (visits["care_type"] == "chronic")]


def _table(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path)
    for name in frame.columns[frame.columns.str.endswith("_at")]:
        frame[name] = pd.to_datetime(frame[name], format="%Y-%m-%dT%H:%M:%SZ", utc=True)
    return frame


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_equal_seeds_give_equal_bytes_also_over_an_earlier_export(tmp_path: Path) -> None:
    simulate(tmp_path / "one", patients=300, seed=7)
    simulate(tmp_path / "two", patients=400, seed=8)
    simulate(tmp_path / "two", patients=300, seed=7)
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two")


def test_different_seeds_give_different_tables(tmp_path: Path) -> None:
    simulate(tmp_path / "one", patients=300, seed=7)
    simulate(tmp_path / "two", patients=300, seed=8)
    one, two = _bytes(tmp_path / "one"), _bytes(tmp_path / "two")
    assert not [name for name in one if name.endswith(".csv") and one[name] == two.get(name)]


def test_start_moves_every_time_and_nothing_else(tmp_path: Path) -> None:
    simulate(tmp_path / "one", patients=50, start="2023-01-01")
    simulate(tmp_path / "two", patients=50, start="2023-01-31")
    one, two = _table(tmp_path / "one" / "calls.csv"), _table(tmp_path / "two" / "calls.csv")
    assert (two["called_at"] - one["called_at"] == pd.Timedelta(days=30)).all()
    times = ["called_at", "available_at"]
    assert one.drop(columns=times).equals(two.drop(columns=times))


def test_the_manifest_says_synthetic_and_what_the_files_hold(export: Path) -> None:
    manifest = json.loads((export / "manifest.json").read_text())
    assert manifest["synthetic"] is True
    assert "no real patient" in manifest["note"]
    assert set(manifest["files"]) == {path.name for path in export.glob("*.csv")}
    for name, told in manifest["files"].items():
        content = (export / name).read_bytes()
        assert told == {"rows": content.count(b"\n") - 1, "sha256": hashlib.sha256(content).hexdigest()}


def test_every_column_is_mapped_or_ignored_and_every_mapped_column_exists(export: Path) -> None:
    for path in export.glob("*.csv"):
        mapping = load_mapping(path.with_suffix(".toml"))
        there = path.read_text().partition("\n")[0].split(",")
        assert mapping.file == path.name
        assert sorted({*mapping.columns, *mapping.ignore}) == sorted(there)


def test_our_reader_takes_the_export_whole_and_finds_every_code(export: Path) -> None:
    batch = read(export, now=EXPORTED_AT.to_pydatetime())
    assert not batch.rejected
    assert set(batch.events["code"].to_pylist()) == CODES


def test_nothing_is_known_after_the_export_and_open_is_open(tables: dict[str, pd.DataFrame]) -> None:
    for frame in tables.values():
        past = [name for name in frame.columns if name.endswith("_at") and name != "start_at"]
        assert frame[past].max().max() <= EXPORTED_AT
    appointments = tables["appointments"]
    ahead = appointments["start_at"] > EXPORTED_AT + pd.Timedelta(days=1)
    assert ahead.any()
    assert set(appointments.loc[ahead, "status"]) <= {"booked", "cancelled"}
    assert (appointments["status"] == "booked").equals(appointments["status_at"].isna())


def test_causes_come_before_their_records(tables: dict[str, pd.DataFrame], answers: pd.DataFrame) -> None:
    days = pd.Timedelta(days=1)
    bills = (tables["billing"]["available_at"] - tables["billing"]["service_at"]) / days
    waits = (answers["available_at"] - answers["end_at"]) / days
    registered = tables["calls"].merge(tables["patients"][["patient_id", "registered_at"]], on="patient_id")
    assert bills.between(4.99, 40.01).all()
    assert waits.between(2, 20).all()
    assert (registered["called_at"] >= registered["registered_at"]).all()
    assert (tables["appointments"]["made_at"] <= tables["appointments"]["start_at"]).all()


def test_the_links_between_tables_hold(tables: dict[str, pd.DataFrame]) -> None:
    appointments = tables["appointments"].set_index("appointment_id")
    visits = tables["visits"].set_index("visit_id")
    visited = appointments.loc[visits.index]
    assert (visited["patient_id"].to_numpy() == visits["patient_id"].to_numpy()).all()
    assert set(visited["status"]) == {"kept"}
    for name in ("surveys", "billing", "complaints"):
        assert tables[name]["visit_id"].isin(visits.index).all()
    assert all(frame.iloc[:, 0].is_unique for frame in tables.values())


def test_a_demo_has_enough_answers_and_mature_points(answers: pd.DataFrame, mature: pd.DataFrame) -> None:
    assert len(answers) >= 3000
    assert len(mature) >= 1500


def test_the_marginals_are_those_stated(
    tables: dict[str, pd.DataFrame], answers: pd.DataFrame, mature: pd.DataFrame
) -> None:
    status = tables["appointments"]["status"].value_counts(normalize=True)
    assert len(tables["visits"]) / 6000 == pytest.approx(2.8, abs=0.2)
    assert len(answers) / len(tables["surveys"]) == pytest.approx(0.23, abs=0.02)
    assert (answers["nps"] <= 6).mean() == pytest.approx(0.10, abs=0.03)
    assert status["no_show"] == pytest.approx(0.11, abs=0.02)
    assert status["cancelled"] == pytest.approx(0.05, abs=0.015)
    assert 1 - mature["returned"].mean() == pytest.approx(0.20, abs=0.04)
    assert tables["visits"]["lobby_minutes"].median() == pytest.approx(18.5, abs=4)


def test_unhappy_experiences_lower_the_score(answers: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> None:
    answers = answers.merge(tables["patients"][["patient_id", "language"]], on="patient_id")
    score, missed = answers["nps"], answers["interpreter_missed"] == "yes"
    instructed = answers["instructions_given"] == "yes"
    provided = (answers["language"] != "english") & ~missed
    surprised = answers["visit_id"].isin(tables["billing"].query("kind == 'surprise'")["visit_id"])
    assert score[answers["lobby_minutes"] > 30].mean() < score[answers["lobby_minutes"] <= 15].mean() - 0.25
    assert score[missed].mean() < score[provided].mean() - 0.5
    assert score[~instructed].mean() < score[instructed].mean() - 0.25
    assert score[surprised].mean() < score[~surprised].mean() - 0.25


def test_unhappy_patients_come_back_less(answers: pd.DataFrame, mature: pd.DataFrame) -> None:
    both = mature.merge(answers[["visit_id", "nps"]], on="visit_id")
    detractor = both["nps"] <= 6
    assert both.loc[detractor, "returned"].mean() < both.loc[~detractor, "returned"].mean() - 0.1


def test_patient_identifiers_say_nothing_about_leaving(mature: pd.DataFrame) -> None:
    rank = mature["patient_id"].rank(method="dense")
    left, stayed = rank[~mature["returned"]], rank[mature["returned"]]
    auroc = (pd.concat([left, stayed]).rank().iloc[: len(left)].mean() - (len(left) + 1) / 2) / len(stayed)
    assert auroc == pytest.approx(0.5, abs=0.05)


def test_a_folder_that_no_simulator_wrote_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "visits.csv").write_text("real")
    with pytest.raises(InputRefused, match="no simulator wrote"):
        simulate(tmp_path, patients=10)
    assert _bytes(tmp_path) == {"visits.csv": b"real"}


def test_a_table_without_rows_is_left_out(tmp_path: Path) -> None:
    simulate(tmp_path, patients=3, days=30)
    assert not (tmp_path / "complaints.csv").exists()
    assert not (tmp_path / "complaints.toml").exists()
    assert not read(tmp_path, now=datetime(2023, 1, 31, tzinfo=UTC)).rejected


@pytest.mark.parametrize("wrong", [{"patients": 0}, {"days": 0}, {"start": "01/02/2023"}])
def test_arguments_that_make_no_sense_are_refused(tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(InputRefused):
        simulate(tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()
