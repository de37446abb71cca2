"""Discharge, by example: each journey is drawn as a table, `predict` is one of its rows."""

from __future__ import annotations

import pytest

from tests.spec.drawing import Example, title, worked_out

EXAMPLES: list[Example] = [
    ("instructions_given", "this encounter goes before a later one", """
         day  code                        encounter
           1  DISCHARGE//NO_INSTRUCTIONS  a
           9  DISCHARGE//INSTRUCTIONS     b
          10  predict                     a
     """, 0.0),
    ("instructions_given", "the same the other way round", """
         day  code                        encounter
           1  DISCHARGE//INSTRUCTIONS     a
           9  DISCHARGE//NO_INSTRUCTIONS  b
          10  predict                     a
     """, 1.0),
    ("instructions_given", "without an encounter, the latest", """
         day  code                        encounter
           1  DISCHARGE//NO_INSTRUCTIONS  a
           9  DISCHARGE//INSTRUCTIONS     b
          10  predict
     """, 1.0),
    ("instructions_given", "the same the other way round, without one", """
         day  code                        encounter
           1  DISCHARGE//INSTRUCTIONS     a
           9  DISCHARGE//NO_INSTRUCTIONS  b
          10  predict
     """, 0.0),
    ("instructions_given", "no visit says", """
         day  code              text   encounter
           1  VISIT//COMPLETED  acute  a
          10  predict                  a
     """, None),
    ("no_instructions_365d", "in the window", """
         day  code
           1  DISCHARGE//NO_INSTRUCTIONS
         100  DISCHARGE//NO_INSTRUCTIONS
         200  DISCHARGE//INSTRUCTIONS
         400  predict
     """, 1.0),
    ("no_instructions_365d", "none", """
         day  code
         200  DISCHARGE//INSTRUCTIONS
         400  predict
     """, 0.0),
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=title)
def test_a_feature_is_what_its_example_says(example: Example, value_at) -> None:
    found, expected = worked_out(example, value_at)
    assert found == expected
