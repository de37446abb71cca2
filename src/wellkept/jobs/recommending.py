"""The night's last step: for whom which step, within the minutes that there are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.bundles import Bundle
from wellkept.catalogue import query_of
from wellkept.contracts import POINTS
from wellkept.effects import effects_of
from wellkept.errors import InputRefused, NotEnoughData
from wellkept.evidence import Evidence
from wellkept.files import write_parquet
from wellkept.history import FeatureQuery
from wellkept.jobs.piloting import Trial, kinds_at
from wellkept.journeys import Snapshot
from wellkept.offering import Intervention, interventions
from wellkept.pilots.holdouts import assignments
from wellkept.recommending import Budget, Recommended, given, questions, recommended, with_holdouts
from wellkept.what_if import what_if

CHUNK = 50_000


def recommend(
    snapshot: Snapshot, scores: pa.Table, as_of: datetime, budget: Budget, bundles: Sequence[Bundle],
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
    allocation = given(effects, catalogue, budget)
    table = recommended(points, effects, allocation, catalogue, as_of)
    if trial:
        table = with_holdouts(table, trial.pilot, trial.salt, as_of)
    return Recommended(table, allocation, points.num_rows)


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


def write_recommendations(found: Recommended, folder: Path) -> Path:
    """`recommendations.parquet` in the folder, whole or not at all.

    Raises
    ------
    InputRefused
        The folder cannot be written to.
    """
    try:
        write_parquet(folder / "recommendations.parquet", found.table)
    except OSError as error:
        raise InputRefused("folder", f"{folder} cannot be written to: {error.strerror}") from None
    return folder / "recommendations.parquet"


def write_assignments(found: Recommended, folder: Path, trial: Trial, as_of: datetime) -> Path:
    """The night's draws as a file of their own in `folder`/assignments/<pilot>: the log that a pilot is read from.

    Raises
    ------
    InputRefused
        It cannot be written there.
    """
    path = folder / "assignments" / trial.pilot.name / f"{as_of:%Y%m%dT%H%M%SZ}.parquet"
    try:
        write_parquet(path, assignments(trial.pilot, found.table, as_of))
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
