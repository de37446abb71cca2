"""A pilot from plan to reading by its commands, on a small SYNTHETIC health system."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.unit.test_holdouts import SALT
from wellkept import jobs
from wellkept.__main__ import main
from wellkept.bundles import write_bundle
from wellkept.effects import effects_of
from wellkept.errors import InputRefused
from wellkept.evaluating import evaluate
from wellkept.evidence import learned
from wellkept.examples import examples
from wellkept.history import FeatureQuery
from wellkept.journeys import Journeys, Snapshot
from wellkept.labelling import scoring_points
from wellkept.offering import interventions
from wellkept.pilots.plans import load_pilot
from wellkept.recommending import Budget, Recommended, given, questions, recommended, with_holdouts
from wellkept.settings import Settings
from wellkept.simulator import simulate
from wellkept.spec import Points, load_spec
from wellkept.training import train

ROOT = Path(__file__).parents[2]
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
    """A year of monthly nights with the pilot, each of who was here in the last six weeks."""
    snapshot = Journeys(system / "journeys", key="test").snapshot()
    trial = jobs.Trial(load_pilot(system / "pilot.toml", interventions()), SALT)
    for month in range(NIGHTS):
        as_of = BEGINS + timedelta(days=30 * month)
        jobs.write_assignments(night(snapshot, as_of, trial), system / "steps", trial, as_of)
    return system / "steps"


def night(snapshot: Snapshot, as_of: datetime, trial: jobs.Trial) -> Recommended:
    """What is recommended, and who is held out, where every risk is .3 and minutes are enough."""
    catalogue = list(interventions().values())
    points = scoring_points(snapshot, Points(each="VISIT//COMPLETED", active="42d"), as_of)
    record = FeatureQuery(questions(catalogue)).run(snapshot, points)
    triggered = np.column_stack([np.nan_to_num(record[i.name].to_numpy()) > 0 for i in catalogue])
    effects = effects_of(catalogue, {"detractor_risk": np.full(points.num_rows, 0.3)}, triggered)
    allocation = given(effects, catalogue, Budget(1e6, 0))
    table = with_holdouts(recommended(points, effects, allocation, catalogue, as_of), trial.pilot, SALT, as_of)
    return Recommended(table, allocation, points.num_rows)


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


@pytest.fixture(scope="module")
def in_service(system: Path) -> Path:
    """A small model of who will not return, in service."""
    shipped = load_spec(ROOT / "models" / "no_return.toml")
    small = {"features": ("visit", "return_pattern"), "beside": (), "estimator": "logistic"}
    spec = shipped.model_copy(update=small)
    snapshot = Journeys(system / "journeys", key="test").snapshot()
    data = examples(snapshot, spec)
    model = train(data, spec)
    folder = system / "models" / "no_return"
    folder.mkdir(parents=True)
    write_bundle(jobs.bundle_of(model, data, spec, evaluate(model, data, spec)), folder / "1")
    (folder / "champion").write_text("1\n")
    return system


def test_a_pilot_that_is_over_teaches_recommend_and_its_steps_are_told_with_numbers(
    in_service: Path, log: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(in_service)
    at = ("--log", log, "--journeys", "journeys", "--out", "evidence.json")
    found = told(capsys, "pilot", "learn", "pilot.toml", *at)
    lessons = {(one["arm"], one["outcome"]): one for one in found["lessons"]}
    assert lessons["recovery_call", "detractor_risk"]["refused"] == "no_model"
    taught = lessons["recovery_call", "no_return"]
    assert (taught["refused"], taught["rows"] > 200) == ("", True)
    told(capsys, "score", "--journeys", "journeys", "--as-of", "2025-12-01T00:00:00Z", "--out", "scores")
    asked = ["recommend", "--journeys", "journeys", "--scores", "scores", "--minutes", "4000"]
    before, after = (pq.read_table(told(capsys, *asked, "--out", out, *more)["file"])
                     for out, more in (("s0", ()), ("s1", ("--evidence", "evidence.json"))))  # fmt: skip
    assert before["expected"].null_count == before.num_rows
    assert "randomised" not in before["grade"].to_pylist()
    for row in after.to_pylist():
        tried = row["intervention"] in ("recovery_call", "nurse_call")
        assert (row["grade"] == "randomised") == tried == (row["expected"] is not None)


def test_the_evidence_is_the_same_when_it_is_learned_again_and_names_nobody(
    in_service: Path, log: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(in_service)
    at = ["pilot", "learn", "pilot.toml", "--log", log, "--journeys", "journeys", "--out"]
    told(capsys, *at, "one.json")
    told(capsys, *at, "two.json")
    assert Path("one.json").read_bytes() == Path("two.json").read_bytes()
    patients = set(map(str, pq.read_table(log / "assignments" / "calls-2023")["subject_id"].to_pylist()))
    assert not patients & set(re.findall(r"\d{6,}", Path("one.json").read_text()))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda facts: facts["steps"].update(recovery_call="0"), "other_catalogue"),
        (lambda facts: facts["steps"].pop("recovery_call"), "damaged_evidence"),
        (lambda facts: facts["mean"].pop(), "damaged_evidence"),
        (lambda facts: facts.update(format=2), "damaged_evidence"),
        (lambda facts: facts.update(steps=list(facts["steps"])), "damaged_evidence"),
        (lambda facts: facts["covariance"][0][0].__setitem__(0, -1.0), "damaged_evidence"),
    ],
)
def test_evidence_of_another_catalogue_or_damaged_is_refused(change: Any, code: str, tmp_path: Path) -> None:
    evidence = learned(list(interventions()), ["no_return"], ["chronic"], {})
    jobs.write_evidence(jobs.Learned(evidence, (), BEGINS), tmp_path / "e.json")
    assert jobs.load_evidence(tmp_path / "e.json").mean == pytest.approx(evidence.mean)
    facts = json.loads((tmp_path / "e.json").read_text())
    change(facts)
    (tmp_path / "e.json").write_text(json.dumps(facts))
    with pytest.raises(InputRefused) as refused:
        jobs.load_evidence(tmp_path / "e.json")
    assert refused.value.code == code


def test_what_is_no_evidence_at_all_is_refused(tmp_path: Path) -> None:
    for text in ("[" * 100_000, "{}", "[]", "NaN"):
        (tmp_path / "e.json").write_text(text)
        with pytest.raises(InputRefused, match="not as it was written"):
            jobs.load_evidence(tmp_path / "e.json")


def test_a_pilot_that_is_named_twice_is_refused(
    in_service: Path, log: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows would count twice, and everything look surer than it is."""
    monkeypatch.chdir(in_service)
    at = ["--log", str(log), "--journeys", "journeys", "--out", "twice.json"]
    assert main(["pilot", "learn", "pilot.toml", "pilot.toml", *at]) == 5
    assert "calls-2023" in capsys.readouterr().err
    assert not Path("twice.json").exists()


