"""Journeys and a bundle in; what its nights look like, for monitoring, out: whom it scores, what arrives, who is asked.

The same functions look at the last nights of the training data, for the sketch that the bundle keeps, and at tonight.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.asking import as_asked
from wellkept.bundles import Bundle
from wellkept.calibrating import sigmoid
from wellkept.catalogue import query_of
from wellkept.durations import DAY
from wellkept.examples import fold_of
from wellkept.grouping import UNKNOWN, groups_at, sites_at
from wellkept.history import engine
from wellkept.journeys import Snapshot
from wellkept.labelling import first_points, labels, question, scoring_points, sql_any_code, sql_text
from wellkept.ladder import margins_of
from wellkept.monitoring.answers import Outcomes
from wellkept.monitoring.census import is_measured
from wellkept.monitoring.sites import WINDOWS
from wellkept.monitoring.sketching import FEWEST, Reference, plain_arrivals, sketch_of
from wellkept.parts import discover

NIGHTS, APART = 4, timedelta(days=28)  # nights of the sketch, back from the end of the training data
MOST = 50_000  # patients of a night, for the sketch and for what is told of all together
EXPLAINED = 2000
RECENT = 91.0  # days of arrivals and visits that a sketch goes by: whole weeks
YEAR = 365.25


@dataclass(frozen=True)
class Night:
    """Who is scored on some nights: rows with what the model makes of each, by the member that never saw them."""

    points: pa.Table
    table: pa.Table
    X: np.ndarray
    sites: np.ndarray
    risk: np.ndarray
    groups: pa.Table


def sketched(snapshot: Snapshot, bundle: Bundle) -> dict | None:
    """The sketch of a bundle that was just trained on this snapshot; None where too few would be scored at its end."""
    spec, end = bundle.spec, snapshot.observed_until
    moments = [spec.points.at] if spec.points.at else [end - i * APART for i in range(NIGHTS)]
    points = pa.concat_tables([_some(scoring_points(snapshot, spec.points, at), spec.seed) for at in moments])
    if points.num_rows < FEWEST:
        return None
    night = night_of(snapshot, bundle, points)
    sampled = np.unique(np.linspace(0, points.num_rows - 1, EXPLAINED).astype(int))
    return sketch_of(bundle.encoder, Reference(
        table=night.table, sites=night.sites, risk=night.risk, groups=night.groups, sampled=sampled,
        contributions=bundle.contributions(night.X[sampled]),
        nights=tuple(f"{at:%Y-%m-%d}" for at in moments),
        arrivals=plain_arrivals(arrivals(snapshot, bundle, end, RECENT), RECENT),
        visits=_plain_visits(snapshot, bundle, end),
        asked=_plain_asked(snapshot, bundle, end),
        labels=_plain_labels(snapshot, bundle, end),
    ))  # fmt: skip


def tonight(snapshot: Snapshot, bundle: Bundle, as_of: datetime) -> Night | None:
    """Whom the model scores as of a moment, or MOST of them; None where that is nobody."""
    points = _some(scoring_points(snapshot, bundle.spec.points, as_of), bundle.spec.seed)
    return night_of(snapshot, bundle, points) if points.num_rows else None


def night_of(snapshot: Snapshot, bundle: Bundle, points: pa.Table) -> Night:
    """Features, sites, groups and risks of points."""
    spec = bundle.spec
    table = query_of(bundle.encoder.features).run(snapshot, points)
    X, subject = bundle.encoder.matrix(table), points["subject_id"].to_numpy()
    groups = groups_at(snapshot, spec.model_copy(update={"baseline": ""}), points, table)
    risk = sigmoid(margins_of(bundle, X, subject, [None] * len(X)))
    return Night(points, table, X, sites_at(snapshot, spec, points), risk, _nameable(groups))


def arrivals(snapshot: Snapshot, bundle: Bundle, as_of: datetime, days: float = max(WINDOWS)) -> pa.Table:
    """Numbers above zero that features measure, as they became known in the days before a moment, by code and site."""
    codes = sorted({code for f in bundle.encoder.features if is_measured(f) for code in f.codes})
    at = _micros(as_of)
    return engine.totals(
        f"""SELECT code, site, value, ({at} - known) / {DAY} AS age_days FROM events e
            WHERE ({sql_any_code(codes) or 'FALSE'}) AND value > 0 AND site IS NOT NULL
              AND known <= {at} AND known > {at} - {days * DAY}""",
        snapshot,
    )  # fmt: skip


def visits(snapshot: Snapshot, bundle: Bundle, as_of: datetime, days: float = 7.0) -> dict[str, tuple[int, float]]:
    """Site -> events that points follow in the days before a moment, and days since the latest that is known."""
    each = sql_any_code([bundle.spec.points.each]) if bundle.spec.points.each else "FALSE"
    at = _micros(as_of)
    found = engine.totals(
        f"""SELECT site, COUNT(*) FILTER (WHERE known > {at} - {days * DAY}) AS visits, MAX(known) AS latest
            FROM events e WHERE ({each}) AND site IS NOT NULL AND happened IS NOT NULL AND known <= {at}
            GROUP BY site""",
        snapshot,
    ).group_by("site").aggregate([("visits", "sum"), ("latest", "max")])  # fmt: skip
    return {row["site"]: (row["visits_sum"], (at - row["latest_max"]) / DAY) for row in found.to_pylist()}


def invitations(snapshot: Snapshot, bundle: Bundle, since: float, until: datetime) -> tuple[np.ndarray, np.ndarray]:
    """How and when (microseconds since 1970) answers were asked for after `since`, in that order; no follow-ups."""
    asked = bundle.spec.asked
    if asked is None:
        return np.zeros(0, object), np.zeros(0)
    found = engine.totals(
        f"""SELECT text, known FROM events e
            WHERE ({sql_any_code([asked.by])}) AND text IS DISTINCT FROM {sql_text(asked.follow_up)}
              AND known > {since:.0f} AND known <= {_micros(until)}""",
        snapshot,
    ).sort_by([("known", "ascending"), ("text", "ascending")])  # fmt: skip
    mode = pc.fill_null(found["text"], UNKNOWN).to_pylist()
    return np.array(mode, object), found["known"].to_numpy().astype(float)


def outcomes(snapshot: Snapshot, bundle: Bundle, since: float) -> Outcomes:
    """Labels that became known after `since` (microseconds since 1970), with what the model states of their points."""
    spec = bundle.spec
    points = _labelled(snapshot, bundle)
    points = points.filter(pc.greater(_known_at(points), since)).sort_by([("known_at", "ascending"),
                                                                         ("subject_id", "ascending")])  # fmt: skip
    bare = points.select(["subject_id", "prediction_time", "encounter_id"])
    table = query_of(bundle.encoder.features).run(snapshot, bare)
    subject = points["subject_id"].to_numpy()
    margin = np.zeros(0)
    if len(subject):
        margin = margins_of(bundle, bundle.encoder.matrix(table), subject, [None] * len(subject))
    mode = pc.fill_null(points["mode"], UNKNOWN) if spec.asked else pa.array([UNKNOWN] * len(subject))
    return Outcomes(points["label"].to_numpy().astype(bool), sigmoid(margin), subject,
                    np.array(mode.to_pylist(), object), _known_at(points).to_numpy().astype(float))  # fmt: skip


def labels_a_year(snapshot: Snapshot, bundle: Bundle, end: datetime) -> float:
    """How many labels became known in the year before `end`."""
    known = _known_at(_labelled(snapshot, bundle)).to_numpy()
    return float(((known > _micros(end) - YEAR * DAY) & (known <= _micros(end))).sum())


def parts(night: Night, most: int) -> Iterator[tuple[np.ndarray, pa.Table]]:
    """Sites and features, some rows at a time."""
    for start in range(0, len(night.sites), most):
        yield night.sites[start : start + most], night.table.slice(start, most)


def _labelled(snapshot: Snapshot, bundle: Bundle) -> pa.Table:
    asked = question(bundle.spec.label.true_when, discover("targets"))
    points = labels(snapshot, first_points(snapshot, bundle.spec.points), asked)
    points = as_asked(snapshot, points, bundle.spec.asked)
    return points.filter(points["label"].is_valid())


def _plain_visits(snapshot: Snapshot, bundle: Bundle, end: datetime) -> dict[str, float]:
    counted = visits(snapshot, bundle, end, RECENT)
    return {site: round(n / RECENT, 4) for site, (n, _) in sorted(counted.items()) if n >= FEWEST}


def _plain_asked(snapshot: Snapshot, bundle: Bundle, end: datetime) -> Mapping:
    """Shares of the ways of asking in the last year, and how many were asked; empty where nobody asks."""
    mode, _ = invitations(snapshot, bundle, _micros(end) - YEAR * DAY, end)
    names, counts = np.unique(mode.astype(str), return_counts=True)
    kept = {name: round(n / len(mode), 6) for name, n in zip(names.tolist(), counts.tolist(), strict=True)
            if n >= FEWEST}  # fmt: skip
    return {"per_year": len(mode), "shares": kept} if kept else {}


def _plain_labels(snapshot: Snapshot, bundle: Bundle, end: datetime) -> dict:
    return {"until": _micros(end), "per_year": labels_a_year(snapshot, bundle, end)}


def _some(points: pa.Table, seed: int) -> pa.Table:
    """About MOST of the points, whole patients, the same patients every night."""
    if points.num_rows <= MOST:
        return points
    every = -(-points.num_rows // MOST)
    return points.filter(pa.array(fold_of(points["subject_id"].to_numpy(), every, seed) == 0))


def _nameable(groups: pa.Table) -> pa.Table:
    """Without dimensions in thirds: their bounds are another night's others."""
    kept = [n for n in groups.column_names if not any(w.startswith("up to ") for w in groups[n].unique().to_pylist())]
    return groups.select(kept)


def _known_at(points: pa.Table) -> pa.ChunkedArray:
    return pc.cast(points["known_at"], pa.int64())


def _micros(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp() * 1e6)
