"""Counts and times for Prometheus; no label holds anything that a client wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


def _figures(metric: Any) -> Callable[..., Any]:
    """A metric's figures by their labels, remembered: looking one up anew takes longer than to count."""
    return lru_cache(1024)(metric.labels)


class Metrics:
    """The figures of one worker."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry}
        def counter(name: str, says: str, *labels: str) -> Callable[..., Any]:
            return _figures(Counter(f"wellkept_{name}", says, labels, **own))

        self._requests = counter("requests", "answers by route and status", "route", "status")
        self._scores = counter("scores", "risks stated, by model and band", "target", "model", "band")
        self._missing = counter("features_missing", "features that were not known", "target")
        self._asked = counter("features_asked", "features of all rows scored", "target")
        self._refusals = counter("refusals", "requests refused, by code and rule", "code", "rule")
        self._seconds = _figures(
            Histogram("wellkept_request_seconds", "time to answer", ["route"], buckets=SECONDS, **own))
        self._in_flight = Gauge("wellkept_in_flight", "requests that are being answered", **own)
        self._scored_at = _figures(
            Gauge("wellkept_last_score_timestamp_seconds", "when one was last stated", ["target"], **own))
        self._published = Gauge("wellkept_published_as_of_timestamp_seconds", "moment of the last night", **own)
        self._recommended = Gauge("wellkept_steps_as_of_timestamp_seconds", "moment of the last night's steps", **own)
        self._in_service = Gauge("wellkept_model_in_service", "1 for what serves", ["target", "model"], **own)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests(route, status).inc()
        self._seconds(route).observe(seconds)

    def scored(self, target: str, answers: Iterable[dict[str, Any]], missing: int, asked: int, now: float) -> None:
        """Risks of one model were stated."""
        for answer in answers:
            self._scores(target, answer["model_version"], answer["band"]).inc()
            self._scored_at(target).set(now)
        self._missing(target).inc(missing)
        self._asked(target).inc(asked)

    def published(self, as_of: float) -> None:
        """The nightly run that is told is of this moment."""
        self._published.set(as_of)

    def recommended(self, as_of: float) -> None:
        """The steps that are told are of this moment."""
        self._recommended.set(as_of)

    def refused(self, code: str, rules: Iterable[str]) -> None:
        """A request was refused."""
        for rule in set(rules) or {""}:
            self._refusals(code, rule).inc()

    def serving(self, versions: dict[str, str]) -> None:
        """Which models serve now."""
        self._in_service.clear()
        for target, version in versions.items():
            self._in_service.labels(target, version).set(1)

    def text(self, in_flight: int) -> bytes:
        """In Prometheus' format."""
        self._in_flight.set(in_flight)
        return generate_latest(self.registry)
