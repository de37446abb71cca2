"""Complaints, by example: each journey is drawn as a table, `predict` is one of its rows."""

from __future__ import annotations

import pytest

from tests.spec.drawing import Example, title, worked_out

EXAMPLES: list[Example] = [
    ("complaint_here", "about this visit", """
         day  code              text   encounter
           1  VISIT//COMPLETED  acute  a
           2  COMPLAINT//FILED         a
           3  COMPLAINT//FILED         b
           5  predict                  a
     """, 1.0),
    ("complaint_here", "none about this visit", """
         day  code              text   encounter
           1  VISIT//COMPLETED  acute  a
           3  COMPLAINT//FILED         b
           5  predict                  a
     """, 0.0),
    ("complaint_here", "the point belongs to no visit", """
         day  code              text   encounter
           1  VISIT//COMPLETED  acute  a
           3  COMPLAINT//FILED         a
           5  predict
     """, None),
    ("complaints_90d", "in the window", """
         day  code
           1  COMPLAINT//FILED
          50  COMPLAINT//FILED
          95  predict
     """, 1.0),
    ("complaints_90d", "none", """
         day  code
          95  predict
     """, 0.0),
    ("complaints_365d", "in the window", """
         day  code
           1  COMPLAINT//FILED
          50  COMPLAINT//FILED
          60  COMPLAINT//FILED
         366  predict
     """, 2.0),
    ("complaints_365d", "none", """
         day  code
          95  predict
     """, 0.0),
    ("days_since_complaint", "the latest", """
         day  code
           1  COMPLAINT//FILED
          50  COMPLAINT//FILED
          95  predict
     """, 45.0),
    ("days_since_complaint", "never", """
         day  code
          95  predict
     """, None),
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=title)
def test_a_feature_is_what_its_example_says(example: Example, value_at) -> None:
    found, expected = worked_out(example, value_at)
    assert found == expected
