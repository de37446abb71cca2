"""Billing, by example: each journey is drawn as a table, `predict` is one of its rows."""

from __future__ import annotations

import pytest

from tests.spec.drawing import Example, title, worked_out

EXAMPLES: list[Example] = [
    ("surprise_bills_365d", "known 20 days after the service; the second is not known yet", """
         day  known  code
           1     21  BILLING//SURPRISE
          10     40  BILLING//SURPRISE
          30         predict
     """, 1.0),
    ("surprise_bills_365d", "services of more than a year ago are out of the window", """
         day  known  code
           1     21  BILLING//SURPRISE
         380         predict
     """, 0.0),
    ("denials_365d", "in the window", """
         day  code
           1  BILLING//DENIAL
         100  BILLING//DENIAL
         200  BILLING//SURPRISE
         400  predict
     """, 1.0),
    ("denials_365d", "none", """
         day  code
         400  predict
     """, 0.0),
    ("disputes_365d", "in the window", """
         day  code
           1  BILLING//DISPUTE
         100  BILLING//DISPUTE
         101  BILLING//DISPUTE
         400  predict
     """, 2.0),
    ("disputes_365d", "none", """
         day  code
         400  predict
     """, 0.0),
    ("billing_problem_here", "this visit's claim was denied", """
         day  known  code              text   encounter
           1         VISIT//COMPLETED  acute  a
           1     15  BILLING//DENIAL          a
          20         predict                  a
     """, 1.0),
    ("billing_problem_here", "it was a surprise", """
         day  known  code               text   encounter
           1         VISIT//COMPLETED   acute  a
           1     15  BILLING//SURPRISE         a
          20         predict                   a
     """, 1.0),
    ("billing_problem_here", "it is disputed", """
         day  known  code              text   encounter
           1         VISIT//COMPLETED  acute  a
           1     15  BILLING//DISPUTE         a
          20         predict                  a
     """, 1.0),
    ("billing_problem_here", "it is not known yet", """
         day  known  code              text   encounter
           1         VISIT//COMPLETED  acute  a
           1     25  BILLING//DENIAL          a
          20         predict                  a
     """, 0.0),
    ("billing_problem_here", "it was another visit's", """
         day  code              text   encounter
           1  VISIT//COMPLETED  acute  a
           9  VISIT//COMPLETED  acute  b
           1  BILLING//DENIAL          a
          20  predict                  b
     """, 0.0),
    ("billing_problem_here", "the point belongs to no visit", """
         day  code              text   encounter
           1  VISIT//COMPLETED  acute  a
           1  BILLING//DENIAL          a
          20  predict
     """, None),
    ("dispute_open_days", "open since the service", """
         day  known  code
           1     15  BILLING//DISPUTE
          20         predict
     """, 19.0),
    ("dispute_open_days", "the latest of two", """
         day  code
           1  BILLING//DISPUTE
          10  BILLING//DISPUTE
          20  predict
     """, 10.0),
    ("dispute_open_days", "settled", """
         day  known  code
           1     15  BILLING//DISPUTE
          18         BILLING//RESOLVED
          20         predict
     """, 0.0),
    ("dispute_open_days", "an earlier one was settled, this one is not", """
         day  code
           1  BILLING//DISPUTE
           5  BILLING//RESOLVED
          10  BILLING//DISPUTE
          20  predict
     """, 10.0),
    ("dispute_open_days", "none in the window", """
         day  code
           1  BILLING//DISPUTE
         380  predict
     """, None),
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=title)
def test_a_feature_is_what_its_example_says(example: Example, value_at) -> None:
    found, expected = worked_out(example, value_at)
    assert found == expected
