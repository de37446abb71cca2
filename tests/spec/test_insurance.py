"""Insurance, by example: each journey is drawn as a table, `predict` is one of its rows."""

from __future__ import annotations

import pytest

from tests.spec.drawing import Example, title, worked_out

EXAMPLES: list[Example] = [
    ("verification_failed", "this encounter goes before a later one", """
         day  code                            text    encounter
           1  INSURANCE//VERIFICATION_FAILED  lapsed  a
           9  INSURANCE//VERIFIED                     b
          10  predict                                 a
     """, 1.0),
    ("verification_failed", "the same the other way round", """
         day  code                            text    encounter
           1  INSURANCE//VERIFIED                     a
           9  INSURANCE//VERIFICATION_FAILED  lapsed  b
          10  predict                                 a
     """, 0.0),
    ("verification_failed", "without an encounter, the latest", """
         day  code                            text    encounter
           1  INSURANCE//VERIFICATION_FAILED  lapsed  a
           9  INSURANCE//VERIFIED                     b
          10  predict
     """, 0.0),
    ("verification_failed", "the same the other way round, without one", """
         day  code                            text    encounter
           1  INSURANCE//VERIFIED                     a
           9  INSURANCE//VERIFICATION_FAILED  lapsed  b
          10  predict
     """, 1.0),
    ("verification_failed", "never checked is not known, never verified", """
         day  code
           4  predict
     """, None),
    ("verification_failures_365d", "failures alone, in the window", """
         day  code
           1  INSURANCE//VERIFICATION_FAILED
         100  INSURANCE//VERIFICATION_FAILED
         200  INSURANCE//VERIFIED
         400  predict
     """, 1.0),
    ("verification_failures_365d", "none on record", """
         day  code
         200  INSURANCE//VERIFIED
         400  predict
     """, 0.0),
    ("days_unverified", "open since the latest failure", """
         day  code
           1  INSURANCE//VERIFIED
           3  INSURANCE//VERIFICATION_FAILED
          10  predict
     """, 7.0),
    ("days_unverified", "a later check passed", """
         day  code
           3  INSURANCE//VERIFICATION_FAILED
           5  INSURANCE//VERIFIED
          10  predict
     """, 0.0),
    ("days_unverified", "never checked", """
         day  code
          10  predict
     """, None),
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=title)
def test_a_feature_is_what_its_example_says(example: Example, value_at) -> None:
    found, expected = worked_out(example, value_at)
    assert found == expected
