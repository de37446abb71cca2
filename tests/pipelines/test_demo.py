"""README's first command, end to end, on a smaller synthetic health system than its default."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[2]
TARGETS = ("detractor_risk", "no_return")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """Where it ran, and what it printed for machines."""
    home = tmp_path_factory.mktemp("home")
    (home / "models").mkdir()
    for target in TARGETS:
        for name in (f"{target}.toml", f"{target}.card.toml"):
            shutil.copy(ROOT / "models" / name, home / "models")
    command = [sys.executable, "-m", "wellkept", "demo", "--patients", "8000", "--json"]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return home, json.loads(done.stdout)


@pytest.mark.slow
def test_both_models_beat_the_base_rate_on_later_unseen_patients(demo: tuple[Path, dict]) -> None:
    _, facts = demo
    assert facts["synthetic"] is True
    for report in facts["reports"].values():
        _, low, _ = report["test"][report["shipped"]]["auroc"]
        assert low > 0.5


@pytest.mark.slow
def test_no_return_beats_both_rules_of_thumb(demo: tuple[Path, dict]) -> None:
    report = demo[1]["reports"]["no_return"]
    _, low, _ = report["test"][report["shipped"]]["auroc"]
    assert low > max(report["test"][rule]["auroc"][0] for rule in ("hiatus", "bg_nbd"))


@pytest.mark.slow
def test_everybody_scored_has_a_risk_and_reasons(demo: tuple[Path, dict]) -> None:
    home, facts = demo
    run = home / facts["folder"]
    scores, reasons = pq.read_table(run / "scores.parquet"), pq.read_table(run / "reasons.parquet")
    assert scores.num_rows == sum(facts["rows"].values())
    assert set(scores["target"].unique().to_pylist()) == set(TARGETS)
    explained = reasons.group_by(["subject_id", "target"]).aggregate([("rank", "max")])
    assert explained.num_rows == scores.num_rows
    assert not set("{}") & set("".join(reasons["sentence"].unique().to_pylist()))


@pytest.mark.slow
def test_the_models_are_in_service_and_in_mlflow(demo: tuple[Path, dict]) -> None:
    home, _ = demo
    assert (home / "mlruns" / "mlflow.db").is_file()
    assert all((home / "models" / target / "champion").read_text() == "1\n" for target in TARGETS)
