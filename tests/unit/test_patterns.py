"""Contributions looked up in tables are exact, whatever the trees, and have the same bits in any company."""

from __future__ import annotations

import importlib.util
import itertools
import json
import logging
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bundling import bundle, values
from tests.forests import COLUMNS, booster_of, made_up_rows, made_up_tree
from wellkept.boosters import Misfit
from wellkept.estimators import BoostedTrees, Start
from wellkept.patterns import LARGEST, compiled
from wellkept.topics import mean_and_agreement

EXACT = 1e-5
ROWS = 40
ALL = np.arange(COLUMNS)


@st.composite
def bags(draw: st.DrawFn) -> tuple[BoostedTrees, np.ndarray]:
    """A bag of boosters with made-up trees, and rows."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    depth, trees, members = draw(st.integers(0, LARGEST)), draw(st.integers(1, 6)), draw(st.integers(1, 3))
    base = draw(st.one_of(st.just(0.5), st.floats(0.01, 0.99)))
    objective = draw(st.sampled_from(["binary:logistic", "reg:squarederror"]))
    nobody = draw(st.sampled_from([0.0, 0.3]))
    boosters = [
        booster_of([made_up_tree(random, depth, nobody=nobody) for _ in range(trees)], base_score=base,
                   objective=objective) for _ in range(members)
    ]  # fmt: skip
    start = Start(int(random.integers(COLUMNS)), 0.4) if draw(st.booleans()) else None
    return BoostedTrees(tuple(boosters), start), made_up_rows(random, ROWS)


def tolerance(margins: np.ndarray) -> float:
    return EXACT * max(1.0, np.abs(margins).max())


@settings(max_examples=60, deadline=None)
@given(bags())
def test_contributions_and_margins_are_those_of_xgboost(made: tuple[BoostedTrees, np.ndarray]):
    trees, X = made
    told, margins = trees.explained(X, ALL), trees.margins(X)
    expected, _ = mean_and_agreement(trees.member_contributions(X), ALL)
    assert trees.program is not None
    np.testing.assert_allclose(told.margins, margins, rtol=0, atol=tolerance(margins) / 10)
    np.testing.assert_allclose(told.contributions, expected, rtol=0, atol=tolerance(margins))
    np.testing.assert_allclose(told.contributions.sum(axis=1), margins.mean(axis=1), rtol=0, atol=tolerance(margins))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, LARGEST))
def test_margins_have_the_bits_of_xgboost_where_boosting_starts_from_a_half(seed: int, depth: int):
    random = np.random.default_rng(seed)
    trees = BoostedTrees((booster_of([made_up_tree(random, depth) for _ in range(20)]),))
    X = made_up_rows(random, ROWS)
    np.testing.assert_array_equal(trees.explained(X, ALL).margins, trees.margins(X))


@settings(max_examples=40, deadline=None)
@given(bags())
def test_one_row_alone_has_the_bits_of_the_batch(made: tuple[BoostedTrees, np.ndarray]):
    trees, X = made
    many = np.tile(X, (40, 1))  # several blocks, the last one not full
    batch = trees.explained(many, ALL)
    for i in (0, 7, ROWS - 1, len(many) - 1):
        for alone, together in zip(trees.explained(many[i : i + 1], ALL), batch, strict=True):
            assert alone[0].tobytes() == together[i].tobytes()


@pytest.mark.filterwarnings("ignore")  # shap's own, about other libraries
@settings(max_examples=15, deadline=None)
@given(bags())
def test_contributions_are_those_of_shap(made: tuple[BoostedTrees, np.ndarray]):
    import shap

    trees, X = BoostedTrees(made[0].members), made[1]
    said = [shap.TreeExplainer(member) for member in trees.members]
    told, close = trees.explained(X, ALL), tolerance(trees.margins(X))
    by_column = np.mean([explainer.shap_values(X, check_additivity=False) for explainer in said], axis=0)
    np.testing.assert_allclose(told.contributions[:, :-1], by_column, rtol=0, atol=close)
    bias = np.mean([explainer.expected_value for explainer in said])
    np.testing.assert_allclose(told.contributions[:, -1], bias, rtol=0, atol=close)


def expected_value(tree: dict, row: np.ndarray, known: tuple[int, ...]) -> float:
    """What a tree says of a row of which only some columns are known: the others go both ways, as training rows did."""
    if "leaf" in tree:
        return tree["leaf"]
    if tree["column"] in known:
        value = row[tree["column"]]
        left = tree["missing_left"] if np.isnan(value) else value < np.float32(tree["threshold"])
        return expected_value(tree["left" if left else "right"], row, known)
    share = tree["left"]["cover"] / tree["cover"]
    left, right = (expected_value(tree[side], row, known) for side in ("left", "right"))
    return share * left + (1 - share) * right


def shapley(tree: dict, row: np.ndarray) -> list[float]:
    """From the definition: the mean over all sets of other columns of what knowing this one changes."""
    found = []
    for column in range(COLUMNS):
        others = [c for c in range(COLUMNS) if c != column]
        sets = [some for size in range(COLUMNS) for some in itertools.combinations(others, size)]
        changes = [expected_value(tree, row, (*some, column)) - expected_value(tree, row, some) for some in sets]
        found.append(np.dot(changes, [1 / (COLUMNS * math.comb(COLUMNS - 1, len(some))) for some in sets]))
    return found


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, LARGEST))
def test_contributions_are_shapley_values_by_their_definition(seed: int, depth: int):
    random = np.random.default_rng(seed)
    tree, X = made_up_tree(random, depth, nobody=0.2), made_up_rows(random, 3)
    told = BoostedTrees((booster_of([tree]),)).explained(X, ALL)
    np.testing.assert_allclose(told.contributions[:, :-1], [shapley(tree, row) for row in X], atol=EXACT)


def test_a_node_that_no_training_row_came_to_sends_half_each_way():
    nobody = {"column": 1, "threshold": 0.0, "missing_left": True, "cover": 0.0,
              "left": {"leaf": 1.0, "cover": 0.0}, "right": {"leaf": 3.0, "cover": 0.0}}  # fmt: skip
    tree = {"column": 0, "threshold": 0.0, "missing_left": True, "cover": 9.0, "left": nobody,
            "right": {"leaf": 0.0, "cover": 9.0}}  # fmt: skip
    row = np.full((1, COLUMNS), -1, np.float32)
    told = BoostedTrees((booster_of([tree]),)).explained(row, ALL)
    np.testing.assert_allclose(told.contributions[0], [1.5, -0.5, 0, 0, 0, 0], atol=EXACT)


def test_agreement_is_what_the_members_own_contributions_say():
    trees, X = bundle().estimator, bundle().encoder.matrix(values(300, seed=9))
    topic = np.arange(trees.columns) // 2 - 1  # the first two are nobody's
    expected = mean_and_agreement(trees.member_contributions(X), topic)[1]
    told = trees.explained(X, topic).agreement
    assert told.dtype == np.float32
    # members whose contribution is next to nothing may have either sign
    assert (told == expected).mean() > 0.99
    np.testing.assert_allclose(told, expected, atol=1 / len(trees.members) + 1e-6)


def test_threads_share_the_rows_and_change_no_bit(monkeypatch: pytest.MonkeyPatch):
    trees, X = bundle().estimator, bundle().encoder.matrix(values(3000, seed=9))
    topic = np.arange(trees.columns)
    alone = trees.explained(X, topic)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    for one, two in zip(alone, trees.explained(X, topic), strict=True):
        np.testing.assert_array_equal(one, two)


def test_nobody_has_no_contributions():
    trees = bundle().estimator
    told = trees.explained(np.zeros((0, trees.columns), np.float32), np.arange(trees.columns))
    assert [part.shape for part in told] == [(0, trees.columns + 1), (0, trees.columns), (0, len(trees.members))]


def test_topics_may_be_none_at_all():
    trees, X = bundle().estimator, bundle().encoder.matrix(values(20, seed=9))
    told = trees.explained(X, np.full(trees.columns, -1))
    assert told.agreement.shape == (20, 0)
    np.testing.assert_array_equal(told.contributions, trees.explained(X, np.arange(trees.columns)).contributions)


@pytest.mark.parametrize(("columns", "topics"), [(COLUMNS - 1, COLUMNS), (COLUMNS + 1, COLUMNS), (COLUMNS, 0)])
def test_another_number_of_columns_is_refused(columns: int, topics: int):
    trees = BoostedTrees((booster_of([{"leaf": 1.0, "cover": 1.0}]),))
    with pytest.raises(ValueError, match=f"{COLUMNS} columns are wanted"):
        trees.explained(np.zeros((3, columns), np.float32), np.zeros(topics, int))


def learned(objective: str = "binary:logistic", **more: object) -> xgboost.Booster:
    random = np.random.default_rng(1)
    X = random.normal(size=(500, COLUMNS)).astype(np.float32)
    label = (X[:, 0] * X[:, 1] > 0) * (1 + (X[:, 2] > 0)) if "num_class" in more else X[:, 0] * X[:, 1] > 0
    return xgboost.train({"objective": objective, "nthread": 1, **more}, xgboost.DMatrix(X, label), 3)


def by_categories() -> xgboost.Booster:
    import pandas as pd

    random = np.random.default_rng(1)
    frame = pd.DataFrame({f"f{i}": random.normal(size=500) for i in range(COLUMNS - 1)})
    frame["where"] = pd.Categorical(random.choice(list("abcdef"), 500))
    matrix = xgboost.DMatrix(frame, frame["where"].isin(["a", "d"]), enable_categorical=True)
    return xgboost.train({"objective": "binary:logistic", "nthread": 1, "max_cat_to_onehot": 1}, matrix, 2)


UNFIT = {
    "deeper": lambda: learned(max_depth=LARGEST + 1, min_child_weight=0),
    "categories": by_categories,
    "dart": lambda: learned(booster="dart", rate_drop=0.9),
    "counts": lambda: learned("count:poisson"),
    "classes": lambda: learned("multi:softmax", num_class=3),
}


@pytest.mark.parametrize("why", UNFIT)
def test_what_does_not_fit_into_tables_is_refused(why: str):
    with pytest.raises(Misfit):
        compiled([UNFIT[why]()])


def test_deeper_trees_are_explained_by_xgboost_and_that_is_said_once(caplog: pytest.LogCaptureFixture):
    trees, X = BoostedTrees((UNFIT["deeper"](),)), made_up_rows(np.random.default_rng(2), ROWS)
    with caplog.at_level(logging.WARNING):
        told = trees.explained(X, ALL)
        trees.explained(X[:1], ALL)
    np.testing.assert_allclose(told.contributions.sum(axis=1), trees.margins(X)[:, 0], atol=EXACT)
    np.testing.assert_array_equal(told.margins, trees.margins(X))
    assert [r.getMessage() for r in caplog.records if "slower" in r.getMessage()] == [
        f"Reasons are as exact, and a hundred times slower, for this model: a leaf below more than {LARGEST} decisions"
    ]


def elsewhere(code: str, **environment: str) -> dict:
    """Run code in a process of its own, and read what it prints."""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False,
                          env={**os.environ, **environment})  # fmt: skip
    assert told.returncode == 0, told.stderr
    return {**json.loads(told.stdout), "said": told.stderr}


EXPLAIN = """
import json
import numpy as np
from tests.bundling import bundle, values
made = bundle()
told = made.explained(made.encoder.matrix(values(20, seed=9)))
fits = made.estimator.program is not None
kept = None
if fits:
    from wellkept.pattern_kernel import walk
    kept = type(walk._cache).__name__ != "NullCache"
