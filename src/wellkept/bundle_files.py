"""The files of a bundle: bytes by name in, a hashed folder out; and back, only if it is exactly what was written.

Nothing is parsed before its digest is verified, and nothing is read that is larger than it should be.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xgboost

from wellkept.errors import BundleRefused, SpecRefused
from wellkept.files import sync

FORMAT = 1
MANIFEST = "manifest.json"
NAMES = re.compile(r"(model|encoder|spec|metrics|golden|logistic|start|card|sketch)\.json|trees-\d{1,3}\.ubj")
PICKLES = (".pkl", ".pickle", ".joblib", ".skops", ".dill", ".cloudpickle")
VERSION = re.compile(r"\d{1,4}(\.\d{1,4}){0,2}")
LARGEST_MANIFEST = 2**20
LARGEST_BUNDLE = 256 * 2**20
# what reading hostile but well hashed JSON can raise
UNREADABLE = (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError, RecursionError, SpecRefused)


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files and their manifest into a folder that does not exist yet; it is there whole or not at all.

    Raises
    ------
    BundleRefused
        `already_there`, or `too_large`: it could not be read back.
    """
    if folder.exists():
        raise BundleRefused("already_there", f"{shown(folder)} is there: a version is written once, take another name")
    if sum(map(len, files.values())) > LARGEST_BUNDLE:
        raise BundleRefused("too_large", f"{shown(folder)} would be larger than {LARGEST_BUNDLE} bytes")
    folder.parent.mkdir(parents=True, exist_ok=True)
    waiting = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unfinished-"))
    try:
        for name, content in {**files, MANIFEST: _manifest(files)}.items():
            (waiting / name).write_bytes(content)
            sync(waiting / name)
        waiting.chmod(0o755)
        sync(waiting)
        waiting.rename(folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(waiting, ignore_errors=True)


def read_files(folder: Path) -> tuple[dict[str, bytes], str]:
    """Every file's bytes, read once and compared with the manifest; and the manifest's digest.

    Raises
    ------
    BundleRefused
        `symlink`, `extra_file`, `pickle_refused`, `manifest`, `runtime`, `missing_file`, `too_large`,
        `digest_mismatch` or `unreadable`.
    """
    there = _plain_files(folder)
    if MANIFEST not in there:
        raise BundleRefused("manifest", f"{shown(folder)} is no bundle: it has no {MANIFEST}")
    content = _read(folder / MANIFEST, there[MANIFEST], LARGEST_MANIFEST)
    listed = _listed(content, folder)
    _check_names(folder, set(there) - {MANIFEST}, set(listed))
    if sum(size for _, size in listed.values()) > LARGEST_BUNDLE:
        raise BundleRefused("too_large", f"{shown(folder)} is larger than {LARGEST_BUNDLE} bytes")
    files = {name: _verified(folder / name, there[name], *expected) for name, expected in listed.items()}
    return files, hashlib.sha256(content).hexdigest()


def to_json(data: object) -> bytes:
    """JSON as bundles hold it; a number that is not finite raises ValueError."""
    return json.dumps(data, indent=1, sort_keys=True, allow_nan=False).encode()


def from_json(content: bytes) -> Any:
    """Read `to_json`'s bytes back; NaN and Infinity, which are no JSON, raise ValueError."""
    return json.loads(content, parse_constant=_no_number)


def without_nan(data: Any) -> Any:
    """The same plain data with null where a number is not finite: a figure that could not be stated."""
    if isinstance(data, Mapping):
        return {key: without_nan(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [without_nan(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def shown(path: Path | str) -> str:
    """A path as a message may show it: one line, whatever its bytes are."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


def _manifest(files: Mapping[str, bytes]) -> bytes:
    major = int(xgboost.__version__.split(".")[0])
    oldest = "3.1" if major == 3 else f"{major}.0"  # 3.0 reads another base score out of the same file
    runtime = {"written_by_xgboost": xgboost.__version__, "xgboost_at_least": oldest,
               "xgboost_below": f"{major + 1}"}  # fmt: skip
    listed = {name: {"sha256": hashlib.sha256(c).hexdigest(), "bytes": len(c)} for name, c in files.items()}
    return to_json({"format": FORMAT, "files": listed, "runtime": runtime})


def _plain_files(folder: Path) -> dict[str, int]:
    """Size by name of what is in the folder; it has no links, no folders and nothing that is not a plain file."""
    if folder.is_symlink():
        raise BundleRefused("symlink", f"{shown(folder)} is a link: a bundle is a folder of plain files")
    sizes = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            raise BundleRefused("symlink", f"{shown(path)} is a link: a bundle is a folder of plain files")
        if path.suffix.lower() in PICKLES:
            raise BundleRefused("pickle_refused", f"{shown(path)}: code can hide in such a file")
        if not stat.S_ISREG(status.st_mode):
            raise BundleRefused("extra_file", f"{shown(path)} is no plain file: a bundle has nothing else")
        sizes[path.name] = status.st_size
    return sizes


def _listed(content: bytes, folder: Path) -> dict[str, tuple[str, int]]:
    """(sha256, size) by name, as the manifest states them; the runtime that it asks for is this one."""
    try:
        manifest = from_json(content)
        if manifest["format"] == FORMAT:
            low, below = (_version(manifest["runtime"][key]) for key in ("xgboost_at_least", "xgboost_below"))
            listed = {str(name): (str(f["sha256"]), int(f["bytes"])) for name, f in manifest["files"].items()}
    except UNREADABLE as error:
        raise BundleRefused("manifest", f"{shown(folder / MANIFEST)} is not what a manifest looks like") from error
    if manifest["format"] != FORMAT:
        raise BundleRefused("runtime", f"{shown(folder)} is not of format {FORMAT}, which is all that is read here")
    if not low <= _version(xgboost.__version__) < below:
        span = " and below ".join(".".join(map(str, version)) for version in (low, below))
        raise BundleRefused("runtime", f"{shown(folder)} needs xgboost from {span}; this is {xgboost.__version__}")
    return listed


def _version(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: "3.2.0" and "3.2.0rc1" give (3, 2, 0)."""
    found = VERSION.match(text)
    if not found:
        raise ValueError("not a version")
    return tuple(int(part) for part in found.group().split("."))


def _check_names(folder: Path, there: set[str], listed: set[str]) -> None:
    for name in sorted(listed):
        if not NAMES.fullmatch(name):
            rule = "pickle_refused" if Path(name).suffix.lower() in PICKLES else "extra_file"
            raise BundleRefused(rule, f"{shown(folder / MANIFEST)} lists a file that no bundle has")
    if there - listed:
        raise BundleRefused("extra_file", f"{shown(folder / min(there - listed))} is not in the manifest")
    if listed - there:
        raise BundleRefused("missing_file", f"{shown(folder / min(listed - there))} is missing")


def _verified(path: Path, size: int, sha256: str, expected: int) -> bytes:
    """The bytes of a file that is what the manifest says, and that is JSON or UBJSON by its first byte."""
    changed = f"{shown(path)} is not what was written: export it again"
    if size != expected:
        raise BundleRefused("digest_mismatch", changed)
    content = _read(path, size, LARGEST_BUNDLE)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise BundleRefused("digest_mismatch", changed)
    if content[:1] != b"{":
        raise BundleRefused("pickle_refused", f"{shown(path)} is neither JSON nor UBJSON: code can hide in it")
    return content


def _read(path: Path, size: int, most: int) -> bytes:
    if size > most:
        raise BundleRefused("too_large", f"{shown(path)} is larger than {most} bytes")
    try:
        with path.open("rb") as stream:
            return stream.read(size + 1)
    except OSError as error:
        raise BundleRefused("unreadable", f"{shown(path)} cannot be read") from error


def _no_number(literal: str) -> float:
    raise ValueError(f"{literal} is no JSON")
