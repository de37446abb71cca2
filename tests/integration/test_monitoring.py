"""A SYNTHETIC system whose third site begins to write minutes for seconds: watched and scored on the command line."""

from __future__ import annotations

import dataclasses
import json
import runpy
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from wellkept.__main__ import main
from wellkept.bundles import load_bundle, write_bundle
from wellkept.commands.nightly import SOMETHING_TO_DO
from wellkept.contracts import ASSIGNMENTS, RECOMMENDATIONS
from wellkept.jobs.planning import recent_visits
from wellkept.settings import Settings
from wellkept.simulator import simulate
from wellkept.simulator.worlds import World
from wellkept.spec import Spec, load_spec
from wellkept.watching import CHANGE, FIRST_NIGHT, SITE, Watched, watched

BEFORE, AFTER = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (CHANGE, FIRST_NIGHT))
ROOT = Path(__file__).parents[2]


def _spec() -> Spec:
    """The shipped model, of fewer features and trees."""
    shipped = load_spec(ROOT / "models" / "detractor_risk.toml")
    trees = shipped.trees.model_copy(update={"rounds": 10})
    small = {"features": ("contact_centre", "voice"), "trees": trees}
    return shipped.model_copy(update=small | {"estimator": "trees"})  # whose members agree about some reasons only


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Watched]:
    """A folder with journeys and a model in service that was trained before the change."""
    folder = tmp_path_factory.mktemp("house")
    simulate(folder / "export", patients=3000, seed=3, world=World(sites=3), drift=["unit-error"], days=960)
    made = watched(folder / "export", _spec(), Settings(), folder / "journeys")
    models = folder / "models" / "detractor_risk"
    models.mkdir(parents=True)
    write_bundle(made.bundle, models / "1")
    (models / "champion").write_text("1\n")
    return folder, made


