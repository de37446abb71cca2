"""What is true, false and not known, by example. The journey of somebody else ends the observation."""

from __future__ import annotations

import pytest

from tests.conftest import day, points_table
from tests.spec.drawing import drawn
from wellkept.errors import SpecRefused
from wellkept.labelling import cohort, labels, question, scoring_points
from wellkept.parts import discover
from wellkept.spec import Points

DETRACTOR = "SURVEY//NPS <= 6 within 42d"
NO_RETURN = "no event of VISIT//COMPLETED within 100d"
MISSED = 'APPOINTMENT//OUTCOME == "no_show" within 30d in the same encounter as it comes'
OF_THIS_VISIT = "SURVEY//NPS <= 6 within 42d in the same encounter"
EXPECTED = "no event of VISIT//COMPLETED by chronic: 270d, procedure: 135d after the last unless VITAL//DIED"
EXAMPLES = [
    ("an answer of 0-6 in the window", DETRACTOR, 200, """
         day  code         number
           1  predict
           5  SURVEY//NPS       6
     """, True),
    ("an answer of 7-10", DETRACTOR, 200, """
         day  code         number
           1  predict
           5  SURVEY//NPS       7
     """, False),
    ("no answer is not known, never false", DETRACTOR, 200, """
         day  code              number
           1  predict
           5  SURVEY//INVITED
     """, None),
    ("an answer after the window", DETRACTOR, 200, """
         day  code         number
           1  predict
          44  SURVEY//NPS       2
     """, None),
    ("the first answer counts", DETRACTOR, 200, """
         day  code         number
           1  predict
           5  SURVEY//NPS       9
           6  SURVEY//NPS       0
     """, False),
    ("an answer before the point says nothing about it", DETRACTOR, 200, """
         day  code         number
           1  SURVEY//NPS       0
           2  predict
     """, None),
    ("early answers wait until all could have come: late ones are unhappier", DETRACTOR, 20, """
         day  code         number
           1  predict
           5  SURVEY//NPS       0
     """, None),
    ("nobody came back and the window was seen to its end", NO_RETURN, 200, """
         day  code
           1  predict
     """, True),
    ("a visit in the window", NO_RETURN, 200, """
         day  code
           1  predict
          90  VISIT//COMPLETED
     """, False),
    ("a missed appointment is no return", NO_RETURN, 200, """
         day  code
           1  predict
          90  APPOINTMENT//NO_SHOW
     """, True),
    ("pending is not known", NO_RETURN, 90, """
         day  code
           1  predict
     """, None),
    ("an early return is not known before its window ends: keeping it would bias the risk", NO_RETURN, 90, """
         day  code
           1  predict
          20  VISIT//COMPLETED
     """, None),
    ("a visit after the deadline is no return in time", NO_RETURN, 200, """
         day  code
           1  predict
         102  VISIT//COMPLETED
     """, True),
    ("the outcome of this very appointment", MISSED, 200, """
         day  code                  text     encounter
           1  predict                        a
           2  APPOINTMENT//OUTCOME  kept     b
           3  APPOINTMENT//OUTCOME  no_show  a
     """, True),
    ("an outcome that everybody gets is known as it comes", MISSED, 4, """
         day  code                  text     encounter
           1  predict                        a
           3  APPOINTMENT//OUTCOME  no_show  a
     """, True),
    ("an answer about this very visit waits like any answer", OF_THIS_VISIT, 20, """
         day  code         number  encounter
           1  predict              a
           5  SURVEY//NPS       0  a
     """, None),
    ("an answer about another visit says nothing about this one", OF_THIS_VISIT, 200, """
         day  code         number  encounter
           1  predict              a
           5  SURVEY//NPS       0  b
     """, None),
    ("another appointment's outcome says nothing", MISSED, 200, """
         day  code                  text     encounter
           1  predict                        a
           2  APPOINTMENT//OUTCOME  no_show  b
     """, None),
    ("chronic care expects a visit within 270 days of the last one", EXPECTED, 999, """
         day  code              text
           1  VISIT//COMPLETED  chronic
          61  predict
     """, True),
    ("the deadline counts from the last visit, not from the point", EXPECTED, 999, """
         day  code              text
           1  VISIT//COMPLETED  chronic
          61  predict
         280  VISIT//COMPLETED  acute
     """, True),
    ("a return of any kind before the deadline", EXPECTED, 999, """
         day  code              text
           1  VISIT//COMPLETED  chronic
          61  predict
         270  VISIT//COMPLETED  acute
     """, False),
    ("every kind of care has a deadline of its own", EXPECTED, 999, """
         day  code              text
           1  VISIT//COMPLETED  procedure
          61  predict
         140  VISIT//COMPLETED  procedure
     """, True),
    ("acute care expects nobody back: a cured patient is not lost", EXPECTED, 999, """
         day  code              text
           1  VISIT//COMPLETED  acute
          61  predict
     """, None),
    ("the last visit decides which kind it is", EXPECTED, 999, """
         day  code              text
           1  VISIT//COMPLETED  chronic
          20  VISIT//COMPLETED  acute
          61  predict
     """, None),
    ("whose deadline is over is lapsed, and no longer a question", EXPECTED, 999, """
         day  code              text
           1  VISIT//COMPLETED  procedure
         161  predict
     """, None),
    ("the dead are not lost", EXPECTED, 999, """
         day  code              text
           1  VISIT//COMPLETED  chronic
          61  predict
         100  VITAL//DIED
     """, None),
    ("a death that happened before the point and is recorded after it counts, too", EXPECTED, 999, """
         day  known  code              text
           1      1  VISIT//COMPLETED  chronic
          61         predict
          60    110  VITAL//DIED
     """, None),
    ("who returned and died later did return", EXPECTED, 999, """
         day  code              text
           1  VISIT//COMPLETED  chronic
          61  predict
          80  VISIT//COMPLETED  chronic
         100  VITAL//DIED
     """, False),
    ("an early return is not known before its deadline", EXPECTED, 200, """
         day  code              text
           1  VISIT//COMPLETED  chronic
          61  predict
          80  VISIT//COMPLETED  chronic
     """, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("why", "sentence", "seen_until", "journey", "expected"), EXAMPLES, ids=[e[0] for e in EXAMPLES]
)
def test_a_label_is_what_its_example_says(why, sentence, seen_until, journey, expected, store) -> None:
    rows, at, encounter = drawn(journey)
    somebody = [{"subject_id": 2, "time": seen_until, "code": "SOMEBODY ELSE"}]
    snapshot = store([{"subject_id": 1, **row} for row in rows] + somebody)
    table = labels(snapshot, points_table((1, at, encounter)), question(sentence, discover("targets")))
    assert table["label"].to_pylist() == [expected]


def test_an_unknown_sentence_is_refused_with_examples_of_what_is_understood() -> None:
    with pytest.raises(SpecRefused, match="SURVEY//NPS <= 6 within 42d"):
        question("patients who are sad", discover("targets"))


VISITS = [
    {"subject_id": 1, "time": 10, "code": "VISIT//COMPLETED", "text_value": "chronic", "encounter_id": "a"},
    {"subject_id": 1, "time": 30, "code": "VISIT//COMPLETED", "text_value": "acute", "encounter_id": "b"},
    {"subject_id": 2, "time": 40, "code": "VISIT//COMPLETED", "text_value": "chronic", "encounter_id": "c"},
    {"subject_id": 3, "time": 50, "code": "CALL"},
]
DAY = 86_400_000_000


def drawn_points(table) -> set[tuple]:
    start = 1735689600000000
    times = table["prediction_time"].cast("int64").to_pylist()
    return set(zip(table["subject_id"].to_pylist(), ((t - start) / DAY for t in times),
                   table["encounter_id"].to_pylist(), strict=True))


def test_the_cohort_has_a_point_after_each_event_until_a_later_one_takes_over(store) -> None:
    points = cohort(store(VISITS), Points(each="VISIT//COMPLETED", after=("24h", "10d", "30d")))
    assert drawn_points(points) == {(1, 11, "a"), (1, 20, "a"), (1, 31, "b"), (1, 40, "b"), (2, 41, "c"), (2, 50, "c")}


def test_points_keep_to_the_conditions_on_what_was_last_known(store) -> None:
    chronic = Points(each="VISIT//COMPLETED", after=("24h",), where=('VISIT//COMPLETED == "chronic"',))
    points = cohort(store(VISITS), chronic)
    assert drawn_points(points) == {(1, 11, "a"), (2, 41, "c")}


def test_one_date_gives_one_point_for_everybody_known_by_then(store) -> None:
    points = cohort(store(VISITS), Points(at="2025-01-31T12:00:00Z"))
    assert drawn_points(points) == {(1, 30.5, None)}


def test_a_night_scores_whoever_had_an_event_lately_at_the_latest_one(store) -> None:
    spec = Points(each="VISIT//COMPLETED", active="15d")
    assert drawn_points(scoring_points(store(VISITS), spec, day(44))) == {(1, 44, "b"), (2, 44, "c")}


def test_points_are_of_the_kinds_that_are_active_and_of_nobody_whose_death_is_known(store) -> None:
    died = {"subject_id": 2, "time": 45, "code": "VITAL//DIED"}
    spec = Points(each="VISIT//COMPLETED", after=("24h", "10d"), active={"chronic": "9d"}, unless=("VITAL//DIED",))
    snapshot = store([*VISITS, died])
    assert drawn_points(cohort(snapshot, spec)) == {(1, 11, "a"), (2, 41, "c")}
    assert drawn_points(scoring_points(snapshot, spec, day(18))) == {(1, 18, "a")}
    assert drawn_points(scoring_points(snapshot, spec, day(44))) == {(2, 44, "c")}
    assert drawn_points(scoring_points(snapshot, spec, day(46))) == set()
