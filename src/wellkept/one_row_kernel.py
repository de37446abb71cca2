"""One row through a program; the loop that numba compiles, with the bits of `wellkept.pattern_kernel.walk`.

Its arithmetic is that kernel's, number by number. No decision is a branch: none can be guessed wrongly.
"""

from __future__ import annotations

import numpy as np
from numba import types

from wellkept.one_row import WIDE, RowTables
from wellkept.pattern_kernel import NUMBERS, POSITIONS, ROWS, TABLE, compiled_for

WHOLE, WHOLES = types.uint32[::1], types.uint32[:, ::1]
ROW_TABLES = types.NamedTuple((POSITIONS, NUMBERS, WHOLES, TABLE, WHOLES, WHOLE, WHOLES, TABLE), RowTables)


@compiled_for(WHOLE, NUMBERS, ROW_TABLES)
def _find(at, value, program):  # type: ignore[no-untyped-def]
    """Which row of the table each group looks up."""
    groups = len(at)
    for g in range(groups):
        at[g] = 0
    for d in range(program.decision_column.shape[0]):
        column, threshold, missing = (
            program.decision_column[d], program.decision_threshold[d], program.decision_missing[d])  # fmt: skip
        for g in range(groups):
            v = value[column[g]]
            at[g] |= (np.uint32(v < threshold[g]) | (np.uint32(v != v) & missing[g])) << np.uint32(d)
    for g in range(groups):
        at[g] += program.first[g]


@compiled_for(NUMBERS, WHOLE, ROW_TABLES, types.int64)
def _add_up(own, at, program, member):  # type: ignore[no-untyped-def]
    """Add what a member's tables hold to `own`, shape (columns + 2,), tree by tree; the last is nobody's."""
    for g in range(program.member_start[member], program.member_start[member + 1]):
        row = at[g]
        for e in range(WIDE):
            own[program.entry_column[g, e]] += program.table[row, e]


@compiled_for(TABLE, TABLE, TABLE, ROWS, ROW_TABLES, NUMBERS, types.int64, POSITIONS)
def walk_one(margins, contributions, agreement, X, program, start, column, topic):  # type: ignore[no-untyped-def]
    """As `wellkept.pattern_kernel.walk` of a matrix of one row; X is 1 x columns."""
    columns, members, topics = X.shape[1], len(program.member_base), agreement.shape[1]
    value, own, at = X[0].copy(), np.empty(columns + 2, np.float32), np.empty(len(program.first), np.uint32)
    total, sums = np.zeros(columns, np.float32), np.zeros(topics, np.float32)
    by_topic = np.empty(topics + 1, np.float32)  # the last is of no topic
    below, above = np.zeros(topics, np.int32), np.zeros(topics, np.int32)  # members, by sign
    _find(at, value, program)
    for m in range(members):
        own[:], own[columns], by_topic[:] = 0, program.member_base[m], 0
        if len(start):
            own[column] = start[0]
        _add_up(own, at, program, m)
        for c in range(columns):
            total[c] += own[c]
            by_topic[topic[c]] += own[c]
        for t in range(topics):
            sums[t] += by_topic[t]
            below[t] += by_topic[t] < 0
            above[t] += by_topic[t] > 0
        margins[0, m] = own[columns]
    for c in range(columns):
        contributions[0, c] = total[c] / np.float32(members)
    for t in range(topics):
        down, up = below[t], above[t]
        alike = down if sums[t] < 0 else up if sums[t] > 0 else members - down - up
        agreement[0, t] = np.float32(alike) / np.float32(members)
