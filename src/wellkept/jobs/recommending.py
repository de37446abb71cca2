"""The night's last step: for whom which step, within the minutes that there are; published as scores are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wellkept.bundles import Bundle
from wellkept.catalogue import query_of
from wellkept.contracts import ASSIGNMENTS, POINTS, RECOMMENDATIONS
from wellkept.effects import Effects, effects_of
from wellkept.errors import InputRefused, NotEnoughData, SpecRefused
from wellkept.evidence import Evidence
from wellkept.files import digest_of, sole_writer, write_parquet, write_text
from wellkept.grouping import UNKNOWN, words_at
from wellkept.history import FeatureQuery, past
from wellkept.jobs.piloting import Trial, kinds_at
from wellkept.journeys import Snapshot
from wellkept.offering import Intervention, interventions
from wellkept.pilots.holdouts import assignments, first_assignments
from wellkept.published import LATEST, MANIFEST, name_of, publishing
from wellkept.published_steps import FILE, Origin, open_steps
from wellkept.recommending import (
    Budget,
    Recommended,
    facts_of,
    given,
    questions,
    recommended,
    with_facts,
    with_holdouts,
    with_teams,
)
from wellkept.sharing import People, contacting, shared
from wellkept.staff import Staff
from wellkept.what_if import what_if

CHUNK = 50_000


def recommend(
    snapshot: Snapshot, scores: pa.Table, as_of: datetime, budget: Budget | Staff, bundles: Sequence[Bundle],
    trial: Trial | None = None, evidence: Evidence | None = None,
) -> Recommended:
    """One step a patient, for everybody of a published run: `scores` fits SCORES, and is what coordinators see.

    With a `trial` some are held out by chance: `recommending.for_coordinators` leaves them out. `evidence` of earlier
    trials corrects what the catalogue assumes.

    Raises
    ------
    NotEnoughData
        Nobody was scored.
    InputRefused
        `other_model`: a model that scored is not among the bundles, so nobody can be asked what if.
    SpecRefused
        `not_on_record`: a code that the staff file goes by is on the record of none of them.
    """
    if scores.num_rows == 0:
        raise NotEnoughData("nobody_to_score", f"nobody was scored as of {as_of}")
    catalogue = list(interventions().values())
    points = _each_once(scores.select(POINTS.schema.names))
    risk = {target: _of(points, scores, target) for target in scores["target"].unique().to_pylist()}
    record = FeatureQuery(questions(catalogue)).run(snapshot, points)
    triggered = np.column_stack([np.nan_to_num(record[i.name].to_numpy()) > 0 for i in catalogue])
    asked = {target: (_that_scored(scores, target, bundles), ~np.isnan(p)) for target, p in risk.items()}
    gone_well = {target: model_says(snapshot, points, bundle, catalogue, triggered.any(axis=1) & there)[1]
                 for target, (bundle, there) in asked.items()}  # fmt: skip
    kind = kinds_at(snapshot, points) if evidence else None
    effects = effects_of(catalogue, risk, triggered, gone_well, evidence, kind)
    both = sum(np.nan_to_num(p) for p in risk.values())
    found = _to_do(snapshot, points, effects, budget, catalogue, as_of, both)
    facts = FeatureQuery(facts_of(catalogue)).run(snapshot, found.table.select(POINTS.schema.names))
    found = replace(found, table=RECOMMENDATIONS.check(with_facts(found.table, facts, catalogue)))
    return replace(found, table=with_holdouts(found.table, trial.pilot, trial.salt, as_of)) if trial else found


def people_at(
    snapshot: Snapshot, points: pa.Table, staff: Staff, catalogue: Sequence[Intervention], risk: np.ndarray
) -> People:
    """What the record says of patients at their points that a staff file asks for; `risk` of all targets together.

    Raises
    ------
    SpecRefused
        `not_on_record`: the code of the language, or of a floor, is on the record of none of them.
    """
    words = words_at(snapshot, points, list(dict.fromkeys([staff.language, *(one.code for one in staff.floor)])))
    if unknown := [code for code, level in words.items() if set(level) in ({UNKNOWN}, {"no"})]:
        message = (f"the staff file goes by {', '.join(unknown)}, which is on record of none of these patients: write "
                   "the code as docs/codes.md does, or take it out")  # fmt: skip
        raise SpecRefused("not_on_record", message)
    contacts = np.zeros((points.num_rows, len(staff.contacts)))
    if staff.contacts:
        done = past.of("INTERVENTION//DONE")
        asked = {f"{r} {name}": done.saying(name).within(rule.within).count()
                 for r, rule in enumerate(staff.contacts) for name in contacting(catalogue)}  # fmt: skip
        record = FeatureQuery(asked).run(snapshot, points)
        for name in asked:
            contacts[:, int(name.split()[0])] += record[name].to_numpy()
    return People(words[staff.language], {one.code: words[one.code] for one in staff.floor}, contacts, risk)


def _to_do(
    snapshot: Snapshot, points: pa.Table, effects: Effects, budget: Budget | Staff,
    catalogue: Sequence[Intervention], as_of: datetime, risk: np.ndarray,
) -> Recommended:  # fmt: skip
    if isinstance(budget, Budget):
        allocation = given(effects, catalogue, budget)
        return Recommended(recommended(points, effects, allocation, catalogue, as_of), allocation, points.num_rows)
    sharing = shared(effects, catalogue, budget, people_at(snapshot, points, budget, catalogue, risk))
    table = recommended(points, sharing.effects, sharing.allocation, catalogue, as_of)
    return Recommended(with_teams(table, points, budget, sharing), sharing.allocation, points.num_rows, budget, sharing)


def _that_scored(scores: pa.Table, target: str, bundles: Sequence[Bundle]) -> Bundle:
    versions = set(scores.filter(pc.equal(scores["target"], target))["model_version"].unique().to_pylist())
    for bundle in bundles:
        if bundle.target == target and versions == {bundle.version}:
            return bundle
    raise InputRefused("other_model", f"{target} was scored by {', '.join(sorted(versions))}, which is not in service "
                                      "any more: `wellkept score` once more, then recommend")  # fmt: skip


def model_says(
    snapshot: Snapshot, points: pa.Table, bundle: Bundle, catalogue: Sequence[Intervention], asked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Risk, shape (points,), and what-if, (points, interventions), of those who are `asked` about; NaN for others."""
    query = query_of(bundle.encoder.features)
    risk, rows = np.full(points.num_rows, np.nan), np.flatnonzero(asked)
    said = np.full((points.num_rows, len(catalogue)), np.nan)
    for some in np.array_split(rows, -(-len(rows) // CHUNK)) if len(rows) else ():
        X = bundle.encoder.matrix(query.run(snapshot, points.take(pa.array(some))))
        risk[some], said[some] = bundle.risk(X), what_if(bundle, X, catalogue)
    return risk, said


def publish_steps(
    found: Recommended, out: Path, origin: Origin, trial: Trial | None = None, *, again: str = ""
) -> Path:  # fmt: skip
    """Publish a night's steps as `out/<moment>/`, complete or absent, with `latest` and a copy of the newest beside it.

    The draws of a `trial` are in its log before anybody can see the list. The same list published twice is one.

    Raises
    ------
    InputRefused
        `already_published`: other steps of this night are there, and no reason was given to replace them. `folder`: it
        cannot be written to. Otherwise what is wrong with the trial's log.
    Busy
        Another process publishes there.
    """
    name = name_of(origin.as_of)
    try:
        if not again and _is_published(found.table, out / name):
            with sole_writer(out):  # whoever was stopped between the folder and its pointer goes on from here
                write_text(out / LATEST, f"{name}\n")
        else:
            with publishing(out, name, again=again) as waiting:
                write_parquet(waiting / FILE, found.table)
                _write_manifest(waiting, found, origin, again)
                if trial:
                    write_assignments(found, out, trial, origin.as_of)
        write_parquet(out / FILE, found.table)
    except OSError as error:
        raise InputRefused("folder", f"{out} cannot be written to: {error.strerror}") from None
    return out / name


def _is_published(table: pa.Table, folder: Path) -> bool:
    """Are just these steps there already?"""
    try:
        return open_steps(folder).table.cast(RECOMMENDATIONS.schema).equals(table)
    except InputRefused:
        return False


def _write_manifest(folder: Path, found: Recommended, origin: Origin, again: str) -> None:
    manifest = {
        "as_of": origin.as_of.isoformat(), "journeys": origin.journeys, "models": dict(origin.models), "again": again,
        "used": dict(found.allocation.used), "candidates": found.candidates,
        "files": {FILE: {"sha256": digest_of(folder / FILE), "rows": found.table.num_rows}},
    }  # fmt: skip
    write_text(folder / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True))


def write_assignments(found: Recommended, folder: Path, trial: Trial, as_of: datetime) -> Path:
    """The night's draws as a file of their own in `folder`/assignments/<pilot>: the log that a pilot is read from.

    Where a night is published again, who was drawn the first time stays in the log: they may have been called.

    Raises
    ------
    InputRefused
        `damaged_log`: what is there of this night cannot be read. `two_draws`: it was drawn otherwise, by another salt
        or share. `folder`: it cannot be written there.
    """
    path = folder / "assignments" / trial.pilot.name / f"{as_of:%Y%m%dT%H%M%SZ}.parquet"
    drawn = assignments(trial.pilot, found.table, as_of)
    try:
        if path.exists():
            drawn = first_assignments(pa.concat_tables([ASSIGNMENTS.check(pq.read_table(path)), drawn]))
        write_parquet(path, drawn)
    except pa.ArrowException:
        raise InputRefused("damaged_log", f"{path} is no parquet file as it was written") from None
    except OSError as error:
        raise InputRefused("folder", f"{path} cannot be written: {error.strerror}") from None
    return path


def _each_once(points: pa.Table) -> pa.Table:
    """Each patient at the first of their points: whichever model scored them, it was at their latest encounter."""
    place = points.append_column("place", pa.array(np.arange(points.num_rows)))
    first = place.group_by("subject_id").aggregate([("place", "min")])["place_min"]
    return points.take(pa.array(np.sort(first.to_numpy())))


def _of(points: pa.Table, scores: pa.Table, target: str) -> np.ndarray:
    """The risk of each patient, NaN where this model has none."""
    mine = scores.filter(pc.equal(scores["target"], target))
    place = pc.index_in(points["subject_id"], mine["subject_id"].combine_chunks())
    return pc.fill_null(mine["risk"].take(place), np.nan).to_numpy().astype(float)
