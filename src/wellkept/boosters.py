"""XGBoost boosters in; their trees as XGBoost lists them, and the margin before any tree, out."""

from __future__ import annotations

import json

import numpy as np
import xgboost

OF_PROBABILITY, OF_MARGIN = ("binary:logistic", "reg:logistic"), ("binary:logitraw", "reg:squarederror")


class Misfit(Exception):
    """A booster does not fit into tables; the message says why."""


def read_booster(booster: xgboost.Booster) -> tuple[list[dict], np.float32]:
    """The trees, each a dict with one entry a node in every list, the root first; and the booster's base margin.

    Of a tree's lists matter `left_children` (-1: a leaf), `right_children`, `split_indices` (column),
    `split_conditions` (threshold, or what a leaf adds), `default_left` (where missing values go) and `sum_hessian` (the
    cover: how many rows of the training came by).

    Raises
    ------
    Misfit
        It is no sum of trees whose decisions are numbers below thresholds, or gives more than one margin.
    """
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    forest, objective, shape = (learner[k] for k in ("gradient_booster", "objective", "learner_model_param"))
    if forest["name"] != "gbtree" or objective["name"] not in {*OF_PROBABILITY, *OF_MARGIN}:
        raise Misfit(f"a booster of kind {forest['name']}, trained for {objective['name']}")
    trees = forest["model"]["trees"]
    if int(shape["num_class"]) > 1 or int(shape.get("num_target", 1)) > 1 or not trees:
        raise Misfit("a booster that has no tree, or more than one margin")
    if any(weight != 1 for weight in forest["model"].get("weight_drop", ())):  # DART is a `gbtree` since XGBoost 3.4
        raise Misfit("trees that count by weights (DART)")
    if any(any(tree["split_type"]) for tree in trees):
        raise Misfit("a tree that splits by categories")
    if max(max(tree["split_indices"]) for tree in trees) >= int(shape["num_feature"]):
        raise Misfit("a tree that splits by a column that is not there")
    return trees, _base_margin(np.float32(shape["base_score"].strip("[]")), objective["name"])  # a list since 3.1


def _base_margin(score: np.float32, objective: str) -> np.float32:
    """As XGBoost has it, but for the last bit now and then: its C library's logf is not ours."""
    return np.float32(-np.log(float(1 / score - 1))) if objective in OF_PROBABILITY else score
