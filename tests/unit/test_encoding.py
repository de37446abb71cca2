"""Features become the matrix that models see, by name, through vocabularies of our own."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tests.bundling import FEATURES, category, number, values
from wellkept.encoding import FEWEST, MOST_LEVELS, Encoder, fit_encoder
from wellkept.errors import InputRefused

ENCODER = Encoder((number("wait", monotone=+1), category("channel"), number("age")), {"channel": ("phone", "web")})
TABLE = pa.table({
    "wait": pa.array([1.5, None], pa.float32()), "channel": ["web", None], "age": pa.array([40, 50], pa.float32()),
})  # fmt: skip


def fitted(features: list, table: pa.Table) -> Encoder:
    return fit_encoder(features, table, np.arange(table.num_rows))


def test_a_number_is_one_column_and_a_category_one_a_level_and_one_for_unknown():
    expected = [[1.5, 0, 1, 0, 40], [np.nan, 0, 0, 1, 50]]
    assert ENCODER.columns == [(0, None), (1, "phone"), (1, "web"), (1, "unknown"), (2, None)]
    assert ENCODER.feature_of_column.tolist() == [0, 1, 1, 1, 2]
    assert ENCODER.monotone == (1, 0, 0, 0, 0)
    np.testing.assert_array_equal(ENCODER.matrix(TABLE), np.array(expected, np.float32))
    assert ENCODER.matrix(TABLE).flags.c_contiguous


@pytest.mark.parametrize("seen", [None, "fax", "unknown", "", "Phone", "phone "])
def test_missing_rare_and_never_seen_categories_are_all_unknown(seen: str | None):
    table = TABLE.set_column(1, "channel", pa.array([seen, "web"], pa.string()))
    assert ENCODER.matrix(table)[0, 1:4].tolist() == [0, 0, 1]


def test_columns_are_found_by_name_whatever_their_order_and_company():
    shuffled = TABLE.select(["age", "channel", "wait"]).append_column("somebody_elses", pa.array(["x", "y"]))
    np.testing.assert_array_equal(ENCODER.matrix(shuffled), ENCODER.matrix(TABLE))


def test_no_rows_give_no_rows():
    assert ENCODER.matrix(TABLE.slice(0, 0)).shape == (0, 5)


@pytest.mark.parametrize("type_", [pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_text_may_come_in_any_arrow_form_of_text(type_: pa.DataType):
    table = TABLE.set_column(1, "channel", TABLE["channel"].cast(type_))
    np.testing.assert_array_equal(ENCODER.matrix(table), ENCODER.matrix(TABLE))


@pytest.mark.parametrize("type_", [pa.int64(), pa.float64(), pa.uint8()])
def test_numbers_may_come_in_any_width(type_: pa.DataType):
    table = TABLE.set_column(2, "age", TABLE["age"].cast(type_))
    np.testing.assert_array_equal(ENCODER.matrix(table), ENCODER.matrix(TABLE))


def test_a_column_of_nulls_is_not_known():
    table = TABLE.set_column(0, "wait", pa.nulls(2)).set_column(1, "channel", pa.nulls(2))
    assert np.isnan(ENCODER.matrix(table)[:, 0]).all()
    assert ENCODER.matrix(table)[:, 3].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("column", "given", "code"),
    [
        ("age", ["40", "41"], "feature_contract"),
        ("age", [True, False], "feature_contract"),
        ("channel", [40.25, 41.25], "feature_contract"),
        ("age", [40.25, float("inf")], "non_finite"),
        ("age", [1e300, 40.25], "non_finite"),
    ],
)
def test_what_is_no_number_or_no_text_is_refused_and_not_shown(column: str, given: list, code: str):
    table = TABLE.set_column(TABLE.column_names.index(column), column, pa.array(given))
    with pytest.raises(InputRefused, match=column) as refused:
        ENCODER.matrix(table)
    assert refused.value.code == code
    assert not any(str(value) in str(refused.value) for value in given if value != float("inf"))


def test_a_missing_feature_is_refused_by_name():
    with pytest.raises(InputRefused, match="age") as refused:
        ENCODER.matrix(TABLE.drop_columns(["age"]))
    assert refused.value.code == "feature_contract"


def test_the_json_form_reads_back_as_the_same_encoder():
    assert Encoder.from_json(ENCODER.to_json()) == ENCODER


def test_the_profile_says_how_much_is_known_and_how_much_has_no_column():
    table = pa.table({
        "wait": pa.array([1, None, None, None], pa.float32()), "channel": ["web", "fax", "unknown", None],
        "age": pa.array([1, 2, 3, 4], pa.float32()),
    })  # fmt: skip
    assert ENCODER.profile(table) == {
        "wait": {"known": 0.25, "unseen": 0.0},
        "channel": {"known": 0.75, "unseen": 0.5},
        "age": {"known": 1.0, "unseen": 0.0},
    }


def test_a_category_needs_enough_rows_for_a_column_of_its_own():
    text = ["rare"] * (FEWEST - 1) + ["web"] * FEWEST + ["phone"] * (FEWEST + 1) + ["unknown"] * 50 + [None] * 50
    assert fitted([category("channel")], pa.table({"channel": text})).levels == {"channel": ("phone", "web")}


def test_equally_common_categories_stand_in_order_of_name_and_are_bounded():
    text = [f"level {i:03d}" for i in range(MOST_LEVELS + 5) for _ in range(FEWEST)]
    levels = fitted([category("channel")], pa.table({"channel": text[::-1]})).levels["channel"]
    assert levels == tuple(f"level {i:03d}" for i in range(MOST_LEVELS))


def test_what_never_varies_in_training_or_repeats_another_feature_is_dropped():
    numbers = pa.array([1, None, 3], pa.float32())
    table = pa.table({
        "wait": numbers, "age": numbers, "calls": pa.array([2, 2, 2], pa.float32()), "lost": pa.nulls(3, pa.float32()),
    })  # fmt: skip
    kept = fitted([number(name) for name in table.column_names], table).features
    assert [f.name for f in kept] == ["wait"]


def test_only_training_rows_decide():
    table = pa.table({"wait": pa.array([1, 1, 5], pa.float32()), "age": pa.array([1, 2, 2], pa.float32())})
    kept = fit_encoder([number("wait"), number("age")], table, np.array([0, 1])).features
    assert [f.name for f in kept] == ["age"]


def test_one_row_is_encoded_as_it_is_in_a_batch():
    table = values()
    encoder = fitted(list(FEATURES), table)
    batch = encoder.matrix(table)
    for i in (0, 7, 599):
        np.testing.assert_array_equal(encoder.matrix(table.slice(i, 1))[0], batch[i])
