"""Features -> the float32 matrix that models see, through vocabularies of our own.

A number is one column (NaN: not known). A category is one column a level and one for `unknown`, which stands for
missing, rare and never seen before alike; the model library never sees a category, so it cannot mistake one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.catalogue import Feature
from wellkept.errors import InputRefused

UNKNOWN = "unknown"
FEWEST = 20  # training rows that a category needs to have a column of its own
MOST_LEVELS = 60
TEXT, NUMBER = pa.string(), pa.float32()
TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_null)
NUMBERS = (pa.types.is_floating, pa.types.is_integer, pa.types.is_null)


@dataclass(frozen=True)
class Encoder:
    """Which columns stand for which feature.

    `levels` holds, by text feature, the categories that have a column, in order; `unknown` comes last.
    """

    features: tuple[Feature, ...]
    levels: Mapping[str, tuple[str, ...]]

    @cached_property
    def columns(self) -> list[tuple[int, str | None]]:
        """(feature's position, category or None) of each column of the matrix."""
        return [
            (i, level)
            for i, f in enumerate(self.features)
            for level in (self._levels(f) if f.expression.is_text else (None,))
        ]

    @cached_property
    def feature_of_column(self) -> np.ndarray:
        """The position of the feature that each column belongs to."""
        return np.array([i for i, _ in self.columns])

    @property
    def monotone(self) -> tuple[int, ...]:
        """The sign of each column's constraint."""
        return tuple(self.features[i].monotone if level is None else 0 for i, level in self.columns)

    def matrix(self, table: pa.Table) -> np.ndarray:
        """Rows x columns, float32, C order.

        Raises
        ------
        InputRefused
            A feature is missing or of another type (`feature_contract`), or holds an infinite number (`non_finite`).
        """
        there = set(table.column_names)
        if missing := [f.name for f in self.features if f.name not in there]:
            raise InputRefused("feature_contract", f"{len(missing)} features are missing, the first is {missing[0]}")
        out = np.empty((table.num_rows, len(self.columns)), np.float32)
        at = 0
        for feature in self.features:
            block = self._block(feature, _typed(feature, table[feature.name]))
            out[:, at : at + block.shape[1]] = block
            at += block.shape[1]
        return out

    def profile(self, table: pa.Table) -> dict[str, dict[str, float]]:
        """By feature: the share of rows where it is known, and where its category has no column."""
        return {
            f.name: {
                "known": 1 - table[f.name].null_count / table.num_rows,
                "unseen": self._unseen(f, _typed(f, table[f.name])) if f.expression.is_text else 0.0,
            }
            for f in self.features
        }

    def to_json(self) -> dict:
        """Plain data, for a bundle."""
        return {
            "features": [f.to_json() for f in self.features],
            "levels": {name: list(levels) for name, levels in self.levels.items()},
        }

    @classmethod
    def from_json(cls, data: dict) -> Encoder:
        """Read `to_json`'s data back."""
        levels = {name: tuple(values) for name, values in data["levels"].items()}
        return cls(tuple(Feature.from_json(f) for f in data["features"]), levels)

    def _levels(self, feature: Feature) -> tuple[str, ...]:
        return (*self.levels[feature.name], UNKNOWN)

    def _unseen(self, feature: Feature, column: pa.ChunkedArray) -> float:
        return float(np.mean((_index(column, self.levels[feature.name]) < 0) & column.is_valid().to_numpy()))

    def _block(self, feature: Feature, column: pa.ChunkedArray) -> np.ndarray:
        if not feature.expression.is_text:
            return _numbers(feature, column)[:, None]
        levels = self.levels[feature.name]
        index = _index(column, levels)
        index[index < 0] = len(levels)
        return np.eye(len(levels) + 1, dtype=np.float32)[index]


def fit_encoder(features: list[Feature], table: pa.Table, rows: np.ndarray) -> Encoder:
    """Vocabularies and useful columns from the training rows; labels play no part.

    A feature that never varies in training is dropped, and so is one that repeats an earlier one in every row.
    """
    training = table.take(pa.array(rows))
    levels = {f.name: _common_levels(training[f.name]) for f in features if f.expression.is_text}
    kept, seen = [], set()
    for feature in features:
        block = Encoder((feature,), levels).matrix(training) + np.float32(0)
        varies = not np.array_equal(block, np.broadcast_to(block[:1], block.shape), equal_nan=True)
        content = block.tobytes()
        if varies and content not in seen:
            kept.append(feature)
            seen.add(content)
    return Encoder(tuple(kept), {f.name: levels[f.name] for f in kept if f.expression.is_text})


def _common_levels(column: pa.ChunkedArray) -> tuple[str, ...]:
    counts = [(c["counts"], c["values"]) for c in pc.value_counts(column).to_pylist() if c["values"] is not None]
    common = sorted((-n, level) for n, level in counts if n >= FEWEST and level != UNKNOWN)
    return tuple(level for _, level in common[:MOST_LEVELS])


def _index(column: pa.ChunkedArray, levels: tuple[str, ...]) -> np.ndarray:
    found = pc.index_in(column, pa.array(levels, pa.string()))
    return pc.fill_null(found, -1).to_numpy().astype(np.int64)


def _typed(feature: Feature, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as strings or float32; what is neither text nor a number is not turned into it."""
    type_ = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    wanted, fits = (TEXT, TEXTS) if feature.expression.is_text else (NUMBER, NUMBERS)
    if not any(is_such(type_) for is_such in fits):
        raise InputRefused("feature_contract", f"feature {feature.name} must be {wanted}, not {column.type}")
    return column if column.type == wanted else column.cast(wanted, safe=False)


def _numbers(feature: Feature, column: pa.ChunkedArray) -> np.ndarray:
    numbers = column.to_numpy()
    if infinite := np.count_nonzero(np.isinf(numbers)):
        raise InputRefused("non_finite", f"feature {feature.name} is no finite number in {infinite} rows")
    return numbers
