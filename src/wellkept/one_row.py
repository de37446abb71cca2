"""A program of pattern tables in; the same program laid out for one row at a time out.

Many rows go through a table together, so `Program` keeps each table whole. One row takes a single number of each table,
and nearly every one of them from another line of memory. Here what a group says of one pattern lies side by side, in
one line: the same numbers, added in the same order, so the same bits, five times as fast.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wellkept.patterns import LARGEST, Program

WIDE = LARGEST + 1  # a group asks at most LARGEST columns, and has a margin
LINE = 64  # bytes that memory gives at once


class RowTables(NamedTuple):
    """What the kernel of one row walks; groups and decisions are those of `Program`.

    Attributes
    ----------
    member_start, member_base
        As in `Program`.
    decision_column, decision_threshold, decision_missing
        Shape (LARGEST, groups): decision j of each group; where a group has fewer, one that nobody follows.
    first
        Shape (groups,): the row of `table` that holds what each group says of pattern 0; the others follow.
    entry_column
        Shape (groups, WIDE): whose contribution each is; the number of columns stands for the margin, and one more
        than that for nobody.
    table
        Shape (patterns of all groups, WIDE): log-odds.
    """

    member_start: np.ndarray
    member_base: np.ndarray
    decision_column: np.ndarray
    decision_threshold: np.ndarray
    decision_missing: np.ndarray
    first: np.ndarray
    entry_column: np.ndarray
    table: np.ndarray


class RowProgram(NamedTuple):
    """A program for one row at a time: its tables, how many columns a row has, and the members' mean bias, float32."""

    tables: RowTables
    columns: int
    bias: np.float32


def for_one_row(program: Program) -> RowProgram:
    """Lay a program out for one row at a time; as much memory again as the program has."""
    size, entries = np.diff(program.decision_start), np.diff(program.entry_start)
    groups, columns = len(size), int(program.entry_column[-1])
    first = np.concatenate([[0], np.cumsum(1 << size)])
    column, missing = np.zeros((LARGEST, groups), np.uint32), np.zeros((LARGEST, groups), np.uint32)
    threshold = np.full((LARGEST, groups), -np.inf, np.float32)
    group = np.repeat(np.arange(groups), size)
    place = np.arange(len(group)) - program.decision_start[group]
    column[place, group] = program.decision_column
    threshold[place, group] = program.decision_threshold
    missing[place, group] = program.decision_missing
    whose = np.full((groups, WIDE), columns + 1, np.uint32)
    group = np.repeat(np.arange(groups), entries)
    whose[group, np.arange(len(group)) - program.entry_start[group]] = program.entry_column
    table = _aligned(first[-1])
    for g in range(groups):
        begin = program.table_start[program.entry_start[g]]
        held = program.table[begin : begin + (entries[g] << size[g])]
        table[first[g] : first[g + 1], : entries[g]] = held.reshape(entries[g], -1).T
    tables = RowTables(program.member_start, program.member_base, column, threshold, missing,
                       first[:-1].astype(np.uint32), whose, table)  # fmt: skip
    return RowProgram(tables, columns, program.member_bias.mean())


def _aligned(rows: int) -> np.ndarray:
    """Zeros, rows x WIDE, that begin where a line of memory does, so that no row lies in two."""
    held = np.zeros(rows * WIDE + LINE // 4, np.float32)
    begin = -held.ctypes.data % LINE // 4
    return held[begin : begin + rows * WIDE].reshape(rows, WIDE)
