"""A trained model beside the champion on the same later patients: what could be done, and how each way does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from wellkept.bundles import Bundle, load_bundle
from wellkept.calibrating import sigmoid
from wellkept.catalogue import query_of
from wellkept.evaluating import breakdown, plain_of
from wellkept.examples import Examples
from wellkept.gates import Contest, judge_gates
from wellkept.journeys import Snapshot
from wellkept.ladder import Rung, margins_of, modes_of, recalibrated
from wellkept.performance import metrics
from wellkept.pointers import champion_of
from wellkept.prose import Prose, missing
from wellkept.training import Trained

REFIT = "refit"
KEEP = "keep"
EXPLAINED_ROWS = 2000
PLACES = ("site", "kind")  # dimensions of which training must know every level


@dataclass(frozen=True)
class Champion:
    """The bundle in service and what it makes of all rows of the examples: matrix and log-odds, as asked for."""

    bundle: Bundle
    X: np.ndarray
    margin: np.ndarray

    @property
    def version(self) -> str:
        return self.bundle.version.partition("@")[0]

    @property
    def risk(self) -> np.ndarray:
        return sigmoid(self.margin)


def champion_at(models: Path, target: str, snapshot: Snapshot, data: Examples) -> Champion | None:
    """The champion at the examples' points; None where none is in service."""
    if not (models / target / "champion").is_file():
        return None
    bundle = load_bundle(champion_of(models, target))
    points = data.points.select(["subject_id", "prediction_time", "encounter_id"])
    query = query_of(bundle.encoder.features)
    X = bundle.encoder.matrix(query.run(snapshot, points))
    return Champion(bundle, X, margins_of(bundle, X, data.subject, modes_of(data)))


def refit_rung(trained: Trained, data: Examples, bundle: Bundle, champion: Champion | None, explained: str) -> Rung:
    """The newly trained model, held against the champion."""
    rows = data.test_rows
    moved = {} if champion is None else _moved(bundle, trained.encoder.matrix(data.features), champion, rows)
    known = {name: _levels(data, name, data.fitted_rows) for name in PLACES if name in data.groups.column_names}
    contest = _contest(trained, data, trained.shipped.risk[rows], champion, explained)
    contest = replace(contest, facts=bundle.facts, missing=_missing(bundle), moved=moved, trained_on=known,
                      measured=bundle.metrics["groups"])  # fmt: skip
    return Rung(REFIT, bundle, contest.risk, judge_gates(contest))


def lower_rungs(trained: Trained, data: Examples, champion: Champion, explained: str) -> list[Rung]:
    """The champion as it is, and recalibrated on the newest labels before the test period."""
    newest, rows = data.calibration_rows, data.test_rows
    rungs = []
    for name, slope in ((KEEP, None), ("recalibrate intercept", False), ("recalibrate slope", True)):
        bundle, margin = champion.bundle, champion.margin
        if slope is not None:
            bundle = recalibrated(bundle, margin[newest], data.label[newest], subject=data.subject[newest], slope=slope)
            margin = margins_of(bundle, champion.X, data.subject, modes_of(data))
        contest = _contest(trained, data, sigmoid(margin[rows]), champion, explained)
        contest = replace(contest, facts=bundle.facts, missing=_missing(bundle))
        rungs.append(Rung(name, bundle, contest.risk, judge_gates(contest)))
    return rungs


def restated(rung: Rung, data: Examples) -> Bundle:
    """A recalibrated bundle with the figures that it has now, on the test rows of the newest data."""
    rows, ships = data.test_rows, rung.bundle.metrics["shipped"]
    risk = np.full(len(data.label), np.nan)
    risk[rows] = rung.risk
    now = plain_of(metrics(data.label[rows], rung.risk, data.subject[rows]))
    told = {"shipped": ships, "test": {ships: now}, **breakdown(risk, data)}
    kept = {name: rung.bundle.metrics[name] for name in ("drivers", "represented") if name in rung.bundle.metrics}
    return replace(rung.bundle, metrics={**kept, **told}, facts={**rung.bundle.facts, "recalibrated": rung.name})


def _contest(
    trained: Trained, data: Examples, risk: np.ndarray, champion: Champion | None, explained: str
) -> Contest:
    rows = data.test_rows
    return Contest(
        label=data.label[rows], subject=data.subject[rows], risk=risk,
        logistic=trained.contestants["logistic"].risk[rows], groups=data.groups.take(pa.array(rows)),
        incumbent=None if champion is None else champion.risk[rows], explained=explained,
    )  # fmt: skip


def _missing(bundle: Bundle) -> list[str]:
    """The required fields of its card that are empty: all of them where nobody wrote one."""
    return missing(bundle.prose or Prose())


def _levels(data: Examples, name: str, rows: np.ndarray) -> frozenset[str]:
    return frozenset(data.groups[name].take(pa.array(rows)).unique().to_pylist())


def _moved(bundle: Bundle, X: np.ndarray, champion: Champion, rows: np.ndarray) -> dict[str, float]:
    """How much more each feature moves the risks than it does in the champion: mean size, log-odds."""
    some = rows[np.unique(np.linspace(0, len(rows) - 1, EXPLAINED_ROWS).astype(int))]
    now, then = (_mean_sizes(b, matrix[some]) for b, matrix in ((bundle, X), (champion.bundle, champion.X)))
    return {name: now.get(name, 0.0) - then.get(name, 0.0) for name in now.keys() | then.keys()}


def _mean_sizes(bundle: Bundle, X: np.ndarray) -> dict[str, float]:
    sizes = np.abs(bundle.contributions(X)[:, :-1]).mean(axis=0)
    return {f.name: float(size) for f, size in zip(bundle.encoder.features, sizes, strict=True)}
