"""One run for each training: what was tried, on which data, how good it was, what was decided; and its version."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wellkept.bundles import Bundle
from wellkept.candidates import Facts, read_candidate, safe_name
from wellkept.provenance import git_commit
from wellkept.registry.client import mlflow_at, use_experiment

PYFUNC = Path(__file__).with_name("pyfunc.py")
PERIODS = {"training": "journeys before the test period", "evaluation": "journeys of the test period"}
LONGEST_TAG = 500
OUTCOMES = {True: "holds", False: "closed", None: "does not apply"}


def register(candidate: Path, *, mlruns: Path) -> str:
    """Track a candidate's training and register its bundle; gives the new version, alias `challenger`.

    The same candidate is registered once: what an earlier, stopped attempt left behind is marked as killed and taken
    away. Without a bundle only the run is kept, and the version is empty. No patient's row, identifier or text is
    logged.
    """
    facts, bundle = read_candidate(candidate)
    mlflow = mlflow_at(mlruns)
    use_experiment(mlflow, facts.target, mlruns)
    if (version := _already(mlflow, facts)) is not None:
        return version
    with mlflow.start_run(run_name=f"{facts.target}: {facts.decision}", tags={"candidate": facts.key}) as run:
        _log(mlflow, facts, bundle, candidate)
        version = "" if bundle is None else _log_model(mlflow, bundle, candidate / "bundle", facts)
        mlflow.set_tag("version", version)
    client = mlflow.MlflowClient()
    if version:
        client.set_registered_model_alias(facts.target, "challenger", version)
    client.set_tag(run.info.run_id, "complete", "yes")
    return version


def _already(mlflow: Any, facts: Facts) -> str | None:
    """The version of a complete run of this candidate; incomplete ones are ended and their versions taken away."""
    client = mlflow.MlflowClient()
    experiment = mlflow.get_experiment_by_name(facts.target)
    runs = client.search_runs([experiment.experiment_id], f"tags.candidate = '{facts.key}'")
    for run in runs:
        if run.data.tags.get("complete") == "yes":
            return run.data.tags["version"]
        for version in client.search_model_versions(f"run_id = '{run.info.run_id}'"):
            client.delete_model_version(facts.target, version.version)
        client.set_terminated(run.info.run_id, "KILLED")
        client.delete_tag(run.info.run_id, "candidate")
    return None


def _log(mlflow: Any, facts: Facts, bundle: Bundle | None, candidate: Path) -> None:
    if bundle is not None:
        mlflow.log_params({**_flat(bundle.spec.model_dump(mode="json")), **bundle.facts})
    digest = {"spec_digest": bundle.spec.digest} if bundle else {}
    mlflow.set_tags({**digest, **facts.tags, "git_commit": git_commit(), "decision": facts.decision,
                     "judged_against": facts.against, "mlflow.note.content": _story(facts), **_gate_tags(facts.gates),
                     **{f"{context}_data": digest for context, digest in facts.data.items()}})  # fmt: skip
    datasets = {context: _dataset(digest, PERIODS.get(context, context)) for context, digest in facts.data.items()}
    for context, dataset in datasets.items():
        mlflow.log_input(dataset, context=context)
    mlflow.log_metrics({safe_name(name): value for name, value in facts.metrics.items()},
                       dataset=datasets.get("evaluation"))  # fmt: skip
    mlflow.log_artifacts(str(candidate / "run"))
    for child in facts.children:
        with mlflow.start_run(run_name=child.name, nested=True):
            mlflow.set_tags(dict(child.tags))
            mlflow.log_metrics({safe_name(name): value for name, value in child.metrics.items()})


def _story(facts: Facts) -> str:
    """What MLflow shows first of a run, in Markdown: the decision, and every gate with its reason."""
    against = f"version {facts.against}" if facts.against else "no champion, since there was none"
    gates = (f"| {gate.gate} | {OUTCOMES[gate.holds]} | {gate.says} |" for gate in facts.gates)
    decided = f"**{facts.decision}**, judged against {against}. Report, card and decision are among the artifacts."
    return "\n".join([decided, "", "| gate | | why |", "|---|---|---|", *gates])


def _gate_tags(gates: Any) -> dict[str, str]:
    return {f"gate.{gate.gate}": f"{OUTCOMES[gate.holds]}: {gate.says}"[:LONGEST_TAG] for gate in gates}


def _log_model(mlflow: Any, bundle: Bundle, folder: Path, facts: Facts) -> str:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    columns: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.string if f.expression.is_text else DataType.double, f.name, required=False)
        for f in bundle.encoder.features
    ]
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")  # it asks for an input example: a row of a patient, which we never log
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(PYFUNC),
            artifacts={"bundle": str(folder)},
            registered_model_name=bundle.target,
            signature=ModelSignature(Schema(columns), Schema([ColSpec(DataType.double, "risk")])),
            pip_requirements=["wellkept"],
        )
    version = str(info.registered_model_version)
    client = mlflow.MlflowClient()
    for name, value in {"judged_against": facts.against, **facts.tags, **_gate_tags(facts.gates)}.items():
        client.set_model_version_tag(bundle.target, version, name, value)
    return version


def _dataset(digest: str, name: str) -> Any:
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    source = CodeDatasetSource({"mlflow.source.name": "journeys"})
    return MetaDataset(source, name=name, digest=digest[:36])  # type: ignore[abstract]  # it is not, when run


def _flat(data: Mapping, prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = str(value)
    return flat
