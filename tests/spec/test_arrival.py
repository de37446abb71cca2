"""Arrival, by example: each journey is drawn as a table, `predict` is one of its rows."""

from __future__ import annotations

import pytest

from tests.spec.drawing import Example, title, worked_out

EXAMPLES: list[Example] = [
    ("lobby_wait", "of this encounter", """
         day  code                 number  encounter
           1  ARRIVAL//LOBBY_WAIT      50  a
           5  ARRIVAL//LOBBY_WAIT      20  b
           6  predict                      a
     """, 50.0),
    ("lobby_wait", "else of the latest arrival", """
         day  code                 number  encounter
           1  ARRIVAL//LOBBY_WAIT      50  a
           5  ARRIVAL//LOBBY_WAIT      20  b
           6  predict
     """, 20.0),
    ("lobby_wait", "not known before it is recorded", """
         day  known  code                 number  encounter
           5      7  ARRIVAL//LOBBY_WAIT      50  b
           6         predict                      b
     """, None),
    ("wait_over_told", "40 minutes, told 15", """
         day  code                 number  encounter
           1  ARRIVAL//LOBBY_WAIT      40  a
           1  ARRIVAL//TOLD_WAIT       15  a
           2  predict                      a
     """, 25.0),
    ("wait_over_told", "sooner than told is less than nothing", """
         day  code                 number  encounter
           1  ARRIVAL//LOBBY_WAIT      10  a
           1  ARRIVAL//TOLD_WAIT       15  a
           2  predict                      a
     """, -5.0),
    ("wait_over_told", "of this encounter, not of a later one", """
         day  code                 number  encounter
           1  ARRIVAL//LOBBY_WAIT      40  a
           1  ARRIVAL//TOLD_WAIT       15  a
           5  ARRIVAL//LOBBY_WAIT      20  b
           5  ARRIVAL//TOLD_WAIT       10  b
           9  predict                      a
     """, 25.0),
    ("wait_over_told", "without an encounter, of the latest arrival", """
         day  code                 number  encounter
           1  ARRIVAL//LOBBY_WAIT      40  a
           1  ARRIVAL//TOLD_WAIT       15  a
           5  ARRIVAL//LOBBY_WAIT      20  b
           5  ARRIVAL//TOLD_WAIT       10  b
           9  predict
     """, 10.0),
    ("wait_over_told", "a wait told at an earlier arrival is no promise for this one", """
         day  code                 number  encounter
           1  ARRIVAL//LOBBY_WAIT      40  a
           1  ARRIVAL//TOLD_WAIT       15  a
           5  ARRIVAL//LOBBY_WAIT      50  b
           6  predict                      b
     """, None),
    ("wait_told", "told", """
         day  code                 number  encounter
           1  ARRIVAL//LOBBY_WAIT      40  a
           1  ARRIVAL//TOLD_WAIT       15  a
           2  predict                      a
     """, 1.0),
    ("wait_told", "told at this encounter, although not at a later one", """
         day  code                 number  encounter
           1  ARRIVAL//LOBBY_WAIT      40  a
           1  ARRIVAL//TOLD_WAIT       15  a
           5  ARRIVAL//LOBBY_WAIT      50  b
           6  predict                      a
     """, 1.0),
    ("wait_told", "never told", """
         day  code                 number
           5  ARRIVAL//LOBBY_WAIT      50
           6  predict
     """, 0.0),
    ("wait_told", "not told this time", """
         day  code                 number  encounter
           1  ARRIVAL//LOBBY_WAIT      40  a
           1  ARRIVAL//TOLD_WAIT       15  a
           5  ARRIVAL//LOBBY_WAIT      50  b
           6  predict                      b
     """, 0.0),
    ("wait_told", "without an encounter, of the latest arrival", """
         day  code                 number  encounter
           1  ARRIVAL//LOBBY_WAIT      40  a
           5  ARRIVAL//LOBBY_WAIT      50  b
           5  ARRIVAL//TOLD_WAIT       15  b
           6  predict
     """, 1.0),
    ("wait_told", "no arrival on record", """
         day  code
           6  predict
     """, None),
    ("lobby_wait_mean_365d", "mean of the window", """
         day  code                 number
           1  ARRIVAL//LOBBY_WAIT      90
         100  ARRIVAL//LOBBY_WAIT      10
         200  ARRIVAL//LOBBY_WAIT      30
         400  predict
     """, 20.0),
    ("lobby_wait_mean_365d", "no arrival in the window", """
         day  code                 number
           1  ARRIVAL//LOBBY_WAIT      90
         400  predict
     """, None),
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=title)
def test_a_feature_is_what_its_example_says(example: Example, value_at) -> None:
    found, expected = worked_out(example, value_at)
    assert found == expected
