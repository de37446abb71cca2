"""Tables in, a folder as a hospital would send it out: CSV files, their mappings and `manifest.json`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd

from wellkept.errors import InputRefused
from wellkept.simulator.tables import KNOWN_AT

MAPPINGS = Path(__file__).with_name("mappings")
MANIFEST = "manifest.json"
NOTE = "Made by wellkept.simulator: no real patient, clinician or hospital is in these files."


def write_export(out: Path, tables: dict[str, pd.DataFrame], first_day: np.datetime64) -> None:
    """Write every table that has rows, and last the manifest: while it is absent the export is not whole.

    Raises
    ------
    InputRefused
        The folder holds something that no simulator wrote.
    """
    _clear(out)
    files = {}
    for name, table in tables.items():
        if len(table):
            content = _csv(table, first_day)
            (out / f"{name}.csv").write_bytes(content)
            (out / f"{name}.toml").write_bytes((MAPPINGS / f"{name}.toml").read_bytes())
            files[f"{name}.csv"] = {"rows": len(table), "sha256": hashlib.sha256(content).hexdigest()}
    manifest = {"synthetic": True, "note": NOTE, "files": files}
    (out / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _clear(out: Path) -> None:
    """Make the folder, or take an earlier export out of it, the manifest first."""
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()) and not _is_synthetic(out / MANIFEST):
        message = f"{out} holds files that no simulator wrote; name a new or an empty folder"
        raise InputRefused("not_synthetic", message)
    for name in (MANIFEST, *(f"{table}.{kind}" for table in KNOWN_AT for kind in ("csv", "toml"))):
        (out / name).unlink(missing_ok=True)


def _is_synthetic(manifest: Path) -> bool:
    try:
        return json.loads(manifest.read_text(encoding="utf-8")).get("synthetic") is True
    except (OSError, ValueError, AttributeError):
        return False


def _csv(table: pd.DataFrame, first_day: np.datetime64) -> bytes:
    times = {name: _dates(days.to_numpy(), first_day) for name, days in table.items() if name.endswith("_at")}
    return table.assign(**times).to_csv(index=False, lineterminator="\n").encode()


def _dates(days: np.ndarray, first_day: np.datetime64) -> np.ndarray:
    """Days since day 0 as ISO 8601 with Z, to the second; empty where there is none."""
    texts = np.full(len(days), "", dtype="U20")
    there = np.isfinite(days)
    seconds = np.round(days[there] * 86_400).astype("timedelta64[s]")
    texts[there] = np.char.add(np.datetime_as_string(first_day + seconds), "Z")
    return texts
