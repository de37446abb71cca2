"""Features that a client sends, held against what the models in service ask for -> the table that `scoring` reads.

What is absent is not known. What no model asks for, what is of the wrong kind or cannot be, is refused by its place and
rule, never with its value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from wellkept.bundles import Bundle
from wellkept.catalogue import Feature
from wellkept.contracts import LARGEST_NUMBER
from wellkept.encoding import UNKNOWN
from wellkept.history.language import Aggregate, Coalesce, Constant

# what a number of a unit can be, whatever it is made of; and what one that was recorded as it is can be
ALWAYS = {"years": (0.0, 120.0), "yes/no": (0.0, 1.0), "share": (0.0, LARGEST_NUMBER)}
RECORDED = {"min": (0.0, 1440.0), "s": (0.0, 86_400.0), "km": (0.0, 40_000.0)}
FREE = (-LARGEST_NUMBER, LARGEST_NUMBER)

Broken = tuple[str, str]  # path, rule


@dataclass(frozen=True)
class Meaning:
    """What one model takes for a feature, laid out once: a category, or a number between two others."""

    is_text: bool
    is_count: bool
    low: float
    high: float

    def rule(self, value: Any) -> str:
        """The rule that a value breaks; empty when none. Categories are held against all models at once."""
        kind = type(value)
        if self.is_text:
            return "" if kind is str else "category_is_text"
        if value is None:
            return ""
        if kind is float:
            if self.is_count:
                return "not_a_whole_number"
        elif kind is not int:  # bool is one to Python, and no number to us
            return "not_a_number"
        return "" if self.low <= value <= self.high else "out_of_range"


class Vocabulary:
    """What may be said in features: those of all models in service, each with its categories."""

    def __init__(self, bundles: Sequence[Bundle]) -> None:
        self.features: dict[str, Feature] = {}
        self._meanings: dict[str, set[Meaning]] = {}  # two models may have two ideas of one name
        self.levels: dict[str, frozenset[str]] = {}
        for bundle in bundles:
            for feature in bundle.encoder.features:
                self.features[feature.name] = feature
                self._meanings.setdefault(feature.name, set()).add(_meaning(feature))
                known = bundle.encoder.levels.get(feature.name, ())
                self.levels[feature.name] = self.levels.get(feature.name, frozenset({UNKNOWN})).union(known)
        self._between = {
            name: (max(m.low for m in meanings), min(m.high for m in meanings))
            for name, meanings in self._meanings.items() if not any(m.is_text or m.is_count for m in meanings)
        }  # fmt: skip

    def broken(self, given: Mapping[str, Any], path: str) -> list[Broken]:
        """Every rule that these features break."""
        found = []
        for name, value in given.items():
            between = self._between.get(name)
            if between is not None and type(value) is float and between[0] <= value <= between[1]:
                continue  # nearly all of what is sent: a number that means the same to every model
            meanings = self._meanings.get(name)
            if meanings is None:
                found.append((path, "unknown_feature"))  # its name is the client's, and may be anybody's
                continue
            for meaning in meanings:
                rule = meaning.rule(value)
                if not rule and meaning.is_text and value not in self.levels[name]:
                    rule = "unknown_category"
                if rule:
                    found.append((f"{path}/{name.replace('/', '~1')}", rule))
                    break
        return found


def table_of(bundle: Bundle, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The bundle's features of these rows; what is absent is null."""
    return pa.table({
        f.name: pa.array([row.get(f.name) for row in rows], pa.string() if f.expression.is_text else pa.float32())
        for f in bundle.encoder.features
    })  # fmt: skip


def _meaning(feature: Feature) -> Meaning:
    is_count = isinstance(feature.expression, Aggregate) and feature.expression.how == "count"
    return Meaning(feature.expression.is_text, is_count, *_range(feature))


def _range(feature: Feature) -> tuple[float, float]:
    """What a feature can be, by its unit and by what it is made of; a difference of two minutes may be negative."""
    if feature.unit in ALWAYS:
        return ALWAYS[feature.unit]
    parts = feature.expression.parts if isinstance(feature.expression, Coalesce) else (feature.expression,)
    ways = {part.how for part in parts if isinstance(part, Aggregate)}
    if ways and ways <= {"count", "since", "since_first"}:
        return 0.0, LARGEST_NUMBER
    recorded = all(isinstance(part, Constant) or (isinstance(part, Aggregate) and part.how != "sum") for part in parts)
    return RECORDED.get(feature.unit, FREE) if recorded else FREE
