"""A real MLflow on SQLite: what a run holds, what promotion does, and what MLflow's own loader serves."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pandas as pd
import pytest

from tests.bundling import bundle, candidate, registered, values
from wellkept import registry
from wellkept.bundles import Bundle, load_bundle, write_bundle
from wellkept.candidates import Child
from wellkept.errors import BundleRefused
from wellkept.gates import Gate
from wellkept.pointers import champion_of

TARGET = "detractor_risk"
DATA = {"training": "a" * 64, "evaluation": "b" * 64}
HOSTILE = ("../../../escaped", "/etc/escaped", "..", "a\x00b", "%2e%2e/escaped", ".hidden")
PICKLE_STARTS = (*(b"\x80" + bytes([protocol]) for protocol in range(6)), b"PK\x03\x04", b"cos\n", b"\x1f\x8b")


def figure() -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(1, 1))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two registered versions of one target, one of another; making MLflow's tables takes seconds, so once for all."""
    house = tmp_path_factory.mktemp("a house, ü")
    figures = {"calibration": figure(), **{name: figure() for name in HOSTILE}}
    for seed in (1, 2):
        registered(house, bundle(seed=seed), key=str(seed), figures=figures)
        figures = {}
    registered(house, bundle("logistic", target="no_return"), key="3")
    return house


@pytest.fixture(scope="module")
def client(house: Path) -> Any:
    import mlflow

    return mlflow.MlflowClient(f"sqlite:///{house / 'mlruns' / 'mlflow.db'}")


@pytest.fixture(scope="module")
def run(client: Any) -> Any:
    """The run behind version 1."""
    return client.get_run(client.get_model_version(TARGET, "1").run_id)


@pytest.fixture
def models(house: Path, tmp_path: Path) -> Path:
    return tmp_path / "models"


def promoted(house: Path, models: Path, version: int, target: str = TARGET) -> Path:
    folder = registry.export(target, str(version), models=models, mlruns=house / "mlruns")
    registry.point_to(target, str(version), models=models)
    registry.set_alias(target, str(version), mlruns=house / "mlruns")
    return folder


def in_service(models: Path) -> Bundle:
    return load_bundle(champion_of(models, TARGET))


def artifact_of(client: Any, version: int, target: str = TARGET) -> Path:
    """Where MLflow keeps the bundle of a version."""
    model = urlsplit(client.get_model_version_download_uri(target, str(version))).path
    return Path(url2pathname(model)) / "artifacts" / "bundle"


@pytest.fixture
def damage(house: Path, client: Any) -> Iterator[Callable[[int], Path]]:
    """Flip one bit of a tree that MLflow keeps; afterwards everything is as it was."""
    before: list[tuple[Path, bytes]] = []

    def flip(version: int) -> Path:
        path = artifact_of(client, version) / "trees-0.ubj"
        before.append((path, path.read_bytes()))
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        return path

    yield flip
    for path, content in before:
        path.write_bytes(content)


def test_a_run_of_the_targets_experiment_says_what_was_tried_and_on_what(client: Any, run: Any):
    experiment = client.get_experiment(run.info.experiment_id)
    assert experiment.name == TARGET
    assert run.info.status == "FINISHED"
    assert run.data.params["trees.rounds"] == "12"
    assert run.data.params["train_rows"] == "600"
    assert run.data.tags["spec_digest"] == bundle().spec.digest
    assert run.data.tags["training_data"] == DATA["training"]
    assert run.data.tags["git_commit"]
    assert run.data.metrics["trees.auroc"] == 0.75
    assert "unit_5_south__AUC__18-44_" in run.data.metrics


def test_the_data_are_inputs_of_the_run_by_digest(run: Any):
    inputs = {i.tags[0].value: i.dataset for i in run.inputs.dataset_inputs}
    assert {context: d.digest for context, d in inputs.items()} == {name: d[:36] for name, d in DATA.items()}
    assert {d.name for d in inputs.values()} == {f"journeys {when} the test period" for when in ("before", "of")}


def test_pictures_stay_in_the_runs_folder_whatever_they_are_called(house: Path, client: Any, run: Any):
    kept = sorted(f.path for f in client.list_artifacts(run.info.run_id, "figures"))
    names = ["_.._.._escaped", "_", "_2e_2e_escaped", "_etc_escaped", "a_b", "calibration", "hidden"]
    assert kept == sorted(f"figures/{name.removeprefix('.')}.png" for name in names)
    pictures = {p.parent.name for p in house.parent.rglob("*.png")}
    assert pictures == {"figures"}


