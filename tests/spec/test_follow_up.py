"""Follow-up, by example: each journey is drawn as a table, `predict` is one of its rows."""

from __future__ import annotations

import pytest

from tests.spec.drawing import Example, title, worked_out

EXAMPLES: list[Example] = [
    ("contacted_48h", "called", """
         day  code                  text
           1  VISIT//COMPLETED      procedure
           2  FOLLOW_UP//CONTACTED
           5  predict
     """, 1.0),
    ("contacted_48h", "48 hours are over and nobody called", """
         day  code              text
           1  VISIT//COMPLETED  procedure
           3  predict
     """, 0.0),
    ("contacted_48h", "48 hours are not over", """
         day  code              text
           1  VISIT//COMPLETED  procedure
         2.5  predict
     """, None),
    ("contacted_48h", "called already, although they are not over", """
         day  code                  text
           1  VISIT//COMPLETED      procedure
           2  FOLLOW_UP//CONTACTED
         2.5  predict
     """, 1.0),
    ("contacted_48h", "the call after an earlier procedure does not count", """
         day  code                  text
           1  VISIT//COMPLETED      procedure
           2  FOLLOW_UP//CONTACTED
          30  VISIT//COMPLETED      procedure
          40  predict
     """, 0.0),
    ("contacted_48h", "called after the second of two", """
         day  code                  text
           1  VISIT//COMPLETED      procedure
           2  FOLLOW_UP//CONTACTED
          30  VISIT//COMPLETED      procedure
          31  FOLLOW_UP//CONTACTED
          40  predict
     """, 1.0),
    ("contacted_48h", "the procedure is more than 90 days ago", """
          day  code                  text
            1  VISIT//COMPLETED      procedure
            2  FOLLOW_UP//CONTACTED
         91.5  predict
     """, None),
    ("contacted_48h", "another visit since changes nothing", """
         day  code                  text
           1  VISIT//COMPLETED      procedure
           2  FOLLOW_UP//CONTACTED
          30  VISIT//COMPLETED      acute
          40  predict
     """, 1.0),
    ("contacted_48h", "no procedure: not applicable", """
         day  code              text
           1  VISIT//COMPLETED  acute
           5  predict
     """, None),
    ("contact_not_applicable", "no procedure", """
         day  code              text
           1  VISIT//COMPLETED  acute
           5  predict
     """, 1.0),
    ("contact_not_applicable", "a procedure", """
         day  code              text
           1  VISIT//COMPLETED  procedure
           5  predict
     """, 0.0),
    ("contact_not_applicable", "the procedure is more than 90 days ago", """
         day  code              text
           1  VISIT//COMPLETED  procedure
          99  predict
     """, 1.0),
    ("contact_not_applicable", "no visit on record", """
         day  code
           5  predict
     """, None),
    ("next_step_open", "ordered at the visit, none completed since", """
         day  code              number  text
           1  VISIT//COMPLETED          chronic
           1  FOLLOW_UP//DUE        30  laboratory
           5  predict
     """, 1.0),
    ("next_step_open", "a visit since", """
         day  code              number  text
           1  FOLLOW_UP//DUE        30  laboratory
          20  VISIT//COMPLETED          chronic
          25  predict
     """, 0.0),
    ("next_step_open", "ordered without any visit", """
         day  code            number  text
           1  FOLLOW_UP//DUE      30  laboratory
           5  predict
     """, 1.0),
    ("next_step_open", "closed by a visit that ordered another", """
         day  code              number  text
           1  FOLLOW_UP//DUE        15
          20  VISIT//COMPLETED          chronic
          20  FOLLOW_UP//DUE        30
          25  predict
     """, 1.0),
    ("next_step_open", "an order older than the latest visit, after an earlier visit", """
         day  code              number  text
           1  VISIT//COMPLETED          chronic
           5  FOLLOW_UP//DUE        15
          20  VISIT//COMPLETED          chronic
          25  predict
     """, 0.0),
    ("next_step_open", "never ordered", """
         day  code              text
           1  VISIT//COMPLETED  chronic
           5  predict
     """, None),
    ("next_step_overdue_days", "12 days past its date", """
         day  code              number  text
           1  VISIT//COMPLETED          chronic
           1  FOLLOW_UP//DUE        30  laboratory
          43  predict
     """, 12.0),
    ("next_step_overdue_days", "26 days before its date", """
         day  code              number  text
           1  VISIT//COMPLETED          chronic
           1  FOLLOW_UP//DUE        30  laboratory
           5  predict
     """, -26.0),
    ("next_step_overdue_days", "of the latest order", """
         day  code              number  text
           1  FOLLOW_UP//DUE        90
          20  VISIT//COMPLETED          chronic
          20  FOLLOW_UP//DUE        10
          43  predict
     """, 13.0),
    ("next_step_overdue_days", "ordered without any visit", """
         day  code            number
           1  FOLLOW_UP//DUE      30
          43  predict
     """, 12.0),
    ("next_step_overdue_days", "closed by a visit", """
         day  code              number  text
           1  FOLLOW_UP//DUE        30  laboratory
          40  VISIT//COMPLETED          chronic
          43  predict
     """, None),
    ("next_step_overdue_days", "never ordered", """
         day  code
          43  predict
     """, None),
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=title)
def test_a_feature_is_what_its_example_says(example: Example, value_at) -> None:
    found, expected = worked_out(example, value_at)
    assert found == expected
