"""What MLflow knows of a target's versions, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wellkept.errors import BundleRefused
from wellkept.registry.client import mlflow_at

CLOSED = "closed: "


@dataclass(frozen=True)
class Version:
    """A registered version: when, its aliases, and the tags that training gave it."""

    version: str
    at: int
    aliases: tuple[str, ...]
    tags: Mapping[str, str]

    @property
    def closed_gates(self) -> dict[str, str]:
        """Gates that it did not pass, each with the sentence why."""
        gates = {name.removeprefix("gate."): says for name, says in self.tags.items() if name.startswith("gate.")}
        return {name: says.removeprefix(CLOSED) for name, says in gates.items() if says.startswith(CLOSED)}

    @property
    def is_judged(self) -> bool:
        return any(name.startswith("gate.") for name in self.tags)


def versions(target: str, *, mlruns: Path) -> list[Version]:
    """Every version of a target, newest first."""
    mlflow = mlflow_at(mlruns)
    client = mlflow.MlflowClient()
    try:
        by_version: dict[str, list[str]] = {}
        for alias, version in client.get_registered_model(target).aliases.items():
            by_version.setdefault(str(version), []).append(alias)
        found = client.search_model_versions(f"name = '{target}'")
    except mlflow.MlflowException:
        return []
    aliases = {version: tuple(sorted(names)) for version, names in by_version.items()}
    return [
        Version(str(v.version), int(v.creation_timestamp), aliases.get(str(v.version), ()), dict(v.tags))
        for v in sorted(found, key=lambda v: -int(v.version))
    ]


def version_of(target: str, version: str, *, mlruns: Path) -> Version:
    """One version.

    Raises
    ------
    BundleRefused
        `no_version`: there is none of this number.
    """
    for found in versions(target, mlruns=mlruns):
        if found.version == version:
            return found
    raise BundleRefused("no_version", f"MLflow has no version {version} of {target}: see `wellkept models {target}`")
