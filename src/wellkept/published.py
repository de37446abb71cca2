"""Nights that were published: verified when they are opened, and then read whatever happens to their names.

A night's folder comes by one rename (`publishing`), so that it is there whole or not at all. Files of a run stay open:
one that takes its place changes nothing for whoever reads the old one, and what was verified is what is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wellkept.contracts import REASONS, SCORES
from wellkept.errors import InputRefused
from wellkept.files import remove_unfinished, sole_writer, sync, write_text

NAME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{6}Z", re.ASCII)
LATEST, MANIFEST = "latest", "manifest.json"
LARGEST_MANIFEST = 2**20
CONTRACTS = {"scores.parquet": SCORES, "reasons.parquet": REASONS}
SCORED = "`wellkept score`"
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


@contextlib.contextmanager
def publishing(out: Path, name: str, *, again: str = "") -> Iterator[Path]:
    """Give an empty folder to fill; on leaving it becomes `out/name`, whole or not at all, and `latest` names it.

    Raises
    ------
    InputRefused
        `already_published`: there is a night of this name, and no reason was given to publish it again.
    Busy
        Another process publishes there.
    """
    with sole_writer(out):
        if (out / name).exists() and not again:
            raise InputRefused("already_published", f"{out / name} is there; --again REASON publishes it once more")
        remove_unfinished(out)
        with tempfile.TemporaryDirectory(dir=out, prefix=".unfinished-") as scratch:
            waiting = Path(scratch) / name
            waiting.mkdir()
            yield waiting
            if (out / name).exists():
                (out / name).rename(Path(scratch) / "replaced")
            waiting.rename(out / name)
            sync(out)
        write_text(out / LATEST, f"{name}\n")


def latest_folder(out: Path, by: str = SCORED) -> Path:
    """The folder of the newest published night, which the command `by` makes.

    Raises
    ------
    InputRefused
        `no_run`: nothing was published there. `damaged_run`: the pointer names no night.
    """
    try:
        with (out / LATEST).open("rb") as stream:
            name = stream.read(100).decode("ascii", "replace").strip()
    except OSError:
        raise InputRefused("no_run", f"{out} holds nothing that was published: run {by} first") from None
    if not NAME.fullmatch(name):
        raise InputRefused("damaged_run", f"{out / LATEST} names no night: {by} once more")
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
        manifest = manifest_of(folder)
        as_of, models = datetime.fromisoformat(manifest["as_of"]), manifest["models"]
        scores = _fitting(folder, "scores.parquet", manifest)
        reasons = _fitting(folder, "reasons.parquet", manifest) if with_reasons else None
        sound = folder.name == name_of(as_of.astimezone(UTC)) and _is_sound(scores, as_of, models)
    except WRONG as error:
        raise damaged(folder) from error
    if not sound:
        raise damaged(folder)
    return Run(folder, as_of, scores, reasons)


def manifest_of(folder: Path) -> Mapping[str, Any]:
    """What a night says of itself; what is no manifest raises one of WRONG, here or where it is read."""
    with (folder / MANIFEST).open("rb") as stream:
        text = stream.read(LARGEST_MANIFEST + 1)
    if len(text) > LARGEST_MANIFEST:
        raise damaged(folder)
    return json.loads(text)


def verified(folder: Path, name: str, manifest: Mapping[str, Any]) -> pq.ParquetFile:
    """One of its files, if its bytes and rows are those of the manifest; else one of WRONG."""
    facts = manifest["files"][name]
    if not (folder / name).is_file():  # a pipe would wait for ever
        raise damaged(folder)
    source = pa.OSFile(str(folder / name))  # one handle: the bytes that are hashed are those that are read
    if hashlib.file_digest(source, "sha256").hexdigest() != facts["sha256"]:
        raise damaged(folder)
    source.seek(0)
    file = pq.ParquetFile(source, page_checksum_verification=True)
    if file.metadata.num_rows != facts["rows"]:
        raise damaged(folder)
    return file


def _fitting(folder: Path, name: str, manifest: Mapping[str, Any]) -> pq.ParquetFile:
    """One of its files that are read column by column: its columns are those of the contract, too."""
    file = verified(folder, name, manifest)
    if not file.schema_arrow.equals(CONTRACTS[name].schema):
        raise damaged(folder)
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


def damaged(folder: Path, by: str = SCORED) -> InputRefused:
    """A night that is not what was published."""
    return InputRefused("damaged_run", f"{folder} is not what was published: {by} once more, with --again")
