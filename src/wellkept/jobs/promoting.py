"""Into service and back: a decision is written down, then carried out; a stop in between is made good later."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from wellkept import registry
from wellkept.decisions import Decision, decisions, last_moved, record, served_before
from wellkept.errors import BundleRefused, GateClosed
from wellkept.files import remove_unfinished, sole_writer
from wellkept.pointers import champion_of
from wellkept.settings import Settings

NOBODY = "a model goes into service when a person has signed for it: --approve NAME"


def has_champion(target: str, settings: Settings) -> bool:
    """Is a bundle of this target in service?"""
    return (settings.models / target / "champion").is_file()


def champion_version(target: str, settings: Settings) -> str:
    """The version in service; empty where none is."""
    return champion_of(settings.models, target).name if has_champion(target, settings) else ""


def promote(
    target: str, version: str, settings: Settings, *, approve: str, now: datetime, explained: str = ""
) -> Path:
    """Put a registered version into service, if every gate held against what is in service now and somebody signs.

    Raises
    ------
    GateClosed
        A gate did not hold (its name is the code), nobody signed (`signature`), or the version was held against
        another champion than the one in service (`stale`).
    BundleRefused
        There is no such version, or it is not what was written; what was in service stays.
    """
    with sole_writer(settings.models / target):
        settle(target, settings)
        before = champion_version(target, settings)
        found = registry.version_of(target, version, mlruns=settings.mlruns)
        _refuse(found, before, approve, explained)
        registry.export(target, version, models=settings.models, mlruns=settings.mlruns)
        gates = [{"gate": name.removeprefix("gate."), "says": says} for name, says in sorted(found.tags.items())
                 if name.startswith("gate.")]  # fmt: skip
        signed = Decision(now.isoformat(), "promote", version, before, approve, explained, gates)
        record(settings.models / target, signed)
        settle(target, settings)
    return settings.models / target / version


def rollback(target: str, settings: Settings, *, by: str, why: str, now: datetime, to: str = "") -> tuple[str, str]:
    """Put the version that was in service before back, at once; gives it and the one that it replaces.

    MLflow is not asked: its alias follows (`settle`), so that a broken tracking server keeps nobody from going back.

    Raises
    ------
    BundleRefused
        `no_champion`, `no_version`: nothing was in service before, or it is no longer whole.
    """
    folder = settings.models / target
    with sole_writer(folder):
        current = champion_of(settings.models, target).name
        version = to or served_before(decisions(folder), current)
        if not version:
            raise BundleRefused("no_version", f"{target} has had no version in service before {current}")
        registry.export(target, version, models=settings.models, mlruns=settings.mlruns)
        record(folder, Decision(now.isoformat(), "rollback", version, current, by, why))
        registry.point_to(target, version, models=settings.models)
    return version, current


def versions_of(target: str, settings: Settings) -> dict:
    """Every version with its gates and tags, newest first, and every decision, oldest first, as plain data."""
    with sole_writer(settings.models / target):
        settle(target, settings)
    found = registry.versions(target, mlruns=settings.mlruns)
    made = decisions(settings.models / target)
    return {
        "target": target, "in_service": champion_version(target, settings),
        "versions": [{"version": v.version, "at": v.at, "aliases": list(v.aliases), "tags": dict(v.tags),
                      "closed_gates": v.closed_gates} for v in found],
        "decisions": [asdict(decision) for decision in made],
    }  # fmt: skip


def settle(target: str, settings: Settings) -> None:
    """Carry out the last decision where a stop left it undone: pointer, MLflow's alias, leftovers. Hold the lock."""
    folder = settings.models / target
    remove_unfinished(folder)
    moved = last_moved(decisions(folder))
    if moved is None:
        return
    if champion_version(target, settings) != moved.version:
        registry.point_to(target, moved.version, models=settings.models)
    registry.set_alias(target, moved.version, mlruns=settings.mlruns)


def _refuse(found: registry.Version, before: str, approve: str, explained: str) -> None:
    shut = found.closed_gates
    if explained:
        shut.pop("list", None)
    if not found.is_judged:
        raise GateClosed("not_judged", f"version {found.version} was never held against the gates: train it again")
    if shut:
        lines = [f"version {found.version} does not pass {len(shut)} of the gates; what is in service stays",
                 *(f"{name}: {says}" for name, says in shut.items())]  # fmt: skip
        raise GateClosed(next(iter(shut)), "\n  ".join(lines))
    if (judged := found.tags.get("judged_against", "")) != before:
        other, now = (f"version {version}" if version else "no version" for version in (judged, before))
        raise GateClosed("stale", f"version {found.version} was held against {other}, and {now} is in service: "
                         "train it again")  # fmt: skip
    if not approve:
        raise GateClosed("signature", f"every gate holds for version {found.version}; {NOBODY}")
