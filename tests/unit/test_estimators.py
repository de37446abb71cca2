"""Trees and logistic regression: exact contributions, honest members, constraints, and files that give both back."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pyarrow as pa
import pytest

from tests.bundling import FOLDS, ROWS, bundle, labels, spec, values
from wellkept.bundles import Bundle
from wellkept.estimators import estimator_from, fit_trees
from wellkept.learning import Estimator, Outcomes
from wellkept.logistic import LIMIT, LogisticRegression, fit_logistic
from wellkept.spec import Logistic, Trees

EXACT = 1e-5
KINDS = ("trees", "logistic")
FOLD = np.arange(ROWS) % FOLDS


def matrix(rows: int = ROWS, seed: int = 1) -> np.ndarray:
    return bundle().encoder.matrix(values(rows, seed))


def by_columns(estimator: Estimator, X: np.ndarray) -> np.ndarray:
    """Contributions of the columns: the members' mean."""
    return np.mean(list(estimator.member_contributions(X)), axis=0)


def fitted(kind: str, label: np.ndarray):
    X, encoder, outcomes = matrix(), bundle().encoder, Outcomes(label, np.ones(ROWS), FOLD)
    if kind == "trees":
        return fit_trees(X, outcomes, encoder.monotone, spec()).estimator
    return fit_logistic(X, outcomes, FOLDS, Logistic()).estimator


@pytest.fixture(params=KINDS)
def trained(request: pytest.FixtureRequest) -> Bundle:
    return bundle(request.param)


@pytest.mark.filterwarnings("ignore")  # shap's own, about other libraries
def test_contributions_of_trees_are_what_shap_says():
    import shap

    trees, X = bundle().estimator, matrix(60, seed=9)
    said = [shap.TreeExplainer(member) for member in trees.members]
    by_column = np.mean([explainer.shap_values(X) for explainer in said], axis=0)
    bias = np.mean([explainer.expected_value for explainer in said])
    ours = by_columns(trees, X)
    np.testing.assert_allclose(ours[:, :-1], by_column, atol=EXACT)
    np.testing.assert_allclose(ours[:, -1], bias, atol=EXACT)


def test_contributions_of_columns_add_up_to_the_members_mean_margin(trained: Bundle):
    X = matrix(200, seed=9)
    np.testing.assert_allclose(
        by_columns(trained.estimator, X).sum(1), trained.estimator.margins(X).mean(1), atol=EXACT
    )


def test_contributions_of_features_add_up_to_the_calibrated_margin_and_sum_a_categorys_columns(trained: Bundle):
    X = matrix(200, seed=9)
    by_feature, by_column = trained.contributions(X), by_columns(trained.estimator, X) * trained.slope
    assert by_feature.dtype == np.float32
    assert by_feature.shape == (200, len(trained.encoder.features) + 1)
    np.testing.assert_allclose(by_feature.sum(1), trained.margin(X), atol=EXACT)
    for i in range(len(trained.encoder.features)):
        own = by_column[:, :-1][:, trained.encoder.feature_of_column == i].sum(1)
        np.testing.assert_allclose(by_feature[:, i], own, atol=EXACT)


def shapley(value, players: int) -> list[float]:
    """Shapley values from their definition, over all orders of joining."""
    orders = list(itertools.permutations(range(players)))
    return [
        sum(value({*order[: order.index(i) + 1]}) - value({*order[: order.index(i)]}) for order in orders) / len(orders)
        for i in range(players)
    ]


def test_contributions_of_logistic_regression_are_shapley_values_over_the_training_rows():
    random = np.random.default_rng(5)
    X = np.where(random.random((90, 4)) < 0.2, np.nan, random.random((90, 4))).astype(np.float32)
    label = random.random(90) < 0.5
    model = fit_logistic(X, Outcomes(label, np.ones(90), np.arange(90) % 3), 3, Logistic()).estimator

    for row in X[:3]:
        def margin_with(known: set[int], row: np.ndarray = row) -> float:
            mixed = X.copy()
            mixed[:, sorted(known)] = row[sorted(known)]
            return model.margins(mixed).mean()

        expected = shapley(margin_with, 4)
        np.testing.assert_allclose(by_columns(model, row[None])[0, :-1], expected, atol=EXACT)
    assert math.isclose(by_columns(model, X[:1])[0, -1], model.margins(X).mean(), abs_tol=EXACT)


