"""A small synthetic health system: a seed in, the tables that a hospital would export out.

Patients have traits that no table shows (how generous they are with scores, how loyal, how sensitive to what
goes wrong). Each visit adds an experience to a state that decides both the score a patient would give and
whether they come back; most of what went wrong on the way is in the tables. It teaches and tests and is no
picture of a real hospital: nobody dies or moves away, nothing drifts, nobody is helped, and there are no
weekends. The latent truth is written nowhere.

Read `population.py` (who), `visits.py` (what happens), `tables.py` (what is recorded of it), in that order.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wellkept.errors import InputRefused
from wellkept.simulator.export import write_export
from wellkept.simulator.population import draw_clinics, draw_patients
from wellkept.simulator.tables import hospital_tables
from wellkept.simulator.visits import RUN_OUT_DAYS, live

__all__ = ["simulate"]


def simulate(
    out: Path, *, patients: int = 6000, seed: int = 1, days: int = 1096, start: str = "2023-01-01"
) -> None:
    """Write a hospital's export, taken `days` after `start`: CSV tables, their mappings, `manifest.json`.

    Equal arguments give equal bytes. A table in which nothing happened is left out, with its mapping.

    Parameters
    ----------
    out
        Folder to write to: new, empty, or holding an earlier synthetic export, which is replaced.
    patients, days
        How many patients, and how many days between the first visits and the export; both at least 1.
    start
        Day 0 as an ISO 8601 date.

    Raises
    ------
    InputRefused
        An argument makes no sense, or the folder holds something that no simulator wrote.
    """
    first_day = _first_day(start)
    if patients < 1 or days < 1:
        raise InputRefused("simulation", f"patients={patients} and days={days}: both must be at least 1")
    rng = np.random.default_rng(seed)
    clinics = draw_clinics(rng)
    people = draw_patients(rng, patients, days=days, clinics=clinics)
    visits = live(rng, people, clinics, until=days + RUN_OUT_DAYS)
    write_export(out, hospital_tables(rng, people, visits, export_day=days, first_day=first_day), first_day)


def _first_day(start: str) -> np.datetime64:
    try:
        return np.datetime64(start, "D").astype("datetime64[s]")
    except ValueError:
        raise InputRefused("simulation", "start is no ISO 8601 date such as 2023-01-01") from None
