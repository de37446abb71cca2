"""Group F of the bad inputs, where a request meets a clock; the nightly schedule is UTC and has its own tests.

t_gap, t_fold, t_zone: a moment carries its offset, so none is ambiguous. t_23h25h, t_year: windows are of elapsed time.
t_backstep, t_fwd: `as_of` comes from the request. t_skew: `tests/service/test_patients.py`. t_naive: ruff's DTZ rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.serving import Client, house, serving

DONE = {"code": "VISIT//DONE", "time": "2024-02-01T00:00:00Z"}


class Clock:
    """A clock that can be set."""

    now = datetime(2026, 6, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[Client]:
    with serving(house(tmp_path_factory.mktemp("clock")), clock) as made:
        yield made


def sentences_at(client: Client, event: str, as_of: str) -> list[str]:
    """What is told at a moment of one wait at `event`, which counts for 90 days."""
    events = [DONE, {"code": "VISIT//DONE", "time": event}, {"code": "VISIT//WAIT", "time": event, "number": 33.0}]
    body: dict[str, Any] = {"patients": [{"patient": "a", "events": events, "as_of": as_of}], "top": 20}
    answer = client.post("/v1/score", {**body, "targets": ["detractor_risk"]})
    assert answer.status_code == 200, answer.text
    reasons = answer.json()["patients"][0]["risks"][0]["reasons"]
    return [reason["sentence"] for reason in reasons]


@pytest.mark.parametrize(("event", "as_of", "inside"), [
    ("2024-02-29T12:00:00Z", "2024-05-29T11:59:59Z", True),  # t_leap: 90 days, counted
    ("2024-02-29T12:00:00Z", "2024-05-29T12:00:00Z", False),
    ("2025-12-31T23:59:59Z", "2026-03-31T23:59:58Z", True),  # t_year
    ("2025-12-31T23:59:59Z", "2026-03-31T23:59:59Z", False),
    ("2026-01-01T00:00:00-05:00", "2026-04-01T00:59:59-04:00", True),  # t_23h25h: one of the 90 days has 23 hours
    ("2026-01-01T00:00:00-05:00", "2026-04-01T01:00:00-04:00", False),
])  # fmt: skip
def test_windows_are_of_elapsed_time(client: Client, event: str, as_of: str, inside: bool) -> None:
    assert ("wait was 33.0" in sentences_at(client, event, as_of)) == inside


def test_the_same_moment_in_two_zones_is_the_same_moment(client: Client) -> None:
    bodies = [{"patients": [{"patient": "a", "as_of": as_of, "features": {"wait": 3.0}}]}
              for as_of in ("2025-11-02T01:30:00-05:00", "2025-11-02T06:30:00Z")]  # fmt: skip
    assert client.post("/v1/score", bodies[0]).json() == client.post("/v1/score", bodies[1]).json()


def test_a_clock_that_steps_back_changes_no_answer(client: Client, clock: Clock) -> None:
    body = {"patients": [{"patient": client.handle(1), "as_of": "2026-03-01T02:00:00Z"}]}
    before = client.post("/v1/score", body).json()
    clock.now -= timedelta(hours=1)
    assert client.post("/v1/score", body).json() == before
    assert client.get("/v1/models").status_code == 200  # nor does a key's bucket of requests run dry
    clock.now += timedelta(hours=1)