def test_a_patient_of_whom_nothing_is_known_has_a_risk_and_contributions(trained: Bundle):
    nothing = pa.table({f.name: pa.nulls(2) for f in trained.encoder.features})
    X = trained.encoder.matrix(nothing)
    assert ((trained.risk(X) > 0) & (trained.risk(X) < 1)).all()
    np.testing.assert_allclose(trained.contributions(X).sum(1), trained.margin(X), atol=EXACT)


def test_logistic_regression_does_not_extrapolate():
    model = bundle("logistic")
    far, farther = (model.encoder.matrix(values(1)) for _ in range(2))
    far[:, 0], farther[:, 0] = model.estimator.center[0] + LIMIT * model.estimator.scale[0], 3e38
    np.testing.assert_allclose(model.margin(far), model.margin(farther), atol=EXACT)


@pytest.mark.parametrize(("name", "sign"), [("wait", +1), ("calls", -1)])
def test_more_of_a_constrained_feature_never_moves_the_risk_of_trees_the_other_way(name: str, sign: int):
    model, table = bundle(), values(40, seed=9)
    column = table.column_names.index(name)
    risks = np.array([
        model.risk(model.encoder.matrix(table.set_column(column, name, pa.array(np.full(40, x), pa.float32()))))
        for x in np.linspace(-10, 200, 60)
    ])  # fmt: skip
    assert (sign * np.diff(risks, axis=0) >= 0).all()
    assert np.ptp(risks) > 0.05


def test_unknown_rare_missing_and_unseen_categories_have_one_and_the_same_risk(trained: Bundle):
    row = values(1, seed=9)
    same = {
        trained.risk(trained.encoder.matrix(row.set_column(1, "channel", pa.array([seen], pa.string()))))[0]
        for seen in (None, "fax", "unknown", "carrier pigeon", "")
    }
    known = trained.risk(trained.encoder.matrix(row.set_column(1, "channel", pa.array(["phone"]))))[0]
    assert len(same) == 1
    assert known not in same


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", range(FOLDS))
def test_a_member_learns_nothing_from_the_labels_of_its_own_fold(kind: str, k: int):
    label, lied = labels(values()), labels(values())
    lied[k == FOLD] = ~lied[k == FOLD]
    told, misled = fitted(kind, label).margins(matrix()), fitted(kind, lied).margins(matrix())
    np.testing.assert_array_equal(told[:, k], misled[:, k])
    assert not any(np.array_equal(told[:, j], misled[:, j]) for j in range(FOLDS) if j != k)


def test_files_give_bit_equal_margins_and_contributions(trained: Bundle):
    X = matrix(200, seed=9)
    again = estimator_from(trained.estimator.files(), trained.estimator.kind)
    np.testing.assert_array_equal(again.margins(X), trained.estimator.margins(X))
    np.testing.assert_array_equal(by_columns(again, X), by_columns(trained.estimator, X))
    assert again.columns == trained.estimator.columns == X.shape[1]
    assert again.files() == trained.estimator.files()


def test_more_than_ten_members_come_back_in_order():
    trees = bundle().estimator
    content = [trees.files()[f"trees-{i % FOLDS}.ubj"] for i in range(12)]
    again = estimator_from({f"trees-{i}.ubj": c for i, c in enumerate(content)}, "trees")
    margins = trees.margins(matrix(20))
    np.testing.assert_array_equal(again.margins(matrix(20)), np.tile(margins, 4))


def test_a_model_of_no_finite_numbers_is_not_written():
    model = bundle("logistic").estimator
    broken = LogisticRegression(model.center, model.scale, model.missing_share, model.weights * np.nan,
                                model.missing_weights, model.intercepts)  # fmt: skip
    with pytest.raises(ValueError, match="JSON compliant"):
        broken.files()


