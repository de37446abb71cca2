"""Columns become what they say, or an offence by rule; whatever the bytes, nothing else comes out."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellkept.converting import (
    is_readable,
    missing_share,
    stamps_in_utc,
    to_category,
    to_flag,
    to_number,
    to_text,
    to_time,
)

COLUMNS = {
    "text": pa.array(["a", "1", None]),
    "large text": pa.array(["a", "1", None], pa.large_string()),
    "text view": pa.array(["a", "1", None], pa.string_view()),
    "dictionary": pa.array(["a", "1", None]).dictionary_encode(),
    "null": pa.nulls(3),
    "integer": pa.array([1, 0, None]),
    "unsigned": pa.array([2**64 - 1, 0, None], pa.uint64()),
    "float": pa.array([1.5, math.nan, math.inf]),
    "small float": pa.array([1, None, 0], pa.float16()),
    "boolean": pa.array([True, False, None]),
    "decimal": pa.array([1, None, 2], pa.decimal128(20, 0)),
    "fraction": pa.array([1, None, 2], pa.decimal128(20, 5)),
    "date": pa.array([0, None, 2**31 - 1], pa.date32()),
    "time": pa.array([0, None, 2**62], pa.timestamp("s")),
    "zoned": pa.array([0, None, 2**62], pa.timestamp("us", "Asia/Tokyo")),
    "fine": pa.array([1, None, 2**62], pa.timestamp("ns")),
}


def column(values: object) -> pa.ChunkedArray:
    return pa.chunked_array([values if isinstance(values, pa.Array) else pa.array(values)])


def offences(masks: dict[str, np.ndarray]) -> dict[str, list[int]]:
    return {rule: np.flatnonzero(mask).tolist() for rule, mask in masks.items() if mask.any()}


@pytest.mark.parametrize("name", COLUMNS)
def test_every_type_is_converted_or_an_offence_as_a_whole_and_never_an_exception(name: str) -> None:
    given_ = column(COLUMNS[name])
    assert is_readable(given_.type)
    for convert in (to_text, to_category, to_number, to_flag):
        values, masks = convert(given_, ("NA",))
        assert len(values) == 3
        assert all(mask.shape == (3,) for mask in masks.values())
    times, _ = to_time(given_, (), "Europe/Berlin")
    assert all(t is None or isinstance(t, datetime) for t in times.to_pylist())
    assert 0 <= missing_share(given_, ()) <= 1


@pytest.mark.parametrize("type_", [pa.binary(), pa.list_(pa.int8()), pa.struct([]), pa.time32("s")], ids=str)
def test_other_types_are_not_readable(type_: pa.DataType) -> None:
    assert not is_readable(type_)


def test_texts_lose_the_blanks_around_them_and_nothing_else() -> None:
    values, masks = to_text(column([" 007 ", "NA", "na", "", "  ", "\u00a0x", "a b"]), ("NA",))
    assert values.to_pylist() == ["007", None, "na", None, None, "x", "a b"]
    assert offences(masks) == {}
    assert offences(to_text(column(["a", "a\x00b"]), ())[1]) == {"control_character": [1]}


def test_an_identifier_that_became_a_float_is_damaged_and_a_whole_category_is_not() -> None:
    floats = column([1.0, 0.5, None, -3.0])
    assert offences(to_text(floats, ())[1]) == {"dtype": [0, 1, 2, 3]}
    assert to_category(floats, ("-3",))[0].to_pylist() == ["1", "0.5", None, None]
    values, masks = to_category(column([math.nan, math.inf, 1e300]), ())
    assert values.to_pylist() == [None, None, "1e+300"]
    assert offences(masks) == {"non_finite": [0, 1]}


def test_numbers_are_read_as_written() -> None:
    texts = ["12", "12.5", "+1", "-1e3", ".5", "5.", "1E+2", "00123", "1e-400", ""]
    values, masks = to_number(column(texts), ())
    assert values.to_pylist() == [12, 12.5, 1, -1000, 0.5, 5, 100, 123, 0, None]
    assert offences(masks) == {}
    wrong = ["1,5", "1.5.2", "e5", "1e", "--1", "1 2", "0x1", "1f", "\u0661"]
    assert offences(to_number(column(wrong), ())[1]) == {"not_a_number": list(range(len(wrong)))}


def test_numbers_beyond_what_sums_stay_exact_for_are_offences() -> None:
    values, masks = to_number(column(["1e15", "-1.1e15", "1e309", "nan"]), ())
    assert values.to_pylist() == [1e15, None, None, None]
    assert offences(masks) == {"out_of_range": [1], "non_finite": [2, 3]}


@pytest.mark.parametrize("pair", [("1", "0"), ("TRUE", "false"), ("Yes", "no"), ("y", "N"), ("T", "F")])
def test_a_column_of_flags_uses_one_pair(pair: tuple[str, str]) -> None:
    values, masks = to_flag(column([*pair, *pair, "", "on", "2"]), ())
    assert values.to_pylist()[:5] == [True, False, True, False, None]
    assert offences(masks) == {"not_a_boolean": [5, 6]}
    other = "no" if pair[0] != "Yes" else "0"
    assert offences(to_flag(column([*pair, other]), ())[1]) == {"not_a_boolean": [2]}


def test_a_time_of_day_is_in_the_zone_given_whether_text_or_timestamp() -> None:
    naive = [datetime(2026, 3, 29, 2, 30), datetime(2025, 10, 26, 2, 30), datetime(2025, 7, 1, 12)]  # noqa: DTZ001
    from_text, _ = to_time(column([str(t) for t in naive]), (), "Europe/Berlin")
    assert [t.strftime("%d %H:%M") for t in from_text.to_pylist()] == ["29 01:00", "26 00:30", "01 10:00"]
    for unit in ("s", "ms", "us", "ns"):
        assert stamps_in_utc(column(pa.array(naive, pa.timestamp(unit))), "Europe/Berlin").equals(from_text)


TIME_LIKE = st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2})?", fullmatch=True)
ANY_TEXT = st.text(max_size=12) | TIME_LIKE | st.floats().map(str) | st.sampled_from(["yes", "0", "NA", " "])


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(ANY_TEXT, min_size=1, max_size=6))
def test_whatever_was_written_each_cell_is_a_value_missing_or_an_offence(texts: list[str]) -> None:
    cells = column(texts)
    for values, masks in (to_text(cells, ("NA",)), to_number(cells, ("NA",)), to_flag(cells, ("NA",)),
                          to_time(cells, ("NA",), "America/New_York")):  # fmt: skip
        wrong = np.logical_or.reduce(list(masks.values()))
        for text, value, offends in zip(texts, values.to_pylist(), wrong, strict=True):
            missing = to_text(column([text]), ("NA",))[0].to_pylist() == [None]
            assert (value is not None) + missing + bool(offends) >= 1
            assert not (missing and offends)
