"""Nights that were published: verified when they are opened, and then read whatever happens to their names.

A run's folder comes by one rename (`jobs.scoring`), so that it is there whole or not at all. Its files stay open: a run
that takes the place of another changes nothing for whoever reads the old one, and what was verified is what is read.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wellkept.contracts import REASONS, SCORES
from wellkept.errors import InputRefused

NAME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{6}Z", re.ASCII)
LATEST, MANIFEST = "latest", "manifest.json"
LARGEST_MANIFEST = 2**20
CONTRACTS = {"scores.parquet": SCORES, "reasons.parquet": REASONS}
WRONG = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, pa.ArrowException, InputRefused)


@dataclass(frozen=True)
class Run:
    """One published night; `scores` and, where they were asked for, `reasons` are open and verified."""

    folder: Path
    as_of: datetime
    scores: pq.ParquetFile
    reasons: pq.ParquetFile | None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def of_subject(self, subject_id: int, *, with_reasons: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """One patient's rows of SCORES and, where they are asked for and open, by rank, of REASONS.

        Raises
        ------
        OSError, pyarrow.ArrowException
            A page is no longer what its checksum says.
        """
        with self._lock:  # a ParquetFile has one position in its file
            scores = _rows_of(self.scores, subject_id)
            reasons = _rows_of(self.reasons, subject_id) if with_reasons and scores and self.reasons else []
        return scores, sorted(reasons, key=lambda row: row["rank"])


def name_of(as_of: datetime) -> str:
    """What the folder of a moment is called; names sort as their moments do."""
    return as_of.strftime("%Y-%m-%dT%H%M%SZ")


def latest_folder(out: Path) -> Path:
    """The folder of the newest published run.

    Raises
    ------
    InputRefused
        `no_run`: nothing was published there. `damaged_run`: the pointer names no run.
    """
    try:
        with (out / LATEST).open("rb") as stream:
            name = stream.read(100).decode("ascii", "replace").strip()
    except OSError:
        raise InputRefused("no_run", f"{out} holds no published scores: run `wellkept score` first") from None
    if not NAME.fullmatch(name):
        raise InputRefused("damaged_run", f"{out / LATEST} names no run: score again")
    return out / name


def latest_scores(out: Path) -> tuple[datetime, pa.Table]:
    """The moment and the risks of the newest published run, verified; sites that were held are not in it.

    Raises
    ------
    InputRefused
        `no_run`: nothing was published there. `damaged_run`: it is not what was written.
    """
    run = open_run(latest_folder(out), with_reasons=False)
    return run.as_of, run.scores.read()


def open_run(folder: Path, *, with_reasons: bool) -> Run:
    """Open a night: every byte, column and risk of it is looked at first.

    Raises
    ------
    InputRefused
        `damaged_run`: it is not what was published, or no run at all.
    """
    try:
        manifest = _manifest(folder)
        as_of, models = datetime.fromisoformat(manifest["as_of"]), manifest["models"]
        scores = _verified(folder, "scores.parquet", manifest)
        reasons = _verified(folder, "reasons.parquet", manifest) if with_reasons else None
        sound = folder.name == name_of(as_of.astimezone(UTC)) and _is_sound(scores, as_of, models)
    except WRONG as error:
        raise _damaged(folder) from error
    if not sound:
        raise _damaged(folder)
    return Run(folder, as_of, scores, reasons)


def _manifest(folder: Path) -> Mapping[str, Any]:
    with (folder / MANIFEST).open("rb") as stream:
        text = stream.read(LARGEST_MANIFEST + 1)
    if len(text) > LARGEST_MANIFEST:
        raise _damaged(folder)
    return json.loads(text)


def _verified(folder: Path, name: str, manifest: Mapping[str, Any]) -> pq.ParquetFile:
    """One of its files, if its bytes are those of the manifest and its columns those of the contract."""
    facts = manifest["files"][name]
    if not (folder / name).is_file():  # a pipe would wait for ever
        raise _damaged(folder)
    source = pa.OSFile(str(folder / name))  # one handle: the bytes that are hashed are those that are read
    if hashlib.file_digest(source, "sha256").hexdigest() != facts["sha256"]:
        raise _damaged(folder)
    source.seek(0)
    file = pq.ParquetFile(source, page_checksum_verification=True)
    if file.metadata.num_rows != facts["rows"] or not file.schema_arrow.equals(CONTRACTS[name].schema):
        raise _damaged(folder)
    return file


def _is_sound(scores: pq.ParquetFile, as_of: datetime, models: Mapping[str, str]) -> bool:
    """Are these risks of this moment, by the models that the manifest names? One row group at a time."""
    version_of = set(models.items())
    for i in range(scores.metadata.num_row_groups):
        table = SCORES.check(scores.read_row_group(i))
        ranges = [pc.min_max(table[name]).as_py() for name in ("risk", "risk_low", "risk_high", "reference_rate")]
        pairs = table.select(["target", "model_version"]).group_by(["target", "model_version"]).aggregate([])
        named = {(row["target"], row["model_version"]) for row in pairs.to_pylist()}
        moments = pc.unique(table["prediction_time"]).to_pylist()
        if table.num_rows and not (
            all(0 <= r["min"] <= r["max"] <= 1 for r in ranges) and named <= version_of and moments == [as_of]
        ):
            return False
    return True


def _rows_of(file: pq.ParquetFile, subject_id: int) -> list[dict[str, Any]]:
    """The rows of a subject; the other columns are read only of the row groups that hold one."""
    rows: list[dict[str, Any]] = []
    for i in range(file.metadata.num_row_groups):
        told = file.metadata.row_group(i).column(0).statistics
        if told is not None and told.has_min_max and not told.min <= subject_id <= told.max:
            continue
        there = pc.equal(file.read_row_group(i, columns=["subject_id"])["subject_id"], subject_id)
        if pc.any(there).as_py():
            rows += file.read_row_group(i).filter(there).to_pylist()
    return rows


def _damaged(folder: Path) -> InputRefused:
    return InputRefused("damaged_run", f"{folder} is not what was published: score again with --again")
