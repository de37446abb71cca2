"""Strict JSON: what is one, is read as Python's own reader reads it; what is none, is refused with its code."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellkept.errors import BodyUnreadable
from wellkept.serving.strict_json import DEEPEST, parse

NUMBERS = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
DATA = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(DATA)
def test_what_is_strict_json_is_read_as_it_is(data: object) -> None:
    try:
        text = json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    if "\0" in json.dumps(data, ensure_ascii=False):
        return
    assert parse(text) == data


@given(st.binary(max_size=60))
def test_whatever_comes_is_read_or_refused_with_a_code(body: bytes) -> None:
    code = ""
    try:
        parse(body)
    except BodyUnreadable as error:
        code = error.code
    assert code == "" or code.startswith(("json_", "not_utf8"))


@pytest.mark.parametrize(("body", "code"), [
    (b'{"a": -0}', ""), (b'{"a": -5, "b": 9223372036854775807}', ""),
    (b'{"a": 9223372036854775808}', "json_number_too_long"),
    (b'{"a": -9223372036854775809}', "json_number_too_long"), (b'{"a": 0.' + b"1" * 60 + b"}", "json_number_too_long"),
    (b"[" * DEEPEST + b"]" * DEEPEST, ""), (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), "json_too_deep"),
    (b'["' + b"[" * 99 + b'\\"{{{"]', ""), (b'{"a": "\\ud83d\\ude00"}', ""), (b'{"\\ud83d": 1}', "json_lone_surrogate"),
    (b'{"a": {"b": 1, "b": 1}}', "json_duplicate_key"), (b'["\t"]', "json_invalid"), (b"", "json_invalid"),
])  # fmt: skip
def test_each_bound_holds_exactly(body: bytes, code: str) -> None:
    if code:
        with pytest.raises(BodyUnreadable) as refused:
            parse(body)
        assert refused.value.code == code
    else:
        assert parse(body) == json.loads(body)