print(json.dumps({"fits": fits, "kept": kept, "sum": told.contributions.sum(axis=1).tolist()}))
"""


def test_without_numba_reasons_are_the_same_and_it_is_said():
    told = elsewhere(f"import sys; sys.modules['numba'] = None\n{EXPLAIN}")
    assert not told["fits"]
    assert told["said"].count("a hundred times slower") == 1
    made = bundle()
    np.testing.assert_allclose(told["sum"], made.margin(made.encoder.matrix(values(20, seed=9))), atol=EXACT)


SMALL = """
from numba import types
from wellkept.pattern_kernel import compiled_for

@compiled_for(types.float32[::1])
def double(x):
    for i in range(len(x)):
        x[i] *= 2
"""


def doubled(folder: Path) -> bool:
    """Whether a small function, compiled anew as the kernel is, works and is kept on disk."""
    (folder / "small.py").write_text(SMALL)
    found = importlib.util.spec_from_file_location("small", folder / "small.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    x = np.ones(3, np.float32)
    module.double(x)
    assert x.tolist() == [2, 2, 2]
    return any(folder.rglob("*.nbc"))


def test_what_is_compiled_is_kept_and_a_damaged_file_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("numba.config.CACHE_DIR", "")
    assert doubled(tmp_path)
    for file in tmp_path.rglob("*.nbc"):
        file.write_bytes(file.read_bytes()[:100])
    assert doubled(tmp_path)


def test_where_no_folder_can_be_written_it_is_compiled_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "__pycache__").write_text("no folder")
    monkeypatch.setattr("numba.config.CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/cache")
    assert not doubled(tmp_path)


@pytest.mark.slow
def test_the_whole_kernel_works_where_no_folder_can_be_written():
    told = elsewhere(EXPLAIN, NUMBA_CACHE_DIR="/dev/null/cache",
                     NUMBA_CACHE_LOCATOR_CLASSES="UserProvidedCacheLocator")  # fmt: skip
    assert told["fits"]
    assert not told["kept"]


def test_a_call_never_compiles():
    from wellkept.one_row_kernel import walk_one
    from wellkept.pattern_kernel import walk

    trees = bundle().estimator
    for rows in (1, 2):
        trees.explained(np.zeros((rows, trees.columns), np.float32), np.arange(trees.columns))
    for kernel in (walk, walk_one):
        assert len(kernel.signatures) == 1
        with pytest.raises(TypeError):
            kernel(1, 2, 3)
