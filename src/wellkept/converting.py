"""Columns as a sender wrote them -> numbers, times, flags and texts, with every cell that does not fit.

Each function takes one column and gives the converted values and boolean masks of offending rows by rule. A missing
value (null, an empty cell, or one of the texts in `missing`) is null and never an offence. Nothing is guessed:
03/04/2026 is no date, 12,5 is no number. The rule `dtype` is about the column as a whole, so its mask is all true.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.contracts import LARGEST_NUMBER, TIME

NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
NON_FINITE = r"(?i)^[+-]?(nan|inf|infinity)$"
INSTANT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$"
CLOCK = r"[0-9][T ][0-9]{2}:"
OFFSET = r"(Z|[T ].*[+-][0-9]{2}:?[0-9]{2})$"
CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
FLAGS = (("1", "0"), ("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"))
EXACT_WHOLE = 2.0**53  # beyond it a float no longer tells neighbouring whole numbers apart
FIRST_MOMENT = pa.scalar(datetime.min.replace(tzinfo=UTC), TIME)
LAST_MOMENT = pa.scalar(datetime.max.replace(tzinfo=UTC), TIME)

Masks = dict[str, np.ndarray]


def to_text(column: pa.ChunkedArray, missing: tuple[str, ...]) -> tuple[pa.ChunkedArray, Masks]:
    """Texts and identifiers, trimmed; rules control_character, dtype (an identifier that became a float is damaged)."""
    column = _plain(column)
    if not (_is_text(column.type) or pa.types.is_integer(column.type) or _is_whole_decimal(column.type)):
        return _wrong_type(column, pa.string())
    text = pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
    text = pc.if_else(pc.is_in(text, pa.array(["", *missing], pa.string())), pa.scalar(None, pa.string()), text)
    return text, {"control_character": mask_of(pc.match_substring_regex(text, CONTROL))}


def to_category(column: pa.ChunkedArray, missing: tuple[str, ...]) -> tuple[pa.ChunkedArray, Masks]:
    """Categories: as `to_text`, and booleans, and floats, of which a whole one is its digits (1.0 -> "1")."""
    column = _plain(column)
    if pa.types.is_boolean(column.type):
        column = pc.cast(column, pa.string())
    if not pa.types.is_floating(column.type):
        return to_text(column, missing)
    column = pc.cast(column, pa.float64())
    wrong = ~mask_of(pc.is_finite(column), null=True)
    sound = pc.if_else(pa.array(wrong), pa.scalar(None, pa.float64()), column)
    exact = pc.and_(pc.equal(pc.floor(sound), sound), pc.less(pc.abs(sound), EXACT_WHOLE))
    digits = pc.cast(pc.cast(sound, pa.int64(), safe=False), pa.string())
    text, masks = to_text(pc.if_else(exact, digits, pc.cast(sound, pa.string())), missing)
    return text, {**masks, "non_finite": wrong}


def to_number(column: pa.ChunkedArray, missing: tuple[str, ...]) -> tuple[pa.ChunkedArray, Masks]:
    """Numbers as float64; rules not_a_number, non_finite, out_of_range, dtype."""
    column = _plain(column)
    masks: Masks = {}
    if _is_text(column.type):
        text, masks = to_text(column, missing)
        infinite = mask_of(pc.match_substring_regex(text, NON_FINITE))
        wrong = ~mask_of(pc.match_substring_regex(text, NUMBER)) & mask_of(text.is_valid()) & ~infinite
        numbers = pc.cast(pc.if_else(pa.array(wrong), pa.scalar(None, pa.string()), text), pa.float64())
        masks = {**masks, "not_a_number": wrong}
    elif pa.types.is_boolean(column.type):
        numbers = pc.cast(pc.cast(column, pa.uint8()), pa.float64())
    elif _is_numeric(column.type):
        numbers = pc.cast(column, pa.float64(), safe=False)
        codes = [float(m) for m in missing if _is_number(m)]
        numbers = pc.if_else(pc.is_in(numbers, pa.array(codes, pa.float64())), pa.scalar(None, pa.float64()), numbers)
    else:
        return _wrong_type(column, pa.float64())
    infinite = ~mask_of(pc.is_finite(numbers), null=True)
    large = mask_of(pc.greater(pc.abs(numbers), LARGEST_NUMBER)) & ~infinite
    fits = pc.if_else(pa.array(infinite | large), pa.scalar(None, pa.float64()), numbers)
    return fits, {**masks, "non_finite": infinite, "out_of_range": large}


def to_flag(column: pa.ChunkedArray, missing: tuple[str, ...]) -> tuple[pa.ChunkedArray, Masks]:
    """Booleans; rule not_a_boolean for what is not of the pair (yes/no, 1/0 ...) that most rows of the column use."""
    text, masks = to_category(column, missing)
    text = pc.utf8_lower(text)
    pair = max(FLAGS, key=lambda pair: mask_of(pc.is_in(text, pa.array(pair))).sum())
    wrong = ~mask_of(pc.is_in(text, pa.array(pair))) & mask_of(text.is_valid())
    return pc.equal(text, pair[0]), {**masks, "not_a_boolean": wrong}


def to_time(column: pa.ChunkedArray, missing: tuple[str, ...], timezone: str) -> tuple[pa.ChunkedArray, Masks]:
    """Instants in UTC; rules date_format (not ISO 8601), date (no such day, or no year from 1 to 9999) and dtype.

    A time without an offset is read in `timezone`: of an hour that happens twice the first, and one that does not
    exist is moved forward to the first that does.
    """
    column = _plain(column)
    masks: Masks = {}
    if _is_text(column.type):
        text, masks = to_text(column, missing)
        given, formed = mask_of(text.is_valid()), mask_of(pc.match_substring_regex(text, INSTANT))
        times = _instants(text, formed, mask_of(pc.match_substring_regex(text, OFFSET)), timezone)
        masks = {**masks, "date_format": given & ~formed, "date": formed & ~mask_of(times.is_valid())}
    elif pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
        try:
            times = stamps_in_utc(column, timezone)
        except pa.ArrowInvalid:
            return _wrong_type(column, TIME)
    else:
        return _wrong_type(column, TIME)
    beyond = mask_of(pc.or_(pc.less(times, FIRST_MOMENT), pc.greater(times, LAST_MOMENT)))
    times = pc.if_else(pa.array(beyond), pa.scalar(None, TIME), times)
    return times, {**masks, "date": masks.get("date", False) | beyond}


def lacks_offset(column: pa.ChunkedArray) -> bool:
    """Does any time of day in it stand without an offset?"""
    column = _plain(column)
    if _is_text(column.type):
        clock, offset = (mask_of(pc.match_substring_regex(column, pattern)) for pattern in (CLOCK, OFFSET))
        return bool((clock & ~offset).any())
    return pa.types.is_timestamp(column.type) and column.type.tz is None


def stamps_in_utc(column: pa.ChunkedArray, timezone: str) -> pa.ChunkedArray:
    """Dates or timestamps of any unit as instants in UTC, cut to microseconds; raises ArrowInvalid if beyond them."""
    fine = pa.types.is_timestamp(column.type) and column.type.unit == "ns"
    zone = column.type.tz if pa.types.is_timestamp(column.type) else None
    column = pc.cast(column, pa.timestamp("us", zone), safe=not fine)
    if zone is None:
        column = pc.assume_timezone(column, timezone, ambiguous="earliest", nonexistent="latest")
    return pc.cast(column, TIME)


def missing_share(column: pa.ChunkedArray, missing: tuple[str, ...]) -> float:
    """The share of cells in which nothing was recorded, whatever the column's type."""
    column = _plain(column)
    return (to_text(column, missing)[0] if _is_text(column.type) else column).null_count / max(len(column), 1)


