"""The command line: one verb a job. Results on stdout (`--json` for machines), progress on stderr."""

from __future__ import annotations

import argparse
import json
import os
import sys

from wellkept import __version__
from wellkept.commands import (
    experiments,
    journeys,
    models,
    nightly,
    parts,
    pilots,
    planning,
    recommending,
    service,
    synthetic,
)
from wellkept.errors import LeakFound, WellkeptError

USAGE, INTERRUPTED = 64, 130


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code is the error class's own (wellkept/errors.py), 64 for a wrong command line."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is imported, which no line before this does
    parser = _parser()
    try:
        chosen = parser.parse_args(arguments)
    except SystemExit as stop:
        return USAGE if stop.code else 0
    try:
        return chosen.run(chosen) or 0
    except WellkeptError as error:
        _complain(error, as_json=chosen.json)
        return error.exit_code
    except BrokenPipeError:  # whoever reads has seen enough
        sys.stdout = None
        return 0
    except KeyboardInterrupt:
        print("wellkept: stopped; what was not finished is not there", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wellkept", description="Who is at risk, why, and what would help.")
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    kinds = (journeys, models, experiments, nightly, recommending, pilots, planning, service, parts, synthetic)
    for kind in kinds:
        kind.add(verbs)
    return parser


def _complain(error: WellkeptError, *, as_json: bool) -> None:
    if as_json:
        breaches = [vars(b) for b in getattr(error, "breaches", [])]
        found = {"findings": error.findings} if isinstance(error, LeakFound) else {}
        print(json.dumps({"code": error.code, "message": error.args[0], "breaches": breaches, **found}, indent=1))
    print(f"wellkept: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