@pytest.fixture
def here(house: tuple[Path, Watched], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(house[0])
    return house[0]


def said(capsys: pytest.CaptureFixture, *arguments: str) -> tuple[int, dict]:
    code = main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_nights_before_a_change_call_for_nothing(here: Path, capsys: pytest.CaptureFixture) -> None:
    code, told = said(capsys, "monitor", "--journeys", "journeys", "--as-of", BEFORE)
    assert (code, [m["recommendation"] for m in told["models"]]) == (0, ["nothing"])
    assert {finding["layer"] for finding in told["models"][0]["findings"]} >= {2, 3, 4, 5}


def test_monitor_says_what_is_to_be_done_with_an_exit_code(here: Path, capsys: pytest.CaptureFixture) -> None:
    code, told = said(capsys, "monitor", "--journeys", "journeys", "--as-of", AFTER, "--target", "detractor_risk")
    assert code == SOMETHING_TO_DO
    (model,) = told["models"]
    assert (model["target"], model["recommendation"]) == ("detractor_risk", f"block site {SITE}")
    assert "another unit" in model["says"]
    assert {finding["site"] for finding in model["findings"] if finding["calls_for"] == "block"} == {SITE}


def test_a_site_with_another_unit_is_not_scored_and_the_others_are_as_they_would_be(
    here: Path, capsys: pytest.CaptureFixture
) -> None:
    night = ["score", "--journeys", "journeys", "--as-of", AFTER]
    code, facts = said(capsys, *night, "--out", "held")
    assert (code, list(facts["held"]["detractor_risk"])) == (0, [SITE])
    whole = said(capsys, *night, "--out", "accepted", "--accept", "site_units")[1]
    scores, everybody = _read(facts, "scores"), _read(whole, "scores")
    assert 0 < scores.num_rows < everybody.num_rows
    kept = pc.is_in(everybody["subject_id"], scores["subject_id"].combine_chunks())
    assert scores.equals(everybody.filter(kept).combine_chunks())
    reasons, all_reasons = _read(facts, "reasons"), _read(whole, "reasons")
    kept = pc.is_in(all_reasons["subject_id"], scores["subject_id"].combine_chunks())
    assert reasons.equals(all_reasons.filter(kept).combine_chunks())
    manifest = json.loads((Path(facts["folder"]) / "manifest.json").read_text())
    assert "another unit" in manifest["sites"]["held"]["detractor_risk"][SITE]
    assert manifest["rows"]["detractor_risk"] == scores.num_rows == manifest["files"]["scores.parquet"]["rows"]


def test_steps_are_recommended_to_those_who_were_published_and_to_nobody_of_a_held_site(
    here: Path, capsys: pytest.CaptureFixture
) -> None:
    night = ["score", "--journeys", "journeys", "--as-of", AFTER, "--out", "steps_of"]
    scored = _read(said(capsys, *night)[1], "scores")
    code, facts = said(capsys, "recommend", "--journeys", "journeys", "--scores", "steps_of", "--minutes", "200",
                       "--out", "steps")
    steps = RECOMMENDATIONS.check(pq.read_table(facts["file"]))
    assert (code, facts["candidates"]) == (0, pc.count_distinct(scored["subject_id"]).as_py())
    assert 0 < steps.num_rows == facts["rows"]
    assert pc.all(pc.is_in(steps["subject_id"], scored["subject_id"].combine_chunks())).as_py()
    assert 0 < facts["used"]["staff minutes"] <= 200
    assert main(["recommend", "--journeys", "journeys", "--scores", "steps_of", "--minutes", "60", "--out", "s"]) == 0
    assert "evidence: assumed" in capsys.readouterr().out


def test_steps_of_a_night_are_published_once_and_others_in_their_place_only_with_a_reason(
    here: Path, capsys: pytest.CaptureFixture
) -> None:
    said(capsys, "score", "--journeys", "journeys", "--as-of", AFTER, "--out", "scored_once")
    asked = ["recommend", "--journeys", "journeys", "--scores", "scored_once", "--out", "steps_once", "--minutes"]
    first = said(capsys, *asked, "200")[1]
    assert Path(first["folder"]).name == (here / "steps_once" / "latest").read_text().strip()
    assert pq.read_table(first["file"]).equals(pq.read_table(Path(first["folder"]) / "recommendations.parquet"))
    assert said(capsys, *asked, "200") == (0, first)
    code, complaint = said(capsys, *asked, "60")
    assert (code, complaint["code"]) == (2, "already_published")
    assert pq.read_table(first["file"]).num_rows == first["rows"]
    code, second = said(capsys, *asked, "60", "--again", "two nurses are ill")
    assert (code, second["folder"]) == (0, first["folder"])
    assert pq.read_table(second["file"]).num_rows == second["rows"] < first["rows"]


PILOT = """
name = "calls"
arms = ["recovery_call", "nurse_call", "scheduling_priority"]
begins = 2000-01-01T00:00:00Z
ends = 2100-01-01T00:00:00Z
share = 0.5
[outcomes]
detractor_risk = "SURVEY//NPS <= 6 within 42d in the same encounter"
"""


def test_with_a_pilot_some_are_held_out_of_the_list_and_kept_in_the_log(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    said(capsys, "score", "--journeys", "journeys", "--as-of", AFTER, "--out", "piloted")
    Path("pilot.toml").write_text(PILOT)
    asked = ["recommend", "--journeys", "journeys", "--scores", "piloted", "--minutes", "2000", "--pilot", "pilot.toml",
             "--out", "with_pilot"]  # fmt: skip
    code, complaint = said(capsys, *asked)
    assert (code, complaint["code"]) == (5, "pilot_salt")
    monkeypatch.setenv("WELLKEPT_PILOT_SALT", "a secret of thirty-two characters")
    facts = said(capsys, *asked)[1]
    steps = RECOMMENDATIONS.check(pq.read_table(facts["file"]))
    held = pc.sum(steps["holdout"]).as_py()
    assert 0 < held == facts["held_out"] < facts["rows"] == steps.num_rows
    assert main(asked) == 0
    lines = capsys.readouterr().out
    assert f"{steps.num_rows - held} steps for" in lines
    assert f"{held} more are held out by chance" in lines
    [night] = Path("with_pilot/assignments/calls").glob("*.parquet")
    logged = ASSIGNMENTS.check(pq.read_table(night))
    assert logged.num_rows == steps.num_rows - steps["pilot"].null_count
    assert set(logged["propensity"].to_pylist()) == {0.5}
    assert main(["pilot", "status", "pilot.toml", "--log", "with_pilot"]) == 0
    assert "every draw can be made again with this salt" in capsys.readouterr().out


def test_a_run_that_is_not_what_was_published_is_not_gone_by(here: Path, capsys: pytest.CaptureFixture) -> None:
    asked = ["recommend", "--journeys", "journeys", "--scores", "broken", "--minutes", "60", "--out", "s"]
    code, complaint = said(capsys, *asked)
    assert (code, complaint["code"]) == (2, "no_run")
    folder = Path(said(capsys, "score", "--journeys", "journeys", "--as-of", AFTER, "--out", "broken")[1]["folder"])
    scores = (folder / "scores.parquet").read_bytes()
    (folder / "scores.parquet").write_bytes(scores[:-9] + b"x" + scores[-8:])
    code, complaint = said(capsys, *asked)
    assert (code, complaint["code"]) == (2, "damaged_run")


def test_a_model_without_a_sketch_says_so_and_goes_by_its_labels(house, monkeypatch, capsys) -> None:
    monkeypatch.chdir(house[0])
    bare = house[0] / "bare" / "detractor_risk"
    bare.mkdir(parents=True)
    facts = {**house[1].bundle.facts, "test_until": str(CHANGE)}
    write_bundle(dataclasses.replace(house[1].bundle, sketch=None, facts=facts), bare / "1")
    (bare / "champion").write_text("1\n")
    monkeypatch.setenv("WELLKEPT_MODELS", str(house[0] / "bare"))
    code, told = said(capsys, "monitor", "--journeys", "journeys", "--as-of", AFTER)
    findings = told["models"][0]["findings"]
    assert code == 0
    assert "without a sketch" in findings[0]["says"]
    assert {finding["layer"] for finding in findings} == {0, 4, 5}


def test_a_sketch_names_no_site_level_or_value_of_a_few(house) -> None:
    folder, made = house
    sketch = load_bundle(folder / "models" / "detractor_risk" / "1").sketch
    assert sketch == made.bundle.sketch
    assert sketch is not None
    assert min(site["rows"] for site in sketch["sites"].values()) >= 50
    assert set(sketch["asked"]["shares"]) <= {"sms", "email", "phone", "paper"}
    assert set(sketch["features"]) == {f.name for f in made.bundle.encoder.features}


def test_the_pipeline_is_the_same_flow(here: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    script = ROOT / "pipelines" / "monitor.py"
    monkeypatch.setattr(sys, "argv", [str(script), "--journeys", "journeys"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(script), run_name="__main__")
    assert stop.value.code == SOMETHING_TO_DO
    assert capsys.readouterr().out.startswith(f"detractor_risk: block site {SITE}: ")
    assert len(script.read_text().splitlines()) <= 60


def _read(facts: dict, name: str) -> pa.Table:
    return pq.read_table(Path(facts["folder"]) / f"{name}.parquet").combine_chunks()


def test_a_site_whose_unit_changed_is_no_example_for_a_plan(house: tuple[Path, Watched]) -> None:
    seen = recent_visits(house[1].snapshot, house[1].bundle, days=91)
    assert list(seen.held) == [SITE]
    assert SITE not in seen.visits.site
    assert len(seen.visits.X) == seen.points.num_rows


STAFF = """
texts = 20
[[team]]
name = "nurses"
minutes = 60
roles = ["nurse"]
languages = ["english"]
[[team]]
name = "front desk"
minutes = 200
roles = ["coordinator", "scheduler", "patient relations", "social work"]
languages = ["english", "spanish"]
interpreter = true
[arms]
transport = 2
[[contacts]]
most = 1
within = "365d"
[[floor]]
code = "PERSON//payer"
"""


def test_a_staff_file_shares_the_steps_out_among_teams(here: Path, capsys: pytest.CaptureFixture) -> None:
    said(capsys, "score", "--journeys", "journeys", "--as-of", AFTER, "--out", "staffed")
    Path("staff.toml").write_text(STAFF)
    asked = ["recommend", "--journeys", "journeys", "--scores", "staffed", "--out", "by_team"]
    code, facts = said(capsys, *asked, "--staff", "staff.toml")
    steps = RECOMMENDATIONS.check(pq.read_table(facts["file"])).to_pylist()
    assert code == 0
    assert {step["team"] for step in steps if step["minutes"]} <= {"nurses", "front desk"}
    assert not any(step["team"] for step in steps if not step["minutes"])
    assert all("nurse" in step["roles"] for step in steps if step["team"] == "nurses")
    assert 0 < facts["used"]["nurses"] <= 60
    assert 0 < facts["used"]["front desk"] <= 200
    assert sum(step["intervention"] == "transport" for step in steps) <= 2
    assert facts["left_alone"] > 0
    assert {one["group"] for one in facts["floors"]} > {"payer medicaid"}
    assert main([*asked, "--staff", "staff.toml"]) == 0
    lines = capsys.readouterr().out
    assert "one more hour of" in lines
    assert "floors cost" in lines


@pytest.mark.parametrize(("old", "new", "code"), [
    ("PERSON//payer", "PERSON//payor", "not_on_record"),
    ("texts = 20", 'texts = 20\nlanguage = "PERSON//tongue"', "not_on_record"),
    ("transport = 2", "bus = 2", "arm"),
])  # fmt: skip
def test_a_staff_file_that_goes_by_what_is_not_there_is_refused(
    old: str, new: str, code: str, here: Path, capsys: pytest.CaptureFixture
) -> None:
    said(capsys, "score", "--journeys", "journeys", "--as-of", AFTER, "--out", "staffed")
    Path("wrong.toml").write_text(STAFF.replace(old, new))
    asked = ["recommend", "--journeys", "journeys", "--scores", "staffed", "--out", "s", "--staff", "wrong.toml"]
    ended, complaint = said(capsys, *asked)
    assert (ended, complaint["code"]) == (5, code)


def test_texts_go_with_minutes_and_not_with_a_staff_file(here: Path, capsys: pytest.CaptureFixture) -> None:
    asked = ["recommend", "--journeys", "journeys", "--scores", "s", "--out", "s", "--staff", "x.toml", "--texts", "3"]
    code, complaint = said(capsys, *asked)
    assert (code, complaint["code"]) == (5, "texts")
