"""A program and rows in; margins, contributions and how far members agree out: the loops that numba compiles.

They are compiled, or read from numba's cache, when this module is imported, for one signature: no call ever compiles.
Importing it raises ImportError where there is no numba.
"""

from __future__ import annotations

from collections.abc import Callable
from pickle import UnpicklingError

import numpy as np
from numba import njit, types

from wellkept.patterns import Program

BLOCK = 512  # rows that go through the program together, so that what they need stays in the second-level cache
NOT_KEPT = (OSError, RuntimeError, EOFError, UnpicklingError)  # no folder to write to, or a damaged file in it

NUMBERS, POSITIONS, FLAGS = types.float32[::1], types.int32[::1], types.boolean[::1]
ROWS, TABLE = types.Array(types.float32, 2, "C", readonly=True), types.float32[:, ::1]
ARRAYS = (POSITIONS, NUMBERS, NUMBERS, POSITIONS, POSITIONS, POSITIONS, NUMBERS, FLAGS, POSITIONS, POSITIONS, NUMBERS)
PROGRAM = types.NamedTuple(ARRAYS, Program)


def _compiled(*arguments: types.Type) -> Callable[[Callable], Callable]:
    """Compile for these arguments; kept beside this file or in the user's cache if either can be written."""

    def compile_(function: Callable) -> Callable:
        try:
            return njit(types.void(*arguments), nogil=True, cache=True)(function)
        except NOT_KEPT:
            return njit(types.void(*arguments), nogil=True)(function)

    return compile_


@_compiled(types.uint8[::1], ROWS, PROGRAM, types.int64)
def _patterns(pattern, values, program, group):  # type: ignore[no-untyped-def]
    """Which decisions of a group each row follows to the left, as bits; `values` is columns x rows."""
    pattern[:] = 0
    first = program.decision_start[group]
    for d in range(first, program.decision_start[group + 1]):
        value, threshold = values[program.decision_column[d]], program.decision_threshold[d]
        bit, none = np.uint8(1 << (d - first)), np.uint8(0)
        if program.decision_missing[d]:  # NaN is neither below nor not below
            for r in range(len(pattern)):
                pattern[r] |= none if value[r] >= threshold else bit
        else:
            for r in range(len(pattern)):
                pattern[r] |= bit if value[r] < threshold else none


@_compiled(TABLE, ROWS, PROGRAM, types.int64, types.uint8[::1])
def _walk_member(own, values, program, member, pattern):  # type: ignore[no-untyped-def]
    """Add what a member's tables hold to `own`, (columns + 1) x rows, tree by tree, as XGBoost adds up leaves."""
    for g in range(program.member_start[member], program.member_start[member + 1]):
        _patterns(pattern, values, program, g)
        for e in range(program.entry_start[g], program.entry_start[g + 1]):
            into, table = own[program.entry_column[e]], program.table[program.table_start[e] :]
            for r in range(len(pattern)):
                into[r] += table[pattern[r]]


@_compiled(TABLE, types.uint8[:, :, ::1], ROWS, POSITIONS)
def _vote(by_topic, votes, by_column, topic):  # type: ignore[no-untyped-def]
    """Add columns up by topic; count, for each topic and row, whose sum is below 0 and whose above."""
    by_topic[:] = 0
    for c in range(len(topic)):
        if topic[c] >= 0:
            by_topic[topic[c]] += by_column[c]
    for t in range(len(by_topic)):
        for r in range(by_topic.shape[1]):
            votes[0, t, r] += by_topic[t, r] < 0
            votes[1, t, r] += by_topic[t, r] > 0


@_compiled(TABLE, TABLE, TABLE, ROWS, types.int64, types.int64, PROGRAM, NUMBERS, types.int64, POSITIONS)
def walk(margins, contributions, agreement, X, first, last, program, start, column, topic):  # type: ignore[no-untyped-def]
    """Rows from `first` up to `last`, a block at a time; other rows are left alone.

    Parameters
    ----------
    margins, contributions, agreement
        Written: rows x members; rows x columns or more, the members' mean; rows x topics, the share of the members
        whose contribution of the topic has the sign of the mean's.
    X
        Rows x columns.
    start, column
        What each row's `column` contributes before any tree; nothing where `start` is empty.
    topic
        Shape (columns,): each column's topic, or -1.
    """
    columns, members, topics = X.shape[1], len(program.member_base), agreement.shape[1]
    # inside, rows go along the second axis; a last block that is not full goes on with rows of the one before
    width = min(BLOCK, last - first)
    values, total = np.empty((columns, width), np.float32), np.empty((columns, width), np.float32)
    own, by_topic = np.empty((columns + 1, width), np.float32), np.empty((topics, width), np.float32)
    votes, pattern = np.empty((2, topics, width), np.uint8), np.empty(width, np.uint8)
    for at in range(first, last, max(1, width)):
        rows = min(width, last - at)
        for r in range(rows):
            for c in range(columns):
                values[c, r] = X[at + r, c]
        total[:] = 0
        votes[:] = 0
        for m in range(members):
            own[:] = 0
            own[columns] = program.member_base[m]
            if len(start):
                own[column, :rows] = start[at : at + rows]
            _walk_member(own, values, program, m, pattern)
            total += own[:columns]
            margins[at : at + rows, m] = own[columns, :rows]
            _vote(by_topic, votes, own, topic)
        total /= np.float32(members)
        for r in range(rows):
            for c in range(columns):
                contributions[at + r, c] = total[c, r]
        counted = votes.astype(np.int64)
        votes[:] = 0
        _vote(by_topic, votes, total, topic)
        for r in range(rows):
            for t in range(topics):
                below, above = counted[0, t, r], counted[1, t, r]
                alike = below if votes[0, t, r] else above if votes[1, t, r] else members - below - above
                agreement[at + r, t] = np.float32(alike) / np.float32(members)
