"""Scheduling, by example: each journey is drawn as a table, `predict` is one of its rows."""

from __future__ import annotations

import pytest

from tests.spec.drawing import Example, title, worked_out

EXAMPLES: list[Example] = [
    ("lead_days", "of the booking", """
         day  code                 number  encounter
           1  APPOINTMENT//BOOKED      14  a
           3  predict                      a
     """, 14.0),
    ("lead_days", "this encounter's booking goes before a later one", """
         day  code                 number  encounter
           1  APPOINTMENT//BOOKED      30  a
           2  APPOINTMENT//BOOKED      14  b
           3  predict                      a
     """, 30.0),
    ("lead_days", "without an encounter, the latest booking", """
         day  code                 number  encounter
           1  APPOINTMENT//BOOKED      30  a
           2  APPOINTMENT//BOOKED      14  b
           3  predict
     """, 14.0),
    ("lead_days", "a later booking is not known yet", """
         day  code                 number
           3  predict
           4  APPOINTMENT//BOOKED      14
     """, None),
    ("same_day", "booked and seen on one day", """
         day  code                 number
           1  APPOINTMENT//BOOKED       0
           1  predict
     """, 1.0),
    ("same_day", "booked ahead", """
         day  code                 number
           1  APPOINTMENT//BOOKED       5
           1  predict
     """, 0.0),
    ("same_day", "this encounter was, although a later booking is not", """
         day  code                 number  encounter
           1  APPOINTMENT//BOOKED       0  a
           1  APPOINTMENT//BOOKED       9  b
           1  predict                      a
     """, 1.0),
    ("same_day", "without an encounter, the latest booking", """
         day  code                 number  encounter
           1  APPOINTMENT//BOOKED       9  a
           5  APPOINTMENT//BOOKED       0  b
           5  predict
     """, 1.0),
    ("same_day", "no booking on record", """
         day  code
           1  predict
     """, None),
    ("reschedules_365d", "what happened 365 days ago is out of the window", """
         day  code
           0  APPOINTMENT//RESCHEDULED
           1  APPOINTMENT//RESCHEDULED
          90  APPOINTMENT//RESCHEDULED
         365  predict
     """, 2.0),
    ("reschedules_365d", "none", """
         day  code
           5  predict
     """, 0.0),
    ("no_shows_365d", "only what is known by then", """
         day  known  code
          10     11  APPOINTMENT//NO_SHOW
          20     40  APPOINTMENT//NO_SHOW
          30         predict
     """, 1.0),
    ("no_shows_365d", "one is out of the window", """
         day  code
           1  APPOINTMENT//NO_SHOW
         100  APPOINTMENT//NO_SHOW
         366  predict
     """, 1.0),
    ("no_show_share", "one of four; a cancelled one is neither kept nor missed", """
         day  code
           1  APPOINTMENT//NO_SHOW
           5  APPOINTMENT//KEPT
           6  APPOINTMENT//KEPT
           7  APPOINTMENT//CANCELLED
           8  APPOINTMENT//KEPT
           9  predict
     """, 0.25),
    ("no_show_share", "no outcome is not known, never 0", """
         day  code
           7  APPOINTMENT//CANCELLED
           9  predict
     """, None),
    ("days_since_no_show", "the latest one", """
         day  known  code
           1      2  APPOINTMENT//NO_SHOW
           4      5  APPOINTMENT//NO_SHOW
          10         predict
     """, 6.0),
    ("days_since_no_show", "never missed one", """
         day  code
          10  predict
     """, None),
    ("bookings_90d", "the first was 94 days ago", """
         day  code                 number
           1  APPOINTMENT//BOOKED       3
          50  APPOINTMENT//BOOKED       3
          60  APPOINTMENT//BOOKED       3
          95  predict
     """, 2.0),
    ("lead_days_mean_365d", "mean of two; the oldest is out of the window", """
         day  code                 number
           1  APPOINTMENT//BOOKED      90
         100  APPOINTMENT//BOOKED      10
         200  APPOINTMENT//BOOKED      20
         400  predict
     """, 15.0),
    ("lead_days_mean_365d", "no booking in the window", """
         day  code                 number
           1  APPOINTMENT//BOOKED      90
         400  predict
     """, None),
    ("reschedules_here", "only this appointment's moves", """
         day  code                      number  encounter
           1  APPOINTMENT//BOOKED            9  a
           2  APPOINTMENT//RESCHEDULED          a
           3  APPOINTMENT//RESCHEDULED          b
           4  APPOINTMENT//RESCHEDULED          a
          10  predict                           a
     """, 2.0),
    ("reschedules_here", "never moved", """
         day  code                      number  encounter
           1  APPOINTMENT//BOOKED            9  a
           3  APPOINTMENT//RESCHEDULED          b
          10  predict                           a
     """, 0.0),
    ("reschedules_here", "without an encounter it is not known", """
         day  code                      number  encounter
           1  APPOINTMENT//BOOKED            9  a
           2  APPOINTMENT//RESCHEDULED          a
          10  predict
     """, None),
    ("cancellations_365d", "what the patient cancelled, not what the clinic moved", """
         day  code
           1  APPOINTMENT//CANCELLED
           5  APPOINTMENT//CANCELLED
           6  APPOINTMENT//RESCHEDULED
         300  APPOINTMENT//CANCELLED
         366  predict
     """, 2.0),
    ("appointment_ahead", "the date is still to come", """
         day  code                 number
           1  APPOINTMENT//BOOKED      30
          20  predict
     """, 1.0),
    ("appointment_ahead", "the date is past", """
         day  code                 number
           1  APPOINTMENT//BOOKED      30
          40  predict
     """, 0.0),
    ("appointment_ahead", "cancelled since", """
         day  code                    number
           1  APPOINTMENT//BOOKED         30
           5  APPOINTMENT//CANCELLED
          20  predict
     """, 0.0),
    ("appointment_ahead", "booked again after a cancellation", """
         day  code                    number
           1  APPOINTMENT//BOOKED         30
           5  APPOINTMENT//CANCELLED
           6  APPOINTMENT//BOOKED         30
          20  predict
     """, 1.0),
    ("appointment_ahead", "cancelled, booked and cancelled again", """
         day  code                    number
           1  APPOINTMENT//BOOKED         30
           5  APPOINTMENT//CANCELLED
           6  APPOINTMENT//BOOKED         30
           8  APPOINTMENT//CANCELLED
          20  predict
     """, 0.0),
    ("appointment_ahead", "only the latest booking is looked at", """
         day  code                 number
           1  APPOINTMENT//BOOKED      90
           5  APPOINTMENT//BOOKED       3
          20  predict
     """, 0.0),
    ("appointment_ahead", "an earlier appointment that was kept changes nothing", """
         day  code                 number
           1  APPOINTMENT//BOOKED      30
           5  APPOINTMENT//KEPT
          20  predict
     """, 1.0),
    ("appointment_ahead", "no booking on record", """
         day  code
          20  predict
     """, None),
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=title)
def test_a_feature_is_what_its_example_says(example: Example, value_at) -> None:
    found, expected = worked_out(example, value_at)
    assert found == expected
