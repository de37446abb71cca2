"""A leak in a MEDS folder, as the command line meets it: named, blocked, and accepted by name."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.meds_dataset import TOML, write_meds
from wellkept.__main__ import main
from wellkept.leaks import CHECKS

SPEC, JOURNEYS = "models/readmission.toml", ["--journeys", "journeys"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset whose discharges carry a flag when the patient came back within 30 days."""
    folder = tmp_path_factory.mktemp("leaky")
    write_meds(folder / "meds")
    for path in (folder / "meds" / "data").rglob("*.parquet"):
        with_flags(path)
    (folder / "models").mkdir()
    (folder / SPEC).write_text(TOML)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["ingest", "meds", "meds", *JOURNEYS]) == 0
    return folder


def with_flags(path: Path) -> None:
    table = pq.read_table(path)
    rows = [row for row in table.to_pylist() if row["code"].startswith("HOSPITAL")]
    back = [
        {**first, "code": "FLAG//CAME_BACK", "text_value": None}
        for first, second in itertools.pairwise(rows)
        if first["subject_id"] == second["subject_id"] and first["code"].startswith("HOSPITAL_DISCHARGE")
        and second["time"] - first["time"] < timedelta(days=30)
    ]  # fmt: skip
    pq.write_table(pa.concat_tables([table, pa.Table.from_pylist(back, table.schema)]), path)


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def test_check_leaks_prints_every_check_names_the_feature_and_exits_8(here: Path, capsys: pytest.CaptureFixture):
    assert main(["check-leaks", SPEC, *JOURNEYS]) == 8
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == list(CHECKS)
    line = next(line for line in out.splitlines() if line.startswith("single_feature"))
    assert "FAILED" in line
    assert "FLAG//CAME_BACK" in line
    assert "[single_feature]" in err


def test_its_json_is_one_object_with_every_finding(here: Path, capsys: pytest.CaptureFixture):
    assert main(["check-leaks", SPEC, *JOURNEYS, "--json"]) == 8
    said = json.loads(capsys.readouterr().out)
    assert said["code"] == "single_feature"
    findings = {f["check"]: f for f in said["findings"]}
    assert list(findings) == list(CHECKS)
    assert findings["single_feature"]["value"] > findings["single_feature"]["bar"]
    assert findings["time_travel_replay"]["holds"] is True


def test_training_registers_nothing_until_the_check_is_accepted_and_remembers_it(
    here: Path, capsys: pytest.CaptureFixture
):
    assert main(["train", SPEC, *JOURNEYS, "--json"]) == 8
    assert json.loads(capsys.readouterr().out)["code"] == "single_feature"
    assert not (here / "mlruns" / "mlflow.db").exists()
    assert {p.name for p in (here / "models" / "readmission").iterdir()} == {".lock"}
    assert main(["train", SPEC, *JOURNEYS, "--json", "--accept", "single_feature"]) == 0
    facts = json.loads(capsys.readouterr().out)["facts"]
    assert facts["leaks.accepted"] == "single_feature"
    assert facts["leaks.single_feature"].startswith("FAILED")


def test_accepting_what_is_no_check_is_refused(here: Path) -> None:
    assert main(["train", SPEC, *JOURNEYS, "--accept", "everything"]) == 5
