"""Portal, by example: each journey is drawn as a table, `predict` is one of its rows."""

from __future__ import annotations

import pytest

from tests.spec.drawing import Example, title, worked_out

EXAMPLES: list[Example] = [
    ("response_hours", "the latest answer", """
         day  known  code                    number
           1      3  PORTAL//RESPONSE_HOURS      48
           5      6  PORTAL//RESPONSE_HOURS      20
           9         predict
     """, 20.0),
    ("response_hours", "an answer that has not come is not known yet", """
         day  known  code                    number
           1      2  PORTAL//RESPONSE_HOURS      20
           5     12  PORTAL//RESPONSE_HOURS     168
           9         predict
     """, 20.0),
    ("response_hours", "no message on record", """
         day  code
           9  predict
     """, None),
    ("response_hours_mean_365d", "mean of the window", """
         day  code                    number
           1  PORTAL//RESPONSE_HOURS      90
         100  PORTAL//RESPONSE_HOURS      10
         200  PORTAL//RESPONSE_HOURS      30
         400  predict
     """, 20.0),
    ("response_hours_mean_365d", "no answer in the window", """
         day  code                    number
           1  PORTAL//RESPONSE_HOURS      90
         400  predict
     """, None),
    ("message_waiting_hours", "sent two days ago, not answered", """
         day  code
           1  PORTAL//MESSAGE
           3  predict
     """, 48.0),
    ("message_waiting_hours", "answered", """
         day  known  code                    number
           1         PORTAL//MESSAGE
           1      2  PORTAL//RESPONSE_HOURS      24
           3         predict
     """, 0.0),
    ("message_waiting_hours", "an earlier one is answered, the latest is not", """
         day  known  code                    number
           1         PORTAL//MESSAGE
           1      2  PORTAL//RESPONSE_HOURS      24
           4         PORTAL//MESSAGE
           5         predict
     """, 24.0),
    ("message_waiting_hours", "the answer will come later", """
         day  known  code                    number
           1         PORTAL//MESSAGE
           1      4  PORTAL//RESPONSE_HOURS      72
           3         predict
     """, 48.0),
    ("message_waiting_hours", "both are answered", """
         day  known  code                    number
           1         PORTAL//MESSAGE
           1      2  PORTAL//RESPONSE_HOURS      24
           4         PORTAL//MESSAGE
           4      5  PORTAL//RESPONSE_HOURS      24
           6         predict
     """, 0.0),
    ("message_waiting_hours", "what was never answered in 90 days is not waited for any more", """
         day  code
           1  PORTAL//MESSAGE
          95  predict
     """, None),
    ("message_waiting_hours", "no message", """
         day  code
           3  predict
     """, None),
    ("messages_90d", "in the window", """
         day  code
           1  PORTAL//MESSAGE
          50  PORTAL//MESSAGE
          60  PORTAL//MESSAGE
          95  predict
     """, 2.0),
    ("portal_not_applicable", "nothing of the portal on record", """
         day  code              text
           1  VISIT//COMPLETED  acute
           3  predict
     """, 1.0),
    ("portal_not_applicable", "activated, although no message was sent", """
         day  code                   text
           0  PERSON//portal_active
           1  VISIT//COMPLETED       acute
           3  predict
     """, 0.0),
    ("portal_not_applicable", "a message was sent", """
         day  code              text
           1  VISIT//COMPLETED  acute
           2  PORTAL//MESSAGE
           3  predict
     """, 0.0),
    ("portal_not_applicable", "an answer came", """
         day  known  code                    number  text
           1         VISIT//COMPLETED                acute
           1      2  PORTAL//RESPONSE_HOURS      24
           3         predict
     """, 0.0),
    ("portal_not_applicable", "no visit on record", """
         day  code
           3  predict
     """, None),
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=title)
def test_a_feature_is_what_its_example_says(example: Example, value_at) -> None:
    found, expected = worked_out(example, value_at)
    assert found == expected
