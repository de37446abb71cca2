"""A command as a process of its own -> CPU seconds, wall seconds and peak memory; and what machine this is.

The kernel starts a child's peak memory from what its parent holds, so a benchmark's own process stays small: it
imports nothing large, and leaves generating, landing and comparing to children too.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

THREADS = 2
# contestants find their bytecode, as any program that was run before does; it lies outside all folders of theirs
BYTECODE = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": f"{tempfile.gettempdir()}/wellkept-bytecode"}
LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "NUMEXPR_MAX_THREADS")


@dataclass(frozen=True)
class Cost:
    """What a process took: user and system seconds, wall seconds, largest resident size in MiB."""

    cpu: float
    wall: float
    peak_mib: float

    def __str__(self) -> str:
        return f"{self.cpu:8.1f} CPU s {self.wall:8.1f} s {self.peak_mib:8.0f} MiB"


class Failed(Exception):
    """A contestant ended with an error; the message is the end of what it said."""


def cost_of(command: Sequence[str | Path], **environment: str) -> tuple[Cost, str]:
    """Run a command to its end; its cost, with that of its children, and what it printed.

    Raises
    ------
    Failed
        It ended with an error.
    """
    settings = {**os.environ, **dict.fromkeys(LIMITS, str(THREADS)), **BYTECODE, **environment}
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complained:
        started = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], stdout=said, stderr=complained, env=settings)
        _, status, usage = os.wait4(process.pid, 0)
        cost = Cost(usage.ru_utime + usage.ru_stime, time.perf_counter() - started, usage.ru_maxrss / 1024)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            complained.seek(0)
            raise Failed(f"exit {process.returncode}: {complained.read()[-2000:]}")
        said.seek(0)
        return cost, said.read()


def interleaved(commands: Mapping[str, Sequence[str | Path]], repeats: int) -> dict[str, list[Cost]]:
    """Every contestant `repeats` times, in turn, so that a busy neighbour slows them all alike."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for turn in range(repeats):
        for name, command in commands.items():
            costs[name].append(cost_of(command)[0])
            say(f"  {turn + 1}/{repeats} {name:12}{costs[name][-1]}")
    return costs


def median(costs: Sequence[Cost]) -> Cost:
    """Median CPU and wall seconds, and the largest peak."""
    cpu, wall = (statistics.median(getattr(c, name) for c in costs) for name in ("cpu", "wall"))
    return Cost(cpu, wall, max(c.peak_mib for c in costs))


def machine(*packages: str) -> dict[str, str]:
    """Cores, processor, Python and the versions of these packages."""
    facts = {"cores": str(len(os.sched_getaffinity(0))), "processor": _processor(), "python": platform.python_version()}
    return {**facts, **{name: _version(name) for name in packages}}


def described(facts: Mapping[str, str]) -> str:
    """`machine` in one line."""
    return "machine: " + ", ".join(f"{name} {value}" for name, value in facts.items())


def as_plain(cost: Cost) -> dict[str, float]:
    """A cost for `--json`."""
    return {"cpu_s": round(cost.cpu, 2), "wall_s": round(cost.wall, 2), "peak_mib": round(cost.peak_mib, 1)}


def verdict(name: str, value: float, bar: float, *, at_least: bool = False) -> str:
    """One line that says whether a bar was met."""
    met = value >= bar if at_least else value <= bar
    return f"{'met   ' if met else 'MISSED'}  {name}: {value:.2f}, the bar is {'>=' if at_least else '<='} {bar:g}"


def say(line: str) -> None:
    """Progress, on stderr, at once."""
    print(line, file=sys.stderr, flush=True)


def show(result: Mapping | Sequence, lines: Sequence[str], *, as_json: bool) -> None:
    """The result on stdout: as JSON for machines, or as lines for people."""
    print(json.dumps(result, indent=1) if as_json else "\n".join(lines))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
