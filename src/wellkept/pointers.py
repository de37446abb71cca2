"""Which bundle of a target is in service: `models/<target>/champion` names its version."""

from __future__ import annotations

import re
from pathlib import Path

from wellkept.bundle_files import shown
from wellkept.errors import BundleRefused

LONGEST_POINTER = 100
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def champion_of(models: Path, target: str) -> Path:
    """The folder of the bundle in service.

    Raises
    ------
    BundleRefused
        None is in service (`no_champion`), or the pointer does not name a version (`pointer`).
    """
    pointer = models / target / "champion"
    if not pointer.is_file():
        raise BundleRefused("no_champion", f"{shown(pointer.parent)} has no champion: `wellkept train`, then `promote`")
    with pointer.open("rb") as stream:
        version = stream.read(LONGEST_POINTER).decode("ascii", "replace").strip()
    if not VERSION.fullmatch(version):
        raise BundleRefused("pointer", f"{shown(pointer)} does not name a version: promote one")
    return models / target / version


def champions(models: Path) -> dict[str, Path]:
    """Every target that has a bundle in service."""
    return {p.parent.name: champion_of(models, p.parent.name) for p in sorted(models.glob("*/champion"))}
