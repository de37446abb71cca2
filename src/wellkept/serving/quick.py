"""One patient's answer by features, without tables: the bits of `scoring.score`, at a tenth of its fixed costs.

An Arrow table of one row costs more to make, check and take apart than the model costs to run. What never changes from
one request to the next is laid out once, when a bundle comes into service.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from operator import countOf
from typing import Any

import numpy as np

from wellkept.bundles import Bundle
from wellkept.explaining import MOST_AGREE, TOP
from wellkept.serving.answering import answer_of, whole
from wellkept.topics import NOBODYS, added_up, in_topics, topic_of

WARM = 5


class Quick:
    """A bundle, laid out for rows that come one at a time. `seconds` of CPU is what its longest answer takes here."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._features = bundle.encoder.features
        self._names = frozenset(feature.name for feature in self._features)
        self._numbers: list[tuple[str, int]] = []
        self._texts: list[tuple[str, Mapping[str, int], int]] = []
        self._empty = np.zeros(len(bundle.encoder.columns), np.float32)
        at = 0
        for feature in self._features:
            if feature.expression.is_text:
                levels = bundle.encoder.levels[feature.name]
                self._texts.append((feature.name, {v: at + i for i, v in enumerate(levels)}, at + len(levels)))
                at += len(levels) + 1
            else:
                self._empty[at] = np.nan
                self._numbers.append((feature.name, at))
                at += 1
        topic = topic_of(self._features)
        self._in_topics = in_topics(topic)
        self._members = [np.flatnonzero(topic == t) for t in range(topic.max(initial=NOBODYS) + 1)]
        self._walks = getattr(bundle.estimator, "program", None) is not None

        # this also compiles what is compiled on first use, before anybody waits for it
        self.seconds = min(self._cost() for _ in range(WARM))

    def _cost(self) -> float:
        began = time.thread_time()
        self.answer({}, "", explain="full", top=TOP)
        return time.thread_time() - began

    def row(self, given: Mapping[str, Any]) -> np.ndarray:
        """The encoder's row of these features: 1 x columns."""
        row = self._empty.copy()
        for name, at in self._numbers:
            value = given.get(name)
            if value is not None:
                row[at] = value
        for name, levels, unknown in self._texts:
            row[levels.get(given.get(name, ""), unknown)] = 1
        return row[None, :]

    def risk(self, X: np.ndarray) -> np.ndarray:
        """The risks alone of rows of the encoder's matrix, as `scoring` states them, float64."""
        bundle = self.bundle
        return (bundle.stated_of(bundle.explained(X).margins) if self._walks else bundle.stated(X)).risk

    def known(self, given: Mapping[str, Any]) -> int:
        """How many of the features are known."""
        if given.keys() <= self._names:
            return len(given) - countOf(given.values(), None)
        return sum(value is not None and name in self._names for name, value in given.items())

    def answer(self, given: Mapping[str, Any], as_of: str, *, explain: str, top: int) -> dict[str, Any]:
        """As `answering.answers` of one row."""
        bundle, X = self.bundle, self.row(given)
        explained = bundle.explained(X) if self._walks or explain != "none" else None
        told = bundle.stated(X) if explained is None else bundle.stated_of(explained.margins)
        answer = answer_of({
            "target": bundle.target, "risk": _single(told.risk), "risk_low": _single(told.low),
            "risk_high": _single(told.high), "reference_rate": float(np.float32(bundle.reference_rate)),
            "expected_nps": None if told.nps is None else _single(told.nps), "model_version": bundle.version,
            "as_of": as_of,
        })  # fmt: skip
        if explain != "none" and explained is not None:
            answer["reasons"] = self._reasons(given, explained.contributions, explained.agreement[0], top)
            if explain == "full":
                answer |= whole(bundle, explained.contributions[0])
        return answer

    def _reasons(
        self, given: Mapping[str, Any], contributions: np.ndarray, agreement: np.ndarray, top: int
    ) -> list[dict[str, Any]]:
        """As `explaining.reasons` of one row."""
        summed = added_up(contributions, *self._in_topics)[0]
        told = agreement >= MOST_AGREE
        largest = np.argsort(np.where(told, -np.abs(summed), 1.0), kind="stable")[:top].tolist()
        return [self._reason(given, contributions[0], t, float(summed[t])) for t in largest if told[t]]

    def _reason(self, given: Mapping[str, Any], row: np.ndarray, topic: int, total: float) -> dict[str, Any]:
        members = self._members[topic]
        leads = members[(row[members] * np.sign(total)).argmax()] if len(members) > 1 else members[0]
        feature = self._features[leads]
        value = given.get(feature.name)
        if value is not None and not feature.expression.is_text:
            value = float(np.float32(value))  # the number that the model saw
        return {"sentence": feature.sentence(value), "touchpoint": feature.touchpoint, "dimension": feature.dimension,
                "contribution": total, "feature": feature.name, "modifiable": feature.modifiable}  # fmt: skip


def _single(value: np.ndarray) -> float:
    """One number as `scoring` writes it: a float32."""
    return float(np.float32(value[0]))
