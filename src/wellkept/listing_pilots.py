"""Pilots for people: what a plan can show, how a pilot stands, what it says."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def held_out_line(table: pa.Table) -> list[str]:
    """How many a pilot holds out tonight, and the minutes that are not spent on them; empty without any."""
    held = table.filter(table["holdout"])
    minutes = pc.sum(held["minutes"], min_count=0).as_py()
    told = f"{held.num_rows} more are held out by chance, to learn what helps: {minutes:.0f} of these minutes stay free"
    return [told] if held.num_rows else []
