"""Traps."""

from __future__ import annotations
TRAPS = {}
def set_traps(rng, hospital, tables, mappings, traps):
    return tables, mappings
