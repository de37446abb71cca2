"""The synthetic world beside its truth: what was drawn is what the truth says, and looks as METHOD says it should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from wellkept.simulator import simulate
from wellkept.simulator.helping import ARMS
from wellkept.simulator.truth import OUTCOMES

EXPORTED_AT = pd.Timestamp("2026-01-01", tz="UTC")


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("truth") / "export"
    simulate(out, patients=20_000, seed=2)
    return out


@pytest.fixture(scope="module")
def tables(export: Path) -> dict[str, pd.DataFrame]:
    names = ("appointments", "calls", "encounters", "surveys", "patients", "interventions")
    return {name: pq.read_table(export / f"{name}.parquet").to_pandas() for name in names}


@pytest.fixture(scope="module")
def truth(export: Path) -> pd.DataFrame:
    return pq.read_table(export / "truth" / "encounters.parquet").to_pandas()


@pytest.fixture(scope="module")
def mature(truth: pd.DataFrame) -> pd.DataFrame:
    """Visits whose deadline was over by the export, and whether the patient did not come back by then."""
    deadline = truth["end_at"] + pd.to_timedelta(truth["deadline_days"], unit="D")
    return truth[deadline < EXPORTED_AT].assign(gone=truth["outcome"] != "returned")


def _by_tenth(frame: pd.DataFrame, risk: str, happened: str) -> pd.DataFrame:
    tenth = pd.qcut(frame[risk], 10, labels=False)
    return frame.groupby(tenth)[[risk, happened]].mean()


def test_the_risk_of_a_low_answer_is_calibrated_among_all_visits(truth: pd.DataFrame) -> None:
    left_alone = truth[truth["arm"] == "none"].assign(low=truth["nps"] <= 6)
    assert left_alone["p_detractor"].mean() == pytest.approx(left_alone["low"].mean(), abs=0.005)
    tenths = _by_tenth(left_alone, "p_detractor", "low")
    assert np.allclose(tenths["p_detractor"], tenths["low"], atol=0.02)
    assert not left_alone["invited"].all()


def test_the_risk_of_no_return_is_calibrated(mature: pd.DataFrame) -> None:
    left_alone = mature[mature["arm"] == "none"]
    assert left_alone["p_no_return"].mean() == pytest.approx(left_alone["gone"].mean(), abs=0.007)
    tenths = _by_tenth(left_alone, "p_no_return", "gone")
    assert np.allclose(tenths["p_no_return"], tenths["gone"], atol=0.02)


def test_the_risk_to_be_lost_is_calibrated_among_those_of_whom_nothing_else_is_on_record(
    export: Path, mature: pd.DataFrame
) -> None:
    recorded = {
        outcome: set(pq.read_table(export / f"{table}.parquet")["patient_id"].to_pylist())
        for outcome, table in (("died", "vital_status"), ("moved_away", "address_changes"))
    }
    pairs = zip(mature["patient_id"], mature["outcome"], strict=True)
    told = [patient in recorded.get(outcome, ()) for patient, outcome in pairs]
    seen = mature[(mature["arm"] == "none") & ~np.array(told)]
    by_care = seen.groupby(seen["care_type"].astype(str))[["p_lost", "gone"]].mean()
    assert np.allclose(by_care["p_lost"], by_care["gone"], atol=0.012)
    tenths = _by_tenth(seen, "p_lost", "gone")
    assert np.allclose(tenths["p_lost"], tenths["gone"], atol=0.025)


def test_the_risk_of_a_low_answer_at_the_reference_is_higher_than_by_telephone(
    truth: pd.DataFrame, tables: dict[str, pd.DataFrame]
) -> None:
    mode = tables["surveys"].set_index("visit_id")["mode"].astype(str)
    asked = truth[truth["encounter_id"].isin(mode.index)]
    moved = (asked["p_detractor_reference"] - asked["p_detractor"]).groupby(asked["encounter_id"].map(mode)).mean()
    assert moved["sms"] == moved["email"] == 0
    assert moved["phone"] > 0.01
    assert moved["paper"] < -0.005


def test_the_next_appointment_is_booked_after_the_visit(truth: pd.DataFrame) -> None:
    booked = truth["next_booked_at"].notna()
    assert booked.mean() > 0.5
    assert (truth["next_booked_at"] > truth["end_at"])[booked].all()


def test_the_chance_to_answer_is_calibrated(truth: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> None:
    asked = tables["surveys"].merge(truth, left_on="visit_id", right_on="encounter_id")
    asked = asked[asked["end_at"] < EXPORTED_AT - pd.Timedelta(days=21)]
    asked = asked.assign(answered=asked["nps_x"].notna())
    tenths = _by_tenth(asked, "response_probability", "answered")
    assert np.allclose(tenths["response_probability"], tenths["answered"], atol=0.03)


def test_outcomes_never_collapse(truth: pd.DataFrame, mature: pd.DataFrame) -> None:
    assert set(truth["outcome"]) == set(OUTCOMES)
    assert "pending" not in set(mature["outcome"])
    assert mature["outcome"].value_counts(normalize=True)["died"] < 0.03


def test_an_outcome_is_what_the_tables_show_by_the_export(
    export: Path, truth: pd.DataFrame, tables: dict[str, pd.DataFrame]
) -> None:
    start_at = tables["appointments"].set_index("appointment_id")["start_at"]
    visits = truth.assign(start_at=start_at.loc[truth["encounter_id"]].to_numpy()).sort_values("start_at")
    wait = (visits.groupby("patient_id")["start_at"].shift(-1) - visits["start_at"]) / pd.Timedelta(days=1)
    assert ((visits["outcome"] == "returned") == (wait <= visits["deadline_days"])).all()
    patients = pq.read_table(export / "truth" / "patients.parquet").to_pandas().set_index("patient_id")
    for outcome, happened in (("died", "died_at"), ("moved_away", "moved_at")):
        left = visits[visits["outcome"] == outcome]
        left_at = left["patient_id"].map(patients[happened])
        assert (left_at >= left["start_at"]).all()
        assert (left_at <= EXPORTED_AT).all()


def test_the_dead_neither_come_nor_answer(export: Path, tables: dict[str, pd.DataFrame]) -> None:
    died_at = pq.read_table(export / "truth" / "patients.parquet").to_pandas().set_index("patient_id")["died_at"]
    for name, time in (("encounters", "end_at"), ("surveys", "answered_at")):
        late = tables[name][time] - tables[name]["patient_id"].map(died_at)
        assert late.notna().sum() > 20
        assert late.max() <= pd.Timedelta(0)


def test_the_truth_has_every_completed_visit_once(truth: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> None:
    both = truth.merge(tables["encounters"], left_on="encounter_id", right_on="visit_id", suffixes=("", "_told"))
    assert len(both) == len(truth) == len(tables["encounters"])
    assert (both["patient_id"] == both["patient_id_told"]).all()
    assert (both["end_at"] == both["end_at_told"]).all()


def test_arms_lower_the_risk_of_those_whom_they_are_made_for(export: Path, truth: pd.DataFrame) -> None:
    arms = pq.read_table(export / "truth" / "arms.parquet").to_pandas()
    assert [c for c in arms if c.startswith("eligible_")] == [f"eligible_{arm}" for arm in ARMS]
    assert (arms["encounter_id"] == truth["encounter_id"]).all()
    gain = truth["p_detractor"] - arms["p_detractor_interpreter"]
    assert gain[arms["eligible_interpreter"]].mean() > 0.02
    assert gain[~arms["eligible_interpreter"]].abs().max() < 1e-6
    assert (truth["p_no_return"] - arms["p_no_return_transport"]).max() > 0.05


def test_the_pilot_shows_the_true_effect(export: Path, truth: pd.DataFrame) -> None:
    arms = pq.read_table(export / "truth" / "arms.parquet").to_pandas()
    chosen = truth["pilot"] & (truth["arm"] == "recovery_call")
    control = truth["pilot"] & (truth["arm"] == "none")
    told = (arms["p_detractor_recovery_call"] - truth["p_detractor"])[control].mean()
    seen = (truth["nps"][chosen] <= 6).mean() - (truth["nps"][control] <= 6).mean()
    assert told < -0.005
    assert seen == pytest.approx(told, abs=0.06)


def test_appointments_calls_and_waits_are_as_stated(tables: dict[str, pd.DataFrame]) -> None:
    appointments = tables["appointments"]
    booked = appointments[appointments["status"] != "booked"]
    kept = booked[booked["status"] == "kept"]
    lead = (kept["start_at"] - kept["made_at"]) / pd.Timedelta(days=1)
    assert (booked["status"] == "no_show").mean() == pytest.approx(0.178, abs=0.01)
    assert lead.quantile([0.1, 0.5, 0.9]).tolist() == pytest.approx([2, 9, 33], rel=0.3)
    hold = tables["calls"].loc[~tables["calls"]["abandoned"], "hold_seconds"]
    assert hold.quantile([0.1, 0.5, 0.9]).tolist() == pytest.approx([53, 164, 516], rel=0.2)
    assert tables["encounters"]["lobby_minutes"].quantile([0.5, 0.9]).tolist() == pytest.approx([15, 39], rel=0.2)


def test_answers_are_as_stated(tables: dict[str, pd.DataFrame], truth: pd.DataFrame) -> None:
    surveys = tables["surveys"]
    answers = surveys["nps"].dropna()
    assert len(answers) / len(surveys) == pytest.approx(0.228, abs=0.015)
    assert (answers <= 6).mean() == pytest.approx(0.099, abs=0.015)
    assert (answers >= 9).mean() == pytest.approx(0.70, abs=0.03)
    assert (truth["nps"] <= 6).mean() == pytest.approx(0.136, abs=0.01)
    assert ((truth["nps"] >= 9).mean() - (truth["nps"] <= 6).mean()) == pytest.approx(0.50, abs=0.025)


def test_no_return_is_as_stated(mature: pd.DataFrame) -> None:
    gone = mature.groupby(mature["care_type"].astype(str))["gone"].mean()
    assert mature.loc[mature["care_type"] != "acute", "gone"].mean() == pytest.approx(0.21, abs=0.02)
    assert gone["chronic"] == pytest.approx(0.16, abs=0.02)
    assert gone["preventive"] == pytest.approx(0.23, abs=0.02)
    assert gone["procedure"] == pytest.approx(0.30, abs=0.03)


def test_limited_english_is_as_stated(truth: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> None:
    visits = truth.merge(tables["patients"][["patient_id", "interpreter_needed"]].drop_duplicates(), on="patient_id")
    limited = visits["interpreter_needed"]
    answered = visits["encounter_id"].isin(tables["surveys"].dropna(subset="nps")["visit_id"])
    low = visits["nps"] <= 6
    assert limited.mean() == pytest.approx(0.086, abs=0.01)
    assert [low[limited].mean(), low[~limited].mean()] == pytest.approx([0.203, 0.132], abs=0.02)
    assert [answered[limited].mean(), answered[~limited].mean()] == pytest.approx([0.10, 0.18], abs=0.015)


def test_a_reader_of_minds_tells_low_answers_from_others(truth: pd.DataFrame) -> None:
    low = truth["nps"] <= 6
    ranks, lows = truth["p_detractor"].rank(), int(low.sum())
    auroc = (ranks[low].sum() - lows * (lows + 1) / 2) / (lows * (len(truth) - lows))
    assert auroc == pytest.approx(0.926, abs=0.015)
