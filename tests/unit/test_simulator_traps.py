"""Each planted trap is there, in data that our reader takes whole, and nothing else has changed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from wellkept.simulator import simulate
from wellkept.simulator.traps import TRAPS
from wellkept.sources.tables import read

EXPORTED_AT = pd.Timestamp("2026-01-01", tz="UTC")
DAY = pd.Timedelta(days=1)
TOUCHED = {
    "loop-closed": {"encounters"},
    "account-status": {"patients"},
    "cancelled-at-deactivation": {"appointments"},
    "early-comment": set(),
    "site-score": {"encounters"},
    "record-number": {"patients"},
    "late-bills": {"billing_events"},
    "late-deaths": {"vital_status"},
    "suppressed-surveys": {"surveys"},
    "courtesy-letter": {"interventions"},
    "apology-letter": {"interventions"},
}  # fmt: skip
EVERYWHERE = {"duplicate-patients", "ordered-ids", "local-times"}


class Trapped:
    """Exports with one trap each, made when first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, trap: str) -> Path:
        out = self.folder / trap
        if not out.exists():
            simulate(out, patients=1500, seed=5, traps=[trap] if trap != "none" else [])
        return out

    def table(self, trap: str, name: str) -> pd.DataFrame:
        return pq.read_table(self.path(trap) / f"{name}.parquet").to_pandas()

    def events(self, trap: str, code: str) -> pd.DataFrame:
        batch = read(self.path(trap), now=EXPORTED_AT.to_pydatetime())
        assert not batch.rejected
        frame = batch.events.to_pandas()
        return frame[frame["code"] == code]


@pytest.fixture(scope="module")
def trapped(tmp_path_factory: pytest.TempPathFactory) -> Trapped:
    return Trapped(tmp_path_factory.mktemp("traps"))


def test_every_trap_is_looked_at() -> None:
    assert {*TOUCHED, *EVERYWHERE} == set(TRAPS)


@pytest.mark.parametrize("trap", TOUCHED)
def test_a_trap_touches_the_tables_that_it_should_and_no_other(trap: str, trapped: Trapped) -> None:
    clean, changed = trapped.path("none"), trapped.path(trap)
    different = {p.stem for p in clean.glob("*.parquet") if p.read_bytes() != (changed / p.name).read_bytes()}
    assert different == TOUCHED[trap]


@pytest.mark.parametrize("trap", TRAPS)
def test_our_reader_takes_trapped_data_whole(trap: str, trapped: Trapped) -> None:
    assert len(trapped.events(trap, "VISIT//COMPLETED")) == len(trapped.table("none", "encounters"))


@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_leaves_the_truth(trap: str, trapped: Trapped) -> None:
    for path in (trapped.path("none") / "truth").iterdir():
        assert path.read_bytes() == (trapped.path(trap) / "truth" / path.name).read_bytes()


def test_t1_the_loop_is_closed_for_detractors_before_they_answer(trapped: Trapped) -> None:
    closed = trapped.events("loop-closed", "VISIT//LOOP_CLOSED")
    answers = trapped.table("none", "surveys").set_index("visit_id").loc[closed["encounter_id"]]
    assert len(closed) > 30
    assert (answers["nps"] <= 6).all()
    assert (closed["time"].to_numpy() < answers["answered_at"].to_numpy()).all()


def test_t2_the_status_of_today_is_dated_at_registration(trapped: Trapped) -> None:
    status = trapped.events("account-status", "PERSON//account_status").drop_duplicates("outside_id")
    status = status.set_index("outside_id")
    last = trapped.table("none", "encounters").groupby("patient_id")["end_at"].max()
    inactive = status[status["text_value"] == "inactive"].index
    assert len(inactive) > 100
    assert (last.loc[inactive] < EXPORTED_AT - 365 * DAY).all()


def test_t3_bills_come_a_month_later(trapped: Trapped) -> None:
    bills = trapped.table("late-bills", "billing_events").query("kind == 'surprise'")
    assert ((bills["available_at"] - bills["happened_at"]) / DAY).min() > 34.9


def test_t4_a_cancellation_gives_away_who_is_gone(trapped: Trapped) -> None:
    before, after = (trapped.table(trap, "appointments") for trap in ("none", "cancelled-at-deactivation"))
    added = after[~after["appointment_id"].isin(before["appointment_id"])]
    last = trapped.table("none", "encounters").groupby("patient_id")["end_at"].max()
    assert set(added["status"]) == {"cancelled"}
    assert (last.loc[added["patient_id"]].to_numpy() == added["status_at"].to_numpy()).all()


