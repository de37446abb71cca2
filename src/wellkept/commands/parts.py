"""What there is: `parts`."""

from __future__ import annotations

import argparse
from typing import Any

from wellkept.commands import show, verb


def add(verbs: Any) -> None:
    """parts."""
    parts = verb(verbs, "parts", _parts, "list sources, feature families, targets and tables")
    parts.add_argument("--features", action="store_true", help="the whole feature catalogue")


def _parts(chosen: argparse.Namespace) -> None:
    from wellkept.listing import feature_table, part_tables

    tables = {"features": feature_table()} if chosen.features else part_tables()
    text = "\n\n".join(f"{name}\n" + "\n".join(f"  {' | '.join(row)}" for row in rows) for name, rows in tables.items())
    show(tables, text, as_json=chosen.json)
