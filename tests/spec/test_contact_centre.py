"""Contact centre, by example: each journey is drawn as a table, `predict` is one of its rows."""

from __future__ import annotations

import pytest

from tests.spec.drawing import Example, title, worked_out

EXAMPLES: list[Example] = [
    ("hold_seconds", "the latest call", """
         day  code        number
           1  CALL//HOLD     300
           2  CALL//HOLD      40
           3  predict
     """, 40.0),
    ("hold_seconds", "no call on record", """
         day  code        number
           3  predict
           4  CALL//HOLD      40
     """, None),
    ("hold_over_target", "80 seconds are 30 above the target", """
         day  code        number
           1  CALL//HOLD     300
           2  CALL//HOLD      80
           3  predict
     """, 30.0),
    ("hold_over_target", "the latest call was within the target", """
         day  code        number
           1  CALL//HOLD     300
           2  CALL//HOLD      40
           3  predict
     """, 0.0),
    ("hold_over_target", "a longer hold than the call before", """
         day  code        number
           1  CALL//HOLD      40
           2  CALL//HOLD      80
           3  predict
     """, 30.0),
    ("hold_over_target", "no call on record", """
         day  code
           3  predict
     """, None),
    ("hold_mean_90d", "calls of 90 days", """
         day  code        number
           1  CALL//HOLD     900
          50  CALL//HOLD      30
          60  CALL//HOLD      90
          95  predict
     """, 60.0),
    ("hold_mean_90d", "no call in the window", """
         day  code        number
           1  CALL//HOLD     900
          95  predict
     """, None),
    ("hold_over_target_share_365d", "one of four; 50 seconds meet the target", """
         day  code        number
           1  CALL//HOLD     300
         101  CALL//HOLD      50
         102  CALL//HOLD      51
         103  CALL//HOLD      10
         104  CALL//HOLD      20
         400  predict
     """, 0.25),
    ("hold_over_target_share_365d", "no call in the window", """
         day  code
           9  predict
     """, None),
    ("transfers_last", "the latest call", """
         day  code             number
           1  CALL//TRANSFERS       3
           2  CALL//TRANSFERS       1
           3  predict
     """, 1.0),
    ("transfers_last", "no call on record", """
         day  code
           3  predict
     """, None),
    ("transfers_365d", "all calls of the year", """
         day  code             number
           1  CALL//TRANSFERS       5
         100  CALL//TRANSFERS       3
         200  CALL//TRANSFERS       1
         400  predict
     """, 4.0),
    ("transfers_365d", "no call in the window", """
         day  code             number
           1  CALL//TRANSFERS       5
         400  predict
     """, None),
    ("abandoned_calls_90d", "in the window", """
         day  code             number
           1  CALL//ABANDONED
          50  CALL//ABANDONED
          51  CALL//HOLD           10
          95  predict
     """, 1.0),
    ("abandoned_calls_90d", "none", """
         day  code        number
          51  CALL//HOLD      10
          95  predict
     """, 0.0),
    ("calls_90d", "in the window", """
         day  code        number
           1  CALL//HOLD      10
          50  CALL//HOLD      10
          60  CALL//HOLD      10
          95  predict
     """, 2.0),
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=title)
def test_a_feature_is_what_its_example_says(example: Example, value_at) -> None:
    found, expected = worked_out(example, value_at)
    assert found == expected
