"""Contributions -> reasons in words, with the patient's own numbers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.catalogue import Feature
from wellkept.contracts import REASONS

TOP = 5


def reasons(
    points: pa.Table, target: str, features: tuple[Feature, ...], values: pa.Table, contributions: np.ndarray,
    *, top: int = TOP,
) -> pa.Table:  # fmt: skip
    """The `top` features of largest contribution for each row, largest first.

    Parameters
    ----------
    points
        Fits POINTS.
    values
        The features of the same rows, as computed (before encoding).
    contributions
        Rows x (features + 1), log-odds; the last column, the bias, is nobody's reason.

    Returns
    -------
    A table that fits REASONS, `top` rows for each point (fewer when there are fewer features).
    """
    rows, top = len(contributions), min(top, len(features))
    chosen = _largest(contributions[:, :-1], top)
    row = np.repeat(np.arange(rows), top)
    feature = chosen.ravel()
    catalogue = pa.table({
        "feature": [f.name for f in features], "touchpoint": [f.touchpoint for f in features],
        "dimension": [f.dimension for f in features], "modifiable": [f.modifiable for f in features],
    }).take(pa.array(feature))  # fmt: skip
    where = pa.array(row)
    return REASONS.check(pa.table({
        **{name: points[name].take(where) for name in points.column_names},
        "target": pa.repeat(target, rows * top),
        "rank": pa.array(np.tile(np.arange(1, top + 1), rows), pa.int8()),
        "feature": catalogue["feature"],
        "contribution": pa.array(contributions[row, feature].astype(np.float32)),
        "sentence": _sentences(features, values, row, feature),
        "touchpoint": catalogue["touchpoint"],
        "dimension": catalogue["dimension"],
        "modifiable": catalogue["modifiable"],
    }))  # fmt: skip


def _largest(contributions: np.ndarray, top: int) -> np.ndarray:
    """Positions of the `top` largest in size, largest first, shape (rows, top); ties by position."""
    size = -np.abs(contributions)
    if top == size.shape[1]:
        return np.argsort(size, axis=1, kind="stable")
    some = np.sort(np.argpartition(size, top - 1, axis=1)[:, :top], axis=1)
    found = np.take_along_axis(size, some, 1)
    chosen = np.take_along_axis(some, np.argsort(found, axis=1, kind="stable"), 1)
    # where others are as large as the last one found, the partition may have taken the later ones
    tied = np.count_nonzero(size <= found.max(axis=1, keepdims=True), axis=1) > top
    chosen[tied] = np.argsort(size[tied], axis=1, kind="stable")[:, :top]
    return chosen


def _sentences(features: tuple[Feature, ...], values: pa.Table, row: np.ndarray, feature: np.ndarray) -> pa.Array:
    """One sentence for each (row, feature): each different value of a feature is put into words once."""
    words: list[str] = []
    index = np.empty(len(row), np.int64)
    for position in np.unique(feature):
        entries = np.flatnonzero(feature == position)
        described = features[position]
        coded = values[described.name].take(pa.array(row[entries])).combine_chunks().dictionary_encode("encode")
        index[entries] = coded.indices.to_numpy() + len(words)
        words += [described.sentence(value) for value in coded.dictionary.to_pylist()]
    return pc.take(pa.array(words, pa.string()), pa.array(index))
