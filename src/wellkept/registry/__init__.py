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
import re
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from wellkept.bundles import Bundle, load_bundle, write_bundle
from wellkept.errors import BundleRefused
from wellkept.files import sync, write_text
from wellkept.provenance import git_commit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PYFUNC = Path(__file__).with_name("pyfunc.py")


def register(
    bundle: Bundle, *, mlruns: Path, data: Mapping[str, str], metrics: Mapping[str, float],
    figures: Mapping[str, Figure], documents: Mapping[str, str] = MappingProxyType({}),
) -> int:  # fmt: skip
    """Track one training run and register its bundle; gives the new version, alias `challenger`.

    Parameters
    ----------
    data
        Digest of the journey snapshot, by context (training, evaluation).
    metrics, figures
        What is logged by these names, with `_` for any character but letters, digits and ``._-``. No patient's row,
        identifier or text is logged.
    documents
        Text by file name: the report and the card, which are artifacts of the run.
    """
    mlflow = _mlflow(mlruns)
    _use_experiment(mlflow, bundle.target, mlruns)
    with mlflow.start_run(run_name=bundle.target), tempfile.TemporaryDirectory() as scratch:
        mlflow.log_params({**_flat(bundle.spec.model_dump(mode="json")), **bundle.facts})
        mlflow.set_tags({"spec_digest": bundle.spec.digest, "git_commit": git_commit(),
                         **{f"{context}_data": digest for context, digest in data.items()}})
        mlflow.log_metrics({_name(name): value for name, value in metrics.items()})
        for context, digest in data.items():
            mlflow.log_input(_dataset(digest), context=context)
        for name, figure in figures.items():
            mlflow.log_figure(figure, f"figures/{_name(name)}.png")
        for name, text in documents.items():
            mlflow.log_text(text, _name(name))
        folder = write_bundle(bundle, Path(scratch) / "bundle")
        info = _log_model(mlflow, bundle, folder)
        version = int(info.registered_model_version)
        mlflow.MlflowClient().set_registered_model_alias(bundle.target, "challenger", str(version))
    return version


def promote(target: str, version: int, *, models: Path, mlruns: Path) -> Path:
    """Put a registered version into service: export, verify, move the pointer, then the alias.

    An older version is put back in the same way. What was exported before is verified again, and exported once more
    if it is damaged.

    Raises
    ------
    BundleRefused
        There is no such version, or it is not what was written; whatever was in service stays.
    """
    mlflow = _mlflow(mlruns)
    folder = models / target / str(version)
    if not _is_sound(folder, target):
        _export(mlflow, target, version, folder)
    write_text(models / target / "champion", f"{version}\n")
    mlflow.MlflowClient().set_registered_model_alias(target, "champion", str(version))
    return folder


def _is_sound(folder: Path, target: str) -> bool:
    try:
        return load_bundle(folder).target == target
    except BundleRefused:
        return False


def _export(mlflow: Any, target: str, version: int, folder: Path) -> None:
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


def _downloaded(mlflow: Any, target: str, version: int, scratch: Path) -> Path:
    try:
        model = Path(mlflow.artifacts.download_artifacts(f"models:/{target}/{version}", dst_path=str(scratch)))
    except (mlflow.MlflowException, OSError) as error:
        raise BundleRefused("no_version", f"MLflow cannot give version {version} of {target}") from error
    return model / "artifacts" / "bundle"


def _log_model(mlflow: Any, bundle: Bundle, folder: Path) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    columns: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.string if f.expression.is_text else DataType.double, f.name, required=False)
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


def _dataset(digest: str) -> Any:
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    source = CodeDatasetSource({"mlflow.source.name": "journeys"})
    return MetaDataset(source, name="journeys", digest=digest[:36])  # type: ignore[abstract]  # it is not, when run


def _mlflow(mlruns: Path) -> Any:
    """MLflow on `mlruns/mlflow.db`, artifacts beside it, without telemetry and without chatter."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_DISABLE_SCHEMA_DETAILS"] = "true"  # its errors would show the rows that it was given
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # import-time warnings of libraries that are not ours
        import mlflow
        import mlflow.pyfunc
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    mlruns.mkdir(parents=True, exist_ok=True)
    database = f"sqlite:///{mlruns.resolve() / 'mlflow.db'}"
    mlflow.set_tracking_uri(database)
    mlflow.set_registry_uri(database)  # whatever MLFLOW_REGISTRY_URI says
    return mlflow


def _use_experiment(mlflow: Any, target: str, mlruns: Path) -> None:
    """Make the target's experiment the current one, with its artifacts under `mlruns/artifacts`."""
    if mlflow.get_experiment_by_name(target) is None:
        mlflow.create_experiment(target, artifact_location=(mlruns.resolve() / "artifacts" / target).as_uri())
    mlflow.set_experiment(target)


def _name(name: str) -> str:
    """A name that is one path component, whatever it was made of."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "_"


def _flat(data: Mapping, prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = str(value)
    return flat
