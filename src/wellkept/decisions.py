"""Who put which version into service when, why, and on which figures: one line a decision, never rewritten.

`models/<target>/decisions.jsonl` stands beside the pointer that it explains. A decision is written before it is carried
out; whoever comes next carries out what a stop left undone (`jobs.settle`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from wellkept.files import write_text

FILE = "decisions.jsonl"


@dataclass(frozen=True)
class Decision:
    """One decision on a target: `version` is what is in service from then on.

    `keep` and `refuse` leave what was there; `by` signed it, `why` is what they said.
    """

    at: str
    action: Literal["promote", "rollback", "keep", "refuse"]
    version: str
    before: str
    by: str = ""
    why: str = ""
    gates: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


def decisions(folder: Path) -> list[Decision]:
    """All decisions on the target of this folder, oldest first."""
    path = folder / FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [Decision(**json.loads(line)) for line in lines]


def record(folder: Path, decision: Decision) -> None:
    """Add a decision, durably, or nothing at all."""
    lines = [json.dumps(asdict(d), sort_keys=True) for d in (*decisions(folder), decision)]
    write_text(folder / FILE, "".join(f"{line}\n" for line in lines))


def served_before(made: Sequence[Decision], version: str) -> str | None:
    """The version that a rollback from this one goes back to; None where it is the first.

    Who rolls back twice goes back two versions, never to and fro.
    """
    before: dict[str, str] = {}
    for decision in made:
        if decision.action == "promote":
            before[decision.version] = decision.before
    return before.get(version) or None


def last_moved(made: Sequence[Decision]) -> Decision | None:
    """The latest decision that put a version into service."""
    moves = [d for d in made if d.action in ("promote", "rollback")]
    return moves[-1] if moves else None
