"""The level of those who do not answer, from a model's TOML to the report, the bundle and MLflow."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.bundling import write_card
from tests.conftest import batch_of, events_table
from wellkept.__main__ import main
from wellkept.journeys import Journeys

TOML = """
target = "unhappy"
[points]
each = "VISIT"
after = ["24h"]
[label]
true_when = "ANSWER <= 6 within 20d in the same encounter"
[automatic]
windows = ["90d"]
exclude = ["ANSWER", "INVITED"]
[asked]
by = "INVITED"
follow_up = "again"
"""
PATIENTS = 2500


def land(folder: Path) -> None:
    """Two of five answer; of the rest, who is twice as often unhappy, every second one is asked again and answers."""
    random = np.random.default_rng(5)
    rows = [{"subject_id": 10**6, "time": 400, "code": "THE END"}]
    for subject in range(PATIENTS):
        start, wait, answers = random.uniform(0, 320), random.normal(), random.random() < 0.4
        unhappy = random.random() < 1 / (1 + np.exp(1.5 - wait - (0 if answers else 0.8)))
        visit = {"subject_id": subject, "encounter_id": f"e{subject}", "numeric_value": None}
        score = {"code": "ANSWER", "numeric_value": 3.0 if unhappy else 9.0}
        rows += [{**visit, "time": start, "code": "WAIT", "numeric_value": wait},
                 {**visit, "time": start, "code": "VISIT"},
                 {**visit, "time": start + 1, "code": "INVITED", "text_value": "sms"}]  # fmt: skip
        if answers:
            rows.append({**visit, "time": start + 3, **score})
        elif random.random() < 0.5:
            rows += [{**visit, "time": start + 30, "code": "INVITED", "text_value": "again"},
                     {**visit, "time": start + 30.1, **score}]  # fmt: skip
    Journeys(folder, shards=2, key="test").land(batch_of(events_table(rows)))


def test_report_bundle_and_mlflow_tell_the_level_of_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    land(tmp_path / "journeys")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "unhappy.toml").write_text(TOML)
    write_card(tmp_path / "models" / "unhappy.toml")
    assert main(["train", "models/unhappy.toml", "--journeys", "journeys", "--approve", "A. Name"]) == 0
    printed = capsys.readouterr().out
    assert "Who does not answer: in the test period" in printed
    assert "asked again and" in printed

    assert main(["evaluate", "unhappy", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["everybody"]
    assert told["levels"]["respondents"][2] < told["levels"]["followed_up"][0]
    assert told["levels"]["shift"][0] == pytest.approx(0.8, abs=0.5)
    assert told["followed_up"] == told["called"] > 50

    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlruns' / 'mlflow.db'}")
    run = mlflow.search_runs(search_all_experiments=True, output_format="list")[0]
    assert run.data.metrics["everybody.followed_up_low"] == told["levels"]["followed_up"][1]
