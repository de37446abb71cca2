"""Lengths of time as people write them in a TOML or a feature: ``"36h"``, ``"90d"``."""

from __future__ import annotations

import re
from datetime import timedelta

from wellkept.errors import SpecRefused

SECONDS = {"h": 3600, "d": 86_400}
DAY = 86_400e6  # microseconds


def microseconds(duration: str) -> int:
    """Length of a duration such as ``"36h"`` or ``"90d"``. A day is 24 hours, whatever clocks do."""
    match = re.fullmatch(r"(\d+)([hd])", duration)
    if not match:
        raise SpecRefused("duration", f"a duration is a whole number of h or d such as '90d', not {duration!r}")
    return int(match[1]) * SECONDS[match[2]] * 1_000_000


def delta(duration: str) -> timedelta:
    """The same as a `timedelta`."""
    return timedelta(microseconds=microseconds(duration))
