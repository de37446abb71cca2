"""Scheduling, by example: each journey is drawn as a table, `predict` is one of its rows."""

from __future__ import annotations

import pytest

from tests.spec.drawing import drawn
from wellkept.catalogue import families

EXAMPLES = {
    "lead_days": [
        ("""
         day  code                 number  encounter
           1  APPOINTMENT//BOOKED      14  a
           3  predict                      a
         """, 14.0),
        ("""
         day  code                 number  encounter
           1  APPOINTMENT//BOOKED      14  a
           2  APPOINTMENT//BOOKED      30  b
           3  predict                      a
         """, 14.0),
        ("""
         day  code                 number  encounter
           1  APPOINTMENT//BOOKED      14  a
           2  APPOINTMENT//BOOKED      30  b
           3  predict
         """, 30.0),
        ("""
         day  code                 number
           3  predict
           4  APPOINTMENT//BOOKED      14
         """, None),
    ],
    "same_day": [
        ("""
         day  code                 number
           1  APPOINTMENT//BOOKED       0
           1  predict
         """, 1.0),
        ("""
         day  code                 number
           1  APPOINTMENT//BOOKED       5
           1  predict
         """, 0.0),
        ("""
         day  code
           1  predict
         """, None),
    ],
    "reschedules_365d": [
        ("""
         day  code
           0  APPOINTMENT//RESCHEDULED
           1  APPOINTMENT//RESCHEDULED
          90  APPOINTMENT//RESCHEDULED
         365  predict
         """, 2.0),
        ("""
         day  code
           5  predict
         """, 0.0),
    ],
    "no_shows_365d": [
        ("""
         day  known  code
          10     11  APPOINTMENT//NO_SHOW
          20     40  APPOINTMENT//NO_SHOW
          30         predict
         """, 1.0),
    ],
    "no_show_share": [
        ("""
         day  code
           1  APPOINTMENT//NO_SHOW
           5  APPOINTMENT//KEPT
           6  APPOINTMENT//KEPT
           7  APPOINTMENT//CANCELLED
           8  APPOINTMENT//KEPT
           9  predict
         """, 0.25),
        ("""
         day  code
           7  APPOINTMENT//CANCELLED
           9  predict
         """, None),
    ],
    "days_since_no_show": [
        ("""
         day  known  code
           1      2  APPOINTMENT//NO_SHOW
           4      5  APPOINTMENT//NO_SHOW
          10         predict
         """, 6.0),
        ("""
         day  code
          10  predict
         """, None),
    ],
    "bookings_90d": [
        ("""
         day  code                 number
           1  APPOINTMENT//BOOKED       3
          50  APPOINTMENT//BOOKED       3
          60  APPOINTMENT//BOOKED       3
          95  predict
         """, 2.0),
    ],
}  # fmt: skip

FEATURES = {f.name: f for f in families()["scheduling"]}


@pytest.mark.parametrize(
    ("name", "journey", "expected"),
    [(name, journey, expected) for name, examples in EXAMPLES.items() for journey, expected in examples],
)
def test_a_feature_is_what_its_example_says(name: str, journey: str, expected: float | None, value_at) -> None:
    rows, at, encounter = drawn(journey)
    assert value_at(FEATURES[name].expression, rows, at, encounter) == expected


def test_every_feature_of_the_family_has_an_example() -> None:
    assert set(EXAMPLES) == set(FEATURES)
