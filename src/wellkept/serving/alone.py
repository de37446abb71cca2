"""One patient's points and features of a journey, as plain data: the bits of the feature query, at a fiftieth of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wellkept.bundles import Bundle
from wellkept.history import JourneyFeatures
from wellkept.history.one_journey import Row, Value
from wellkept.labelling import conditions_of
from wellkept.serving.whom import whom


class Point(NamedTuple):
    """Of one patient: the encounter, and the features by name."""

    encounter_id: str | None
    features: dict[str, Value]


class Alone:
    """What a bundle asks of one journey, laid out once."""

    def __init__(self, bundle: Bundle) -> None:
        conditions = conditions_of(bundle.spec.points)
        self._conditions = tuple(conditions)
        self._whom = whom(bundle.spec.points)
        self._features = JourneyFeatures({**{f.name: f.expression for f in bundle.encoder.features}, **conditions})

    def at(self, moment: int, rows: Sequence[Row]) -> list[Point]:
        """The points at this moment (microseconds); `rows` are one patient's, as the journey store sorts them.

        Raises
        ------
        TooLarge
            Ask the query.
        """
        return [p for p in self.before_conditions(moment, rows)
                if all(p.features.pop(name) == 1.0 for name in self._conditions)]

    def before_conditions(self, moment: int, rows: Sequence[Row]) -> list[Point]:
        """The same with the conditions among the features, whether they hold or not."""
        return [Point(encounter, self._features.at(moment, encounter, rows)) for encounter in self._whom(moment, rows)]
