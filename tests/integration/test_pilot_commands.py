"""A pilot from plan to reading by its commands, on a small SYNTHETIC health system."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.test_holdouts import SALT
from wellkept import jobs
from wellkept.__main__ import main
from wellkept.contracts import RECOMMENDATIONS, SCORES
from wellkept.files import digest_of
from wellkept.journeys import Journeys, Snapshot
from wellkept.labelling import scoring_points
from wellkept.settings import Settings
from wellkept.simulator import simulate
from wellkept.spec import Points

BEGINS, NIGHTS = datetime(2023, 6, 1, tzinfo=UTC), 12
TOML = """
name = "calls-2023"
arms = ["recovery_call", "nurse_call"]
begins = 2023-06-01T00:00:00Z
ends = 2024-06-01T00:00:00Z
share = 0.5
adjust = ["age", "visits_365d"]

[outcomes]
detractor_risk = "SURVEY//NPS <= 6 within 42d in the same encounter"
no_return = "no event of VISIT//COMPLETED by preventive: 637d, chronic: 270d, procedure: 135d after the last unless \
VITAL//DIED, ADDRESS//MOVED_AWAY"

[expected.no_return]
change = -0.03

[wedge]
sites = 20
periods = 6
answers = 80
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with journeys and a pilot.toml."""
    folder = tmp_path_factory.mktemp("system")
    simulate(folder / "export", patients=4000, seed=3)
    journeys = Journeys(folder / "journeys", shards=2, key="test")
    jobs.land(journeys, jobs.read_batch("tables", folder / "export", now=datetime.now(UTC), settings=Settings()))
    (folder / "pilot.toml").write_text(TOML)
    return folder


@pytest.fixture(scope="module")
def log(system: Path) -> Path:
    """A year of monthly nights with the pilot."""
    snapshot = Journeys(system / "journeys", key="test").snapshot()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WELLKEPT_PILOT_SALT", SALT)
        for month in range(NIGHTS):
            publish(system / "scores", snapshot, BEGINS + timedelta(days=30 * month))
            assert recommend(system) == 0
    return system / "steps"


def publish(scores: Path, snapshot: Snapshot, as_of: datetime) -> None:
    """A published run in which every risk is .3: who was here in the last six weeks."""
    points = scoring_points(snapshot, Points(each="VISIT//COMPLETED", active="42d"), as_of)
    n = points.num_rows
    risk = dict.fromkeys(("risk", "risk_low", "risk_high", "reference_rate", "margin"), np.full(n, 0.3))
    table = pa.table({**{c: points[c] for c in points.column_names}, **risk, "target": pa.repeat("detractor_risk", n),
                      "model_version": pa.repeat("1", n)})  # fmt: skip
    run = scores / f"{as_of:%Y%m%d}"
    run.mkdir(parents=True)
    pq.write_table(SCORES.check(table), run / "scores.parquet")
    files = {"scores.parquet": {"sha256": digest_of(run / "scores.parquet")}}
    (run / "manifest.json").write_text(json.dumps({"as_of": as_of.isoformat(), "files": files}))
    (scores / "latest").write_text(run.name)


def recommend(system: Path, *more: str) -> int:
    return main(["recommend", "--journeys", str(system / "journeys"), "--scores", str(system / "scores"), "--minutes",
                 "1000000", "--pilot", str(system / "pilot.toml"), "--out", str(system / "steps"), *more])  # fmt: skip


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    """What a command prints as JSON."""
    capsys.readouterr()
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_plan_counts_patients_and_outcomes_in_the_journeys(system: Path, capsys: Any) -> None:
    found = told(capsys, "pilot", "plan", system / "pilot.toml", "--journeys", system / "journeys")
    assert [one["arm"] for one in found] == ["recovery_call", "nurse_call"]
    assert all(0 < one["outcomes"] < one["patients"] < 4000 for one in found)
    assert all(0.05 < one["rate"] < 0.6 and not one["is_enough"] and one["wedge"] for one in found)
    assert main(["pilot", "plan", str(system / "pilot.toml"), "--journeys", str(system / "journeys")]) == 0
    assert "TOO FEW" in capsys.readouterr().out


def test_a_plan_without_numbers_and_without_journeys_is_refused(system: Path) -> None:
    assert main(["pilot", "plan", str(system / "pilot.toml")]) == 5


def test_who_is_held_out_is_in_the_table_and_on_no_list(system: Path, log: Path, capsys: Any) -> None:
    table = RECOMMENDATIONS.check(pq.read_table(log / "recommendations.parquet"))
    held = np.array(table["holdout"])
    arms = np.array(table["intervention"].to_pylist())
    assert held.any()
    assert set(arms[held]) <= {"recovery_call", "nurse_call"}
    assert set(table["pilot"].to_pylist()) == {"calls-2023", None}
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WELLKEPT_PILOT_SALT", SALT)
        recommend(system)
    lines = capsys.readouterr().out
    assert f"{(~held).sum()} steps" in lines
    assert f"{held.sum()} more are held out by chance" in lines


def test_without_a_salt_nobody_is_drawn(system: Path, log: Path, capsys: Any) -> None:
    assert recommend(system) == 5
    assert "WELLKEPT_PILOT_SALT is not set" in capsys.readouterr().err


def test_the_status_says_who_is_in_and_that_the_draws_are_those_of_the_salt(
    system: Path, log: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WELLKEPT_PILOT_SALT", SALT)
    at = ("--log", log, "--journeys", system / "journeys")
    found = told(capsys, "pilot", "status", system / "pilot.toml", *at)
    assert found["draws_that_disagree"] == 0
    assert all(arm["is_sound"] and arm["given"] > 0 and arm["held_out"] > 0 for arm in found["arms"])
    assert all(0 <= arm["done"] <= 1 for arm in found["arms"])


def test_the_reading_is_randomised_and_holds_nothing_where_nothing_was_done(
    system: Path, log: Path, capsys: Any
) -> None:
    # the list was only written: the simulated patients got nothing of it, so there is no effect to find
    found = told(capsys, "pilot", "read", system / "pilot.toml", "--log", log, "--journeys", system / "journeys")
    assert {one["grade"] for one in found} == {"randomised"}
    effects = [one["effect"] for one in found if one["effect"]]
    assert effects
    assert all(effect["low"] - 0.05 < 0 < effect["high"] + 0.05 for effect in effects)
    assert all(one["refused"] == "too_few" for one in found if not one["effect"])


def test_a_pilot_without_a_log_and_a_damaged_one_are_refused(system: Path, log: Path, tmp_path: Path) -> None:
    at = ["--journeys", str(system / "journeys"), "--log"]
    assert main(["pilot", "read", str(system / "pilot.toml"), *at, str(tmp_path)]) == 2
    (tmp_path / "assignments" / "calls-2023").mkdir(parents=True)
    (tmp_path / "assignments" / "calls-2023" / "20230601T000000Z.parquet").write_text("no parquet")
    assert main(["pilot", "status", str(system / "pilot.toml"), "--log", str(tmp_path)]) == 2
