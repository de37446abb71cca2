"""Which code and which libraries are at work here: what a bundle, its run and its card say of where they come from."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version

from wellkept import __version__


def provenance() -> dict[str, str]:
    """The commit of the working folder and the versions that could change a prediction."""
    return {"git_commit": git_commit(), "wellkept": __version__, "xgboost": version("xgboost"),
            "python": platform.python_version()}  # fmt: skip


def git_commit() -> str:
    """The commit of the working folder, or that there is none."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607
    except OSError:  # there is no git on this machine
        return "not known"
    return done.stdout.strip() or "not in a git checkout"
