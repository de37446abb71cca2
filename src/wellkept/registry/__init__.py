"""MLflow: what was tried, on which data, how good it was, and which version is in service.

The only part of Wellkept that imports mlflow, and only inside its functions. One experiment and one registered model
a target; the model is the bundle itself behind a models-from-code pyfunc, so no pickle is written or read. Promotion
exports the registered bundle to `models/<target>/<version>/`, verifies it, moves the pointer, and then the alias.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wellkept.bundles import Bundle, load_bundle, write_bundle
from wellkept.errors import BundleRefused
from wellkept.files import sync, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PYFUNC = Path(__file__).with_name("pyfunc.py")


def register(
    bundle: Bundle, *, mlruns: Path, data: Mapping[str, str], metrics: Mapping[str, float],
    figures: Mapping[str, Figure],
) -> int:  # fmt: skip
    """Track one training run and register its bundle; gives the new version, alias `challenger`.

    Parameters
    ----------
    data
        Digest of the journey snapshot, by context (training, evaluation).
    metrics, figures
        What is logged by these names. No patient's row, identifier or text is logged.
    """
    mlflow = _mlflow(mlruns)
    _use_experiment(mlflow, bundle.target, mlruns)
    with mlflow.start_run(run_name=bundle.target), tempfile.TemporaryDirectory() as scratch:
        mlflow.log_params({**_flat(bundle.spec.model_dump(mode="json")), **bundle.facts})
        mlflow.set_tags({"spec_digest": bundle.spec.digest, "git_commit": _git_commit(),
                         **{f"{context}_data": digest for context, digest in data.items()}})
        mlflow.log_metrics(dict(metrics))
        for context, digest in data.items():
            mlflow.log_input(_dataset(mlflow, digest), context=context)
        for name, figure in figures.items():
            mlflow.log_figure(figure, f"figures/{name}.png")
        folder = write_bundle(bundle, Path(scratch) / "bundle")
        info = _log_model(mlflow, bundle, folder)
        version = int(info.registered_model_version)
        _client(mlflow).set_registered_model_alias(bundle.target, "challenger", str(version))
    return version


def promote(target: str, version: int, *, models: Path, mlruns: Path) -> Path:
    """Put a registered version into service: export, verify, move the pointer, then the alias.

    Raises
    ------
    BundleRefused
        The registered bundle is not what was written; whatever was in service stays.
    """
    mlflow = _mlflow(mlruns)
    folder = models / target / str(version)
    if not folder.exists():
        _export(mlflow, target, version, folder)
    load_bundle(folder)
    write_text(models / target / "champion", f"{version}\n")
    _client(mlflow).set_registered_model_alias(target, "champion", str(version))
    return folder


def _export(mlflow: Any, target: str, version: int, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unfinished-") as scratch:
        downloaded = Path(mlflow.artifacts.download_artifacts(f"models:/{target}/{version}", dst_path=scratch))
        bundle = downloaded / "artifacts" / "bundle"
        if not bundle.is_dir():
            raise BundleRefused("missing_file", f"version {version} of {target} in MLflow holds no bundle")
        load_bundle(bundle)
        for path in bundle.iterdir():
            sync(path)
        shutil.move(str(bundle), folder)
        sync(folder.parent)


def _log_model(mlflow: Any, bundle: Bundle, folder: Path) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    columns = [
        ColSpec(DataType.string if f.expression.is_text else DataType.float, f.name, required=False)
        for f in bundle.encoder.features
    ]
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")  # it asks for an input example: a row of a patient, which we never log
        return mlflow.pyfunc.log_model(
            name="model",
            python_model=str(PYFUNC),
            artifacts={"bundle": str(folder)},
            registered_model_name=bundle.target,
            signature=ModelSignature(Schema(columns), Schema([ColSpec(DataType.double, "risk")])),
            pip_requirements=["wellkept"],
        )


def _dataset(mlflow: Any, digest: str) -> Any:
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    return MetaDataset(CodeDatasetSource({"mlflow.source.name": "journeys"}), name="journeys", digest=digest[:36])


def _mlflow(mlruns: Path) -> Any:
    """MLflow on `mlruns/mlflow.db`, artifacts beside it, without telemetry and without chatter."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # import-time warnings of libraries that are not ours
        import mlflow
        import mlflow.pyfunc
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    mlruns.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(f"sqlite:///{mlruns.resolve() / 'mlflow.db'}")
    return mlflow


def _use_experiment(mlflow: Any, target: str, mlruns: Path) -> None:
    """Make the target's experiment the current one, with its artifacts under `mlruns/artifacts`."""
    if mlflow.get_experiment_by_name(target) is None:
        mlflow.create_experiment(target, artifact_location=(mlruns.resolve() / "artifacts" / target).as_uri())
    mlflow.set_experiment(target)


def _client(mlflow: Any) -> Any:
    return mlflow.MlflowClient()


def _git_commit() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607
    return done.stdout.strip() or "not in a git checkout"


def _flat(data: Mapping, prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = str(value)
    return flat
