"""Retraining that is killed: whatever it was doing, what is in service serves on, and the next attempt finishes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bundling import write_card
from tests.integration.meds_dataset import TOML, write_meds

TARGET = "readmission"
# kills itself at the k-th time that it renames, removes or links anything, makes a folder or opens a file to write
KILLED_AT = """
import os, signal, sys
left = int(sys.argv[1])
def hook(event, arguments):
    global left
    writes = event == "open" and isinstance(arguments[1], str) and set("wax+") & set(arguments[1])
    if writes or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "sqlite3.connect"):
        if any(str(a).startswith(str(os.getcwd())) or not str(a).startswith("/") for a in arguments[:2]):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
from wellkept.__main__ import main
sys.exit(main(sys.argv[2:]))
"""
RETRAIN = ["retrain", f"models/{TARGET}.toml", "--journeys", "journeys", "--approve", "A. Name", "--json"]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model in service."""
    house = tmp_path_factory.mktemp("house")
    write_meds(house / "meds")
    (house / "models").mkdir()
    define(house, seed=1)
    write_card(house / "models" / f"{TARGET}.toml")
    run(house, ["ingest", "meds", "meds", "--journeys", "journeys"])
    assert json.loads(run(house, ["train", *RETRAIN[1:]]).stdout)["promoted"]
    return house


def define(house: Path, *, seed: int) -> None:
    """Another seed is another definition, so that nothing but a refit will do."""
    (house / "models" / f"{TARGET}.toml").write_text(f"seed = {seed}\n{TOML}")


def run(house: Path, arguments: list[str], *, killed_at: int = 0) -> subprocess.CompletedProcess:
    """A command in a process of its own, killed at its k-th write or (0) never."""
    command = [sys.executable, "-c", KILLED_AT, str(killed_at), *arguments]
    return subprocess.run(command, cwd=house, capture_output=True, text=True, check=False,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("killed_at", [60, 127, 139, 143])
def test_what_is_in_service_serves_on_and_the_next_attempt_finishes(house: Path, killed_at: int) -> None:
    define(house, seed=killed_at + 1)
    first = run(house, RETRAIN, killed_at=killed_at)
    assert first.returncode in (-9, 0, 9), first.stderr
    evaluated = run(house, ["evaluate", TARGET, "--json"])
    assert evaluated.returncode == 0, evaluated.stderr
    again = run(house, RETRAIN)
    assert again.returncode in (0, 9), again.stderr
    told = json.loads(run(house, ["models", TARGET, "--json"]).stdout)
    champions = [v["version"] for v in told["versions"] if "champion" in v["aliases"]]
    assert champions == [told["in_service"]]
    assert {p.name[0] for p in (house / "models" / TARGET).iterdir() if p.name != ".lock"}.isdisjoint(".")
    assert all(status != "RUNNING" for status in statuses(house))


def statuses(house: Path) -> list[str]:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{house / 'mlruns' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(TARGET)
    return [run.info.status for run in client.search_runs([experiment.experiment_id])]