def is_readable(type_: pa.DataType) -> bool:
    """Is it a type that any of these functions takes?"""
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    is_time = pa.types.is_date(type_) or pa.types.is_timestamp(type_)
    return _is_text(type_) or _is_numeric(type_) or is_time or pa.types.is_boolean(type_) or pa.types.is_null(type_)


def mask_of(values: pa.ChunkedArray, *, null: bool = False) -> np.ndarray:
    """Arrow booleans as a NumPy mask."""
    return pc.fill_null(values, fill_value=null).to_numpy(zero_copy_only=False).astype(bool)


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
    """Without a dictionary; a column that was null from top to bottom is one of texts."""
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    return pc.cast(column, pa.string()) if pa.types.is_null(column.type) else column


def _wrong_type(column: pa.ChunkedArray, wanted: pa.DataType) -> tuple[pa.ChunkedArray, Masks]:
    return pa.chunked_array([pa.nulls(len(column), wanted)]), {"dtype": np.ones(len(column), bool)}


def _is_text(type_: pa.DataType) -> bool:
    return pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_)


def _is_numeric(type_: pa.DataType) -> bool:
    return pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_)


def _is_whole_decimal(type_: pa.DataType) -> bool:
    return pa.types.is_decimal(type_) and type_.scale == 0


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
