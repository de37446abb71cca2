"""Boosters in; one program of pattern tables out, from which exact SHAP values are looked up (docs/explaining.md).

What the decisions of a tree contribute to a row (its path-dependent Shapley values) depends on which of them the row
follows, and on nothing else of the row. So trees are cut into groups of leaves that at most LARGEST decisions lead to,
and for each column that these ask about a table holds what it contributes, by the pattern of decisions that go left.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xgboost

from wellkept.calibrating import logit

LARGEST = 6  # decisions that a table goes by: 64 patterns
LEAVES_AT_ONCE = 2048  # while building, so that memory is bounded
MARGIN_OF = {  # a base score's margin, by what the booster was trained for
    "binary:logistic": logit, "reg:logistic": logit, "binary:logitraw": float, "reg:squarederror": float,
}  # fmt: skip


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
    base = np.array([_base(learner) for learner in learners])
    forests = [learner["gradient_booster"]["model"]["trees"] for learner in learners]
    nodes = _nodes([tree for forest in forests for tree in forest])
    paths = _paths(nodes)
    groups = _groups(nodes, paths)
    leaves = _leaves(nodes, paths, groups)
    entry_group, entry_column, table = _tables(leaves, np.diff(groups.start), boosters[0].num_features())
    first_root = np.append(nodes.root, len(nodes.left))[_starts(map(len, forests))]
    member = np.searchsorted(first_root, groups.root, side="right") - 1
    expected = np.bincount(member[leaves.group], leaves.value * leaves.share.prod(axis=1), len(boosters))
    return Program(
        _starts(np.bincount(member, minlength=len(boosters))), base.astype(np.float32),
        (base + expected).astype(np.float32), groups.start, _starts(np.bincount(entry_group)),
        nodes.column[groups.decision], nodes.value[groups.decision].astype(np.float32),
        nodes.missing[groups.decision], entry_column.astype(np.int32),
        _starts(1 << np.diff(groups.start)[entry_group]), table,
    )  # fmt: skip


def _base(learner: dict) -> float:
    """The margin of a booster before its trees; raises Misfit if it is of no kind that we know."""
    booster, objective, shape = (learner[k] for k in ("gradient_booster", "objective", "learner_model_param"))
    if booster["name"] != "gbtree" or objective["name"] not in MARGIN_OF:
        raise Misfit(f"a booster of kind {booster['name']}, trained for {objective['name']}")
    trees = booster["model"]["trees"]
    if int(shape["num_class"]) > 1 or int(shape.get("num_target", 1)) > 1 or not trees:
        raise Misfit("a booster that has no tree, or more than one margin")
    if any(any(tree["split_type"]) for tree in trees):
        raise Misfit("a tree that splits by categories")
    return float(MARGIN_OF[objective["name"]](float(shape["base_score"].strip("[]"))))  # a list since XGBoost 3.1


@dataclass(frozen=True)
class _Nodes:
    """The nodes of all trees, one after the other; `root` has the first of each tree.

    `left` and `right` are -1 for a leaf, whose `value` is what it adds; a decision's is its threshold. `cover` is how
    many rows came by in training (the sum of their hessians).
    """

    left: np.ndarray
    right: np.ndarray
    column: np.ndarray
    value: np.ndarray
    missing: np.ndarray
    cover: np.ndarray
    root: np.ndarray


def _nodes(trees: list[dict]) -> _Nodes:
    def of(name: str, kind: type) -> np.ndarray:
        return np.concatenate([np.array(tree[name], kind) for tree in trees])

    start = _starts(len(tree["left_children"]) for tree in trees)
    root, leaf = start[:-1], of("left_children", np.int32) < 0
    left, right = (np.where(leaf, -1, of(f"{side}_children", np.int32) + np.repeat(root, np.diff(start)))
                   for side in ("left", "right"))  # fmt: skip
    return _Nodes(left, right, of("split_indices", np.int32), of("split_conditions", float), of("default_left", bool),
                  of("sum_hessian", float), root)  # fmt: skip


@dataclass(frozen=True)
class _Paths:
    """How nodes are reached: by `depth` decisions, -1 if in no way; `level` has the nodes of each depth.

    `step` and `child`, shape (nodes, LARGEST), are these decisions and where the path goes on from each; -1 at the end.
    """

    depth: np.ndarray
    level: list[np.ndarray]
    step: np.ndarray
    child: np.ndarray


def _paths(nodes: _Nodes) -> _Paths:
    depth = np.full(len(nodes.left), -1, np.int32)
    step, child = np.full((2, len(depth), LARGEST), -1, np.int32)
    level = [nodes.root]
    depth[nodes.root] = 0
    while len(parent := level[-1][nodes.left[level[-1]] >= 0]):
        at = len(level) - 1
        if at == LARGEST:
            raise Misfit(f"a leaf below more than {LARGEST} decisions")
        for to in (nodes.left[parent], nodes.right[parent]):
            depth[to], step[to], child[to] = at + 1, step[parent], child[parent]
            step[to, at], child[to, at] = parent, to
        level.append(np.concatenate([nodes.left[parent], nodes.right[parent]]))
    return _Paths(depth, level, step, child)


@dataclass(frozen=True)
class _Groups:
    """The largest subtrees of which the decisions, with those on the way to them, are at most LARGEST.

    Group g has the root `root[g]` and the decisions from `decision[start[g]]` up to `decision[start[g + 1]]`: the way,
    then its own, each of which knows its `place` among them. `of` is each node's group, or -1.
    """

    root: np.ndarray
    decision: np.ndarray
    start: np.ndarray
    place: np.ndarray
    of: np.ndarray


def _groups(nodes: _Nodes, paths: _Paths) -> _Groups:
    inner = [level[nodes.left[level] >= 0] for level in paths.level]
    within = np.zeros(len(nodes.left), np.int32)  # decisions of the subtree
    for some in reversed(inner):
        within[some] = 1 + within[nodes.left[some]] + within[nodes.right[some]]
    of = np.where((paths.depth >= 0) & (paths.depth + within <= LARGEST), np.arange(len(within)), -1)
    for some in inner:  # who is above says whose group it is
        owned = some[of[some] >= 0]
        of[nodes.left[owned]] = of[nodes.right[owned]] = of[owned]
    root, of[of >= 0] = np.unique(of[of >= 0], return_inverse=True)
    way, own = paths.depth[root], np.flatnonzero((of >= 0) & (nodes.left >= 0))
    own = own[np.argsort(of[own], kind="stable")]
    start, place = _starts(way + within[root]), np.zeros(len(of), np.int32)
    place[own] = np.arange(len(own)) - np.repeat(_starts(within[root])[:-1] - way, within[root])
    decision = np.empty(start[-1], np.int32)
    decision[start[of[own]] + place[own]] = own
    group, at = np.nonzero(paths.step[root] >= 0)
    decision[start[group] + at] = paths.step[root[group], at]
    return _Groups(root, decision, start, place, of)


@dataclass(frozen=True)
class _Leaves:
    """What each leaf adds and which columns lead to it: `column`, shape (leaves, depth), -1 where there are fewer.

    A row follows all decisions of a column where `pattern & asked == wanted`; `share` of the training rows did. Where
    there are fewer columns everybody does.
    """

    group: np.ndarray
    value: np.ndarray
    column: np.ndarray
    asked: np.ndarray
    wanted: np.ndarray
    share: np.ndarray


def _leaves(nodes: _Nodes, paths: _Paths, groups: _Groups) -> _Leaves:
    leaf = np.flatnonzero((nodes.left < 0) & (paths.depth >= 0))
    at, every = np.arange(max(1, len(paths.level) - 1)), np.arange(len(leaf))
    group, step, child = groups.of[leaf], paths.step[leaf][:, at], paths.child[leaf][:, at]
    there = step >= 0
    on_the_way = at < paths.depth[groups.root[group]][:, None]
    bit = np.where(there, 1 << np.where(on_the_way, at, groups.place[step]), 0)
    # a node that nobody came by in training sends half each way
    cover = np.where(there, nodes.cover[step], 1.0)
    ratio = np.where(there & (cover > 0), nodes.cover[child] / np.where(cover > 0, cover, 1.0), np.where(there, 0.5, 1))
    column = np.where(there, nodes.column[step], -1 - at)
    first = (column[:, :, None] == column[:, None, :]).argmax(axis=2)  # where the path asks this column first
    asked, wanted = np.zeros((2, *step.shape), np.uint8)
    share = np.ones(step.shape)
    for j in at:
        mine = every, first[:, j]
        asked[mine] |= bit[:, j].astype(np.uint8)
        wanted[mine] |= np.where(child[:, j] == nodes.left[step[:, j]], bit[:, j], 0).astype(np.uint8)
        share[mine] *= ratio[:, j]
    return _Leaves(group, nodes.value[leaf], np.where(there & (first == at), column, -1), asked, wanted, share)


def _tables(leaves: _Leaves, decisions: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Group and column of each entry, in order, and all their tables, one after the other."""
    column = np.column_stack([leaves.column, np.full(len(leaves.group), columns)])
    there, key = column >= 0, leaves.group[:, None] * (columns + 1) + column
    keys, entry = np.unique(key[there], return_inverse=True)
    group, start = keys // (columns + 1), np.zeros(key.shape, np.int64)
    start[there] = _starts(1 << decisions[group])[entry]
    table = np.zeros((1 << decisions[group]).sum())
    for size in np.unique(decisions):
        these, pattern = np.flatnonzero(decisions[leaves.group] == size), np.arange(1 << size)
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
