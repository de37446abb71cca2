"""Continuity, by example: each journey is drawn as a table, `predict` is one of its rows."""

from __future__ import annotations

import pytest

from tests.spec.drawing import Example, title, worked_out

EXAMPLES: list[Example] = [
    ("usual_clinician", "this encounter goes before a later one", """
         day  code                    encounter
           1  VISIT//OTHER_CLINICIAN  a
           9  VISIT//USUAL_CLINICIAN  b
          10  predict                 a
     """, 0.0),
    ("usual_clinician", "the same the other way round", """
         day  code                    encounter
           1  VISIT//USUAL_CLINICIAN  a
           9  VISIT//OTHER_CLINICIAN  b
          10  predict                 a
     """, 1.0),
    ("usual_clinician", "without an encounter, the latest", """
         day  code                    encounter
           1  VISIT//OTHER_CLINICIAN  a
           9  VISIT//USUAL_CLINICIAN  b
          10  predict
     """, 1.0),
    ("usual_clinician", "the same the other way round, without one", """
         day  code                    encounter
           1  VISIT//USUAL_CLINICIAN  a
           9  VISIT//OTHER_CLINICIAN  b
          10  predict
     """, 0.0),
    ("usual_clinician", "a first visit has none", """
         day  code              text   encounter
           1  VISIT//COMPLETED  acute  a
          10  predict                  a
     """, None),
    ("usual_clinician_share_365d", "three of four in the window; visits that do not say do not count", """
         day  code                    text
           1  VISIT//OTHER_CLINICIAN
         101  VISIT//USUAL_CLINICIAN
         102  VISIT//COMPLETED        acute
         103  VISIT//USUAL_CLINICIAN
         104  VISIT//USUAL_CLINICIAN
         105  VISIT//OTHER_CLINICIAN
         400  predict
     """, 0.75),
    ("usual_clinician_share_365d", "none in the window", """
         day  code
           1  VISIT//USUAL_CLINICIAN
         400  predict
     """, None),
    ("continuity_not_applicable", "a first visit", """
         day  code              text
           1  VISIT//COMPLETED  acute
          10  predict
     """, 1.0),
    ("continuity_not_applicable", "a second visit that does not say is another matter", """
         day  code              text
           1  VISIT//COMPLETED  acute
           5  VISIT//COMPLETED  acute
          10  predict
     """, 0.0),
    ("continuity_not_applicable", "the one visit says who it was", """
         day  code                    text
           1  VISIT//COMPLETED        acute
           1  VISIT//OTHER_CLINICIAN
          10  predict
     """, 0.0),
    ("continuity_not_applicable", "it was the usual clinician", """
         day  code                    text
           1  VISIT//COMPLETED        acute
           1  VISIT//USUAL_CLINICIAN
          10  predict
     """, 0.0),
    ("continuity_not_applicable", "no visit on record", """
         day  code
          10  predict
     """, None),
    ("continuity_unknown", "several visits, and none says", """
         day  code              text
           1  VISIT//COMPLETED  acute
           5  VISIT//COMPLETED  acute
          10  predict
     """, 1.0),
    ("continuity_unknown", "one says it was another", """
         day  code                    text
           1  VISIT//COMPLETED        acute
           5  VISIT//COMPLETED        acute
           5  VISIT//OTHER_CLINICIAN
          10  predict
     """, 0.0),
    ("continuity_unknown", "a first visit", """
         day  code              text
           1  VISIT//COMPLETED  acute
          10  predict
     """, 0.0),
    ("continuity_unknown", "one of them says", """
         day  code                    text
           1  VISIT//COMPLETED        acute
           5  VISIT//COMPLETED        acute
           5  VISIT//USUAL_CLINICIAN
          10  predict
     """, 0.0),
    ("clinician_detractor_share", "of this encounter, also where a later visit has another", """
         day  code                       number  text   encounter
           1  CLINICIAN//DETRACTOR_SHARE 0.25          a
           1  VISIT//COMPLETED                   acute  a
           9  CLINICIAN//DETRACTOR_SHARE 0.10          b
           9  VISIT//COMPLETED                   acute  b
          10  predict                                   a
     """, 0.25),
    ("clinician_detractor_share", "without an encounter, of the latest visit", """
         day  code                       number  text   encounter
           1  CLINICIAN//DETRACTOR_SHARE 0.10          a
           1  VISIT//COMPLETED                   acute  a
           9  CLINICIAN//DETRACTOR_SHARE 0.25          b
           9  VISIT//COMPLETED                   acute  b
          10  predict
     """, 0.25),
    ("clinician_detractor_share", "too few answers at the latest visit: an earlier one is about another", """
         day  code                       number  text   encounter
           1  CLINICIAN//DETRACTOR_SHARE 0.25          a
           1  VISIT//COMPLETED                   acute  a
           9  VISIT//COMPLETED                   acute  b
          10  predict                                   b
     """, None),
    ("clinician_detractor_share", "too few answers at any visit", """
         day  code              text   encounter
           1  VISIT//COMPLETED  acute  a
          10  predict                  a
     """, None),
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=title)
def test_a_feature_is_what_its_example_says(example: Example, value_at) -> None:
    found, expected = worked_out(example, value_at)
    assert found == expected