def test_t5_a_comment_is_known_before_it_is_written(trapped: Trapped) -> None:
    early, honest = (trapped.events(trap, "COMMENT//TEXT") for trap in ("early-comment", "none"))
    written_at = honest.set_index("encounter_id")["time"]
    assert (early["time"].to_numpy() < written_at.loc[early["encounter_id"]].to_numpy()).all()


def test_t6_a_site_has_one_score_for_all_years(trapped: Trapped) -> None:
    scores = trapped.events("site-score", "SITE//SCORE")
    assert scores["numeric_value"].nunique() <= 20
    assert trapped.table("site-score", "encounters").groupby("site", observed=True)["site_score"].nunique().max() == 1


def test_t7_every_patient_has_a_number_of_their_own(trapped: Trapped) -> None:
    numbers = trapped.events("record-number", "PERSON//record_number").groupby("outside_id")["numeric_value"]
    assert (numbers.min() == numbers.max()).all()
    assert numbers.first().is_unique


def test_t8_a_higher_number_left_later(trapped: Trapped) -> None:
    last = trapped.table("ordered-ids", "encounters").groupby("patient_id")["end_at"].max().sort_index()
    assert last.is_monotonic_increasing


def test_t9_deaths_are_recorded_half_a_year_late(trapped: Trapped) -> None:
    deaths = trapped.table("late-deaths", "vital_status")
    assert ((deaths["available_at"] - deaths["died_at"]) / DAY).min() > 180


def test_t11_some_patients_are_two_of_whom_each_has_a_part(trapped: Trapped) -> None:
    clean, doubled = (trapped.table(trap, "patients").drop_duplicates("patient_id")
                      for trap in ("none", "duplicate-patients"))  # fmt: skip
    visits = trapped.table("none", "encounters").set_index("visit_id")
    as_sent = trapped.table("duplicate-patients", "encounters").set_index("visit_id")
    assert 1.01 < len(doubled) / len(clean) < 1.05
    renamed = visits["patient_id"] != as_sent["patient_id"].loc[visits.index]
    assert 0 < renamed.mean() < 0.03
    assert as_sent["patient_id"].isin(doubled["patient_id"]).all()


def test_t12_local_times_come_back_as_they_were_except_in_the_hour_that_happens_twice(trapped: Trapped) -> None:
    local, clean = (trapped.events(trap, "CALL//HOLD") for trap in ("local-times", "none"))
    assert trapped.table("local-times", "calls")["called_at"].dt.tz is None
    same = local["time"].reset_index(drop=True) == clean["time"].reset_index(drop=True)
    assert same.mean() > 0.999


def test_t13_low_answers_vanish_at_some_sites(trapped: Trapped) -> None:
    before, after = (trapped.table(trap, "surveys") for trap in ("none", "suppressed-surveys"))
    gone = before[~before["survey_id"].isin(after["survey_id"])].merge(
        trapped.table("none", "encounters")[["visit_id", "site"]], on="visit_id"
    )
    assert len(gone) > 2
    assert (gone["nps"] <= 6).all()
    assert set(gone["site"]) <= {"site-01", "site-05", "site-09", "site-13", "site-17"}


def test_t14_a_letter_goes_to_some_by_chance(trapped: Trapped) -> None:
    letters = trapped.table("courtesy-letter", "interventions").query("type == 'courtesy_letter'")
    risk = trapped.table("none", "truth/encounters").set_index("encounter_id")["p_detractor"]
    sent = risk.index.isin(letters["visit_id"])
    assert 0.04 < sent.mean() < 0.06
    assert risk[sent].mean() == pytest.approx(risk[~sent].mean(), abs=0.03)


def test_t15_a_letter_goes_to_those_who_had_answered_low(trapped: Trapped) -> None:
    letters = trapped.table("apology-letter", "interventions").query("type == 'apology_letter'")
    answers = trapped.table("none", "surveys").set_index("visit_id").loc[letters["visit_id"]]
    assert len(letters) > 20
    assert (answers["nps"] <= 6).all()
    assert (letters["done_at"].to_numpy() > answers["answered_at"].to_numpy()).all()


def test_a_unit_error_at_site_3_writes_minutes(tmp_path: Path) -> None:
    simulate(tmp_path, patients=3000, drift=["unit-error"])
    calls = pq.read_table(tmp_path / "calls.parquet").to_pandas()
    late = calls["called_at"] > pd.Timestamp("2024-07-05", tz="UTC")
    wrong = late & (calls["site"] == "site-03")
    assert calls.loc[wrong, "hold_seconds"].median() * 30 < calls.loc[~wrong, "hold_seconds"].median()


def test_traps_can_be_set_together(tmp_path: Path) -> None:
    simulate(tmp_path, patients=300, traps=list(TRAPS))
    assert not read(tmp_path, now=EXPORTED_AT.to_pydatetime()).rejected
