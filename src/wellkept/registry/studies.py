"""A search in MLflow: one parent run a study, one child a trial; a study that was stopped goes on in its own run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wellkept.registry.client import mlflow_at, use_experiment

COMPLETE = "complete"


@dataclass
class Study:
    """The parent run; `logged` are the names of the trials that it has."""

    mlflow: Any
    logged: set[str] = field(default_factory=set)

    def log(
        self, name: str, *, params: Mapping[str, object], course: list[float], tags: Mapping[str, str]
    ) -> None:
        """One trial as a child run, once; `course` is its log loss after each fold."""
        if name in self.logged:
            return
        with self.mlflow.start_run(run_name=name, nested=True, tags={"trial": name, **tags}):
            self.mlflow.log_params(dict(params))
            for step, loss in enumerate(course):
                self.mlflow.log_metric("log_loss", loss, step=step)
            self.mlflow.set_tag(COMPLETE, "yes")  # last: a child without it is logged again
        self.logged.add(name)

    def conclude(self, metrics: Mapping[str, float], params: Mapping[str, object]) -> None:
        """What came of it; said again, the last one counts."""
        self.mlflow.log_metrics(dict(metrics))
        self.mlflow.set_tags({f"best.{name}": str(value) for name, value in params.items()})


@contextlib.contextmanager
def study(target: str, key: str, *, mlruns: Path, tags: Mapping[str, str]) -> Iterator[Study]:
    """The run of the study with this key, begun or gone on with; children that were cut off are marked as killed."""
    mlflow = mlflow_at(mlruns)
    use_experiment(mlflow, target, mlruns)
    client, experiment = mlflow.MlflowClient(), mlflow.get_experiment_by_name(target).experiment_id
    found = client.search_runs([experiment], f"tags.study = '{key}'")
    run_id = found[0].info.run_id if found else None
    with mlflow.start_run(run_id=run_id, run_name=None if run_id else f"{target}: tune {key}") as run:
        mlflow.set_tags({"study": key, **tags})
        yield Study(mlflow, _logged(client, experiment, run.info.run_id))


def _logged(client: Any, experiment: str, parent: str) -> set[str]:
    names, token = set(), None
    while True:
        page = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'", page_token=token)
        for run in page:
            if run.data.tags.get(COMPLETE) == "yes":
                names.add(run.data.tags["trial"])
            elif run.info.status != "KILLED":
                client.set_terminated(run.info.run_id, "KILLED")
        token = page.token
        if not token:
            return names