def test_where_no_pilot_taught_anything_the_reasons_are_told_and_no_file_is_written(
    in_service: Path, log: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(in_service)
    Path("going-on.toml").write_text(TOML.replace("2024-06-01", "2030-06-01"))
    at = ["--log", str(log), "--journeys", "journeys", "--out", "nothing.json", "--json"]
    capsys.readouterr()
    assert main(["pilot", "learn", "going-on.toml", *at]) == 7
    facts = json.loads(capsys.readouterr().out)
    assert facts["code"] == "nothing_learned"
    assert "Service-recovery call, by no_return: taught nothing: the pilot is not over" in facts["message"]
    assert not Path("nothing.json").exists()


def test_no_evidence_where_it_is_said_to_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="wellkept pilot learn"):
        jobs.load_evidence(tmp_path / "none.json")


def test_a_pilot_without_a_log_and_a_damaged_one_are_refused(system: Path, log: Path, tmp_path: Path) -> None:
    at = ["--journeys", str(system / "journeys"), "--log"]
    assert main(["pilot", "read", str(system / "pilot.toml"), *at, str(tmp_path)]) == 2
    (tmp_path / "assignments" / "calls-2023").mkdir(parents=True)
    (tmp_path / "assignments" / "calls-2023" / "20230601T000000Z.parquet").write_text("no parquet")
    assert main(["pilot", "status", str(system / "pilot.toml"), "--log", str(tmp_path)]) == 2
