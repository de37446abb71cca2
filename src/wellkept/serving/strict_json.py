"""Bytes in, plain data out, and only if they are strict JSON (RFC 8259) in UTF-8 within our bounds.

Python's own reader takes NaN, lets the last of two equal keys win and turns 1e400 into infinity, so that a score could
go to another patient. Here each is refused, with a code of its own and never with what was sent.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from wellkept.errors import BodyUnreadable

DEEPEST = 16
LONGEST_NUMBER = 40  # digits of a number with a point or an exponent
LARGEST_WHOLE = 2**63 - 1
STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)


def parse(body: bytes) -> Any:
    """Read a request's body.

    Raises
    ------
    BodyUnreadable
        `not_utf8_json`, `json_too_deep`, `json_invalid`, `json_duplicate_key`, `json_number_too_long`,
        `json_non_finite_number` or `json_lone_surrogate`.
    """
    text = _text(body)
    if _depth(body) > DEEPEST:
        raise BodyUnreadable("json_too_deep", f"the body is nested deeper than {DEEPEST} levels")
    try:
        data = READER.decode(text)
    except ValueError:  # its message would hold a part of the body
        raise BodyUnreadable("json_invalid", "the body is not valid JSON") from None
    if "\\u" in text and _has_lone_surrogate(data):
        raise BodyUnreadable("json_lone_surrogate", "a string holds half of a surrogate pair, which is no character")
    return data


def _text(body: bytes) -> str:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text or text.startswith("\ufeff"):
        raise BodyUnreadable("not_utf8_json", "the body is not UTF-8 without a byte order mark")
    return text


def _depth(body: bytes) -> int:
    """How deep it is nested, before anything is parsed; brackets in strings do not count."""
    opened = body.count(b"[") + body.count(b"{")
    if opened <= DEEPEST:
        return opened
    depth = deepest = 0
    for bracket in re.findall(rb"[\[\]{}]", STRINGS.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
        if deepest > DEEPEST:
            break
    return deepest


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BodyUnreadable("json_duplicate_key", "an object has the same key twice")
    return found


def _whole(digits: str) -> int:
    if len(digits) > 20 or abs(number := int(digits)) > LARGEST_WHOLE:
        raise BodyUnreadable("json_number_too_long", "a whole number has more digits than 64 bits hold")
    return number


def _real(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        _not_finite(digits)
    if len(digits) > LONGEST_NUMBER:
        raise BodyUnreadable("json_number_too_long", f"a number is written with more than {LONGEST_NUMBER} characters")
    return number


def _not_finite(_literal: str) -> NoReturn:
    raise BodyUnreadable("json_non_finite_number", "a number is not finite: send null where it is not known")


def _has_lone_surrogate(data: Any) -> bool:
    try:
        json.dumps(data, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


READER = json.JSONDecoder(object_pairs_hook=_once, parse_int=_whole, parse_float=_real, parse_constant=_not_finite)
