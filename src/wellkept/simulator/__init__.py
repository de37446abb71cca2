"""A synthetic health system whose truth is known: a seed in, the tables that a hospital would export out.

Patients have traits that no table shows (how generous they are with scores, how loyal, how sensitive to what goes
wrong). Each visit adds an experience to a state that decides both the score a patient would give and whether they
come back; most of what went wrong on the way is in the tables. Some are helped, some die or move away, and health
systems drift. It teaches, tests and judges, and is no picture of a real hospital.

Read `worlds.py` (the numbers), `population.py` (who), `lives.py` (what happens, step by step), `tables.py` (what is
recorded of it) and `truth.py` (what nobody can know), in that order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path

import numpy as np

from wellkept.errors import InputRefused
from wellkept.simulator.access_tables import UNIT_ERROR_SITE
from wellkept.simulator.delivery import Delivery
from wellkept.simulator.drifting import DRIFTS, FROM_DAY
from wellkept.simulator.export import write_export
from wellkept.simulator.hospital import open_hospital
from wellkept.simulator.lives import RUN_OUT_DAYS, live
from wellkept.simulator.population import draw_clinics, draw_patients
from wellkept.simulator.tables import hospital_tables, mappings
from wellkept.simulator.traps import TRAPS, set_traps
from wellkept.simulator.truth import true_tables
from wellkept.simulator.worlds import World, jittered, named

__all__ = ["simulate"]


def simulate(
    out: Path,
    *,
    patients: int = 6000,
    seed: int = 1,
    world: str | World = "interacting",
    jitter: float = 0.0,
    drift: Collection[str] = (),
    traps: Collection[str] = (),
    follow_up: int = 0,
    days: int = 1461,
    start: str = "2022-01-01",
) -> None:
    """Write a hospital's export, taken `days` after `start`: tables, their mappings, `manifest.json` and `truth/`.

    Equal arguments give equal bytes. A table in which nothing happened is left out, with its mapping.

    Parameters
    ----------
    out
        Folder to write to: new, empty, or holding an earlier synthetic export, which is replaced.
    patients, days
        How many patients, and how many days between the first visits and the export; both at least 1.
    world
        One of `worlds.WORLDS` by its name, or a `World` of one's own.
    jitter
        Share by which every parameter of the world is moved at random, at least 0 and under 1.
    drift, traps
        Names in `drifting.DRIFTS` (the world changes) and `traps.TRAPS` (the export misleads).
    follow_up
        How many of those who did not answer are asked again by telephone each quarter, and answer.
    start
        Day 0 as an ISO 8601 date.

    Raises
    ------
    InputRefused
        An argument makes no sense, or the folder holds something that no simulator wrote.
    """
    first_day = _first_day(start)
    _check(patients, days, jitter, follow_up)
    _check_names("drift", drift, DRIFTS)
    _check_names("trap", traps, TRAPS)
    drifting = dataclasses.replace(jittered(named(world), jitter, seed), drift=tuple(sorted(drift)))
    rng = np.random.default_rng(seed)
    clinics = draw_clinics(rng, drifting)
    people = draw_patients(rng, drifting, patients, days=days, clinics=clinics)
    visits = live(rng, drifting, people, clinics, until=days + RUN_OUT_DAYS)
    hospital = open_hospital(rng, drifting, people, visits, export_day=days, first_day=first_day)
    honest = Delivery(hospital_tables(rng, hospital, follow_up=follow_up), mappings(), hospital, rng)
    write_export(out, set_traps(honest, traps), true_tables(hospital), _drift(drifting, first_day))


def _drift(world: World, first_day: np.datetime64) -> dict:
    """What changes, from when on, and at which site a unit does; empty where nothing does."""
    changes_at = first_day + np.timedelta64(round(FROM_DAY * 86_400), "s")
    site = f"site-{UNIT_ERROR_SITE + 1:02d}"
    return {"drift": list(world.drift), "from": f"{changes_at}Z", "site_of_unit_error": site} if world.drift else {}


def _first_day(start: str) -> np.datetime64:
    try:
        return np.datetime64(start, "D").astype("datetime64[s]")
    except ValueError:
        raise InputRefused("simulation", "start is no ISO 8601 date such as 2023-01-01") from None


def _check(patients: int, days: int, jitter: float, follow_up: int) -> None:
    if patients < 1 or days < 1:
        raise InputRefused("simulation", f"patients={patients} and days={days}: both must be at least 1")
    if not 0 <= jitter < 1:
        raise InputRefused("simulation", f"jitter={jitter}: it must be at least 0 and under 1")
    if follow_up < 0:
        raise InputRefused("simulation", f"follow_up={follow_up}: it must be at least 0")


def _check_names(kind: str, asked: Collection[str], known: Collection[str]) -> None:
    if unknown := sorted(set(asked) - set(known)):
        raise InputRefused(kind, f"no {kind} is called {', '.join(unknown)}; there are {', '.join(known)}")
