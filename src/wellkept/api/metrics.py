"""Counts and times for Prometheus; no label holds anything that a client wrote."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The figures of one worker."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry}
        self._requests = Counter("wellkept_requests", "answers by route and status", ["route", "status"], **own)
        self._seconds = Histogram("wellkept_request_seconds", "time to answer", ["route"], buckets=SECONDS, **own)
        self._scores = Counter("wellkept_scores", "risks stated, by model and band", ["target", "model", "band"], **own)
        self._missing = Counter("wellkept_features_missing", "features that were not known", ["target"], **own)
        self._asked = Counter("wellkept_features_asked", "features of all rows scored", ["target"], **own)
        self._refusals = Counter("wellkept_refusals", "requests refused, by code and rule", ["code", "rule"], **own)
        self._in_flight = Gauge("wellkept_in_flight", "requests that are being answered", **own)
        self._scored_at = Gauge("wellkept_last_score_timestamp_seconds", "when one was last stated", ["target"], **own)
        self._published = Gauge("wellkept_published_as_of_timestamp_seconds", "moment of the last night", **own)
        self._in_service = Gauge("wellkept_model_in_service", "1 for what serves", ["target", "model"], **own)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def scored(self, target: str, answers: Iterable[dict[str, Any]], missing: int, asked: int, now: float) -> None:
        """Risks of one model were stated."""
        for answer in answers:
            self._scores.labels(target, answer["model_version"], answer["band"]).inc()
            self._scored_at.labels(target).set(now)
        self._missing.labels(target).inc(missing)
        self._asked.labels(target).inc(asked)

    def published(self, as_of: float) -> None:
        """The nightly run that is told is of this moment."""
        self._published.set(as_of)

    def refused(self, code: str, rules: Iterable[str]) -> None:
        """A request was refused."""
        for rule in set(rules) or {""}:
            self._refusals.labels(code, rule).inc()

    def serving(self, versions: dict[str, str]) -> None:
        """Which models serve now."""
        self._in_service.clear()
        for target, version in versions.items():
            self._in_service.labels(target, version).set(1)

    def text(self, in_flight: int) -> bytes:
        """In Prometheus' format."""
        self._in_flight.set(in_flight)
        return generate_latest(self.registry)