LOGISTIC = json.loads(bundle("logistic").estimator.files()["logistic.json"])
TREE = bundle().estimator.files()["trees-0.ubj"]


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({}, "trees"),
        ({}, "logistic"),
        ({"trees-0.ubj": TREE}, "logistic"),
        ({"trees-0.ubj": TREE}, "neither"),
        ({"logistic.json": json.dumps(LOGISTIC).encode()}, "trees"),
        ({"trees-0.ubj": TREE, "logistic.json": json.dumps(LOGISTIC).encode()}, "trees"),
        ({"trees-1.ubj": TREE}, "trees"),
        ({"trees-0.ubj": b"{no tree"}, "trees"),
        ({"logistic.json": b"[]"}, "logistic"),
        ({"logistic.json": b"[" * 100_000}, "logistic"),
        ({"logistic.json": json.dumps({**LOGISTIC, "weights": [1.0]}).encode()}, "logistic"),
        ({"logistic.json": json.dumps({**LOGISTIC, "center": [1.0]}).encode()}, "logistic"),
        ({"logistic.json": json.dumps({**LOGISTIC, "center": "text"}).encode()}, "logistic"),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value) or "nothing",
)
def test_files_that_are_not_exactly_one_model_are_refused(files: dict[str, bytes], kind: str):
    with pytest.raises(ValueError, match=r"not exactly one model|cannot be read"):
        estimator_from(files, kind)


def test_trees_that_start_from_a_share_learn_what_else_there_is():
    random = np.random.default_rng(7)
    X = matrix()
    X[:, 0] = random.uniform(0.05, 0.95, ROWS)
    X[::50, 0] = np.nan
    label = random.random(ROWS) < np.nan_to_num(X[:, 0], nan=0.5)
    outcomes = Outcomes(label, np.ones(ROWS), FOLD)
    trees = fit_trees(X, outcomes, bundle().encoder.monotone, spec(), start=0).estimator
    plain = fit_trees(X, outcomes, bundle().encoder.monotone, spec()).estimator
    share = np.where(np.isnan(X[:, 0]), trees.start.mean, np.log(X[:, 0] / (1 - X[:, 0])))
    learned = trees.margins(X).mean(axis=1) - share
    assert np.abs(learned).mean() < 0.5 * np.abs(plain.margins(X).mean(axis=1)).mean()
    np.testing.assert_allclose(by_columns(trees, X).sum(axis=1), trees.margins(X).mean(axis=1), atol=EXACT)
    for member, margin in zip(trees.member_contributions(X), trees.margins(X).T, strict=True):
        np.testing.assert_allclose(member.sum(axis=1), margin, atol=EXACT)
    again = estimator_from(trees.files(), "trees")
    np.testing.assert_array_equal(again.margins(X), trees.margins(X))


@pytest.mark.parametrize("start", ['{"column": 99, "mean": 0.1}', '{"column": -1, "mean": 0.1}', '{"mean": 0.1}', "[]"])
def test_trees_that_start_from_no_column_of_theirs_are_refused(start: str):
    with pytest.raises(ValueError, match=r"start from no column|cannot be read"):
        estimator_from({**bundle().estimator.files(), "start.json": start.encode()}, "trees")


@pytest.mark.parametrize("kind", KINDS)
def test_the_way_of_asking_is_taken_out_whole(kind: str):
    random = np.random.default_rng(11)
    X, rows = np.tile(matrix(), (10, 1)), 10 * ROWS
    mode = random.integers(0, 2, rows)
    label = random.random(rows) < 1 / (1 + np.exp(1.0 + 0.8 * mode))
    outcomes = Outcomes(label, np.ones(rows), np.arange(rows) % FOLDS, mode=mode, modes=2)
    strong = Logistic(inverse_penalties=(0.0003,))
    longer = spec().model_copy(update={"trees": Trees(rounds=60)})
    fit = fit_trees(X, outcomes, bundle().encoder.monotone, longer) if kind == "trees" else (
        fit_logistic(X, outcomes, FOLDS, strong))
    rate = [label[mode == m].mean() for m in (0, 1)]
    seen = np.diff(np.log(rate) - np.log1p(-np.array(rate)))[0]
    assert seen < -0.5
    np.testing.assert_allclose(fit.mode_effects, [0, seen], atol=0.05)
