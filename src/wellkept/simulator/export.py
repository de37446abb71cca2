"""Tables in, a folder as a hospital would send it out: parquet files, their mappings, `manifest.json` and the truth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from wellkept.errors import InputRefused
from wellkept.files import digest_of, write_parquet
from wellkept.simulator import tables as hospital
from wellkept.simulator import truth
from wellkept.simulator.delivery import Delivery
from wellkept.simulator.hospital import Tables

MANIFEST, TRUTH, DRIFT = "manifest.json", "truth", "drift.json"
NOTE = "Made by wellkept.simulator: no real patient, clinician or hospital is in these files."


def write_export(out: Path, delivery: Delivery, true: Tables, drift: Mapping[str, Any] | None = None) -> None:
    """Write every table that has rows, and last the manifest: while it is absent the export is not whole.

    A world that changes says so in `truth/drift.json`.

    Raises
    ------
    InputRefused
        The folder holds something that no simulator wrote.
    """
    _clear(out)
    for name, table in true.items():
        _write(out / TRUTH / f"{name}.parquet", table)
    if drift:
        (out / TRUTH / DRIFT).write_text(json.dumps(drift, indent=2) + "\n", encoding="utf-8")
    files = {}
    for name, table in delivery.tables.items():
        if table.num_rows:
            path = out / f"{name}.parquet"
            _write(path, table)
            files[path.name] = {"rows": table.num_rows, "sha256": digest_of(path)}
            if name in delivery.mappings:
                path.with_suffix(".toml").write_text(delivery.mappings[name], encoding="utf-8")
    manifest = {"synthetic": True, "note": NOTE, "files": files}
    (out / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _write(path: Path, table: pa.Table) -> None:
    write_parquet(path, table.replace_schema_metadata({"synthetic": NOTE}))


def _clear(out: Path) -> None:
    """Make the folder, or take an earlier export out of it, the manifest first."""
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()) and not _is_synthetic(out / MANIFEST):
        message = f"{out} holds files that no simulator wrote; name a new or an empty folder"
        raise InputRefused("not_synthetic", message)
    tables = [f"{name}.{kind}" for name in hospital.NAMES for kind in ("parquet", "toml")]
    for name in (MANIFEST, *tables, *(f"{TRUTH}/{name}.parquet" for name in truth.NAMES), f"{TRUTH}/{DRIFT}"):
        (out / name).unlink(missing_ok=True)


def _is_synthetic(manifest: Path) -> bool:
    try:
        return json.loads(manifest.read_text(encoding="utf-8")).get("synthetic") is True
    except (OSError, ValueError, AttributeError):
        return False
