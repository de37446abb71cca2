"""Bundles: written whole or not at all, read back bit for bit, anywhere, with little more than xgboost."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.bundling import ROWS, bundle, points, values
from wellkept import bundle_files
from wellkept.bundles import GOLDEN_ROWS, load_bundle, write_bundle
from wellkept.errors import BundleRefused
from wellkept.pointers import champion_of, champions
from wellkept.scoring import score

SCORE_WITHOUT = """
import sys
from pathlib import Path

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"mlflow", "shap", "sklearn", "matplotlib"}:
            raise ImportError(f"{name} is not installed here")

sys.meta_path.insert(0, NotInstalled())
import pyarrow.parquet as pq
from wellkept.bundles import load_bundle
from wellkept.scoring import score

folder = Path(sys.argv[1])
points, values = (pq.read_table(folder / name) for name in ("points", "values"))
scores, reasons, _ = score(load_bundle(folder / "1"), points, values)
print(scores["risk"].to_pylist(), reasons.num_rows)
"""


@pytest.fixture(params=["trees", "logistic"])
def made(request: pytest.FixtureRequest):
    return bundle(request.param)


def test_a_bundle_reads_back_bit_for_bit(made, tmp_path: Path):
    again = load_bundle(write_bundle(made, tmp_path / "detractor_risk" / "1"))
    X = made.encoder.matrix(values(200, seed=9))
    np.testing.assert_array_equal(again.margin(X), made.margin(X))
    np.testing.assert_array_equal(again.risk(X), made.risk(X))
    np.testing.assert_array_equal(again.contributions(X), made.contributions(X))
    for field in ("spec", "encoder", "slope", "intercept", "reference_rate", "facts", "metrics", "profile", "target"):
        assert getattr(again, field) == getattr(made, field)


def test_the_same_bundle_has_the_same_bytes_and_a_version_that_says_so(made, tmp_path: Path):
    first, second = write_bundle(made, tmp_path / "a" / "7"), write_bundle(made, tmp_path / "b" / "7")
    assert {p.name: p.read_bytes() for p in first.iterdir()} == {p.name: p.read_bytes() for p in second.iterdir()}
    assert load_bundle(first).version == load_bundle(second).version
    assert load_bundle(first).version.startswith("7@")


def test_a_bundle_may_be_moved(made, tmp_path: Path):
    moved = write_bundle(made, tmp_path / "here" / "1").rename(tmp_path / "there")
    X = made.encoder.matrix(values(5))
    np.testing.assert_array_equal(load_bundle(moved).risk(X), made.risk(X))


def test_a_folder_with_an_unusual_name_is_a_folder(tmp_path: Path):
    assert load_bundle(write_bundle(bundle(), tmp_path / "Patienten, ü & 'co'" / "1")).target == "detractor_risk"


@pytest.mark.parametrize("failing", range(1, 10))
def test_a_write_that_fails_anywhere_leaves_nothing(failing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    calls = []

    def sync(path: Path) -> None:
        calls.append(path)
        if len(calls) == failing:
            raise OSError("the disk is full")

    monkeypatch.setattr(bundle_files, "sync", sync)
    with pytest.raises(OSError, match="full"):
        write_bundle(bundle(), tmp_path / "1")
    assert list(tmp_path.iterdir()) == []


def test_a_version_is_written_once(tmp_path: Path):
    write_bundle(bundle(), tmp_path / "1")
    with pytest.raises(BundleRefused) as refused:
        write_bundle(bundle("logistic"), tmp_path / "1")
    assert refused.value.code == "already_there"
    assert load_bundle(tmp_path / "1").estimator.kind == "trees"


def test_what_could_not_be_read_back_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bundle_files, "LARGEST_BUNDLE", 1000)
    with pytest.raises(BundleRefused) as refused:
        write_bundle(bundle(), tmp_path / "1")
    assert refused.value.code == "too_large"
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_gives_no_probability_is_not_written(tmp_path: Path):
    with pytest.raises(BundleRefused) as refused:
        write_bundle(dataclasses.replace(bundle(), slope=float("nan")), tmp_path / "1")
    assert refused.value.code == "model_output"
    assert list(tmp_path.iterdir()) == []


def test_a_figure_that_could_not_be_stated_is_null(tmp_path: Path):
    unknown = {"test": {"trees": {"calibration_slope": [float("nan"), 0.5, float("inf")]}}}
    again = load_bundle(write_bundle(dataclasses.replace(bundle(), metrics=unknown), tmp_path / "1"))
    assert again.metrics == {"test": {"trees": {"calibration_slope": [None, 0.5, None]}}}


def test_golden_rows_are_made_up(made, tmp_path: Path):
    golden = json.loads((write_bundle(made, tmp_path / "1") / "golden.json").read_text())["rows"]
    rows = set(zip(*golden.values(), strict=True))
    trained_on = {tuple(row[name] for name in golden) for row in values().to_pylist()}
    assert len(rows) == GOLDEN_ROWS
    assert len(trained_on) > ROWS / 2
    assert not rows & trained_on


def test_no_file_holds_a_number_of_a_patient(made, tmp_path: Path):
    folder = write_bundle(made, tmp_path / "1")
    waits = {f"{wait:.4f}" for wait in values()["wait"].to_pylist() if wait is not None}
    text = "".join(p.read_text() for p in folder.glob("*.json"))
    assert not {wait for wait in waits if wait in text}


def test_extreme_margins_are_certain_and_nothing_overflows(made):
    X = made.encoder.matrix(values(5))
    assert (dataclasses.replace(made, intercept=5000.0).risk(X) == 1).all()
    assert (dataclasses.replace(made, intercept=-5000.0).risk(X) == 0).all()


def test_scoring_needs_neither_mlflow_nor_shap_nor_sklearn_nor_matplotlib(made, tmp_path: Path):
    import pyarrow.parquet as pq

    write_bundle(made, tmp_path / "1")
    pq.write_table(points(4), tmp_path / "points")
    pq.write_table(values(4), tmp_path / "values")
    done = subprocess.run(
        [sys.executable, "-c", SCORE_WITHOUT, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    scores, reasons, _ = score(made, points(4), values(4))
    assert done.stderr == ""
    assert done.stdout == f"{scores['risk'].to_pylist()} {reasons.num_rows}\n"


def test_the_pointer_says_which_version_is_in_service(tmp_path: Path):
    for target in ("detractor_risk", "no_return"):
        (tmp_path / target).mkdir()
        (tmp_path / target / "champion").write_text("12\n")
    (tmp_path / "not_yet").mkdir()
    assert champion_of(tmp_path, "no_return") == tmp_path / "no_return" / "12"
    assert champions(tmp_path) == {name: tmp_path / name / "12" for name in ("detractor_risk", "no_return")}
