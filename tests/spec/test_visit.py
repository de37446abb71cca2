"""Visit, by example: each journey is drawn as a table, `predict` is one of its rows."""

from __future__ import annotations

import pytest

from tests.spec.drawing import Example, title, worked_out

EXAMPLES: list[Example] = [
    ("care_type", "of this encounter", """
         day  code              text     encounter
           1  VISIT//COMPLETED  chronic  a
           9  VISIT//COMPLETED  acute    b
          10  predict                    a
     """, "chronic"),
    ("care_type", "else of the latest visit", """
         day  code              text     encounter
           1  VISIT//COMPLETED  chronic  a
           9  VISIT//COMPLETED  acute    b
          10  predict
     """, "acute"),
    ("care_type", "no visit on record", """
         day  code
          10  predict
     """, None),
    ("visit_minutes", "of this encounter", """
         day  code           number  encounter
           1  VISIT//LENGTH      30  a
           9  VISIT//LENGTH      12  b
          10  predict                a
     """, 30.0),
    ("visit_minutes", "else of the latest visit", """
         day  code           number  encounter
           1  VISIT//LENGTH      30  a
           9  VISIT//LENGTH      12  b
          10  predict
     """, 12.0),
    ("visit_minutes", "not on record", """
         day  code              text   encounter
           1  VISIT//COMPLETED  acute  a
          10  predict                  a
     """, None),
    ("telehealth", "by video", """
         day  code               text   encounter
           1  VISIT//COMPLETED   acute  a
           1  VISIT//TELEHEALTH         a
           9  VISIT//COMPLETED   acute  b
          10  predict                   a
     """, 1.0),
    ("telehealth", "in person, although an earlier visit was by video", """
         day  code               text   encounter
           1  VISIT//COMPLETED   acute  a
           1  VISIT//TELEHEALTH         a
           9  VISIT//COMPLETED   acute  b
          10  predict                   b
     """, 0.0),
    ("telehealth", "without an encounter, of the latest visit", """
         day  code               text   encounter
           1  VISIT//COMPLETED   acute  a
           9  VISIT//COMPLETED   acute  b
           9  VISIT//TELEHEALTH         b
          10  predict
     """, 1.0),
    ("telehealth", "without an encounter, and the latest was in person", """
         day  code               text
           1  VISIT//COMPLETED   acute
           1  VISIT//TELEHEALTH
           9  VISIT//COMPLETED   acute
          10  predict
     """, 0.0),
    ("telehealth", "both visits were by video", """
         day  code               text
           1  VISIT//COMPLETED   acute
           1  VISIT//TELEHEALTH
           9  VISIT//COMPLETED   acute
           9  VISIT//TELEHEALTH
          10  predict
     """, 1.0),
    ("telehealth", "never by video", """
         day  code              text
           1  VISIT//COMPLETED  acute
          10  predict
     """, 0.0),
    ("telehealth", "no visit on record", """
         day  code
          10  predict
     """, None),
    ("interpreter_missed", "this encounter goes before a later one", """
         day  code                       encounter
           1  VISIT//INTERPRETER_MISSED  a
           9  VISIT//INTERPRETER_USED    b
          10  predict                    a
     """, 1.0),
    ("interpreter_missed", "the same the other way round", """
         day  code                       encounter
           1  VISIT//INTERPRETER_USED    a
           9  VISIT//INTERPRETER_MISSED  b
          10  predict                    a
     """, 0.0),
    ("interpreter_missed", "without an encounter, the latest", """
         day  code                       encounter
           1  VISIT//INTERPRETER_MISSED  a
           9  VISIT//INTERPRETER_USED    b
          10  predict
     """, 0.0),
    ("interpreter_missed", "the same the other way round, without one", """
         day  code                       encounter
           1  VISIT//INTERPRETER_USED    a
           9  VISIT//INTERPRETER_MISSED  b
          10  predict
     """, 1.0),
    ("interpreter_missed", "none needed: not applicable is not known, never 0", """
         day  code              text   encounter
           1  VISIT//COMPLETED  acute  a
          10  predict                  a
     """, None),
    ("interpreter_missed_share_365d", "one of four in the window", """
         day  code
           1  VISIT//INTERPRETER_MISSED
         101  VISIT//INTERPRETER_MISSED
         102  VISIT//INTERPRETER_USED
         103  VISIT//INTERPRETER_USED
         104  VISIT//INTERPRETER_USED
         400  predict
     """, 0.25),
    ("interpreter_missed_share_365d", "none needed", """
         day  code              text
           1  VISIT//COMPLETED  acute
          10  predict
     """, None),
    ("interpreter_not_applicable", "a visit, and no need on record", """
         day  code              text
           1  VISIT//COMPLETED  acute
          10  predict
     """, 1.0),
    ("interpreter_not_applicable", "the need is on record", """
         day  code                        text
           0  PERSON//interpreter_needed
           1  VISIT//COMPLETED            acute
          10  predict
     """, 0.0),
    ("interpreter_not_applicable", "a visit had one", """
         day  code                     text
           1  VISIT//COMPLETED         acute
           1  VISIT//INTERPRETER_USED
          10  predict
     """, 0.0),
    ("interpreter_not_applicable", "a visit lacked one", """
         day  code                       text
           1  VISIT//COMPLETED           acute
           1  VISIT//INTERPRETER_MISSED
          10  predict
     """, 0.0),
    ("interpreter_not_applicable", "no visit, so the need was never asked", """
         day  code
          10  predict
     """, None),
    ("interpreter_unknown", "needed, and the visit does not say", """
         day  code                        text
           0  PERSON//interpreter_needed
           1  VISIT//COMPLETED            acute
          10  predict
     """, 1.0),
    ("interpreter_unknown", "needed, and the visit says", """
         day  code
           0  PERSON//interpreter_needed
           1  VISIT//INTERPRETER_USED
          10  predict
     """, 0.0),
    ("interpreter_unknown", "needed, and a visit lacked one", """
         day  code
           0  PERSON//interpreter_needed
           1  VISIT//INTERPRETER_MISSED
          10  predict
     """, 0.0),
    ("interpreter_unknown", "not needed", """
         day  code              text
           1  VISIT//COMPLETED  acute
          10  predict
     """, 0.0),
    ("accommodation_missed", "this encounter goes before a later one", """
         day  code                         encounter
           1  VISIT//ACCOMMODATION_MISSED  a
           9  VISIT//ACCOMMODATION_MET     b
          10  predict                      a
     """, 1.0),
    ("accommodation_missed", "the same the other way round", """
         day  code                         encounter
           1  VISIT//ACCOMMODATION_MET     a
           9  VISIT//ACCOMMODATION_MISSED  b
          10  predict                      a
     """, 0.0),
    ("accommodation_missed", "without an encounter, the latest", """
         day  code                         encounter
           1  VISIT//ACCOMMODATION_MISSED  a
           9  VISIT//ACCOMMODATION_MET     b
          10  predict
     """, 0.0),
    ("accommodation_missed", "the same the other way round, without one", """
         day  code                         encounter
           1  VISIT//ACCOMMODATION_MET     a
           9  VISIT//ACCOMMODATION_MISSED  b
          10  predict
     """, 1.0),
    ("accommodation_missed", "none needed", """
         day  code              text   encounter
           1  VISIT//COMPLETED  acute  a
          10  predict                  a
     """, None),
    ("accommodation_missed_share_365d", "one of two in the window", """
         day  code
           1  VISIT//ACCOMMODATION_MISSED
         100  VISIT//ACCOMMODATION_MISSED
         200  VISIT//ACCOMMODATION_MET
         400  predict
     """, 0.5),
    ("accommodation_missed_share_365d", "none needed in the window", """
         day  code
           1  VISIT//ACCOMMODATION_MISSED
         400  predict
     """, None),
    ("site_detractor_share", "of this encounter, also where a later visit has another", """
         day  code                       number  text   encounter
           1  SITE//DETRACTOR_SHARE      0.25          a
           1  VISIT//COMPLETED                   acute  a
           9  SITE//DETRACTOR_SHARE      0.10          b
           9  VISIT//COMPLETED                   acute  b
          10  predict                                   a
     """, 0.25),
    ("site_detractor_share", "without an encounter, of the latest visit", """
         day  code                       number  text   encounter
           1  SITE//DETRACTOR_SHARE      0.10          a
           1  VISIT//COMPLETED                   acute  a
           9  SITE//DETRACTOR_SHARE      0.25          b
           9  VISIT//COMPLETED                   acute  b
          10  predict
     """, 0.25),
    ("site_detractor_share", "too few answers at the latest visit: an earlier one is about another", """
         day  code                       number  text   encounter
           1  SITE//DETRACTOR_SHARE      0.25          a
           1  VISIT//COMPLETED                   acute  a
           9  VISIT//COMPLETED                   acute  b
          10  predict                                   b
     """, None),
    ("site_detractor_share", "too few answers at any visit", """
         day  code              text   encounter
           1  VISIT//COMPLETED  acute  a
          10  predict                  a
     """, None),
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=title)
def test_a_feature_is_what_its_example_says(example: Example, value_at) -> None:
    found, expected = worked_out(example, value_at)
    assert found == expected
