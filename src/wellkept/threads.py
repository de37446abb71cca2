"""How many threads this process may use."""

from __future__ import annotations

import os
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")


def available_threads() -> int:
    """The cores that this process may use: its affinity, its container's quota and OMP_NUM_THREADS, the least."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(cores, _quota(cores), int(asked) if asked.isdigit() else cores))


def _quota(cores: int) -> int:
    if not QUOTA.is_file():
        return cores
    quota, _, period = QUOTA.read_text(encoding="ascii").partition(" ")
    return cores if quota == "max" else max(1, round(int(quota) / int(period)))
