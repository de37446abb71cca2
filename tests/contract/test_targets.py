"""What every part of targets/ must keep."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.conftest import points_table
from wellkept.labelling import labels, question
from wellkept.parts import discover

PARTS = discover("targets")


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_target_says_what_it_does_and_reads_its_own_example_alone(part: ModuleType) -> None:
    assert part.SAYS
    assert part.__doc__
    assert [name for name, other in PARTS.items() if other.parse(part.EXAMPLE)] == [part.__name__.rpartition(".")[2]]


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_target_labels_every_point_once_in_order(part: ModuleType, store) -> None:
    snapshot = store([{"subject_id": s, "time": t, "code": "A"} for s in (1, 2, 3) for t in (1, 1000)])
    points = points_table((3, 5), (1, 5), (1, 7), (2, 5))
    table = labels(snapshot, points, question(part.EXAMPLE, PARTS))
    assert table.select(points.column_names).equals(points)


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_target_names_the_codes_that_its_label_is_read_from(part: ModuleType) -> None:
    """The leak tests look for what comes with them (wellkept.leaks)."""
    asked = question(part.EXAMPLE, PARTS)
    assert asked.codes
    assert all(code.rstrip("*") in part.EXAMPLE for code in asked.codes)
