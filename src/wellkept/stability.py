"""How much of a model is the model, and how much the patients that it happened to meet: refits on resampled patients.

Riley and Collins 2023 (doi:10.1002/bimj.202200302): the whole fit is repeated on bootstrap samples of patients; what is
told is how far a patient's risk moves from one to the next, and how many of the list are on both lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from wellkept.calibrating import sigmoid
from wellkept.encoding import Encoder
from wellkept.examples import Examples
from wellkept.intervals import Estimate, estimate, multiplicities
from wellkept.spec import Spec
from wellkept.training import Contestant, Trained, logistic_contestant, trees_contestant

LISTED = 0.05  # share of the rows on the list
SEED = 7


def refits(data: Examples, encoder: Encoder, kind: str, spec: Spec, times: int) -> Iterator[Contestant]:
    """A contestant fitted again `times` times, each on as many patients as there are, drawn with replacement.

    A patient that is drawn twice is two patients. Judged rows stay as they are.
    """
    fitted, others = data.fitted_rows, data.rows("test", "embargo")
    waiting = data.waiting.subject if data.waiting else np.zeros(0, np.int64)
    subjects, member = np.unique(np.concatenate([data.subject[fitted], waiting]), return_inverse=True)
    matrix, draws = encoder.matrix(data.features), multiplicities(len(subjects), seed=SEED)
    for _ in range(times):
        copies, of_waiting = np.split(next(draws)[member].astype(int), [len(fitted)])
        rows = np.concatenate([np.repeat(fitted, copies), others])
        again = _of_copies(data, rows, copies, len(others))
        if data.waiting is not None:
            again = replace(again, waiting=data.waiting.take(np.repeat(np.arange(len(waiting)), of_waiting)))
        if kind == "trees":
            yield trees_contestant(matrix[rows], again, encoder, spec)
        else:
            yield logistic_contestant(matrix[rows], again, spec)


def risk_by_all(contestant: Contestant, X: np.ndarray) -> np.ndarray:
    """What would be stated of these rows in service, by all members together, shape (rows,)."""
    return sigmoid(contestant.slope * contestant.estimator.margins(X).mean(axis=1) + contestant.intercept)


def overlap(scores: Sequence[np.ndarray]) -> list[float]:
    """Jaccard overlap of the top LISTED rows between every two scores."""
    most = max(1, round(LISTED * len(scores[0])))
    tops = [set(np.argsort(-score, kind="stable")[:most].tolist()) for score in scores]
    pairs = [(a, b) for i, a in enumerate(tops) for b in tops[i + 1 :]]
    return [len(a & b) / len(a | b) for a, b in pairs]


def stability(data: Examples, trained: Trained, spec: Spec, times: int) -> dict[str, Estimate]:
    """`mean_change`: of a test row's risk from what ships to a refit; `overlap`: of the lists of every two refits.

    Means, with the 2.5 and 97.5 percentiles over refits and over pairs of them.
    """
    X = trained.encoder.matrix(data.features.take(pa.array(data.test_rows)))
    again = refits(data, trained.encoder, trained.shipped.estimator.kind, spec, times)
    stated = [risk_by_all(contestant, X) for contestant in again]
    ships = risk_by_all(trained.shipped, X)
    told = {"mean_change": [float(np.abs(risk - ships).mean()) for risk in stated], "overlap": overlap(stated)}
    return {name: estimate(float(np.mean(values)), values) for name, values in told.items() if values}


def _of_copies(data: Examples, rows: np.ndarray, copies: np.ndarray, others: int) -> Examples:
    """The examples at `rows`, where each copy of a patient is a patient: weights go by them."""
    copy = np.zeros(len(rows), int)
    copy[: len(rows) - others] = np.arange(copies.sum()) - np.repeat(np.cumsum(copies) - copies, copies)
    _, drawn = np.unique(np.stack([data.subject[rows], copy]), axis=1, return_inverse=True)
    points = data.points.take(pa.array(rows))
    points = points.set_column(points.column_names.index("subject_id"), "subject_id", pa.array(drawn.ravel()))
    return replace(data, points=points, role=data.role[rows], fold=data.fold[rows])
