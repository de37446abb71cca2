"""Which version is in service: export it, verify it, move the pointer, and then MLflow's alias."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from wellkept.bundles import load_bundle
from wellkept.errors import BundleRefused
from wellkept.files import sync, write_text
from wellkept.registry.client import mlflow_at


def export(target: str, version: str, *, models: Path, mlruns: Path) -> Path:
    """The bundle of a registered version in `models/<target>/<version>/`, verified; exported again if it is damaged.

    MLflow is asked only where the folder is not sound already.

    Raises
    ------
    BundleRefused
        There is no such version, or it is not what was written; whatever was in service stays.
    """
    folder = models / target / version
    if not _is_sound(folder, target):
        _export(mlflow_at(mlruns), target, version, folder)
    return folder


def point_to(target: str, version: str, *, models: Path) -> None:
    """Put an exported version into service: the pointer is moved at once or not at all."""
    write_text(models / target / "champion", f"{version}\n")


def set_alias(target: str, version: str, *, mlruns: Path, alias: str = "champion") -> None:
    """Let MLflow say what the pointer says.

    Raises
    ------
    BundleRefused
        `no_version`: this MLflow does not know the version. Numbers would begin anew and mean other models.
    """
    mlflow = mlflow_at(mlruns)
    client = mlflow.MlflowClient()
    try:
        client.set_registered_model_alias(target, alias, version)
    except mlflow.MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        told = f"MLflow in {mlruns} does not know version {version} of {target}, which is in service: put back the "
        told += f"folder in which it was registered, or take {target}'s folder of models away as well"
        raise BundleRefused("no_version", told) from error
    aliases = client.get_registered_model(target).aliases
    if alias == "champion" and str(aliases.get("challenger")) == version:
        client.delete_registered_model_alias(target, "challenger")  # it challenges nobody any more


def _is_sound(folder: Path, target: str) -> bool:
    try:
        return load_bundle(folder).target == target
    except BundleRefused:
        return False


def _export(mlflow: Any, target: str, version: str, folder: Path) -> None:
    """Download into a scratch folder, verify there, and only then put it in its place."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unfinished-") as scratch:
        bundle = _downloaded(mlflow, target, version, Path(scratch))
        if load_bundle(bundle).target != target:
            raise BundleRefused("target", f"version {version} of {target} in MLflow predicts another target")
        for path in (*bundle.iterdir(), bundle):
            sync(path)
        if folder.exists():
            folder.rename(Path(scratch) / "damaged")
        bundle.rename(folder)
        sync(folder.parent)


def _downloaded(mlflow: Any, target: str, version: str, scratch: Path) -> Path:
    try:
        model = Path(mlflow.artifacts.download_artifacts(f"models:/{target}/{version}", dst_path=str(scratch)))
    except (mlflow.MlflowException, OSError) as error:
        raise BundleRefused("no_version", f"MLflow cannot give version {version} of {target}") from error
    return model / "artifacts" / "bundle"
