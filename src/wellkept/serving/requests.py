"""A request for risks, already validated -> the answers, patient by patient, in the order in which they were asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import countOf
from typing import Any, NamedTuple

import pyarrow as pa

from wellkept.contracts import POINTS, TIME
from wellkept.history.one_journey import Row, TooLarge
from wellkept.serving.alone import Point
from wellkept.serving.answering import answers, not_stated, stamp
from wellkept.serving.given import table_of
from wellkept.serving.in_service import Served
from wellkept.serving.journey import columns_of, in_order

FEW = 4  # patients that are answered one by one: a table pays beyond
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Asked(NamedTuple):
    """One patient: by features, or by the rows of a journey (`serving.journey`); the moment in microseconds."""

    moment: int
    features: Mapping[str, Any] | None = None
    rows: Sequence[Row] = ()


@dataclass
class Told:
    """The answers by patient, and what the metrics count."""

    by_patient: list[list[dict[str, Any]]]
    missing: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)


def risks(models: Sequence[Served], patients: Sequence[Asked], *, explain: str, top: int) -> Told:
    """Every model's risk of every patient."""
    told = Told([[] for _ in patients])
    given = [i for i, p in enumerate(patients) if p.features is not None]
    journeys = {i: in_order(p.rows) for i, p in enumerate(patients) if p.features is None}
    for model in models:
        if given:
            _by_features(model, patients, given, told, explain, top)
        if journeys:
            _by_events(model, patients, journeys, told, explain, top)
    return told


def _by_features(
    model: Served, patients: Sequence[Asked], there: list[int], told: Told, explain: str, top: int
) -> None:
    bundle = model.bundle
    if len(there) <= FEW:
        _quickly(model, patients, there, told, explain, top)
        return
    features = table_of(bundle, [patients[i].features or {} for i in there])
    points = POINTS.check(pa.table({
        "subject_id": pa.array(there, pa.int64()),
        "prediction_time": pa.array([patients[i].moment for i in there], pa.int64()).cast(TIME),
        "encounter_id": pa.nulls(len(there), pa.string()),
    }))  # fmt: skip
    _count(told, bundle.target, features)
    for i, answer in zip(there, answers(bundle, points, features, explain=explain, top=top), strict=True):
        told.by_patient[i].append(answer)


def _quickly(model: Served, patients: Sequence[Asked], there: list[int], told: Told, explain: str, top: int) -> None:
    target, count = model.bundle.target, len(model.bundle.encoder.features)
    for i in there:
        given = patients[i].features or {}
        as_of = _stamp(patients[i].moment)
        told.by_patient[i].append(model.quick.answer(given, as_of, explain=explain, top=top))
        told.missing[target] = told.missing.get(target, 0) + count - model.quick.known(given)
        told.asked[target] = told.asked.get(target, 0) + count


def _by_events(
    model: Served, patients: Sequence[Asked], journeys: Mapping[int, list[Row]], told: Told, explain: str, top: int
) -> None:
    if model.alone:
        try:
            points = {i: model.alone.at(patients[i].moment, rows) for i, rows in journeys.items()}
        except TooLarge:
            pass  # only the query says what then
        else:
            for i, there in points.items():
                _alone(model, patients[i].moment, there, told, told.by_patient[i], explain, top)
            return
    for moment in sorted({patients[i].moment for i in journeys}):
        some = {i: rows for i, rows in journeys.items() if patients[i].moment == moment}
        _together(model, moment, some, told, explain, top)


def _alone(
    model: Served, moment: int, points: Sequence[Point], told: Told, patient: list[dict], explain: str, top: int
) -> None:
    """The answers of one patient, without tables and without the query."""
    target, as_of = model.bundle.target, _stamp(moment)
    for encounter, features in points:
        answer = model.quick.answer(features, as_of, explain=explain, top=top)
        patient.append({**answer, "encounter_id": encounter} if encounter else answer)
        told.missing[target] = told.missing.get(target, 0) + countOf(features.values(), None)
        told.asked[target] = told.asked.get(target, 0) + len(features)
    if not points:
        patient.append(not_stated(model.bundle, as_of))


def _together(
    model: Served, moment: int, journeys: Mapping[int, list[Row]], told: Told, explain: str, top: int
) -> None:
    """Rows carry the position of their patient as `subject_id`, so that no two patients' journeys can mix."""
    points, features = model.at(moment, columns_of([(i, *row[1:]) for i, rows in journeys.items() for row in rows]))
    _count(told, model.bundle.target, features)
    as_of = _stamp(moment)
    if points.num_rows <= FEW:
        stated = [model.quick.answer(row, as_of, explain=explain, top=top) for row in features.to_pylist()]
    else:
        stated = answers(model.bundle, points, features, explain=explain, top=top)
    found: dict[int, list[dict]] = {}
    for i, encounter, answer in zip(
        points["subject_id"].to_pylist(), points["encounter_id"].to_pylist(), stated, strict=True
    ):
        found.setdefault(i, []).append({**answer, **({"encounter_id": encounter} if encounter else {})})
    for i in journeys:
        told.by_patient[i] += found.get(i) or [not_stated(model.bundle, as_of)]


def _count(told: Told, target: str, features: pa.Table) -> None:
    told.missing[target] = told.missing.get(target, 0) + sum(c.null_count for c in features.columns)
    told.asked[target] = told.asked.get(target, 0) + features.num_rows * features.num_columns


def _stamp(moment: int) -> str:
    return stamp(EPOCH + timedelta(microseconds=moment))
