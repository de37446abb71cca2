"""Columns as a sender wrote them -> numbers, times, flags and texts, with every cell that does not fit.

Each function takes one column and gives the converted values and boolean masks of offending rows by rule. A missing
value is null and never an offence. Nothing is guessed: 03/04/2026 is no date, 12,5 is no number.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.contracts import TIME

NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
NON_FINITE = r"(?i)^[+-]?(nan|inf|infinity)$"
INSTANT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$"
OFFSET = r"(Z|[T ].*[+-][0-9]{2}:?[0-9]{2})$"
TRUE, FALSE = ("1", "true", "yes", "y", "t"), ("0", "false", "no", "n", "f")

Masks = dict[str, np.ndarray]


def to_text(column: pa.ChunkedArray, missing: tuple[str, ...]) -> tuple[pa.ChunkedArray, Masks]:
    """Texts and identifiers: trimmed; a float is refused, because an identifier that became one is damaged."""
    if pa.types.is_floating(column.type):
        return pc.cast(column, pa.string()), {"dtype": np.ones(len(column), bool)}
    text = pc.utf8_trim_whitespace(pc.cast(_plain(column), pa.string()))
    return pc.if_else(pc.is_in(text, pa.array(missing, pa.string())), pa.scalar(None, pa.string()), text), {}


def to_category(column: pa.ChunkedArray, missing: tuple[str, ...]) -> tuple[pa.ChunkedArray, Masks]:
    """Categories: as `to_text`, but a whole number stored as a float is its digits (1.0 -> "1")."""
    if pa.types.is_floating(column.type):
        whole = pc.equal(pc.floor(column), column)
        column = pc.if_else(whole, pc.cast(pc.cast(column, pa.int64(), safe=False), pa.string()),
                            pc.cast(column, pa.string()))
    return to_text(column, missing)


def to_number(column: pa.ChunkedArray, missing: tuple[str, ...]) -> tuple[pa.ChunkedArray, Masks]:
    """Numbers as float64; rules not_a_number, non_finite, dtype."""
    column = _plain(column)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        text, _ = to_text(column, missing)
        infinite = _mask(pc.match_substring_regex(text, NON_FINITE))
        wrong = ~_mask(pc.match_substring_regex(text, NUMBER)) & _mask(text.is_valid()) & ~infinite
        fits = pc.if_else(pa.array(wrong | infinite), pa.scalar(None, pa.string()), text)
        numbers = pc.cast(fits, pa.float64())
        infinite |= ~_mask(pc.is_finite(numbers), null=True)
        return _finite(numbers), {"not_a_number": wrong, "non_finite": infinite}
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)
            or pa.types.is_boolean(column.type)):
        return pa.chunked_array([pa.nulls(len(column), pa.float64())]), {"dtype": np.ones(len(column), bool)}
    numbers = pc.cast(pc.cast(column, pa.uint8()) if pa.types.is_boolean(column.type) else column, pa.float64())
    codes = [float(m) for m in missing if m and _is_number(m)]
    numbers = pc.if_else(pc.is_in(numbers, pa.array(codes, pa.float64())), pa.scalar(None, pa.float64()), numbers)
    return _finite(numbers), {"non_finite": ~_mask(pc.is_finite(numbers), null=True)}


def to_flag(column: pa.ChunkedArray, missing: tuple[str, ...]) -> tuple[pa.ChunkedArray, Masks]:
    """Booleans; rule not_a_boolean for what is neither a yes nor a no."""
    text, masks = to_category(_plain(column), missing)
    text = pc.utf8_lower(text)
    yes, no = pc.is_in(text, pa.array(TRUE)), pc.is_in(text, pa.array(FALSE))
    wrong = ~_mask(yes) & ~_mask(no) & _mask(text.is_valid())
    return pc.if_else(text.is_valid(), yes, pa.scalar(None, pa.bool_())), {**masks, "not_a_boolean": wrong}


def to_time(column: pa.ChunkedArray, missing: tuple[str, ...], timezone: str) -> tuple[pa.ChunkedArray, Masks]:
    """Instants in UTC; rules date_format (not ISO 8601) and date (no such day).

    A time without an offset is read in `timezone`: of an hour that happens twice the first, and one that does not
    exist is moved forward to the first that does.
    """
    if pa.types.is_date(column.type):
        column = pc.cast(column, pa.timestamp("us"))
    if pa.types.is_timestamp(column.type):
        if column.type.tz is None:
            column = pc.assume_timezone(pc.cast(column, pa.timestamp("us"), safe=False), timezone,
                                        ambiguous="earliest", nonexistent="latest")
        return pc.cast(column, TIME, safe=False), {}
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return pa.chunked_array([pa.nulls(len(column), TIME)]), {"dtype": np.ones(len(column), bool)}
    text, _ = to_text(column, missing)
    given = _mask(text.is_valid())
    formed = _mask(pc.match_substring_regex(text, INSTANT))
    times = _instants(text, formed, _mask(pc.match_substring_regex(text, OFFSET)), timezone)
    return times, {"date_format": given & ~formed, "date": formed & ~_mask(times.is_valid())}


def _instants(text: pa.ChunkedArray, formed: np.ndarray, offset: np.ndarray, timezone: str) -> pa.ChunkedArray:
    texts = pd.Series(text.to_pandas().to_numpy(dtype=object))
    times = pd.Series(pd.NaT, index=texts.index, dtype="datetime64[us, UTC]")
    with_offset, without = formed & offset, formed & ~offset
    if with_offset.any():
        times[with_offset] = pd.to_datetime(
            texts[with_offset], format="ISO8601", utc=True, errors="coerce").dt.as_unit("us")
    if without.any():
        local = pd.to_datetime(texts[without], format="ISO8601", errors="coerce").dt.as_unit("us")
        zoned = local.dt.tz_localize(ZoneInfo(timezone), ambiguous=np.ones(len(local), bool),
                                     nonexistent="shift_forward")
        times[without] = zoned.dt.tz_convert("UTC")
    naive = times.dt.tz_convert(None).to_numpy()
    return pa.chunked_array([pa.array(naive, pa.timestamp("us")).cast(TIME)])


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(column, column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _finite(numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, pa.float64()))


def _mask(values: pa.ChunkedArray, *, null: bool = False) -> np.ndarray:
    return pc.fill_null(values, fill_value=null).to_numpy().astype(bool)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
