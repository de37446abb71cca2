"""Boosters in; one program of pattern tables out, from which exact SHAP values are looked up (docs/explaining.md).

What the decisions of a tree contribute to a row (its path-dependent Shapley values) depends on which of them the row
follows, and on nothing else of the row. So trees are cut into groups of leaves that at most LARGEST decisions lead to,
and for each column that these ask about a table holds what it contributes, by the pattern of decisions that go left.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import xgboost

LARGEST = 6  # decisions that a table goes by: 64 patterns
LEAVES_AT_ONCE = 2048  # while building, so that memory is bounded
OF_PROBABILITY, OF_MARGIN = ("binary:logistic", "reg:logistic"), ("binary:logitraw", "reg:squarederror")


class Misfit(Exception):
    """These boosters do not fit into tables; the message says why."""


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
        A booster is of no known kind, splits by categories, or has a leaf below more than LARGEST decisions.
    """
    learners = [json.loads(bytes(booster.save_raw("json")))["learner"] for booster in boosters]
    base = [_base(learner) for learner in learners]
    forests = [learner["gradient_booster"]["model"]["trees"] for learner in learners]
    cut = [[(tree, *group) for tree in forest for group in _groups(tree)] for forest in forests]
    groups = list(chain.from_iterable(cut))
    steps = [(tree, step) for tree, decisions, _ in groups for step in decisions]
    size = np.array([len(decisions) for _, decisions, _ in groups])
    leaves = _leaves(groups)
    group, column, table = _tables(leaves, size, columns=boosters[0].num_features())
    member = np.repeat(np.arange(len(cut)), [len(own) for own in cut])[leaves.group]
    mean = np.bincount(member, leaves.value * leaves.share.prod(axis=1), len(cut))
    return Program(
        member_start=_starts(len(own) for own in cut),
        member_base=np.array(base, np.float32),
        member_bias=(base + mean).astype(np.float32),
        decision_start=_starts(size),
        entry_start=_starts(np.bincount(group)),
        decision_column=np.array([tree["split_indices"][step] for tree, step in steps], np.int32),
        decision_threshold=np.array([tree["split_conditions"][step] for tree, step in steps], np.float32),
        decision_missing=np.array([tree["default_left"][step] for tree, step in steps], bool),
        entry_column=column.astype(np.int32),
        table_start=_starts(1 << size[group]),
        table=table,
    )


def _base(learner: dict) -> np.float32:
    """The margin of a booster before its trees; raises Misfit if it is of no kind that we know."""
    booster, objective, shape = (learner[k] for k in ("gradient_booster", "objective", "learner_model_param"))
    if booster["name"] != "gbtree" or objective["name"] not in {*OF_PROBABILITY, *OF_MARGIN}:
        raise Misfit(f"a booster of kind {booster['name']}, trained for {objective['name']}")
    trees = booster["model"]["trees"]
    if int(shape["num_class"]) > 1 or int(shape.get("num_target", 1)) > 1 or not trees:
        raise Misfit("a booster that has no tree, or more than one margin")
    if any(any(tree["split_type"]) for tree in trees):
        raise Misfit("a tree that splits by categories")
    if max(max(tree["split_indices"]) for tree in trees) >= int(shape["num_feature"]):
        raise Misfit("a tree that splits by a column that is not there")
    score = np.float32(shape["base_score"].strip("[]"))  # a list since XGBoost 3.1
    # the float32 that C's logf gives, which numpy's own float32 logarithm misses by a bit now and then
    return np.float32(-np.log(float(1 / score - 1))) if objective["name"] in OF_PROBABILITY else score


Path = tuple[tuple[int, int], ...]  # decisions from the root on, each with the child that it goes on to


def _below(tree: dict, node: int, way: Path) -> Iterator[tuple[int, Path]]:
    """The leaves below a node, each with its path."""
    children = tree["left_children"][node], tree["right_children"][node]
    if children[0] < 0:
        yield node, way
        return
    for child in children:
        yield from _below(tree, child, (*way, (node, child)))


def _groups(tree: dict, node: int = 0, way: Path = ()) -> Iterator[tuple[list[int], list[tuple[int, Path]]]]:
    """The largest subtrees whose leaves at most LARGEST decisions lead to: these, and the leaves with their paths."""
    leaves = list(_below(tree, node, way))
    decisions = sorted({step for _, path in leaves for step, _ in path})
    if len(decisions) <= LARGEST:
        yield decisions, leaves
        return
    if len(way) == LARGEST:
        raise Misfit(f"a leaf below more than {LARGEST} decisions")
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


def _leaves(groups: list) -> _Leaves:
    asked = [
        (g, tree["split_conditions"][leaf], _asked(tree, decisions, path))
        for g, (tree, decisions, leaves) in enumerate(groups) for leaf, path in leaves
    ]  # fmt: skip
    of_leaf = [(i, j, column, *what) for i, (*_, by_column) in enumerate(asked)
               for j, (column, what) in enumerate(by_column.items())]  # fmt: skip
    most = max(1, *(len(by_column) for *_, by_column in asked), 0)
    columns = np.full((4, len(asked), most), [[[-1.0]], [[0.0]], [[0.0]], [[1.0]]])
    if of_leaf:
        leaf, place, *found = np.array(of_leaf).T
        columns[:, leaf.astype(int), place.astype(int)] = found
    column, bits, wanted, share = columns
    group, value = np.array([both for *both, _ in asked]).T
    return _Leaves(group.astype(int), value, column.astype(int), bits.astype(np.uint8), wanted.astype(np.uint8), share)


def _asked(tree: dict, decisions: list[int], path: Path) -> dict[int, tuple[int, int, float]]:
    """What a path asks of each column: bits of decisions, which of them go left, and the share of rows that follow."""
    found: dict[int, tuple[int, int, float]] = {}
    for step, child in path:
        bit, (asked, wanted, share) = 1 << decisions.index(step), found.get(tree["split_indices"][step], (0, 0, 1.0))
        goes_left, cover = child == tree["left_children"][step], tree["sum_hessian"][step]
        # a decision that no training row came to sends half each way
        ratio = tree["sum_hessian"][child] / cover if cover > 0 else 0.5
        found[tree["split_indices"][step]] = (asked | bit, wanted | bit * goes_left, share * ratio)
    return found


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
    for at, weight in zip(*np.polynomial.legendre.leggauss(LARGEST // 2), strict=True):
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
