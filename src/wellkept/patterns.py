"""Boosters in; one program of pattern tables out, from which exact SHAP values are looked up (docs/explaining.md).

What the decisions of a tree contribute to a row (its path-dependent Shapley values) depends on which of them the row
follows, and on nothing else of the row. So trees are cut into groups of leaves that at most LARGEST decisions lead to,
and for each column that these ask about a table holds what it contributes, by the pattern of decisions that go left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import xgboost

from wellkept.boosters import Misfit, read_booster

LARGEST = 7  # decisions that a table goes by: a whole tree of depth 3, a sixteenth of one of depth 6
LEAVES_AT_ONCE = 2048  # while building, so that memory is bounded

Path = tuple[tuple[int, int], ...]  # decisions from the root on, each with the child that it goes on to


class Program(NamedTuple):
    """What the kernel walks: members have groups, groups have decisions and entries, each entry has a table.

    Positions are int32 and numbers float32. What is called `*_start` has one entry more than there are owners, and
    rises: owner i has the entries from `start[i]` up to `start[i + 1]`.

    Attributes
    ----------
    member_start
        Members' groups. Those of a tree follow each other, trees are in the booster's order.
    member_base, member_bias
        Shape (members,): the margin before any tree, and the mean margin of the rows that the trees were trained on.
    decision_start, entry_start
        Groups' decisions, at most LARGEST each, and their entries.
    decision_column, decision_threshold, decision_missing
        Shape (decisions,): decision j of a group sets bit j of a row's pattern if the row's value lies below the
        threshold, or if it is NaN and `missing` is true.
    entry_column
        Shape (entries,): whose contribution it is. The columns of a group differ and rise; the last one is the number
        of columns, which stands for the margin: that table holds the leaf, or 0 if the pattern leads to none of these.
    table_start
        Entries' tables. Each has 2 ** decisions entries, those of a group follow each other.
    table
        Log-odds, by pattern.
    """

    member_start: np.ndarray
    member_base: np.ndarray
    member_bias: np.ndarray
    decision_start: np.ndarray
    entry_start: np.ndarray
    decision_column: np.ndarray
    decision_threshold: np.ndarray
    decision_missing: np.ndarray
    entry_column: np.ndarray
    table_start: np.ndarray
    table: np.ndarray


def compiled(boosters: Sequence[xgboost.Booster]) -> Program:
    """One program for a bag of boosters.

    Raises
    ------
    Misfit
        A leaf lies below more than LARGEST decisions, or as in `read_booster`.
    """
    forests, base = zip(*map(read_booster, boosters), strict=True)
    members = [[(tree, *group) for tree in trees for group in _groups(tree)] for trees in forests]
    groups = [group for own in members for group in own]
    steps = [(tree, step) for tree, decisions, _ in groups for step in decisions]
    size, leaves = np.array([len(decisions) for _, decisions, _ in groups]), _leaves(groups)
    group, column, table = _tables(leaves, size, columns=boosters[0].num_features())
    member = np.repeat(np.arange(len(members)), [len(own) for own in members])[leaves.group]
    mean = np.bincount(member, leaves.value * leaves.share.prod(axis=1), len(members))
    return Program(
        member_start=_starts(map(len, members)),
        member_base=np.array(base),
        member_bias=(np.array(base) + mean).astype(np.float32),
        decision_start=_starts(size),
        entry_start=_starts(np.bincount(group)),
        decision_column=np.array([tree["split_indices"][step] for tree, step in steps], np.int32),
        decision_threshold=np.array([tree["split_conditions"][step] for tree, step in steps], np.float32),
        decision_missing=np.array([tree["default_left"][step] for tree, step in steps], bool),
        entry_column=column.astype(np.int32),
        table_start=_starts(1 << size[group]),
        table=table,
    )


def _below(tree: dict, node: int, way: Path) -> Iterator[tuple[int, Path]]:
    """The leaves below a node, each with its path."""
    if tree["left_children"][node] < 0:
        yield node, way
    else:
        for child in (tree["left_children"][node], tree["right_children"][node]):
            yield from _below(tree, child, (*way, (node, child)))


def _groups(tree: dict, node: int = 0, way: Path = ()) -> Iterator[tuple[list[int], list[tuple[int, Path]]]]:
    """The largest subtrees whose leaves at most LARGEST decisions lead to: these, and the leaves with their paths."""
    leaves = list(_below(tree, node, way))
    decisions = sorted({step for _, path in leaves for step, _ in path})
    if len(decisions) <= LARGEST:
        yield decisions, leaves
    elif len(way) == LARGEST:
        raise Misfit(f"a leaf below more than {LARGEST} decisions")
    else:
        for child in (tree["left_children"][node], tree["right_children"][node]):
            yield from _groups(tree, child, (*way, (node, child)))


class _Leaves(NamedTuple):
    """All leaves: their group, what each adds, and the columns that its path asks, -1 where there are fewer.

    The last four have the shape (leaves, most columns of a leaf). A row follows all that a path asks of a column if
    `pattern & asked == wanted`; `share` of the training rows did. Where there is no column everybody does.
    """

    group: np.ndarray
    value: np.ndarray
    column: np.ndarray
    asked: np.ndarray
    wanted: np.ndarray
    share: np.ndarray


def _leaves(groups: Sequence[tuple[dict, list[int], list[tuple[int, Path]]]]) -> _Leaves:
    found = [
        (g, tree["split_conditions"][leaf], _asked(tree, decisions, path))
        for g, (tree, decisions, leaves) in enumerate(groups) for leaf, path in leaves
    ]  # fmt: skip
    group, value, asked = zip(*found, strict=True)
    most = max(1, *map(len, asked), 0)
    padded = np.array([[*own, *[(-1, 0, 0, 1.0)] * (most - len(own))] for own in asked])
    column, bits, wanted = np.moveaxis(padded[:, :, :3].astype(int), 2, 0)
    return _Leaves(np.array(group), np.array(value), column, bits, wanted, padded[:, :, 3])


def _asked(tree: dict, decisions: list[int], path: Path) -> list[tuple[int, int, int, float]]:
    """What a path asks of each column: the column, bits of decisions, which of them go left, share of rows that do."""
    found: dict[int, tuple[int, int, float]] = {}
    for step, child in path:
        column, bit, cover = tree["split_indices"][step], 1 << decisions.index(step), tree["sum_hessian"][step]
        asked, wanted, share = found.get(column, (0, 0, 1.0))
        # a decision that no training row came to sends half each way
        ratio = tree["sum_hessian"][child] / cover if cover > 0 else 0.5
        found[column] = asked | bit, wanted | bit * (child == tree["left_children"][step]), share * ratio
    return [(column, *what) for column, what in found.items()]


def _tables(leaves: _Leaves, size: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Group and column of each entry, in order, and all their tables, one after the other."""
    column = np.column_stack([leaves.column, np.full(len(leaves.group), columns)])
    there, key = column >= 0, leaves.group[:, None] * (columns + 1) + column
    keys, entry = np.unique(key[there], return_inverse=True)
    group, start = keys // (columns + 1), np.zeros(key.shape, np.int64)
    start[there] = _starts(1 << size[group])[entry]
    table = np.zeros((1 << size[group]).sum())
    for decisions in np.unique(size):
        these, pattern = np.flatnonzero(size[leaves.group] == decisions), np.arange(1 << decisions)
        for some in np.array_split(these, len(these) // LEAVES_AT_ONCE + 1):
            mine = there[some]
            np.add.at(table, start[some][mine][:, None] + pattern, _added(leaves, some, pattern)[mine])
    return group, keys % (columns + 1), table.astype(np.float32)


def _added(leaves: _Leaves, some: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """What these leaves add to each of their columns and to the margin; shape (leaves, columns + 1, patterns).

    Column i of a leaf has the Shapley value v (f_i - s_i) times the integral over t from 0 to 1 of the product over all
    other j of t f_j + (1 - t) s_j, where f is 1 if the row follows the decisions and s is the share of the training
    rows that did (Owen 1972). That is a polynomial, of which Gauss and Legendre's sum gives the integral exactly.
    """
    follows = (pattern & leaves.asked[some][:, :, None]) == leaves.wanted[some][:, :, None]
    share, mean = leaves.share[some][:, :, None], np.zeros(follows.shape)
    for at, weight in zip(*np.polynomial.legendre.leggauss((follows.shape[1] + 1) // 2), strict=True):
        factor, others = np.where(follows, (1 + at) / 2, 0) + (1 - at) / 2 * share, np.full(follows.shape, weight / 2)
        others[:, 1:] *= np.cumprod(factor[:, :-1], axis=1)
        others[:, :-1] *= np.cumprod(factor[:, :0:-1], axis=1)[:, ::-1]
        mean += others
    return leaves.value[some][:, None, None] * np.concatenate(
        [(follows - share) * mean, follows.all(axis=1, keepdims=True)], axis=1
    )


def _starts(sizes: Iterable[int]) -> np.ndarray:
    """Where each part starts, and at the end where the last one ends."""
    return np.cumsum([0, *sizes], dtype=np.int32)
