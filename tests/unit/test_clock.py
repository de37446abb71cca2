"""The clock: what the time since a visit alone says of a return, from visits whose returns are known by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.conftest import batch_of, day, events_table, points_table
from wellkept.catalogue import Feature
from wellkept.clock import clock
from wellkept.history import FeatureQuery, expression_from
from wellkept.journeys import Journeys, Snapshot
from wellkept.labelling import question
from wellkept.parts import discover
from wellkept.spec import Points

SENTENCE = "no event of VISIT by chronic: 270d, procedure: 135d after the last unless DIED"
POINTS = Points(each="VISIT", after=["24h", "60d"], active={"chronic": "270d", "procedure": "135d"}, unless=["DIED"])
END = 900


def visit(subject: int, at: float, kind: str) -> dict:
    return {"subject_id": subject, "time": at, "code": "VISIT", "text_value": kind}


@pytest.fixture
def store(tmp_path: Path) -> Callable[[list[dict]], Snapshot]:
    def landed(rows: list[dict]) -> Snapshot:
        journeys = Journeys(tmp_path / "journeys", shards=2, key="test")
        journeys.land(batch_of(events_table([*rows, {"subject_id": 10**6, "time": END, "code": "THE END"}])))
        return journeys.snapshot()

    return landed


def learned(snapshot: Snapshot, until: float = END) -> Feature | None:
    moment = pa.scalar(day(until), pa.timestamp("us", tz="UTC"))
    return clock(snapshot, POINTS, question(SENTENCE, discover("targets")), moment)


def at(snapshot: Snapshot, found: Feature, *moments: tuple[int, float]) -> list[float | None]:
    points = points_table(*((subject, moment, None) for subject, moment in moments))
    return FeatureQuery({found.name: found.expression}).run(snapshot, points)[found.name].to_pylist()


@pytest.fixture
def world(store: Callable[[list[dict]], Snapshot]) -> Snapshot:
    """After chronic care, 60 of 100 return on day 130 and nobody else; after procedures, half on day 20."""
    rows = [visit(s, 10, "chronic") for s in range(100)] + [visit(s, 140, "acute") for s in range(60)]
    rows += [visit(s, 10, "procedure") for s in range(100, 200)] + [visit(s, 30, "acute") for s in range(100, 150)]
    return store(rows)


def test_it_is_the_share_of_those_still_away_who_do_not_come_in_time(world: Snapshot) -> None:
    found = learned(world)
    assert found is not None
    chronic = at(world, found, (70, 11), (70, 10 + 100), (70, 10 + 160), (70, 10 + 269))
    assert chronic == pytest.approx([0.4, 0.4, 1.0, 1.0], abs=0.02)
    assert at(world, found, (170, 11), (170, 10 + 60)) == pytest.approx([0.5, 1.0], abs=0.02)


def test_after_care_that_expects_nobody_it_is_not_known(world: Snapshot) -> None:
    assert at(world, learned(world), (10, 150), (10**6, END)) == [None, None]


def test_it_rises_and_ends_at_one(world: Snapshot) -> None:
    values = np.array(at(world, learned(world), *((70, 11 + d) for d in range(0, 400, 7))))
    assert (np.diff(values) >= -1e-6).all()
    assert values[-1] == pytest.approx(1, abs=1e-5)


def test_it_knows_nothing_later_than_the_moment_it_was_made_at(world: Snapshot) -> None:
    """By day 160 nobody was followed to the deadline of chronic care, and all were to that of procedures."""
    early = learned(world, until=160)
    assert at(world, early, (70, 11)) == [None]
    assert at(world, early, (170, 11)) == pytest.approx([0.5], abs=0.02)
    assert learned(world, until=120) is None


def test_where_points_do_not_stand_at_the_visits_there_is_none(world: Snapshot) -> None:
    moment, asked = pa.scalar(day(END), pa.timestamp("us", tz="UTC")), question(SENTENCE, discover("targets"))
    assert clock(world, POINTS.model_copy(update={"each": "CALL"}), asked, moment) is None


def test_the_newest_visits_count_as_far_as_they_were_seen(store: Callable[[list[dict]], Snapshot]) -> None:
    """Of the early ones 3 in 10 return on day 100; of those seen for 130 days only, 8 in 10."""
    rows = [visit(s, 10, "chronic") for s in range(50)] + [visit(s, 110, "acute") for s in range(15)]
    rows += [visit(s, END - 130, "chronic") for s in range(100, 200)]
    rows += [visit(s, END - 30, "acute") for s in range(100, 180)]
    snapshot = store(rows)
    assert at(snapshot, learned(snapshot), (40, 11)) == pytest.approx([1 - 95 / 150], abs=0.02)


def test_it_travels_as_plain_data_and_speaks_in_shares(world: Snapshot) -> None:
    found = learned(world)
    assert found is not None
    assert expression_from(found.expression.to_json()) == found.expression
    assert found.sentence(0.4).startswith("40% of patients who stay away as long")


def test_without_a_deadline_or_a_return_there_is_no_clock(store: Callable[[list[dict]], Snapshot]) -> None:
    snapshot = store([visit(s, 10, "chronic") for s in range(30)])
    assert learned(snapshot) is None
    moment = pa.scalar(day(END) + timedelta(0), pa.timestamp("us", tz="UTC"))
    assert clock(snapshot, POINTS, question("no event of VISIT within 90d", discover("targets")), moment) is None
