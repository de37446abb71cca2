"""`wellkept fairness` and `wellkept tune`, as whoever asks meets them."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.small_world import PEOPLE, TOML, land
from wellkept.__main__ import main
from wellkept.listing_groups import fairness_lines, group_lines
from wellkept.spec import load_spec

TUNE = """
[tune]
depth = { low = 1, high = 3 }
l2 = { low = 1, high = 50, log = true }
rounds = { choices = [10, 20] }
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    land(folder / "journeys")
    (folder / "model.toml").write_text(TOML)
    (folder / "search.toml").write_text(TOML + TUNE)
    return folder


@pytest.fixture
def here(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(world)
    return world


def said(capsys: pytest.CaptureFixture, *arguments: str) -> tuple[int, dict]:
    code = main([*arguments, "--journeys", "journeys", "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def audit(world: Path) -> dict:
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        patch.chdir(world)
        assert main(["fairness", "model.toml", "--journeys", "journeys", "--refits", "2", "--json"]) == 0
    assert not (world / "mlruns").exists()  # nothing is registered
    assert not (world / "models").exists()
    return json.loads(out.getvalue())


def test_leaving_columns_out_makes_it_worse_for_the_few_and_is_told(audit: dict) -> None:
    few = audit["groups"]["RACE"]["few"]
    assert few["metrics"]["observed_expected"][1] > 1.1
    assert few["verdict"].startswith("its risks are stated too low")
    variants = {told["name"]: told for told in audit["variants"]}
    ratio = {name: told["groups"]["RACE"]["few"]["metrics"]["observed_expected"][0] for name, told in variants.items()}
    assert ratio["with PERSON//RACE"] < few["metrics"]["observed_expected"][0] < ratio["without PERSON//POVERTY"]
    assert "nearer to 1 for RACE few" in variants["with PERSON//RACE"]["verdict"]
    assert "further from 1 for RACE few" in variants["without PERSON//POVERTY"]["verdict"]
    assert variants["without all of them"]["without"] == ["PERSON//SEX", "PERSON//POVERTY"]


def test_people_read_it_as_sentences(audit: dict) -> None:
    text = "\n".join(fairness_lines(audit))
    assert "RACE few: its risks are stated too low: O/E 1." in text
    assert "  with PERSON//RACE (" in text
    assert " % of the attention for " in text


def test_a_group_that_is_too_small_is_counted_and_has_no_figure(audit: dict) -> None:
    small = {"few": {"rows": 20, "patients": 20, "events": 3, "metrics": {}, "too_few": True}}
    assert group_lines({"RACE": small})[1:] == [
        "RACE: too few to tell (under 100 events, or as few others): few (3)"
    ]


def test_a_model_that_names_nobody_has_nothing_to_audit(here: Path, capsys: pytest.CaptureFixture) -> None:
    nobody = "\n".join(line for line in TOML.splitlines() if "PERSON//" not in line)
    (here / "nobody.toml").write_text(nobody)
    code, complaint = said(capsys, "fairness", "nobody.toml")
    assert (code, complaint["code"]) == (5, "nothing_sensitive")


def test_a_mistyped_code_of_the_audit_is_refused_before_it_becomes_a_feature(
    here: Path, capsys: pytest.CaptureFixture
) -> None:
    (here / "mistyped.toml").write_text(TOML.replace("PERSON//RACE", "PERSON//RASE"))
    code, complaint = said(capsys, "fairness", "mistyped.toml")
    assert (code, complaint["code"]) == (5, "no_such_code")
    assert "'PERSON//RACE'" in complaint["message"]


@pytest.fixture
def optuna() -> Any:
    return pytest.importorskip("optuna", reason="SKIPPED: tuning is not tested without Optuna, wellkept[tune]")


def test_a_search_is_resumed_nested_in_mlflow_and_judged_on_other_folds(
    here: Path, capsys: pytest.CaptureFixture, optuna: Any
) -> None:
    import mlflow

    code, facts = said(capsys, "tune", "search.toml", "--trials", "2")
    assert (code, facts["trials"], facts["rows"]) == (0, 2, PEOPLE)
    assert set(facts["trees"]) >= {"depth", "l2", "rounds"}
    assert facts["trees"]["rounds"] in (10, 20)
    assert facts["improvement"][1] <= facts["improvement"][0] <= facts["improvement"][2]
    optuna.load_study(study_name=f"stays_away-{facts['study']}", storage="sqlite:///mlruns/tuning.db").ask()
    code, again = said(capsys, "tune", "search.toml", "--trials", "3")  # what a kill left running has failed
    assert (code, again["trials"], again["study"]) == (0, 3, facts["study"])
    client = mlflow.MlflowClient(f"sqlite:///{here / 'mlruns' / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("stays_away").experiment_id])
    parents = [run for run in runs if "study" in run.data.tags]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parents[0].info.run_id]
    assert len(parents) == 1
    assert {run.data.tags["trial"] for run in children} == {"as the TOML says", "trial 0", "trial 1", "trial 3"}
    assert len(children) == 4
    assert all(client.get_metric_history(run.info.run_id, "log_loss") for run in children)


def test_without_optuna_it_says_what_to_install(
    here: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    code, complaint = said(capsys, "tune", "search.toml", "--trials", "1")
    assert (code, complaint["code"]) == (5, "no_optuna")
    assert "pip install 'wellkept[tune]'" in complaint["message"]


def test_a_model_without_a_search_says_how_to_write_one(
    here: Path, capsys: pytest.CaptureFixture, optuna: Any
) -> None:
    code, complaint = said(capsys, "tune", "model.toml", "--trials", "1")
    assert (code, complaint["code"]) == (5, "no_search")


def test_a_search_changes_no_prediction_and_hence_no_digest(here: Path) -> None:
    plain, search = (load_spec(here / f"{name}.toml") for name in ("model", "search"))
    assert set(search.tune) == {"depth", "l2", "rounds"}
    assert search.digest == plain.digest


@pytest.mark.parametrize("search", [
    "heights = { low = 1, high = 3 }", "depth = { low = 1, high = 90 }", "depth = { low = 1.5, high = 3 }",
    "depth = { low = 3, high = 2 }", "depth = { low = 1 }", "depth = { low = 1, high = 2, choices = [1] }",
    "depth = {}", "min_child_weight = { low = 0, high = 9, log = true }",
])  # fmt: skip
def test_a_search_that_cannot_be_is_refused(
    here: Path, capsys: pytest.CaptureFixture, search: str
) -> None:
    (here / "wrong.toml").write_text(f"{TOML}\n[tune]\n{search}\n")
    code, complaint = said(capsys, "tune", "wrong.toml", "--trials", "1")
    assert (code, complaint["code"]) == (5, "toml")
    assert "tune" in complaint["message"]
