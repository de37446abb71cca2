"""A synthetic health system that was simulated with a drift, in; what monitoring made of it as goals (G11), out."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from wellkept.errors import SpecRefused
from wellkept.goals import Goal
from wellkept.settings import Settings
from wellkept.spec import Spec
from wellkept.watching import SITE, Watched, another_mode, undisturbed, unit_error, watched

Say = Callable[[str], None]
WITHIN = 1000  # answers


def drift_of(system: Path) -> tuple[str, ...]:
    """The changes that `wellkept simulate --drift` wrote down of a system; empty where nothing changes."""
    path = system / "truth" / "drift.json"
    return tuple(json.loads(path.read_text(encoding="utf-8"))["drift"]) if path.is_file() else ()


def judge_drift(system: Path, specs: Sequence[Spec], settings: Settings, *, say: Say) -> list[Goal]:
    """A goal for each change of the system, by the first of the models that is learned from answers.

    Raises
    ------
    SpecRefused
        `drift`: there is no goal for one of its changes.
    """
    changes = drift_of(system)
    if unknown := sorted(set(changes) - set(GOALS)):
        raise SpecRefused("drift", f"there are goals for {', '.join(GOALS)}, and none for {', '.join(unknown)}")
    spec = next((s for s in specs if s.asked is not None), specs[0])
    with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
        say(f"{spec.target}: trained on what was known before {', '.join(changes)}")
        seen = watched(system, spec, settings, Path(folder))
        return [GOALS[change](seen) for change in changes]


def _unit_error(seen: Watched) -> Goal:
    told = unit_error(seen)
    others = len({*told["before"], *told["same_night"]} - {SITE})
    return Goal("G11", "unit error: found in the night after its first day", float(SITE in told["same_night"]),
                "1, and no other site", told["holds"], {"other sites blocked": others})  # fmt: skip


def _vendor_change(seen: Watched) -> Goal:
    told = undisturbed(seen)
    return Goal("G11", "harmless vendor change: nights that call for something", len(told["wrong"]), "0", told["holds"],
                {"nights": len(told["recommended"]), "first": (told["wrong"] or ["none"])[0]})  # fmt: skip


def _survey_mode(seen: Watched) -> Goal:
    told = another_mode(seen)
    answers = float("inf") if told["answers"] is None else told["answers"]
    return Goal("G11", "survey mode changes: answers until it is found", answers, f"<= {WITHIN} in the median",
                told["holds"] and answers <= WITHIN, {"found on": told["on"] or "not at all"})  # fmt: skip


GOALS: dict[str, Callable[[Watched], Goal]] = {
    "unit-error": _unit_error, "vendor-change": _vendor_change, "survey-mode": _survey_mode,
}  # fmt: skip
