"""Pilots, from disk and settings: what a plan, a log and the journeys say of one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wellkept.catalogue import families
from wellkept.contracts import ASSIGNMENTS, POINTS
from wellkept.errors import InputRefused, NotEnoughData, SpecRefused
from wellkept.history import FeatureQuery
from wellkept.journeys import Snapshot
from wellkept.labelling import labels, question
from wellkept.offering import interventions
from wellkept.parts import discover
from wellkept.pilots.holdouts import first_assignments
from wellkept.pilots.plans import Pilot, load_pilot
from wellkept.pilots.reading import Reading, read
from wellkept.settings import Settings


@dataclass(frozen=True)
class Trial:
    """A pilot and the secret that draws for it."""

    pilot: Pilot
    salt: str


def load_trial(path: Path, settings: Settings) -> Trial:
    """A pilot that this installation can draw for.

    Raises
    ------
    SpecRefused
        `pilot_salt`: there is no salt. Otherwise what is wrong with the TOML.
    """
    pilot = load_pilot(path, interventions())
    if settings.pilot_salt is None:
        message = ("WELLKEPT_PILOT_SALT is not set: a secret of at least 32 characters draws who is held out; make one "
                   "with `openssl rand -hex 32` and keep it until the pilot is read")  # fmt: skip
        raise SpecRefused("pilot_salt", message)
    return Trial(pilot, settings.pilot_salt.get_secret_value())


def open_log(folder: Path, pilot: Pilot) -> pa.Table:
    """What was drawn, night by night, each patient once an arm and epoch; fits ASSIGNMENTS.

    Raises
    ------
    InputRefused
        `no_log`: nothing was drawn there for this pilot. `damaged_log`: a night's file cannot be read. `two_draws`.
    """
    here = folder / "assignments" / pilot.name
    nights = sorted(here.glob("*.parquet"))
    if not nights:
        message = f"{here} holds no night of this pilot: `wellkept recommend --pilot PILOT.toml --out DIR` writes them"
        raise InputRefused("no_log", message)
    try:
        tables = [ASSIGNMENTS.check(pq.read_table(path)) for path in nights]
    except (OSError, pa.ArrowInvalid) as error:
        raise InputRefused("damaged_log", f"{here} holds a night that is no parquet file as it was written") from error
    return first_assignments(pa.concat_tables(tables))


def read_pilot(pilot: Pilot, log: pa.Table, snapshot: Snapshot) -> list[Reading]:
    """What may be said of each arm with what is known by the end of the snapshot.

    Raises
    ------
    NotEnoughData
        Nobody was drawn. Of what is told of too few, each reading says so itself.
    """
    if log.num_rows == 0:
        raise NotEnoughData("nobody_drawn", f"pilot {pilot.name}: nobody was drawn yet")
    points = POINTS.check(log.select(POINTS.schema.names))
    outcomes = outcomes_at(snapshot, points, pilot)
    return read(pilot, log, outcomes, covariates_at(snapshot, points, pilot), snapshot.observed_until)


def outcomes_at(snapshot: Snapshot, points: pa.Table, pilot: Pilot) -> dict[str, np.ndarray]:
    """Each outcome at each point: 1 it came true, 0 it did not, NaN not known by the end of the snapshot."""
    told = {}
    for name, sentence in pilot.outcomes.items():
        label = labels(snapshot, points, question(sentence, discover("targets")))["label"]
        told[name] = pc.fill_null(pc.cast(label, pa.float64()), np.nan).to_numpy()
    return told


def covariates_at(snapshot: Snapshot, points: pa.Table, pilot: Pilot) -> np.ndarray:
    """The features that the pilot adjusts for, as known at each point; shape (points, features), NaN where not known.

    Raises
    ------
    SpecRefused
        `adjust`: no feature has that name, or it is no number.
    """
    known = {f.name: f for features in families().values() for f in features}
    if unknown := [name for name in pilot.adjust if name not in known]:
        message = f"no feature is called {', '.join(unknown)}: `wellkept parts --features` lists them"
        raise SpecRefused("adjust", message)
    if not pilot.adjust:
        return np.empty((points.num_rows, 0))
    table = FeatureQuery({name: known[name].expression for name in pilot.adjust}).run(snapshot, points)
    if words := [name for name in pilot.adjust if not pa.types.is_floating(table[name].type)]:
        raise SpecRefused("adjust", f"{', '.join(words)} is no number: adjust for numbers only")
    return np.column_stack([pc.fill_null(table[name], np.nan).to_numpy().astype(float) for name in pilot.adjust])
