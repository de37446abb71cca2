"""Boosted trees, the strong contestant; and either contestant out of a bundle's files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xgboost

from wellkept.grading import GradedLoss
from wellkept.learning import Estimator, Fitted, Outcomes
from wellkept.logistic import read_logistic
from wellkept.spec import Spec, Trees
from wellkept.threads import available_threads


@dataclass(frozen=True)
class BoostedTrees:
    """XGBoost boosters; contributions are its exact TreeSHAP values (path-dependent; Lundberg et al. 2020)."""

    members: tuple[xgboost.Booster, ...]
    kind: str = "trees"

    @property
    def columns(self) -> int:
        return self.members[0].num_features()

    def margins(self, X: np.ndarray) -> np.ndarray:
        if len(X) == 0:  # XGBoost 3.4 warns of it
            return np.zeros((0, len(self.members)))
        margins = [m.inplace_predict(X, predict_type="margin") for m in self.members]
        return np.stack(margins, axis=1).astype(float)

    def contributions(self, X: np.ndarray) -> np.ndarray:
        total = np.zeros((len(X), self.columns + 1), np.float32)
        if len(X) == 0:
            return total
        matrix = xgboost.DMatrix(X, nthread=available_threads())
        for member in self.members:
            total += member.predict(matrix, pred_contribs=True)
        return total / np.float32(len(self.members))

    def files(self) -> dict[str, bytes]:
        return {f"trees-{i}.ubj": bytes(m.save_raw("ubj")) for i, m in enumerate(self.members)}


def estimator_from(files: Mapping[str, bytes], kind: str) -> Estimator:
    """Read back what `files` gave; other files do not disturb.

    Raises
    ------
    ValueError
        There is not exactly a model of this kind among them, or it cannot be read.
    """
    there = {name for name in files if name.endswith(".ubj") or name == "logistic.json"}
    boosters = [f"trees-{i}.ubj" for i in range(len(there))]
    if not there or there != {"logistic": {"logistic.json"}, "trees": set(boosters)}.get(kind):
        raise ValueError("not exactly one model of the kind that is named")
    try:
        if kind == "logistic":
            return read_logistic(files["logistic.json"])
        return _trees([_booster(files[name]) for name in boosters])
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise ValueError("the model cannot be read") from error


def fit_trees(X: np.ndarray, outcomes: Outcomes, monotone: tuple[int, ...], spec: Spec) -> Fitted:
    """One booster a fold, on the rows of all other folds; from the whole answers where there are any."""
    settings = _tree_settings(spec.trees, monotone, spec.seed)
    members, effects = [], []
    for k in range(spec.split.folds):
        rows = outcomes.fold != k
        booster, effect = _boosted(X[rows], outcomes.where(rows), {**settings, "seed": spec.seed + k}, spec.trees)
        members.append(booster)
        effects.append(effect)
    return Fitted(BoostedTrees(tuple(members)), np.mean(effects, axis=0))


def _boosted(X: np.ndarray, outcomes: Outcomes, settings: dict, trees: Trees) -> tuple[xgboost.Booster, np.ndarray]:
    label, weight = outcomes.label, outcomes.weight
    matrix = xgboost.QuantileDMatrix(X, label, weight=weight, nthread=settings["nthread"])
    if outcomes.grade is None and outcomes.mode is None:
        return xgboost.train(settings, matrix, trees.rounds), np.zeros(outcomes.modes)
    grade = 1.0 - label if outcomes.grade is None else outcomes.grade
    loss = GradedLoss(grade, outcomes.way, weight, outcomes.modes)
    # the cuts hold the level, so boosting starts at a margin of 0
    return xgboost.train({**settings, "base_score": 0.5}, matrix, trees.rounds, obj=loss), loss.mode_effects


def _trees(members: list[xgboost.Booster]) -> BoostedTrees:
    if len({member.num_features() for member in members}) != 1:
        raise ValueError("the members do not have the same columns")
    return BoostedTrees(tuple(members))


def _booster(content: bytes) -> xgboost.Booster:
    if not content.endswith(b"}"):  # XGBoost 3.2 ends the process when an object does not end
        raise ValueError("a tree file that was cut off")
    booster = xgboost.Booster({"nthread": available_threads()})
    booster.load_model(bytearray(content))
    return booster


def _tree_settings(trees: Trees, monotone: tuple[int, ...], seed: int) -> dict:
    return {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_depth": trees.depth,
        "eta": trees.learning_rate,
        "min_child_weight": trees.min_child_weight,
        "subsample": trees.subsample,
        "colsample_bytree": trees.columns,
        "lambda": trees.l2,
        "monotone_constraints": monotone,
        "nthread": available_threads(),
        "seed": seed,
        "verbosity": 1,
    }


