"""The command line, as its three users meet it: a MEDS folder never seen before, ingested, trained and scored."""

from __future__ import annotations

import contextlib
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.bundling import write_card
from tests.integration.meds_dataset import TOML, write_meds
from wellkept.__main__ import main
from wellkept.contracts import REASONS, SCORES
from wellkept.errors import GateClosed

AS_OF = "2021-11-01T02:00:00Z"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where a MEDS dataset was ingested and its model trained, as printed in the README."""
    folder = tmp_path_factory.mktemp("world")
    write_meds(folder / "meds")
    (folder / "models").mkdir()
    (folder / "models" / "readmission.toml").write_text(TOML)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["ingest", "meds", "meds", "--journeys", "journeys"]) == 0
        write_card(folder / "models" / "readmission.toml")
        assert main(["train", "models/readmission.toml", "--journeys", "journeys", "--approve", "A. Name"]) == 0
    return folder


@pytest.fixture
def here(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(world)
    return world


def said(capsys: pytest.CaptureFixture, *arguments: str) -> tuple[int, dict]:
    code = main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_model_of_15_lines_finds_what_is_there(here: Path, capsys: pytest.CaptureFixture) -> None:
    assert len(TOML.strip().splitlines()) <= 15
    code, facts = said(capsys, "evaluate", "readmission")
    assert code == 0
    assert facts["test"][facts["shipped"]]["auroc"][1] > 0.65  # the true chances reach about .8


def test_the_report_of_the_model_in_service_is_a_page_drawn_from_the_bundle_alone(
    here: Path, capsys: pytest.CaptureFixture
) -> None:
    code, facts = said(capsys, "evaluate", "readmission", "--html", "page.html")
    assert code == 0
    page = (here / "page.html").read_text()
    assert "Logistic regression ships" in page or "Boosted trees ship" in page
    assert facts["facts"]["journeys_digest"] in page
    assert "SYNTHETIC" not in page
    sizes = facts["drivers"]["features"]
    assert max(sizes, key=lambda name: sizes[name][0]) in page
    assert said(capsys, "evaluate", "readmission", "--html", "no such folder/page.html")[0] == 2


def test_a_model_stays_out_of_service_while_its_card_is_not_complete(
    here: Path, capsys: pytest.CaptureFixture
) -> None:
    (here / "models" / "without_card.toml").write_text(TOML.replace("readmission", "without_card"))
    code, told = said(capsys, "train", "models/without_card.toml", "--journeys", "journeys", "--approve", "A. Name")
    card = next(gate for gate in told["gates"] if gate["gate"] == "card")
    assert (code, told["promoted"], card["holds"]) == (GateClosed.exit_code, False, False)
    assert card["says"].startswith("empty: developer.name, developer.contact")
    assert not (here / "models" / "without_card" / "champion").exists()


def test_the_card_of_the_model_in_service_is_a_page_and_a_summary(here: Path, capsys: pytest.CaptureFixture) -> None:
    code, card = said(capsys, "card", "readmission", "--html", "card.html")
    assert (code, card["missing"]) == (0, [])
    assert "This card is not complete" not in (here / "card.html").read_text()
    assert int(card["facts"]["test_events"]) > 0
    assert {period["period"] for period in card["training"]} >= {"training", "calibration", "test"}
    assert main(["card", "readmission"]) == 0
    assert "Every required field is filled." in capsys.readouterr().out


def test_the_run_in_mlflow_holds_the_report_and_the_card(here: Path) -> None:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{here / 'mlruns' / 'mlflow.db'}")
    run = client.get_model_version("readmission", "1").run_id
    assert run
    logged = {artifact.path for artifact in client.list_artifacts(run)}
    assert logged >= {"report.html", "report.json", "card.html", "card.json"}


def test_a_clean_dataset_passes_the_leak_tests_and_training_remembers_them(
    here: Path, capsys: pytest.CaptureFixture
) -> None:
    code, said_of = said(capsys, "check-leaks", "models/readmission.toml", "--journeys", "journeys")
    assert code == 0
    assert False not in [f["holds"] for f in said_of["findings"]]
    facts = said(capsys, "evaluate", "readmission")[1]["facts"]
    assert facts["leaks.single_feature"].startswith("passed")
    assert "leaks.accepted" not in facts


def test_ingesting_the_same_again_changes_nothing(here: Path, capsys: pytest.CaptureFixture) -> None:
    before = (here / "journeys" / "CURRENT").read_text()
    code, facts = said(capsys, "ingest", "meds", "meds", "--journeys", "journeys")
    assert (code, facts["new"], facts["added"]) == (0, False, 0)
    assert (here / "journeys" / "CURRENT").read_text() == before


def test_scores_and_reasons_are_complete_and_fit_their_contracts(here: Path, capsys: pytest.CaptureFixture) -> None:
    code, facts = said(capsys, "score", "--journeys", "journeys", "--as-of", AS_OF, "--out", "scores")
    assert code == 0
    run = Path(facts["folder"])
    scores, reasons = SCORES.check(pq.read_table(run / "scores.parquet")), pq.read_table(run / "reasons.parquet")
    REASONS.check(reasons)
    assert scores.num_rows == facts["rows"]["readmission"] > 50
    assert 4 * scores.num_rows < reasons.num_rows <= 5 * scores.num_rows  # members may disagree about a topic
    assert pc.min(scores["risk"]).as_py() > 0
    assert pc.max(scores["risk"]).as_py() < 1
    assert any(s.startswith("creatinine in blood: ") for s in reasons["sentence"].to_pylist())
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["files"]["scores.parquet"]["rows"] == scores.num_rows
    assert (here / "scores" / "latest").read_text().strip() == run.name


def test_a_moment_is_published_once_unless_a_reason_is_given(here: Path, capsys: pytest.CaptureFixture) -> None:
    night = ["score", "--journeys", "journeys", "--as-of", "2021-11-02T02:00:00Z", "--out", "scores"]
    assert said(capsys, *night)[0] == 0
    code, complaint = said(capsys, *night)
    assert (code, complaint["code"]) == (2, "already_published")
    code, facts = said(capsys, *night, "--again", "a table came late")
    assert code == 0
    assert json.loads((Path(facts["folder"]) / "manifest.json").read_text())["again"] == "a table came late"


def test_an_empty_night_is_an_alert_and_leaves_the_last_run(here: Path, capsys: pytest.CaptureFixture) -> None:
    assert said(capsys, "score", "--journeys", "journeys", "--as-of", AS_OF, "--out", "quiet")[0] == 0
    code, complaint = said(
        capsys, "score", "--journeys", "journeys", "--as-of", "2039-01-01T00:00:00Z", "--out", "quiet"
    )
    assert (code, complaint["code"]) == (7, "nobody_to_score")
    left = sorted(p.name for p in (here / "quiet").iterdir() if not p.name.startswith("."))
    assert left == ["2021-11-01T020000Z", "latest"]


def test_two_processes_cannot_publish_at_once(here: Path, capsys: pytest.CaptureFixture) -> None:
    from wellkept.files import sole_writer

    with sole_writer(here / "busy"):
        code, complaint = said(capsys, "score", "--journeys", "journeys", "--as-of", AS_OF, "--out", "busy")
    assert (code, complaint["code"]) == (75, "locked")


@pytest.mark.parametrize(("arguments", "exit_code"), [
    (["score", "--journeys", "nowhere", "--as-of", AS_OF, "--out", "scores", "--target", "nothing"], 3),
    (["train", "models/none.toml", "--journeys", "journeys"], 5),
    (["ingest", "no-such-source", ".", "--journeys", "journeys"], 5),
    (["ingest", "meds", "models", "--journeys", "journeys"], 2),
    (["train", "models/readmission.toml", "--journeys", "nowhere"], 4),
    (["score", "--journeys", "journeys", "--as-of", "2021-11-01T02:00:00", "--out", "scores"], 64),
    (["simulate", "synthetic", "--patients", "9", "--world", "flat"], 2),
    (["fly"], 64),
])  # fmt: skip
def test_what_goes_wrong_has_an_exit_code_of_its_kind(arguments, exit_code, here: Path) -> None:
    assert main(arguments) == exit_code


def test_versions_and_decisions_are_listed_and_what_cannot_be_put_into_service_says_why(
    here: Path, capsys: pytest.CaptureFixture
) -> None:
    code, told = said(capsys, "models", "readmission")
    assert code == 0
    assert told["in_service"] == "1"
    assert next((d["action"], d["by"]) for d in told["decisions"]) == ("promote", "A. Name")
    assert next(v for v in told["versions"] if v["version"] == "1")["closed_gates"] == {}
    assert main(["models", "readmission"]) == 0
    assert "every gate passed" in capsys.readouterr().out
    code, complaint = said(capsys, "promote", "readmission", "1", "--approve", "A. Name")
    assert (code, complaint["code"]) == (9, "stale")
    code, complaint = said(capsys, "rollback", "readmission", "--by", "A. Name", "--why", "a test")
    assert (code, complaint["code"]) == (3, "no_version")
    assert (here / "models" / "readmission" / "champion").read_text() == "1\n"


def test_retraining_on_what_is_known_already_keeps_what_is_in_service(
    here: Path, capsys: pytest.CaptureFixture
) -> None:
    code, facts = said(capsys, "retrain", "models/readmission.toml", "--journeys", "journeys")
    assert (code, facts["decision"], facts["promoted"], facts["version"]) == (0, "keep", False, "")
    assert {gate["gate"] for gate in facts["gates"]} == {
        "skill", "brier", "net_benefit", "logistic", "calibration", "groups", "coverage", "list", "leaks", "card",
    }  # fmt: skip


def test_parts_lists_every_part(capsys: pytest.CaptureFixture) -> None:
    code, parts = said(capsys, "parts")
    assert code == 0
    assert {name for name, *_ in parts["sources"]} >= {"meds", "tables"}
    assert {name for name, *_ in parts["features"]} >= {"scheduling"}
    assert main(["parts", "--features"]) == 0
    assert "lead_days" in capsys.readouterr().out


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from wellkept.__main__ import main; main(['--help']); "
        "heavy = {'pandas', 'numpy', 'pyarrow', 'duckdb', 'xgboost', 'mlflow', 'shap', 'pydantic'} & set(sys.modules); "
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("pipeline", ["ingest", "train", "retrain", "score"])
def test_a_pipeline_is_the_same_flow(pipeline: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = Path(__file__).parents[2] / "pipelines" / f"{pipeline}.py"
    arguments = {
        "ingest": ["meds", "meds", "--journeys", "journeys"],
        "train": ["models/readmission.toml", "--journeys", "journeys"],
        "retrain": ["models/readmission.toml", "--journeys", "journeys"],
        "score": ["--journeys", "journeys", "--as-of", "2021-11-03T02:00:00Z", "--out", "scores"],
    }[pipeline]
    monkeypatch.setattr(sys, "argv", [str(script), *arguments])
    with contextlib.suppress(SystemExit):
        runpy.run_path(str(script), run_name="__main__")
    assert len(script.read_text().splitlines()) <= 60


def test_a_synthetic_export_can_be_ingested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    code, facts = said(capsys, "simulate", "export", "--patients", "60", "--world", "additive", "--jitter", "0.1",
                       "--drift", "vendor-change", "--trap", "late-bills", "--trap", "site-score", "--follow-up", "2")
    assert (code, facts["synthetic"], facts["patients"]) == (0, True, 60)
    code, landed = said(capsys, "ingest", "tables", "export", "--journeys", "journeys")
    assert (code, landed["rejected_rows"]) == (0, 0)


@pytest.mark.parametrize(("variable", "value"), [("WELLKEPT_THREADS", "many"), ("WELLKEPT_MEMORY_LIMIT", "lots")])
def test_an_environment_that_makes_no_sense_is_named_and_not_shown(here, monkeypatch, capsys, variable, value) -> None:
    monkeypatch.setenv(variable, value)
    assert main(["evaluate", "readmission"]) == 5
    said = capsys.readouterr().err
    assert variable in said
    assert value not in said.replace(variable, "")


@pytest.mark.parametrize("arguments", [
    ["train", ".", "--journeys", "journeys"],
    ["ingest", "meds", "meds", "--journeys", "models/readmission.toml"],
    ["score", "--journeys", "journeys", "--as-of", AS_OF, "--out", "models/readmission.toml"],
])  # fmt: skip
def test_a_path_of_the_wrong_kind_is_an_error_in_words(here: Path, capsys: pytest.CaptureFixture, arguments) -> None:
    assert main(arguments) in (2, 5)
    assert capsys.readouterr().err.startswith("wellkept: [")


def test_what_a_killed_run_left_is_gone_after_the_next_and_risks_are_their_owners(here: Path) -> None:
    (here / "others" / ".unfinished-x" / "run").mkdir(parents=True)
    assert main(["score", "--journeys", "journeys", "--as-of", AS_OF, "--out", "others"]) == 0
    assert [p.name for p in (here / "others").glob(".unfinished-*")] == []
    for path in (here / "others").rglob("*.parquet"):
        assert path.stat().st_mode & 0o077 == 0
