"""MLflow on `mlruns/mlflow.db`, imported only when it is needed, without telemetry and without chatter."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path
from typing import Any


def mlflow_at(mlruns: Path) -> Any:
    """The module `mlflow`, tracking and registry on this folder's database, artifacts beside it."""
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


def use_experiment(mlflow: Any, target: str, mlruns: Path) -> None:
    """Make the target's experiment the current one, with its artifacts under `mlruns/artifacts`."""
    if mlflow.get_experiment_by_name(target) is None:
        mlflow.create_experiment(target, artifact_location=(mlruns.resolve() / "artifacts" / target).as_uri())
    mlflow.set_experiment(target)
