"""By events, what is computed without the query has the query's bits, or the query is asked."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bundling import FEATURES, bundle
from wellkept.bundles import Bundle
from wellkept.catalogue import families
from wellkept.history import past
from wellkept.history.one_journey import Row
from wellkept.serving.agreeing import MOMENT, drawn, told_alone, told_together
from wellkept.serving.alone import Alone
from wellkept.serving.in_service import Served, held_against, serve
from wellkept.serving.journey import columns_of
from wellkept.serving.requests import Asked, risks
from wellkept.spec import Points, load_spec

MODELS = Path(__file__).parents[2] / "models"
CATALOGUE = tuple(f for family in families().values() for f in family)
POINTS = {
    **{path.stem: load_spec(path).points for path in MODELS.glob("*.toml") if not path.stem.endswith(".card")},
    "each encounter": Points(each="VISIT//COMPLETED", per="encounter"),
    "any visit, by kind": Points(each="VISIT//*", active={"chronic": "90d", "something else": "400d"}, per="encounter"),
    "conditions": Points(each="VISIT//COMPLETED", where=("PERSON//AGE >= 1", 'VISIT//COMPLETED != "chronic"')),
    "one moment": Points(at="2025-01-01T02:00:00Z"),
}


def with_points(points: Points, features: tuple = CATALOGUE) -> Bundle:
    """A bundle whose points are others."""
    made = bundle(features=features, each="VISIT//COMPLETED")
    return replace(made, spec=made.spec.model_copy(update={"points": points}))


def told_by_query(served: Served, journeys: list[list[Row]]) -> list[tuple]:
    rows = [row for journey in journeys for row in journey]
    return told_together(*served.features.at(MOMENT, columns_of(rows)))


@pytest.mark.parametrize("points", POINTS.values(), ids=POINTS.keys())
def test_every_feature_of_the_catalogue_has_the_bits_of_the_query_at_every_kind_of_point(points: Points) -> None:
    served = serve(with_points(points))
    assert served.alone is not None
    for seed in range(10, 16):
        journeys = drawn(served.bundle, seed)
        told = told_by_query(served, journeys)
        assert told
        assert told_alone(served.alone, journeys) == told


def test_a_journey_of_no_event_takes_the_query_where_there_is_no_other_way() -> None:
    """So the event loop does not answer it: `seconds` of a journey are without end then."""
    served = serve(bundle(features=FEATURES, each="VISIT//COMPLETED"))
    by_query = replace(served, alone=None, each=math.inf)
    assert by_query.seconds(0) == by_query.seconds(1) == math.inf
    assert by_query.seconds(None) == served.seconds(None) == served.quick.seconds < served.seconds(0)


def test_the_journeys_that_are_drawn_say_something_of_every_feature() -> None:
    made = with_points(POINTS["each encounter"])
    seen: dict[str, set] = {}
    for _, _, features in told_alone(Alone(made), drawn(made)):
        for name, value in features.items():
            seen.setdefault(name, set()).add(value)
    assert {name for name, values in seen.items() if len(values) < 2} == set()


def test_where_anything_else_is_said_the_query_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    others = tuple(replace(f, expression=past.of(f"VISIT//{f.name.upper()}").within("30d").mean())
                   if f.name == "wait" else f for f in FEATURES)
    served, journeys = serve(bundle()), drawn(bundle())
    with caplog.at_level(logging.WARNING):
        held = held_against(replace(served, alone=None), Alone(bundle(features=others)), journeys)
    assert held.alone is None
    assert "query" in caplog.text


@pytest.mark.parametrize(("factor", "alone"), [(1e280, True), (2.4e293, True), (1e295, False)])
def test_what_grows_beyond_a_double_is_left_to_the_query(factor: float, alone: bool) -> None:
    large = past.of("VISIT//WAIT").last() * factor
    small = tuple(replace(f, expression=large / (factor * 10)) if f.name == "wait" else f for f in FEATURES)
    served = serve(bundle(features=small))
    assert (served.alone is not None) == alone
    rows = [(0, MOMENT - 1, MOMENT - 1, code, number, None, None, None, None)
            for code, number in (("VISIT//DONE", None), ("VISIT//WAIT", 8e14))]
    asked = [Asked(MOMENT, rows=rows), Asked(MOMENT, rows=rows[:1]), Asked(MOMENT)]
    by_query = risks([replace(served, alone=None)], asked, explain="full", top=3)
    assert risks([served], asked, explain="full", top=3) == by_query


@pytest.mark.parametrize("patients", [1, 3, 7])
def test_answers_and_what_is_counted_are_those_by_the_query(patients: int) -> None:
    served = serve(bundle())
    asked = [Asked(MOMENT + i % 2, rows=rows) for i, rows in enumerate(drawn(served.bundle, 7)[:patients])]
    by_query = risks([replace(served, alone=None)], asked, explain="full", top=5)
    assert risks([served], asked, explain="full", top=5) == by_query
