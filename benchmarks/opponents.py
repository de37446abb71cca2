"""How others decide who gets what: by the best one change, by flexible models of a trial.

Each gives visits x interventions, what it would be worth to give this to that patient; 0 where it is not to be given.
"""

from __future__ import annotations

import numpy as np
import xgboost

from trials import Trial
from wellkept.judging_steps import Batch
from wellkept.threads import available_threads

SMALL = {"max_depth": 2, "eta": 0.05, "subsample": 0.8, "colsample_bytree": 0.5, "min_child_weight": 20}
FEW_ROUNDS = 100
FEWEST = 100  # outcomes known in each group
ALTERNATIVES = (0.1, 0.25, 0.5, 0.75, 0.9)  # quantiles of a feature that are tried in its place


def patient_impact(batch: Batch) -> np.ndarray:
    """As healthcareai's `pip` has it: the one change of one modifiable feature that lowers the risks most.

    Each modifiable feature with a sign is set to alternative values on its better side, one at a time, and both models
    are asked again; what addresses the touchpoint of the best change is worth its improvement. That is read out of the
    package's documentation (https://rdrr.io/cran/healthcareai/man/pip.html), and is none of its code.
    """
    best, touchpoint = np.zeros(len(batch.kind)), np.full(len(batch.kind), "", dtype="<U32")
    for name in sorted({f.name for b in batch.bundles.values() for f in b.encoder.features if f.modifiable}):
        lower, stage = _impact(batch, name)
        better = lower > best
        best[better], touchpoint[better] = lower[better], stage
    there = np.column_stack([np.isin(touchpoint, i.touchpoints) for i in batch.catalogue])
    return there * best[:, None]


def _impact(batch: Batch, name: str) -> tuple[np.ndarray, str]:
    """By how much the best alternative value of a feature lowers both risks, and the touchpoint of the feature."""
    lower, stage = np.zeros((len(ALTERNATIVES), len(batch.kind))), ""
    for target, bundle in batch.bundles.items():
        encoder, X = bundle.encoder, batch.X[target]
        for column, (i, level) in enumerate(encoder.columns):
            feature = encoder.features[i]
            if feature.name != name or level is not None or not feature.monotone:
                continue
            stage = feature.touchpoint
            for a, value in enumerate(np.nanquantile(X[:, column], ALTERNATIVES)):
                changed = X.copy()
                changed[:, column] = np.where(feature.monotone * (X[:, column] - value) > 0, value, X[:, column])
                lower[a] += np.nan_to_num(batch.risk[target] - bundle.risk(changed))
    return lower.max(axis=0), stage


def two_models(trial: Trial, now: Batch) -> np.ndarray:
    """T-learner (Kunzel 2019, doi:10.1073/pnas.1804597116): one model of whom got it, one of whom did not."""
    return _learned(trial, now, lambda told: _fitted(told.X[told.given], told.outcome[told.given], now.X[told.target])
                    - _fitted(told.X[~told.given], told.outcome[~told.given], now.X[told.target]))  # fmt: skip


def doubly_robust(trial: Trial, now: Batch) -> np.ndarray:
    """DR-learner (Kennedy 2023, doi:10.1214/23-EJS2157): one model of what has the effect as its expectation."""
    return _learned(trial, now, lambda told: _fitted(told.X, told.effect, now.X[told.target]))


def _learned(trial, now, effect):  # type: ignore[no-untyped-def]
    worth = np.zeros(now.triggered.shape)
    for told in trial.each():
        if min(told.given.sum(), (~told.given).sum()) >= FEWEST:
            worth[:, told.arm] -= effect(told)
    return worth * now.triggered


def _fitted(X: np.ndarray, y: np.ndarray, of: np.ndarray) -> np.ndarray:
    matrix = xgboost.QuantileDMatrix(X, y, nthread=available_threads())
    return xgboost.train({**SMALL, "nthread": available_threads()}, matrix, FEW_ROUNDS).inplace_predict(of)
