"""One patient's answer by features, without tables: the bits of `scoring.score`, at a tenth of its fixed costs.

An Arrow table of one row costs more to make, check and take apart than the model costs to run. What never changes from
one request to the next is laid out once, when a bundle comes into service.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from wellkept.bundles import Bundle
from wellkept.calibrating import sigmoid
from wellkept.serving.answering import answer_of, whole


class Quick:
    """A bundle, laid out for rows that come one at a time."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._features = bundle.encoder.features
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
        self._told = np.array([i for i, f in enumerate(self._features) if not f.protected], int)
        names = [self._features[i].topic for i in self._told]
        topics = list(dict.fromkeys(names))
        topic = np.array([topics.index(n) for n in names], int)
        self._order = np.argsort(topic, kind="stable")
        self._starts = np.flatnonzero(np.diff(topic[self._order], prepend=-1)) if len(topic) else np.array([], int)
        self._members = [np.flatnonzero(topic == t) for t in range(len(topics))]

    @property
    def is_whole(self) -> bool:
        """Does a quick answer hold all that this bundle can state? An interval is stated by `scoring` alone."""
        return not hasattr(self.bundle, "interval")

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

    def answer(self, given: Mapping[str, Any], as_of: str, *, explain: str, top: int) -> dict[str, Any]:
        """As `answering.answers` of one row."""
        bundle, X = self.bundle, self.row(given)
        mean = bundle.estimator.margins(X).mean(axis=1)
        risk = sigmoid(bundle.slope * mean + bundle.intercept)
        nps = None
        if bundle.second is not None:
            slope, intercept = bundle.second
            nps = float((1 - np.maximum(sigmoid(slope * mean + intercept), risk) - risk).astype(np.float32)[0])
        answer = answer_of({
            "target": bundle.target, "risk": float(risk.astype(np.float32)[0]),
            "reference_rate": float(np.float32(bundle.reference_rate)), "expected_nps": nps,
            "model_version": bundle.version, "as_of": as_of,
        })  # fmt: skip
        if explain != "none":
            contributions = bundle.contributions(X)
            answer["reasons"] = self._reasons(given, contributions[0], top)
            if explain == "full":
                answer |= whole(bundle, contributions[0])
        return answer

    def _reasons(self, given: Mapping[str, Any], contributions: np.ndarray, top: int) -> list[dict[str, Any]]:
        told = contributions[self._told]
        if not len(told):
            return []
        by_topic = np.add.reduceat(told[self._order][None, :], self._starts, axis=1)[0]
        largest = np.argsort(-np.abs(by_topic), kind="stable")[:top]
        return [self._reason(given, told, int(t), by_topic[t]) for t in largest]

    def _reason(self, given: Mapping[str, Any], told: np.ndarray, topic: int, total: np.float32) -> dict[str, Any]:
        members = self._members[topic]
        feature = self._features[self._told[members[(told[members] * np.sign(total)).argmax()]]]
        value = given.get(feature.name)
        if value is not None and not feature.expression.is_text:
            value = float(np.float32(value))  # the number that the model saw
        return {"sentence": feature.sentence(value), "touchpoint": feature.touchpoint, "dimension": feature.dimension,
                "contribution": float(total), "feature": feature.name, "modifiable": feature.modifiable}  # fmt: skip
