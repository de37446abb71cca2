"""Pilots, from disk and settings: what a plan, a log and the journeys say of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wellkept.catalogue import families
from wellkept.contracts import ASSIGNMENTS, POINTS, TIME
from wellkept.errors import InputRefused, NotEnoughData, SpecRefused
from wellkept.history import FeatureQuery, past
from wellkept.journeys import Snapshot
from wellkept.labelling import cohort, labels, question
from wellkept.offering import interventions
from wellkept.parts import discover
from wellkept.pilots.holdouts import first_assignments
from wellkept.pilots.plans import Pilot, load_pilot
from wellkept.pilots.prospects import Counted, Prospect, prospects
from wellkept.pilots.reading import Reading, read
from wellkept.pilots.standing import Standing, standing
from wellkept.recommending import questions
from wellkept.settings import Settings
from wellkept.spec import Points

# some of the nights that meet a trigger: a bill is known weeks after the visit
VISITS = Points(each="VISIT//COMPLETED", after=("24h", "7d", "14d", "28d"))
DONE_BY = timedelta(days=14)


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


def plan_pilot(pilot: Pilot, snapshot: Snapshot | None) -> list[Prospect]:
    """What the pilot will be able to show; with a snapshot, as many patients and outcomes as there were lately.

    Raises
    ------
    SpecRefused
        The plan does not say what would matter, or how many there are.
    """
    return prospects(pilot, _counted(pilot, snapshot) if snapshot else {})


def pilot_standing(pilot: Pilot, log: pa.Table, snapshot: Snapshot | None) -> list[Standing]:
    """How each arm stands; with a snapshot, also to how many it was done within two weeks."""
    return standing(pilot, log, _done(log, snapshot) if snapshot and log.num_rows else None)


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
    covariates = features_at(snapshot, points, pilot.adjust)
    strata = dict(zip(pilot.strata, features_at(snapshot, points, tuple(pilot.strata)).T, strict=True))
    return read(pilot, log, outcomes, covariates, snapshot.observed_until, strata)


def outcomes_at(snapshot: Snapshot, points: pa.Table, pilot: Pilot) -> dict[str, np.ndarray]:
    """Each outcome at each point: 1 it came true, 0 it did not, NaN not known by the end of the snapshot."""
    told = {}
    for name, sentence in pilot.outcomes.items():
        label = labels(snapshot, points, question(sentence, discover("targets")))["label"]
        told[name] = pc.fill_null(pc.cast(label, pa.float64()), np.nan).to_numpy()
    return told


def features_at(snapshot: Snapshot, points: pa.Table, names: tuple[str, ...]) -> np.ndarray:
    """These features of the catalogue as known at each point; shape (points, features), NaN where not known.

    Raises
    ------
    SpecRefused
        `feature`: no feature has that name, or it is no number.
    """
    known = {f.name: f for features in families().values() for f in features}
    if unknown := [name for name in names if name not in known]:
        message = f"no feature is called {', '.join(unknown)}: `wellkept parts --features` lists them"
        raise SpecRefused("feature", message)
    if not names:
        return np.empty((points.num_rows, 0))
    table = FeatureQuery({name: known[name].expression for name in names}).run(snapshot, points)
    if words := [name for name in names if not pa.types.is_floating(table[name].type)]:
        raise SpecRefused("feature", f"{', '.join(words)} is no number: adjust for, and make bands of, numbers only")
    return np.column_stack([pc.fill_null(table[name], np.nan).to_numpy().astype(float) for name in names])


def kinds_at(snapshot: Snapshot, points: pa.Table) -> np.ndarray:
    """Each point's kind of care, shape (points,); empty where none is on record."""
    care = next(f for f in families()["visit"] if f.name == "care_type")
    kind = FeatureQuery({care.name: care.expression}).run(snapshot, points)[care.name]
    return pc.fill_null(pc.cast(kind, pa.string()), "").to_numpy(zero_copy_only=False).astype(str)


def _counted(pilot: Pilot, snapshot: Snapshot) -> dict[str, Counted]:
    """By arm: patients with the trigger in as long a time before now as the pilot will run, and what became of all."""
    points = cohort(snapshot, VISITS)
    asked = questions([interventions()[arm] for arm in pilot.arms])
    record = FeatureQuery(asked).run(snapshot, points)
    since = pa.scalar(snapshot.observed_until - (pilot.ends - pilot.begins), TIME)
    lately = pc.greater_equal(points["prediction_time"], since).to_numpy()
    told = {name: _mature(snapshot, points, sentence) for name, sentence in pilot.outcomes.items()}
    counted = {}
    for arm in pilot.arms:
        triggered = _first_nights(points, np.nan_to_num(record[arm].to_numpy()) > 0)
        patients = len(np.unique(points["subject_id"].to_numpy()[triggered & lately]))
        labels_of = {name: label[triggered & mature] for name, (label, mature) in told.items()}
        known = {name: float((~np.isnan(label)).mean()) for name, label in labels_of.items() if len(label)}
        rates = {name: float(np.nanmean(labels_of[name])) for name, share in known.items() if share > 0}
        counted[arm] = Counted(patients, rates, known)
    return counted


def _first_nights(points: pa.Table, triggered: np.ndarray) -> np.ndarray:
    """Shape (points,): the first at which each encounter's trigger is met, by time."""
    rows = np.flatnonzero(triggered)
    visit = pc.fill_null(points["encounter_id"], "").to_numpy(zero_copy_only=False)[rows].astype(str)
    keys = np.array([points["subject_id"].to_numpy()[rows], np.unique(visit, return_inverse=True)[1]])
    first = np.zeros(len(triggered), bool)
    first[rows[np.unique(keys, axis=1, return_index=True)[1]]] = True
    return first


def _mature(snapshot: Snapshot, points: pa.Table, sentence: str) -> tuple[np.ndarray, np.ndarray]:
    """Each point's outcome, and whether so long ago that by now it would be known if it ever were."""
    table = labels(snapshot, points, question(sentence, discover("targets")))
    waits = pc.cast(pc.subtract(table["known_at"], table["prediction_time"]), pa.int64())
    longest = timedelta(microseconds=pc.max(waits).as_py() or 0)
    at = pa.scalar(snapshot.observed_until - longest, TIME)
    label = pc.fill_null(pc.cast(table["label"], pa.float64()), np.nan).to_numpy()
    return label, pc.less_equal(table["prediction_time"], at).to_numpy()


def _done(log: pa.Table, snapshot: Snapshot) -> np.ndarray:
    """Was the step done within two weeks of the draw? NaN where they are not over."""
    later = pc.add(log["prediction_time"], pa.scalar(DONE_BY, pa.duration("us")))
    points = POINTS.check(log.select(POINTS.schema.names).set_column(1, "prediction_time", later))
    arms = pc.unique(log["arm"]).to_pylist()
    asked = {arm: past.of("INTERVENTION//DONE").saying(arm).within(f"{DONE_BY.days}d").count() > 0 for arm in arms}
    record = FeatureQuery(asked).run(snapshot, points)
    arm = np.array(log["arm"].to_pylist(), str)
    done = np.select([arm == name for name in arms], [np.nan_to_num(record[name].to_numpy()) > 0 for name in arms])
    over = pc.less_equal(points["prediction_time"], pa.scalar(snapshot.observed_until, later.type)).to_numpy()
    return np.where(over, done.astype(float), np.nan)
