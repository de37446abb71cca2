"""Boosters whose trees are made up, not learned: any shape, any cover, any column as often as one likes."""

from __future__ import annotations

import json

import numpy as np
import xgboost

COLUMNS = 5
THRESHOLDS = (-1.0, -0.1, 0.0, 0.3, 2.0)  # as float32; -0.1 and 0.3 are none of the decimals


def made_up_tree(random: np.random.Generator, depth: int, *, rows: float = 100.0, nobody: float = 0.1) -> dict:
    """A tree of at most this depth: decisions and leaves as nested dicts, with the rows that came by.

    With the chance `nobody`, no training row went to the left of a decision, where a leaf follows: XGBoost's own
    contributions end in an error where a decision follows.
    """
    if depth == 0 or rows == 0 or random.random() < 0.15:
        return {"leaf": float(np.float32(random.normal(0, 0.3))), "cover": rows}
    share = 0.0 if random.random() < nobody else random.uniform(0.05, 0.95)
    return {
        "column": int(random.integers(COLUMNS)), "threshold": float(np.float32(random.choice(THRESHOLDS))),
        "missing_left": bool(random.random() < 0.5), "cover": rows,
        "left": made_up_tree(random, depth - 1, rows=rows * share, nobody=nobody),
        "right": made_up_tree(random, depth - 1, rows=rows * (1 - share), nobody=nobody),
    }  # fmt: skip


def booster_of(trees: list[dict], *, base_score: float = 0.5, objective: str = "binary:logistic") -> xgboost.Booster:
    """A booster with exactly these trees, none of which need have been learned."""
    blank = xgboost.train({"objective": objective, "max_depth": 1, "base_score": base_score, "nthread": 1},
                          xgboost.DMatrix(np.zeros((2, COLUMNS)), [0, 1]), num_boost_round=len(trees))  # fmt: skip
    model = json.loads(bytes(blank.save_raw("json")))
    listed = model["learner"]["gradient_booster"]["model"]["trees"]
    for i, tree in enumerate(trees):
        listed[i] |= _listed(tree) | {"id": i}
        listed[i]["tree_param"]["num_nodes"] = str(len(listed[i]["left_children"]))
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(json.dumps(model).encode()))
    return booster


def made_up_rows(random: np.random.Generator, rows: int) -> np.ndarray:
    """Numbers around the thresholds, some of them on one, some of them missing."""
    X = np.where(random.random((rows, COLUMNS)) < 0.3, random.choice(THRESHOLDS, (rows, COLUMNS)),
                 random.normal(0, 1.5, (rows, COLUMNS)))  # fmt: skip
    X[random.random(X.shape) < 0.2] = np.nan
    return X.astype(np.float32)


def _listed(tree: dict) -> dict[str, list]:
    """XGBoost's arrays: one entry a node, the root first. A right child follows its left one: XGBoost relies on it."""
    waiting, nodes = [(tree, 2**31 - 1)], []
    for at, (node, parent) in enumerate(waiting):  # which grows meanwhile
        inner, first = "column" in node, len(waiting)
        nodes.append({
            "left_children": first if inner else -1, "right_children": first + 1 if inner else -1, "parents": parent,
            "split_conditions": node["threshold"] if inner else node["leaf"], "split_indices": node.get("column", 0),
            "default_left": int(node.get("missing_left", False)), "sum_hessian": node["cover"], "split_type": 0,
            "base_weights": 0.0, "loss_changes": 0.0,
        })  # fmt: skip
        waiting += [(node[side], at) for side in ("left", "right")] if inner else []
    return {name: [node[name] for node in nodes] for name in nodes[0]}
