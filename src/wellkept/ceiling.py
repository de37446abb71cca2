"""True probabilities in; the best that features could make of them, and how near a risk comes, out (METHOD.md, 9.4)."""

from __future__ import annotations

import numpy as np
import xgboost

from wellkept.threads import available_threads

FITTED = {"objective": "reg:logistic", "tree_method": "hist", "max_depth": 4, "eta": 0.05, "min_child_weight": 20,
           "subsample": 0.8, "colsample_bytree": 0.5, "base_score": 0.2}  # fmt: skip
ROUNDS = 300
ENOUGH = 400_000  # rows to learn the truth from: it comes without noise


def ceiling(X: np.ndarray, p: np.ndarray, fold: np.ndarray, later: np.ndarray) -> np.ndarray:
    """The best that these features give: trained on the truth of earlier rows, of other patients.

    The other patients are those of all other folds; where each half of the folds has ENOUGH rows, of the other half.

    Parameters
    ----------
    X
        Shape (n, columns).
    p
        Shape (n,), the true probabilities.
    fold, later
        Shape (n,): the fold of each row's patient, and whether the row is one to be judged.

    Returns
    -------
    Shape (rows that are later,), probabilities.
    """
    best, halves = np.empty(int(later.sum())), fold % 2
    part = halves if all(np.sum(~later & (halves != k)) >= ENOUGH for k in (0, 1)) else fold
    for k in np.unique(part):
        rows, mine = ~later & (part != k), later & (part == k)
        matrix = xgboost.QuantileDMatrix(X[rows], p[rows], nthread=available_threads())
        booster = xgboost.train({**FITTED, "nthread": available_threads()}, matrix, ROUNDS)
        best[(part == k)[later]] = booster.inplace_predict(X[mine])
    return best


def expected_auroc(score: np.ndarray, p: np.ndarray) -> float:
    """AUROC that a score is expected to have where row i comes true with probability p_i; ties count half."""
    levels, level = np.unique(score, return_inverse=True)
    events = np.bincount(level, weights=p, minlength=len(levels))
    others = np.bincount(level, weights=1 - p, minlength=len(levels))
    below = np.cumsum(others) - others / 2
    return float(events @ below / (events.sum() * others.sum()))


def distance(risk: np.ndarray, p: np.ndarray) -> float:
    """Root mean square error to the true probabilities."""
    return float(np.sqrt(np.mean((risk - p) ** 2)))
