"""Voice, by example: each journey is drawn as a table, `predict` is one of its rows."""

from __future__ import annotations

import pytest

from tests.spec.drawing import Example, title, worked_out

EXAMPLES: list[Example] = [
    ("last_nps", "the latest answer", """
         day  code         number
           1  SURVEY//NPS       9
          50  SURVEY//NPS       3
          95  predict
     """, 3.0),
    ("last_nps", "invited and not answered is not known, never 0", """
         day  code             text
          50  SURVEY//INVITED  sms
          95  predict
     """, None),
    ("last_nps_days", "since the latest answer", """
         day  code         number
           1  SURVEY//NPS       9
          50  SURVEY//NPS       3
          95  predict
     """, 45.0),
    ("last_nps_days", "never answered", """
         day  code             text
          50  SURVEY//INVITED  sms
          95  predict
     """, None),
    ("last_csat", "the latest answer", """
         day  code          number
           1  SURVEY//CSAT       5
          50  SURVEY//CSAT       2
          95  predict
     """, 2.0),
    ("last_csat", "invited and not answered is not known, never 0", """
         day  code             text
          50  SURVEY//INVITED  sms
          95  predict
     """, None),
    ("last_csat_days", "since the latest answer", """
         day  code          number
           1  SURVEY//CSAT       5
          50  SURVEY//CSAT       2
          95  predict
     """, 45.0),
    ("last_csat_days", "never answered", """
         day  code             text
          50  SURVEY//INVITED  sms
          95  predict
     """, None),
    ("last_ces", "the latest answer", """
         day  code         number
           1  SURVEY//CES       6
          50  SURVEY//CES       2
          95  predict
     """, 2.0),
    ("last_ces", "invited and not answered is not known, never 0", """
         day  code             text
          50  SURVEY//INVITED  sms
          95  predict
     """, None),
    ("last_ces_days", "since the latest answer", """
         day  code         number
           1  SURVEY//CES       6
          50  SURVEY//CES       2
          95  predict
     """, 45.0),
    ("last_ces_days", "never answered", """
         day  code             text
          50  SURVEY//INVITED  sms
          95  predict
     """, None),
    ("answers", "so far, the one after the point not among them", """
         day  code         number
           1  SURVEY//NPS       3
          50  SURVEY//NPS       9
          95  predict
          96  SURVEY//NPS       0
     """, 2.0),
    ("answers", "none", """
         day  code             text
          50  SURVEY//INVITED  sms
          95  predict
     """, 0.0),
    ("detractor_answers", "0-6 of them", """
         day  code         number
           1  SURVEY//NPS       6
           2  SURVEY//NPS       7
           3  SURVEY//NPS       0
          95  predict
     """, 2.0),
    ("detractor_answers", "none", """
         day  code         number
           2  SURVEY//NPS       7
          95  predict
     """, 0.0),
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=title)
def test_a_feature_is_what_its_example_says(example: Example, value_at) -> None:
    found, expected = worked_out(example, value_at)
    assert found == expected
