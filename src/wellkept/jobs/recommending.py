"""The night's last step: for whom which step, within the minutes that there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from wellkept.bundles import Bundle
from wellkept.contracts import POINTS
from wellkept.effects import believed
from wellkept.errors import InputRefused, NotEnoughData
from wellkept.files import write_parquet
from wellkept.history import FeatureQuery
from wellkept.journeys import Snapshot
from wellkept.labelling import scoring_points
from wellkept.offering import interventions
from wellkept.recommending import Budget, Recommended, given, questions, recommended


def recommend(snapshot: Snapshot, bundles: Sequence[Bundle], as_of: datetime, budget: Budget) -> Recommended:
    """One step a patient, for everybody whom a model in service would score as of this moment.

    Raises
    ------
    NotEnoughData
        Nobody is to be scored.
    """
    catalogue = list(interventions().values())
    asked = {bundle.target: _risks(snapshot, bundle, as_of) for bundle in bundles}
    points = _together([at for at, _ in asked.values()])
    if points.num_rows == 0:
        raise NotEnoughData("nobody_to_score", f"nobody is to be scored as of {as_of}")
    risk = {target: _of(points, *found) for target, found in asked.items()}
    record = FeatureQuery(questions(catalogue)).run(snapshot, points)
    triggered = np.column_stack([np.nan_to_num(record[i.name].to_numpy()) > 0 for i in catalogue])
    effects = believed(catalogue, risk, triggered)
    allocation = given(effects, catalogue, budget)
    return Recommended(recommended(points, effects, allocation, catalogue, as_of), allocation, points.num_rows)


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


def _risks(snapshot: Snapshot, bundle: Bundle, as_of: datetime) -> tuple[pa.Table, np.ndarray]:
    points = POINTS.check(scoring_points(snapshot, bundle.spec.points, as_of))
    query = FeatureQuery({f.name: f.expression for f in bundle.encoder.features})
    return points, bundle.risk(bundle.encoder.matrix(query.run(snapshot, points)))


def _together(points: Sequence[pa.Table]) -> pa.Table:
    """Each patient once, at the latest encounter that a model knows of."""
    every = pa.concat_tables(points)
    first = every.append_column("place", pa.array(np.arange(every.num_rows)))
    kept = first.group_by("subject_id").aggregate([("place", "min")])["place_min"]
    return every.take(pa.array(np.sort(kept.to_numpy())))


def _of(points: pa.Table, at: pa.Table, risk: np.ndarray) -> np.ndarray:
    """The risk of each patient, NaN where a model has none."""
    by_subject: Mapping[int, float] = dict(zip(at["subject_id"].to_pylist(), risk.tolist(), strict=True))
    return np.array([by_subject.get(subject, np.nan) for subject in points["subject_id"].to_pylist()])
