"""A system that changes is judged by its monitoring; what that does is in tests/integration/test_monitoring.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wellkept.__main__ import main
from wellkept.simulator import simulate

SPEC = str(Path(__file__).parents[2] / "models" / "detractor_risk.toml")


def test_a_change_without_a_goal_is_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    simulate(tmp_path, patients=30, drift=["price-shock"])
    assert main(["judge", str(tmp_path), "--spec", SPEC, "--json"]) == 5
    told = json.loads(capsys.readouterr().out)
    assert told["code"] == "drift"
    assert "none for price-shock" in told["message"]


@pytest.mark.slow
def test_the_judge_prints_that_both_changes_are_found(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    simulate(tmp_path, patients=20_000, seed=1, drift=["unit-error", "survey-mode"])
    assert main(["judge", str(tmp_path), "--spec", SPEC, "--json"]) == 0
    goals = json.loads(capsys.readouterr().out)["goals"]
    assert [(goal["goal"], goal["holds"]) for goal in goals] == [("G11", True), ("G11", True)]
