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
    """The `top` topics of largest contribution for each row, largest first.

    Features about one code (its count in 30 days, in 90 days, ...) are one topic, so that no two reasons say the same:
    their contributions are added up, which is exact, and the one that moves the row most that way gives the words.
    Protected features are nobody's reason.

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
    A table that fits REASONS, `top` rows for each point (fewer when there are fewer topics).
    """
    told = [i for i, f in enumerate(features) if not f.protected]
    if not told:
        return REASONS.schema.empty_table()
    features, contributions = tuple(features[i] for i in told), contributions[:, told]
    topic = _topics(features)
    by_topic = _summed(contributions, topic)
    rows, top = len(contributions), min(top, by_topic.shape[1])
    chosen = _largest(by_topic, top)
    row = np.repeat(np.arange(rows), top)
    contribution = by_topic[row, chosen.ravel()]
    feature = _leading(contributions, topic, row, chosen.ravel(), contribution)
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
        "contribution": pa.array(contribution.astype(np.float32)),
        "sentence": _sentences(features, values, row, feature),
        "touchpoint": catalogue["touchpoint"],
        "dimension": catalogue["dimension"],
        "modifiable": catalogue["modifiable"],
    }))  # fmt: skip


def _topics(features: tuple[Feature, ...]) -> np.ndarray:
    """Each feature's topic, counted in order of first use."""
    names = list(dict.fromkeys(f.topic for f in features))
    return np.array([names.index(f.topic) for f in features], int)


def _summed(contributions: np.ndarray, topic: np.ndarray) -> np.ndarray:
    """Rows x topics: each row on its own, so that one row alone has the same bits as in a batch."""
    order = np.argsort(topic, kind="stable")
    starts = np.flatnonzero(np.diff(topic[order], prepend=-1))
    return np.add.reduceat(contributions[:, order], starts, axis=1)


def _leading(
    contributions: np.ndarray, topic: np.ndarray, row: np.ndarray, chosen: np.ndarray, contribution: np.ndarray
) -> np.ndarray:
    """For each (row, topic), the topic's feature that moves the row most in the direction of all of them."""
    feature = np.empty(len(row), np.int64)
    for one in np.unique(chosen):
        entries, members = np.flatnonzero(chosen == one), np.flatnonzero(topic == one)
        signed = contributions[row[entries]][:, members] * np.sign(contribution[entries])[:, None]
        feature[entries] = members[signed.argmax(axis=1)]
    return feature


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