def test_versions_count_up_and_the_newest_is_the_challenger(client: Any):
    assert client.get_model_version_by_alias(TARGET, "challenger").version in (2, "2")
    assert {m.name for m in client.search_registered_models()} == {TARGET, "no_return"}


def test_everything_lies_under_mlruns(house: Path):
    assert {p.name for p in (house / "mlruns").iterdir()} == {"mlflow.db", "artifacts"}
    assert {p.name for p in (house / "mlruns" / "artifacts").iterdir()} == {TARGET, "no_return"}


def test_no_artifact_holds_a_pickle_or_a_patient(house: Path):
    files = [p for p in (house / "mlruns" / "artifacts").rglob("*") if p.is_file()]
    assert any(p.name == "MLmodel" for p in files)
    numbers = {str(wait) for wait in values()["wait"].to_pylist() if wait is not None}
    for path in files:
        content = path.read_bytes()
        assert not content.startswith(PICKLE_STARTS), path
        assert path.suffix not in (".pkl", ".pickle", ".joblib", ".npy")
        if path.suffix != ".png" and path.suffix != ".ubj":
            assert not [number for number in numbers if number in content.decode()], path
    assert not [p for p in files if "input_example" in p.name]


def test_promotion_exports_verifies_and_moves_pointer_and_alias(house: Path, models: Path, client: Any):
    folder = promoted(house, models, 2)
    assert folder == models / TARGET / "2"
    assert (models / TARGET / "champion").read_text() == "2\n"
    assert client.get_model_version_by_alias(TARGET, "champion").version in (2, "2")
    assert {p.name for p in (models / TARGET).iterdir()} == {"2", "champion"}
    X = bundle().encoder.matrix(values(20))
    np.testing.assert_array_equal(in_service(models).risk(X), bundle(seed=2).risk(X))


def test_promotion_to_an_older_version_and_back(house: Path, models: Path, client: Any):
    X = bundle().encoder.matrix(values(20))
    for version in (2, 1, 2):
        promoted(house, models, version)
        np.testing.assert_array_equal(in_service(models).risk(X), bundle(seed=version).risk(X))
        assert client.get_model_version_by_alias(TARGET, "champion").version in (version, str(version))


def test_a_damaged_artifact_leaves_the_old_champion_in_service(
    house: Path, models: Path, client: Any, damage: Callable[[int], Path]
):
    promoted(house, models, 1)
    damage(2)
    with pytest.raises(BundleRefused) as refused:
        promoted(house, models, 2)
    assert refused.value.code == "digest_mismatch"
    assert in_service(models).version.startswith("1@")
    assert client.get_model_version_by_alias(TARGET, "champion").version in (1, "1")
    assert {p.name for p in (models / TARGET).iterdir()} == {"1", "champion"}


def test_an_export_that_was_damaged_since_is_exported_once_more(house: Path, models: Path):
    folder = promoted(house, models, 1)
    (folder / "model.json").write_text("{}")
    promoted(house, models, 1)
    assert in_service(models).target == TARGET
    assert {p.name for p in (models / TARGET).iterdir()} == {"1", "champion"}


def test_a_bundle_of_another_target_is_not_put_into_service(house: Path, models: Path, client: Any):
    ours = artifact_of(client, 2)
    aside = ours.with_name("aside")
    ours.rename(aside)
    try:
        write_bundle(bundle(target="no_return"), ours)
        with pytest.raises(BundleRefused) as refused:
            promoted(house, models, 2)
    finally:
        shutil.rmtree(ours)
        aside.rename(ours)
    assert refused.value.code == "target"
    assert not (models / TARGET / "champion").exists()


@pytest.mark.parametrize(("target", "version"), [(TARGET, 99), ("nobody_knows", 1)])
def test_a_version_that_is_not_there_is_refused_by_name(house: Path, models: Path, target: str, version: int):
    with pytest.raises(BundleRefused) as refused:
        promoted(house, models, version, target)
    assert refused.value.code == "no_version"
    assert not (models / target / "champion").exists()


@pytest.fixture(scope="module")
def served(house: Path) -> Iterator[Any]:
    import mlflow

    patch = pytest.MonkeyPatch()
    patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    mlflow.set_tracking_uri(f"sqlite:///{house / 'mlruns' / 'mlflow.db'}")
    yield mlflow.pyfunc.load_model(f"models:/{TARGET}/1")
    patch.undo()


