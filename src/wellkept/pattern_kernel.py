"""A program and rows in; margins, contributions and how far members agree out: the loops that numba compiles.

They are compiled, or read from numba's cache, when this module is imported, for one signature: no call ever compiles.
"""

from __future__ import annotations

from collections.abc import Callable
from pickle import UnpicklingError

import numpy as np
from numba import njit, types

from wellkept.patterns import Program

BLOCK = 512  # rows that go through the program together, so that what they need stays in the second-level cache
NOT_KEPT = (OSError, RuntimeError, EOFError, UnpicklingError)  # no folder to write to, or a damaged file in it

NUMBERS, POSITIONS, BYTES, FLAGS = types.float32[::1], types.int32[::1], types.uint8[::1], types.boolean[::1]
ROWS, TABLE = types.Array(types.float32, 2, "C", readonly=True), types.float32[:, ::1]
ARRAYS = (POSITIONS, NUMBERS, NUMBERS, POSITIONS, POSITIONS, POSITIONS, NUMBERS, FLAGS, POSITIONS, POSITIONS, NUMBERS)
PROGRAM = types.NamedTuple(ARRAYS, Program)


def compiled_for(*arguments: types.Type) -> Callable[[Callable], Callable]:
    """Compile for these arguments; kept beside the source or in the user's cache if either can be written."""

    def compile_(function: Callable) -> Callable:
        try:
            return njit(types.void(*arguments), nogil=True, cache=True)(function)
        except NOT_KEPT:
            return njit(types.void(*arguments), nogil=True)(function)

    return compile_


@compiled_for(BYTES, TABLE, PROGRAM, types.int64)
def _follow(pattern, values, program, group):  # type: ignore[no-untyped-def]
    """Which of a group's decisions each row follows to the left, as bits of `pattern`; `values` is columns x rows."""
    pattern[:] = 0
    first = program.decision_start[group]
    for d in range(first, program.decision_start[group + 1]):
        value, threshold = values[program.decision_column[d]], program.decision_threshold[d]
        bit, none = np.uint8(1 << (d - first)), np.uint8(0)
        if program.decision_missing[d]:  # NaN is not at or above anything
            for r in range(len(pattern)):
                pattern[r] |= none if value[r] >= threshold else bit
        else:
            for r in range(len(pattern)):
                pattern[r] |= bit if value[r] < threshold else none


@compiled_for(TABLE, BYTES, TABLE, PROGRAM, types.int64)
def _look_up(own, pattern, values, program, member):  # type: ignore[no-untyped-def]
    """Add what a member's tables hold to `own`, (columns + 1) x rows, tree by tree, as XGBoost adds up leaves."""
    for g in range(program.member_start[member], program.member_start[member + 1]):
        _follow(pattern, values, program, g)
        for e in range(program.entry_start[g], program.entry_start[g + 1]):
            into, table = own[program.entry_column[e]], program.table[program.table_start[e] :]
            for r in range(len(pattern)):
                into[r] += table[pattern[r]]


@compiled_for(TABLE, TABLE, TABLE, ROWS, types.int64, types.int64, PROGRAM, NUMBERS, types.int64, POSITIONS)
def walk(margins, contributions, agreement, X, first, last, program, start, column, topic):  # type: ignore[no-untyped-def]
    """Rows of X from `first` up to `last`, a block at a time.

    Written are margins, rows x members; contributions, rows x columns or more, the members' mean; and agreement, rows x
    topics: the share of the members whose contribution of the topic has the sign of the mean's. `topic`, shape
    (columns,), is each column's topic or -1. `start` is what each row's `column` contributes before any tree, or empty.
    """
    columns, members, topics = X.shape[1], len(program.member_base), agreement.shape[1]
    # here rows go along the second axis; a last block that is not full goes on with rows of the one before it
    width = max(1, min(BLOCK, last - first))
    values, total = np.empty((columns, width), np.float32), np.empty((columns, width), np.float32)
    own, pattern = np.empty((columns + 1, width), np.float32), np.empty(width, np.uint8)  # own's last is the margin
    by_topic, sums = np.empty((topics + 1, width), np.float32), np.empty((topics, width), np.float32)  # -1: of no topic
    below, above = np.empty((topics, width), np.int32), np.empty((topics, width), np.int32)  # members, by sign
    for at in range(first, last, width):
        rows = min(width, last - at)
        for r in range(rows):
            for c in range(columns):
                values[c, r] = X[at + r, c]
        total[:], sums[:], below[:], above[:] = 0, 0, 0, 0
        for m in range(members):
            own[:], own[columns], by_topic[:] = 0, program.member_base[m], 0
            for r in range(min(rows, len(start))):
                own[column, r] = start[at + r]
            _look_up(own, pattern, values, program, m)
            for c in range(columns):
                for r in range(width):
                    total[c, r] += own[c, r]
                    by_topic[topic[c], r] += own[c, r]
            for t in range(topics):
                for r in range(width):
                    sums[t, r] += by_topic[t, r]
                    below[t, r] += by_topic[t, r] < 0
                    above[t, r] += by_topic[t, r] > 0
            for r in range(rows):
                margins[at + r, m] = own[columns, r]
        for r in range(rows):
            for c in range(columns):
                contributions[at + r, c] = total[c, r] / np.float32(members)
            for t in range(topics):
                down, up = below[t, r], above[t, r]
                alike = down if sums[t, r] < 0 else up if sums[t, r] > 0 else members - down - up
                agreement[at + r, t] = np.float32(alike) / np.float32(members)
