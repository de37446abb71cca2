"""Features in; what each is about, and contributions added up by that, out.

Features about one code (its count in 30 days, in 90 days, ...) are one topic (DECISIONS 8). Members of a bag may
disagree about a topic: one says that it raises this patient's risk, another that it lowers it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from wellkept.catalogue import Feature

NOBODYS = -1  # the topic of what is never told as a reason


def topic_of(features: tuple[Feature, ...]) -> np.ndarray:
    """Each feature's topic, counted in order of first use; NOBODYS where the feature is protected."""
    names = list(dict.fromkeys(f.topic for f in features if not f.protected))
    return np.array([NOBODYS if f.protected else names.index(f.topic) for f in features], int)


def by_topic(contributions: np.ndarray, topic: np.ndarray) -> np.ndarray:
    """Rows x topics: each row on its own, so that one row alone has the same bits as in a batch.

    Parameters
    ----------
    contributions
        Rows x as many columns as `topic` has entries, or more of them, which are left out.
    """
    return added_up(contributions, *in_topics(topic))


def in_topics(topic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The columns that are of a topic, topic by topic, and where in them each topic starts."""
    order = np.argsort(topic, kind="stable")
    order = order[topic[order] != NOBODYS]
    return order, np.flatnonzero(np.diff(topic[order], prepend=NOBODYS))


def added_up(contributions: np.ndarray, order: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """`by_topic`, with what `in_topics` gave."""
    if len(order) == 0:
        return np.zeros((len(contributions), 0), contributions.dtype)
    return np.add.reduceat(contributions[:, order], starts, axis=1)


def mean_and_agreement(members: Iterable[np.ndarray], topic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The members' mean, and by topic which share of the members gives it the sign that the mean gives it.

    One member at a time, so that memory does not grow with their number.

    Parameters
    ----------
    members
        At least one; each rows x columns, log-odds.
    topic
        Shape (columns,) or shorter: each column's topic.

    Returns
    -------
    Rows x columns, and rows x topics between 0 and 1, float32.
    """
    counts = np.zeros((2, 1, 1), np.int8)  # of members that raise, and that lower
    total, count = np.zeros(1, np.float32), 0
    for member in members:
        total = member.copy() if count == 0 else np.add(total, member, out=total)
        told = by_topic(member, topic)
        counts, count = counts + np.stack([told > 0, told < 0]), count + 1
    total /= total.dtype.type(count)
    raising, lowering = counts
    sign = np.sign(by_topic(total, topic)).astype(np.int8)
    alike = np.choose(sign + 1, [lowering, count - raising - lowering, raising])
    return total, (alike / count).astype(np.float32)
