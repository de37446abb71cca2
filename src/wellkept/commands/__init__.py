"""The verbs of the command line: one file a kind of work; each has `add(verbs)`.

Nothing heavy is imported before a verb runs, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from wellkept.errors import InputRefused


def verb(verbs: Any, name: str, run: Any, says: str) -> argparse.ArgumentParser:
    made = verbs.add_parser(name, help=says, description=says.capitalize() + ".")
    made.add_argument("--json", action="store_true", help="print JSON, and nothing else, on stdout")
    made.set_defaults(run=run)
    return made


def accepting(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--accept", action="append", default=[], metavar="RULE", help="a held rule that you looked at")


def show(facts: object, words: str, *, as_json: bool) -> None:
    print(json.dumps(facts, indent=1) if as_json else words)


def write_page(path: Path, page: str) -> None:
    """Write a page where somebody asked for it.

    Raises
    ------
    InputRefused
        It cannot be written there.
    """
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputRefused("no_file", f"{path} cannot be written: {error.strerror}") from None
    print(f"written: {path}", file=sys.stderr)
