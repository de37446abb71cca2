"""Contributions -> reasons in words, with the patient's own numbers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.catalogue import Feature
from wellkept.contracts import REASONS
from wellkept.topics import by_topic, topic_of

TOP = 5
MOST_AGREE = 0.8  # share of the members
NOT_TOLD = -1.0  # a size below all others


def reasons(
    points: pa.Table, target: str, features: tuple[Feature, ...], values: pa.Table, contributions: np.ndarray,
    *, agreement: np.ndarray, top: int = TOP,
) -> pa.Table:  # fmt: skip
    """The `top` topics of largest contribution for each row, largest first.

    Features about one code (its count in 30 days, in 90 days, ...) are one topic, so that no two reasons say the same:
    their contributions are added up, which is exact, and the one that moves the row most that way gives the words.
    Protected features are nobody's reason. Nor is a topic of which fewer than four fifths of the members say that it
    moves this row that way (METHOD.md, 7.3): trained on other patients, the model might say the opposite. What it
    contributes stays part of the risk.

    Parameters
    ----------
    points
        Fits POINTS.
    values
        The features of the same rows, as computed (before encoding).
    contributions
        Rows x (features + 1), log-odds; the last column, the bias, is nobody's reason.
    agreement
        Rows x topics, as `Bundle.explained` gives it: the share of the members that agree about the sign.

    Returns
    -------
    A table that fits REASONS, `top` rows for each point (fewer when there are fewer topics that members agree about).
    """
    topic = topic_of(features)
    summed = by_topic(contributions, topic)
    if summed.shape[1] == 0:
        return REASONS.schema.empty_table()
    row, rank, chosen = _chosen(summed, agreement >= MOST_AGREE, min(top, summed.shape[1]))
    contribution = summed[row, chosen]
    feature = _leading(contributions, topic, row, chosen, contribution)
    catalogue = pa.table({
        "feature": [f.name for f in features], "touchpoint": [f.touchpoint for f in features],
        "dimension": [f.dimension for f in features], "modifiable": [f.modifiable for f in features],
    }).take(pa.array(feature))  # fmt: skip
    where = pa.array(row)
    return REASONS.check(pa.table({
        **{name: points[name].take(where) for name in points.column_names},
        "target": pa.repeat(target, len(row)),
        "rank": pa.array(rank, pa.int8()),
        "feature": catalogue["feature"],
        "contribution": pa.array(contribution.astype(np.float32)),
        "sentence": _sentences(features, values, row, feature),
        "touchpoint": catalogue["touchpoint"],
        "dimension": catalogue["dimension"],
        "modifiable": catalogue["modifiable"],
    }))  # fmt: skip


def _chosen(summed: np.ndarray, told: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, rank from 1 and topic of each reason: the largest of the topics that may be told of the row."""
    chosen = _largest(np.where(told, np.abs(summed), NOT_TOLD), top)
    row, place = np.nonzero(np.take_along_axis(told, chosen, 1))
    return row, place + 1, chosen[row, place]


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


def _largest(sizes: np.ndarray, top: int) -> np.ndarray:
    """Positions of the `top` largest, largest first, shape (rows, top); ties by position."""
    size = -sizes
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
