"""Person, by example: each journey is drawn as a table, `predict` is one of its rows."""

from __future__ import annotations

import pytest

from tests.spec.drawing import Example, title, worked_out

EXAMPLES: list[Example] = [
    ("age", "the middle of 2025, born in 1960 (corrected)", """
         day  code                number
           0  PERSON//birth_year    1970
          10  PERSON//birth_year    1960
         182  predict
     """, 65.0),
    ("age", "a year later", """
         day  code                number
           0  PERSON//birth_year    1960
         547  predict
     """, 66.0),
    ("age", "not on record", """
         day  code
         182  predict
     """, None),
    ("sex", "as on record", """
         day  code         text
           0  PERSON//sex  female
           5  predict
     """, "female"),
    ("sex", "not on record", """
         day  code
           5  predict
     """, None),
    ("language", "as on record", """
         day  code              text
           0  PERSON//language  es
           5  predict
     """, "es"),
    ("language", "not on record", """
         day  code
           5  predict
     """, None),
    ("payer", "as on record", """
         day  code           text
           0  PERSON//payer  medicaid
           5  predict
     """, "medicaid"),
    ("payer", "not on record", """
         day  code
           5  predict
     """, None),
    ("payer", "the latest change that is known", """
         day  known  code           text
           0         PERSON//payer  commercial
          10         PERSON//payer  medicaid
          20     40  PERSON//payer  self
          30         predict
     """, "medicaid"),
    ("disability", "on record", """
         day  code
           0  PERSON//disability
           5  predict
     """, 1.0),
    ("disability", "not on record at the point", """
         day  code
           5  predict
           6  PERSON//disability
     """, 0.0),
    ("interpreter_needed", "on record", """
         day  code
           0  PERSON//interpreter_needed
           5  predict
     """, 1.0),
    ("interpreter_needed", "not on record at the point", """
         day  code
           5  predict
           6  PERSON//interpreter_needed
     """, 0.0),
    ("portal_active", "on record", """
         day  code
           0  PERSON//portal_active
           5  predict
     """, 1.0),
    ("portal_active", "not on record at the point", """
         day  code
           5  predict
           6  PERSON//portal_active
     """, 0.0),
    ("distance_km", "the latest on record", """
         day  code                 number
           0  PERSON//distance_km    12.5
           3  PERSON//distance_km       4
           5  predict
     """, 4.0),
    ("distance_km", "not on record", """
         day  code
           5  predict
     """, None),
    ("deprivation", "the latest on record", """
         day  code                 number
           0  PERSON//deprivation      80
           3  PERSON//deprivation      40
           5  predict
     """, 40.0),
    ("deprivation", "not on record", """
         day  code
           5  predict
     """, None),
    ("chronic_conditions", "the latest on record", """
         day  code                        number
           0  PERSON//chronic_conditions       2
           3  PERSON//chronic_conditions       1
           5  predict
     """, 1.0),
    ("chronic_conditions", "not on record", """
         day  code
           5  predict
     """, None),
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=title)
def test_a_feature_is_what_its_example_says(example: Example, value_at) -> None:
    found, expected = worked_out(example, value_at)
    assert found == expected
