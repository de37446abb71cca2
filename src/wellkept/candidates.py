"""A candidate: everything that one training made, in a folder, before MLflow hears of it.

::

    bundle/         the model; absent where the decision is to keep what is in service
    run/            what the run keeps beside it, as it is: figures/*.png, report.html, decision.json, ...
    facts.json      target, key, metrics, data digests, tags, gates, children

It is there whole or not at all, so that a training that was stopped goes on from here instead of starting again. The
key is that of what went in: the journeys, the definition and the champion; the same key means the same candidate.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wellkept.bundle_files import without_nan
from wellkept.bundles import Bundle, load_bundle, write_bundle
from wellkept.files import sync
from wellkept.gates import Gate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PREFIX = ".candidate-"


@dataclass(frozen=True)
class Child:
    """One thing that was tried on the way: a run below the candidate's own."""

    name: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """What is known of a candidate besides its model.

    `against` is the version in service that it was held against, empty where there was none. `data` has the journeys'
    digest by context.
    """

    target: str
    key: str
    against: str
    decision: str
    metrics: Mapping[str, float]
    data: Mapping[str, str]
    tags: Mapping[str, str]
    gates: Sequence[Gate]
    children: Sequence[Child] = ()


def key_of(*what: str) -> str:
    """The key of a candidate that is made of these."""
    return hashlib.sha256("\n".join(what).encode()).hexdigest()[:16]


def folder_of(models: Path, target: str, key: str) -> Path:
    """Where a candidate waits."""
    return models / target / f"{PREFIX}{key}"


def remove_others(folder: Path) -> None:
    """Take away candidates that were made of something else: nobody will go on with them."""
    for other in folder.parent.glob(f"{PREFIX}*"):
        if other != folder:
            shutil.rmtree(other)


def discard(folder: Path) -> None:
    """Take a candidate away; one that is half taken away is none."""
    leaving = folder.with_name(f".unfinished-{folder.name}")
    folder.rename(leaving)
    shutil.rmtree(leaving)


def write_candidate(
    folder: Path, facts: Facts, bundle: Bundle | None, *, figures: Mapping[str, Figure], documents: Mapping[str, str]
) -> Path:
    """Write a candidate; `figures` and `documents` by name, any but letters, digits and ``._-`` becoming `_`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    waiting = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unfinished-"))
    try:
        if bundle is not None:
            write_bundle(bundle, waiting / "bundle")
        (waiting / "run" / "figures").mkdir(parents=True)
        for name, figure in figures.items():
            figure.savefig(waiting / "run" / "figures" / f"{safe_name(name)}.png")
        for name, text in documents.items():
            (waiting / "run" / safe_name(name)).write_text(text, encoding="utf-8")
        (waiting / "facts.json").write_text(json.dumps(without_nan(asdict(facts)), indent=1), encoding="utf-8")
        sync(waiting)
        waiting.rename(folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(waiting, ignore_errors=True)
    return folder


def read_candidate(folder: Path) -> tuple[Facts, Bundle | None]:
    """What `write_candidate` wrote; the bundle is verified as always."""
    data = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    gates = [Gate(**gate) for gate in data.pop("gates")]
    children = [Child(**child) for child in data.pop("children")]
    bundle = load_bundle(folder / "bundle") if (folder / "bundle").is_dir() else None
    return Facts(**data, gates=gates, children=children), bundle


def safe_name(name: str) -> str:
    """A name that is one path component, whatever it was made of."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "_"
