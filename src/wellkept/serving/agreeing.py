"""Does what is computed of one journey have the bits of the feature query? Asked before a bundle comes into service.

The query is what features mean, there is no second opinion. It is asked of made-up journeys, drawn from what the
bundle's features ask for: its codes, categories and thresholds, and moments at the very ends of its windows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from wellkept.bundles import Bundle
from wellkept.contracts import LARGEST_NUMBER
from wellkept.durations import DAY, microseconds
from wellkept.history.language import Coalesce, Constant, Expression, Operation
from wellkept.history.one_journey import Row
from wellkept.labelling import conditions_of
from wellkept.serving.alone import Alone
from wellkept.serving.journey import in_order, row_of

MOMENT = 1_735_696_800_000_000  # the first of January 2025, 2:00 UTC
JOURNEYS = 48
NUMBERS = (None, 0.0, 0.1, -0.1, 1.0, 3.0, 1.5e-12, 2.5e-12, 1234.567, 7e14)
ENCOUNTERS = (None, "e1", "e2")


def drawn(bundle: Bundle, seed: int = 1) -> list[list[Row]]:
    """Made-up journeys, no patient's, as the journey store sorts them; `subject_id` is their place."""
    words, chance = _Words(bundle), random.Random(seed)  # noqa: S311  no secret: the same ones each time
    return [
        in_order([row_of(words.event(chance), i) for _ in range(chance.randint(0, 20 + 2 * len(words.codes)))])
        for i in range(JOURNEYS)
    ]


def told_alone(alone: Alone, journeys: Sequence[Sequence[Row]]) -> list[tuple]:
    """Every point of these journeys, to the bit, in order, with the conditions among the features."""
    return [
        (i, point.encounter_id, _bits(point.features))
        for i, rows in enumerate(journeys) for point in alone.before_conditions(MOMENT, rows)
    ]  # fmt: skip


def told_together(points: Any, features: Any) -> list[tuple]:
    """The same of tables, as `PreparedFeatures.at` gives them."""
    who = zip(points["subject_id"].to_pylist(), points["encounter_id"].to_pylist(), strict=True)
    return [(i, encounter, _bits(row)) for (i, encounter), row in zip(who, features.to_pylist(), strict=True)]


def _bits(features: dict[str, Any]) -> dict[str, Any]:
    """0.0 and -0.0 are equal numbers, and other bits."""
    return {name: value.hex() if isinstance(value, float) else value for name, value in features.items()}


class _Words:
    """What a bundle's features can tell apart."""

    def __init__(self, bundle: Bundle) -> None:
        points = bundle.spec.points
        expressions = [*(f.expression for f in bundle.encoder.features), *conditions_of(points).values()]
        chosen = [a.selection for e in expressions for a in e.aggregates()]
        codes = {code for selection in chosen for code in selection.codes} | {points.each or "ANYTHING"}
        exact = {code for code in codes if not code.endswith("*")}
        self.codes = sorted(exact | {c[:-1] + end for c in codes - exact for end in ("", "x", "y")})
        self.often = [points.each.removesuffix("*") or "ANYTHING"]
        said = [constant for s in chosen for _, _, constant in s.conditions]
        said += [constant for e in expressions for constant in _constants(e)]
        kinds = [] if isinstance(points.active, str) else list(points.active)
        self.texts = sorted({s for s in said if isinstance(s, str)} | {*kinds, "something else"})
        thresholds = {float(s) for s in said if not isinstance(s, str)}
        self.numbers = [*NUMBERS, *sorted(t for t in thresholds if abs(t) <= LARGEST_NUMBER)]
        limits = [points.active] if isinstance(points.active, str) else list(points.active.values())
        windows = {s.window for s in chosen if s.window} | set(limits)
        self.lengths = sorted({microseconds(w) for w in windows} | {int(DAY)})

    def event(self, chance: random.Random) -> dict[str, Any]:
        """One, known at any time around the moment or since ever."""
        length = chance.choice(self.lengths)
        happened = MOMENT - chance.choice([length - 1, length, length + 1, chance.randint(0, 2 * length), 0])
        known = happened + chance.choice([0, 0, 0, chance.randint(0, length)])
        happened_known = (None, None) if chance.random() < 0.1 else (happened, known)
        return {
            "happened": happened_known[0], "known": happened_known[1],
            "code": chance.choice(self.often if chance.random() < 0.1 else self.codes),
            "value": chance.choice(self.numbers), "text": chance.choice([None, *self.texts]),
            "encounter_id": chance.choice(ENCOUNTERS),
        }  # fmt: skip


def _constants(expression: Expression) -> Iterator[float | str]:
    match expression:
        case Constant(value=value):
            yield value
        case Operation(left=left, right=right):
            yield from _constants(left)
            yield from _constants(right)
        case Coalesce(parts=parts):
            for part in parts:
                yield from _constants(part)
