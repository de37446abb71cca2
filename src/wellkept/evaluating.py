"""How good a trained model is, beside what it must beat: every figure with its interval, on rows it never saw."""

from __future__ import annotations

import numpy as np

from wellkept.encoding import fit_encoder
from wellkept.errors import SpecRefused
from wellkept.intervals import Estimate
from wellkept.performance import metrics
from wellkept.spec import Spec
from wellkept.training import Contestant, Examples, Trained, logistic_contestant

RESAMPLES = 200

Report = dict[str, dict[str, Estimate]]


def evaluate(trained: Trained, data: Examples, spec: Spec, rows: np.ndarray | None = None) -> Report:
    """Contestant -> metric -> estimate, on the test rows or on other rows that no contestant learned from.

    Beside both contestants stands `baseline`, when the model's TOML names one: a logistic regression on the one
    feature that people go by today.
    """
    rows = data.test_rows if rows is None else rows
    contestants = dict(trained.contestants)
    if spec.baseline:
        contestants["baseline"] = _baseline(data, spec)
    return {
        name: metrics(data.label[rows], contestant.risk[rows], data.subject[rows], resamples=RESAMPLES)
        for name, contestant in contestants.items()
    }


def plain(trained: Trained, report: Report) -> dict:
    """The evaluation as plain data: contestant -> metric -> [value, low, high]."""
    return {
        "shipped": trained.shipped.estimator.kind,
        "log_loss_trees_minus_logistic": triple(trained.trees_minus_logistic),
        "test": {name: {metric: triple(e) for metric, e in measured.items()} for name, measured in report.items()},
    }


def _baseline(data: Examples, spec: Spec) -> Contestant:
    chosen = [f for f in data.catalogue if f.name == spec.baseline]
    if not chosen:
        raise SpecRefused("baseline", f"the baseline {spec.baseline!r} is none of the {len(data.catalogue)} features")
    encoder = fit_encoder(chosen, data.features, data.rows("train"))
    if not encoder.features:
        raise SpecRefused("baseline", f"the baseline {spec.baseline!r} never varies over the training rows")
    return logistic_contestant(encoder.matrix(data.features), data, spec)


def triple(estimate: Estimate) -> list[float]:
    """Value, low and high as plain numbers of six decimals."""
    return [round(number, 6) for number in (estimate.value, estimate.low, estimate.high)]
