"""Return pattern, by example: each journey is drawn as a table, `predict` is one of its rows."""

from __future__ import annotations

import pytest

from tests.spec.drawing import Example, title, worked_out

EXAMPLES: list[Example] = [
    ("days_since_visit", "the latest visit", """
         day  code              text
           1  VISIT//COMPLETED  acute
          40  VISIT//COMPLETED  acute
          50  predict
     """, 10.0),
    ("days_since_visit", "a missed appointment is no visit", """
         day  code                  text
           1  VISIT//COMPLETED      acute
          40  APPOINTMENT//NO_SHOW
          50  predict
     """, 49.0),
    ("days_since_visit", "never here", """
         day  code
          50  predict
     """, None),
    ("overdue_share", "chronic care expects a visit every 120 days", """
         day  code              text
           0  VISIT//COMPLETED  chronic
          60  predict
     """, 0.5),
    ("overdue_share", "preventive care every 365", """
         day  code              text
           0  VISIT//COMPLETED  preventive
          73  predict
     """, 0.2),
    ("overdue_share", "acute care after 60", """
         day  code              text
           0  VISIT//COMPLETED  acute
          60  predict
     """, 1.0),
    ("overdue_share", "a procedure after 30: twice overdue", """
         day  code              text
           0  VISIT//COMPLETED  procedure
          60  predict
     """, 2.0),
    ("overdue_share", "the latest visit sets the clock", """
         day  code              text
           0  VISIT//COMPLETED  procedure
          50  VISIT//COMPLETED  chronic
          62  predict
     """, 0.1),
    ("overdue_share", "another kind of care expects no visit", """
         day  code              text
           0  VISIT//COMPLETED  hospice
          60  predict
     """, None),
    ("visits_365d", "in the window", """
         day  code              text
           1  VISIT//COMPLETED  acute
         100  VISIT//COMPLETED  acute
         200  VISIT//COMPLETED  acute
         400  predict
     """, 2.0),
    ("visits_365d", "none", """
         day  code              text
           1  VISIT//COMPLETED  acute
         400  predict
     """, 0.0),
    ("visits", "all", """
         day  code              text
           1  VISIT//COMPLETED  acute
         100  VISIT//COMPLETED  acute
         400  predict
     """, 2.0),
    ("visits", "none", """
         day  code
         400  predict
     """, 0.0),
    ("usual_gap_days", "(40 + 60) / 2", """
         day  code              text
           0  VISIT//COMPLETED  acute
          40  VISIT//COMPLETED  acute
         100  VISIT//COMPLETED  acute
         150  predict
     """, 50.0),
    ("usual_gap_days", "one visit has no gap", """
         day  code              text
           0  VISIT//COMPLETED  acute
         150  predict
     """, None),
    ("gap_ratio", "75 days away, every 50 is usual", """
         day  code              text
           0  VISIT//COMPLETED  acute
          40  VISIT//COMPLETED  acute
         100  VISIT//COMPLETED  acute
         175  predict
     """, 1.5),
    ("gap_ratio", "one visit has no gap", """
         day  code              text
           0  VISIT//COMPLETED  acute
         150  predict
     """, None),
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=title)
def test_a_feature_is_what_its_example_says(example: Example, value_at) -> None:
    found, expected = worked_out(example, value_at)
    assert found == expected
