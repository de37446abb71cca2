"""Boosted trees, the strong contestant; and either contestant out of a bundle's files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import xgboost

from wellkept.calibrating import logit
from wellkept.grading import GradedLoss
from wellkept.learning import Estimator, Explained, Fitted, Outcomes
from wellkept.logistic import read_logistic
from wellkept.one_row import RowProgram, for_one_row
from wellkept.patterns import Program
from wellkept.spec import Spec, Trees
from wellkept.threads import available_threads
from wellkept.topics import mean_and_agreement
from wellkept.walking import program_of, walked, walked_alone

NOWHERE = np.zeros(0, np.float32)
SUREST = 0.999  # a share that boosting starts from lies within .001 and this


@dataclass(frozen=True)
class Start:
    """A column of shares in whose log-odds boosting starts; their `mean` stands in where a share is missing."""

    column: int
    mean: float

    def log_odds(self, X: np.ndarray) -> np.ndarray:
        """Shape (rows,)."""
        share = np.clip(X[:, self.column].astype(float), 1 - SUREST, SUREST)
        return np.where(np.isnan(share), self.mean, logit(share))


@dataclass(frozen=True)
class BoostedTrees:
    """XGBoost boosters; contributions are its exact TreeSHAP values (path-dependent; Lundberg et al. 2020).

    What they start from is linear, so its own exact contribution is how far it lies from its mean. `explained` looks
    contributions up in tables (docs/explaining.md) and gives the margins of `margins`, which asks XGBoost; where
    boosters do not fit into tables or there is no numba, XGBoost is asked for both.
    """

    members: tuple[xgboost.Booster, ...]
    start: Start | None = None
    kind: str = "trees"

    @property
    def columns(self) -> int:
        return self.members[0].num_features()

    def margins(self, X: np.ndarray) -> np.ndarray:
        if len(X) == 0:  # XGBoost 3.4 warns of it
            return np.zeros((0, len(self.members)))
        margins = [m.inplace_predict(X, predict_type="margin") for m in self.members]
        from_start = 0.0 if self.start is None else self.start.log_odds(X)[:, None]
        return np.stack(margins, axis=1).astype(float) + from_start

    def member_contributions(self, X: np.ndarray) -> Iterator[np.ndarray]:
        if len(X) == 0:
            yield np.zeros((0, self.columns + 1), np.float32)
            return
        matrix = xgboost.DMatrix(X, nthread=available_threads())
        for member in self.members:
            yield self._from_start(member.predict(matrix, pred_contribs=True), X)

    def _from_start(self, contributions: np.ndarray, X: np.ndarray) -> np.ndarray:
        """With what boosting starts from, which is the same for every member."""
        if self.start is not None:
            contributions[:, self.start.column] += (self.start.log_odds(X) - self.start.mean).astype(np.float32)
            contributions[:, -1] += np.float32(self.start.mean)
        return contributions

    @cached_property
    def program(self) -> Program | None:
        """The boosters as tables; None where they do not fit or nothing can walk them."""
        return program_of(self.members)

    @cached_property
    def _for_one_row(self) -> RowProgram:
        assert self.program is not None
        return for_one_row(self.program)

    def explained(self, X: np.ndarray, topic: np.ndarray) -> Explained:
        if self.program is None:
            return Explained(*mean_and_agreement(self.member_contributions(X), topic), self.margins(X))
        if self.start is None:
            told = self._walked(X, topic, NOWHERE, 0)
            return told._replace(margins=told.margins.astype(float))
        start = self.start.log_odds(X)
        told = self._walked(X, topic, start - self.start.mean, self.start.column)
        told.contributions[:, -1] += np.float32(self.start.mean)
        return told._replace(margins=told.margins.astype(float) + start[:, None])

    def _walked(self, X: np.ndarray, topic: np.ndarray, start: np.ndarray, column: int) -> Explained:
        assert self.program is not None
        if len(X) == 1:
            return walked_alone(self._for_one_row, X, topic, start, column)
        return walked(self.program, X, topic, start, column)

    def files(self) -> dict[str, bytes]:
        files = {f"trees-{i}.ubj": bytes(m.save_raw("ubj")) for i, m in enumerate(self.members)}
        if self.start is not None:
            files["start.json"] = json.dumps(asdict(self.start), allow_nan=False).encode()
        return files


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
        return _trees([_booster(files[name]) for name in boosters], files.get("start.json"))
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise ValueError("the model cannot be read") from error


def fit_trees(
    X: np.ndarray, outcomes: Outcomes | Sequence[Outcomes], monotone: tuple[int, ...], spec: Spec, *,
    start: int | None = None,
) -> Fitted:  # fmt: skip
    """One booster a fold, on the rows of all other folds; from the whole answers where there are any.

    `outcomes` are those of each member where they differ; `start` is the column of shares that boosting starts from.
    Members are fitted beside one another, each with its share of the threads: a tree of few rows is grown sooner by one
    thread than by two that wait for each other.
    """
    each = [outcomes] * spec.split.folds if isinstance(outcomes, Outcomes) else outcomes
    threads = available_threads()
    share = max(1, threads // len(each))
    with ThreadPoolExecutor(min(threads, len(each))) as pool:
        started = [pool.submit(fit_member, k, X, own, monotone, spec, start=start, threads=share)
                   for k, own in enumerate(each)]  # fmt: skip
        fitted = [member.result() for member in started]
    members = tuple(member for trees, _ in fitted for member in trees.members)
    return Fitted(BoostedTrees(members, fitted[0][0].start), np.mean([effects for _, effects in fitted], axis=0))


def fit_member(
    k: int, X: np.ndarray, outcomes: Outcomes, monotone: tuple[int, ...], spec: Spec, *,
    start: int | None = None, threads: int | None = None,
) -> tuple[BoostedTrees, np.ndarray]:  # fmt: skip
    """The member of `fit_trees` that does not see fold `k`, and what each way of asking adds."""
    begin, rows = _start(X, start), outcomes.fold != k
    margin = None if begin is None else begin.log_odds(X[rows])
    settings = _tree_settings(spec.trees, monotone, spec.seed + k, threads or available_threads())
    booster, effects = _boosted(X[rows], outcomes.where(rows), margin, settings, spec.trees)
    return BoostedTrees((booster,), begin), effects


def _start(X: np.ndarray, column: int | None) -> Start | None:
    if column is None:
        return None
    known = X[~np.isnan(X[:, column])]
    return Start(column, float(Start(column, 0.0).log_odds(known).mean()))


def _boosted(
    X: np.ndarray, outcomes: Outcomes, margin: np.ndarray | None, settings: dict, trees: Trees
) -> tuple[xgboost.Booster, np.ndarray]:
    label, weight = outcomes.label, outcomes.weight
    matrix = xgboost.QuantileDMatrix(X, label, weight=weight, base_margin=margin, nthread=settings["nthread"])
    if outcomes.grade is None and outcomes.mode is None:
        base = {} if margin is None else {"base_score": 0.5}
        return xgboost.train({**settings, **base}, matrix, trees.rounds), np.zeros(outcomes.modes)
    grade = 1.0 - label if outcomes.grade is None else outcomes.grade
    loss = GradedLoss(grade, outcomes.way, weight, outcomes.modes)
    # the cuts hold the level, so boosting starts at a margin of 0
    return xgboost.train({**settings, "base_score": 0.5}, matrix, trees.rounds, obj=loss), loss.mode_effects


def _trees(members: list[xgboost.Booster], start: bytes | None) -> BoostedTrees:
    if len({member.num_features() for member in members}) != 1:
        raise ValueError("the members do not have the same columns")
    if start is None:
        return BoostedTrees(tuple(members))
    plain = json.loads(start)
    begin = Start(int(plain["column"]), float(plain["mean"]))
    if not (0 <= begin.column < members[0].num_features() and np.isfinite(begin.mean)):
        raise ValueError("trees that start from no column of theirs")
    return BoostedTrees(tuple(members), begin)


def _booster(content: bytes) -> xgboost.Booster:
    if not content.endswith(b"}"):  # XGBoost 3.2 ends the process when an object does not end
        raise ValueError("a tree file that was cut off")
    booster = xgboost.Booster({"nthread": available_threads()})
    booster.load_model(bytearray(content))
    return booster


def _tree_settings(trees: Trees, monotone: tuple[int, ...], seed: int, threads: int) -> dict:
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
        "nthread": threads,
        "seed": seed,
        "verbosity": 1,
    }