@pytest.mark.parametrize(
    "frame",
    [
        values(50, seed=9).to_pandas(),
        values(50, seed=9).to_pandas().astype({"age": "float64", "wait": "float64", "channel": object}),
        values(50, seed=9).to_pandas()[["clinic", "wait"]],
        pd.DataFrame({"wait": [10.0, None], "channel": ["web", "fax"]}),
        pd.DataFrame({"channel": ["web", None]}, index=[7, 3]),
    ],
    ids=["as computed", "64 bits and objects", "columns absent", "JSON-like", "own index"],
)
def test_mlflow_serves_the_risk_that_the_bundle_states(served: Any, frame: pd.DataFrame):
    import pyarrow as pa

    given = pa.table({
        f.name: pa.Array.from_pandas(frame[f.name]) if f.name in frame else pa.nulls(len(frame))
        for f in bundle().encoder.features
    })  # fmt: skip
    answer = served.predict(frame)
    np.testing.assert_array_equal(answer["risk"], bundle().risk(bundle().encoder.matrix(given)))
    assert list(answer.index) == list(frame.index)


def test_mlflow_refuses_what_does_not_fit_and_shows_no_patients_values(served: Any):
    import mlflow

    frame = pd.DataFrame({"wait": ["73.25 minutes"], "channel": ["web"]})
    with pytest.raises(mlflow.MlflowException, match="schema") as refused:
        served.predict(frame)
    assert "73.25" not in str(refused.value)


def test_a_run_that_fails_is_marked_so_and_registers_nothing(house: Path, client: Any):
    folder = candidate(house, bundle(), key="broken", metrics={"auroc": "no number"})
    for _ in range(2):  # whoever tries again finds no leftovers in the way
        with pytest.raises(Exception, match="no number"):
            registry.register(folder, mlruns=house / "mlruns")
    experiment = client.get_experiment_by_name(TARGET)
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.info.status for run in runs) == ["FAILED", "FINISHED", "FINISHED", "KILLED"]
    assert len(client.search_model_versions(f"name='{TARGET}'")) == 2


def test_the_same_candidate_is_registered_once_whatever_stopped_before(house: Path, client: Any):
    before = len(client.search_model_versions(f"name='{TARGET}'"))
    folder = candidate(house, bundle(), key="stopped")
    first = registry.register(folder, mlruns=house / "mlruns")
    run = client.get_model_version(TARGET, first).run_id
    assert registry.register(folder, mlruns=house / "mlruns") == first
    client.delete_tag(run, "complete")  # as if it had been stopped just before the end
    second = registry.register(folder, mlruns=house / "mlruns")
    assert client.get_run(run).info.status == "KILLED"
    assert [str(v.version) for v in client.search_model_versions(f"name='{TARGET}'")].count(first) == 0
    assert len(client.search_model_versions(f"name='{TARGET}'")) == before + 1
    assert str(client.get_model_version_by_alias(TARGET, "challenger").version) == second
    client.delete_model_version(TARGET, second)


def test_what_was_tried_on_the_way_are_runs_below_and_the_gates_are_tags(house: Path, client: Any):
    gates = [Gate("brier", False, 0.02, "at most 1 %", "it is worse"), Gate("card", True, 0.0, "full", "it is full")]
    children = [Child("keep", {"brier": 0.0}, {"gate.card": "holds"}), Child("refit", {"brier": 0.02})]
    version = registered(house, bundle(), key="tried", gates=gates, children=children)
    found = registry.version_of(TARGET, version, mlruns=house / "mlruns")
    assert found.closed_gates == {"brier": "it is worse"}
    run = client.get_run(client.get_model_version(TARGET, version).run_id)
    assert run.data.tags["gate.card"] == "holds: it is full"
    assert "| card | holds | it is full |" in run.data.tags["mlflow.note.content"]
    below = client.search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'")
    assert {child.info.run_name for child in below} == {"keep", "refit"}
    client.delete_model_version(TARGET, version)


def test_a_decision_to_keep_is_a_run_without_a_version(house: Path, client: Any):
    before = len(client.search_model_versions(f"name='{TARGET}'"))
    assert registered(house, None, key="kept") == ""
    assert len(client.search_model_versions(f"name='{TARGET}'")) == before
