"""Who was asked, who answered, and whom the follow-up called, on small synthetic journeys; and what the report says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import batch_of, day, events_table, points_table
from wellkept.asking import Invited, as_asked, invited
from wellkept.errors import SpecRefused
from wellkept.everybody import Everybody, everybody
from wellkept.examples import Examples, examples
from wellkept.journeys import Journeys, Snapshot
from wellkept.labelling import labels, question
from wellkept.listing import METRICS, report_lines
from wellkept.parts import discover
from wellkept.spec import Spec
from wellkept.training import Trained, train

ASKED = {"by": "INVITED", "follow_up": "again"}
SPEC = {
    "target": "unhappy",
    "points": {"each": "VISIT", "after": ["24h"]},
    "label": {"true_when": "ANSWER <= 6 within 20d in the same encounter"},
    "automatic": {"windows": ["90d"], "exclude": ["ANSWER", "INVITED"]},
    "trees": {"rounds": 20, "depth": 2},
    "logistic": {"inverse_penalties": [0.1]},
    "asked": ASKED,
}
QUESTION = question(SPEC["label"]["true_when"], discover("targets"))
SUBJECTS = 3000


def visit(subject: int, start: float, *more: tuple[float, str, Any]) -> list[dict[str, Any]]:
    """A visit and what came of it: (days after, code, number or category)."""
    encounter = {"subject_id": subject, "encounter_id": f"e{subject}-{start:.3f}"}
    rows = [{**encounter, "time": start, "code": "VISIT"}]
    for after, code, value in more:
        kind = "text_value" if isinstance(value, str) else "numeric_value"
        rows.append({**encounter, "time": start + after, "code": code, kind: value})
    return rows


SMS, AGAIN = (1, "INVITED", "sms"), (30, "INVITED", "again")
THE_END = {"subject_id": 10**6, "time": 400, "code": "THE END"}


def asked_of(store: Callable, *visits: list[dict[str, Any]]) -> Invited:
    snapshot = store([row for rows in visits for row in rows] + [THE_END])
    return invited(snapshot, Spec(**SPEC), Spec(**SPEC).asked, QUESTION, day(0))


def test_who_was_asked_answered_was_called_and_what_was_heard(store: Callable) -> None:
    told = asked_of(
        store,
        visit(1, 10, SMS, (4, "ANSWER", 3.0)),
        visit(2, 20, SMS),
        visit(3, 30, SMS, AGAIN, (30, "ANSWER", 2.0)),
        visit(4, 40, SMS, AGAIN, (31, "ANSWER", 9.0)),
        visit(5, 50, SMS, AGAIN),  # called, and did not answer then either
        visit(6, 60),  # nobody asked
        visit(7, 385, SMS),  # the window is not over
        visit(8, 365, SMS, AGAIN, (30.1, "ANSWER", 2.0)),  # that of the call is not
    )
    assert told.points["subject_id"].to_pylist() == [1, 2, 3, 4, 5, 8]
    np.testing.assert_array_equal(told.answer, [1, *[np.nan] * 5])
    np.testing.assert_array_equal(told.called, [False, False, True, True, True, False])
    np.testing.assert_array_equal(told.follow_up, [np.nan, np.nan, 1, 0, np.nan, np.nan])


def test_an_invitation_of_another_encounter_or_by_the_follow_up_alone_does_not_count(store: Callable) -> None:
    told = asked_of(store, visit(1, 10, AGAIN), visit(1, 50, SMS), visit(2, 20, SMS))
    assert told.points["encounter_id"].to_pylist() == ["e2-20.000", "e1-50.000"]


def test_what_is_heard_before_the_window_is_over_is_no_label_but_the_follow_ups(store: Callable) -> None:
    early = visit(1, 10, SMS, (15, "INVITED", "again"), (15, "ANSWER", 2.0))
    told = asked_of(store, early)
    np.testing.assert_array_equal(told.answer, [np.nan])
    np.testing.assert_array_equal(told.follow_up, [1])


def test_a_later_point_whose_window_holds_the_follow_up_learns_nothing_from_it(store: Callable) -> None:
    """A call 22 days after the visit lies after the window of the first point, and inside that of the second."""
    snapshot = store([*visit(1, 10, SMS, (22, "INVITED", "again"), (22, "ANSWER", 2.0)), THE_END])
    points = labels(snapshot, points_table((1, 11, "e1-10.000"), (1, 15, "e1-10.000")), QUESTION)
    assert points["label"].to_pylist() == [None, True]
    assert as_asked(snapshot, points, Spec(**SPEC).asked)["label"].to_pylist() == [None, None]
    assert as_asked(snapshot, points, None)["label"].to_pylist() == [None, True]


def test_a_label_that_nobody_is_asked_for_is_refused(store: Callable) -> None:
    spec = Spec(**{**SPEC, "label": {"true_when": "event of VISIT within 20d"}})
    with pytest.raises(SpecRefused, match=r"\[asked\] is for labels that are answers"):
        invited(store([THE_END]), spec, spec.asked, question(spec.label.true_when, discover("targets")), day(0))


def journeys_of(folder: Path, *, followed: float) -> Snapshot:
    """One visit each; the odds of those who do not answer are exp(.8) times as high as of those who do."""
    random = np.random.default_rng(3)
    rows = []
    for subject in range(SUBJECTS):
        start, wait = random.uniform(0, 320), random.normal()
        answers = random.random() < 1 / (1 + np.exp(0.4 + 0.5 * wait))
        unhappy = random.random() < 1 / (1 + np.exp(1.2 - wait - (0 if answers else 0.8)))
        score = 3.0 if unhappy else 9.0
        heard = () if answers or random.random() > followed else (AGAIN, (30.1, "ANSWER", score))
        rows += [{"subject_id": subject, "time": start, "code": "WAIT", "numeric_value": wait},
                 *visit(subject, start, SMS, *([(3, "ANSWER", score)] if answers else heard))]  # fmt: skip
    journeys = Journeys(folder / "journeys", shards=2, key="test")
    journeys.land(batch_of(events_table([*rows, THE_END])))
    return journeys.snapshot()


World = tuple[Snapshot, Examples, Trained]


@pytest.fixture(scope="module", params=[0.0, 0.5], ids=["nobody followed up", "half of the silent followed up"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[float, World]:
    snapshot = journeys_of(tmp_path_factory.mktemp("world"), followed=request.param)
    data = examples(snapshot, Spec(**SPEC))
    return request.param, (snapshot, data, train(data, Spec(**SPEC)))


def measured(world: World, **spec: Any) -> Everybody | None:
    snapshot, data, trained = world
    return everybody(snapshot, Spec(**{**SPEC, **spec}), data, trained)


def report(told: Everybody) -> str:
    test = {"logistic": dict.fromkeys(("base_rate", *METRICS), (0.5, 0.4, 0.6))}
    return "\n".join(report_lines({"target": "unhappy", "shipped": "logistic", "test": test, "everybody": told.plain}))


def test_the_follow_up_finds_how_the_silent_differ_and_without_one_nobody_claims_to_know(
    world: tuple[float, World]
) -> None:
    followed, there = world
    told = measured(there)
    assert told
    text, few = report(told), told.levels["missing_at_random"]
    assert told.counts["asked"] > 500
    assert 0.2 < told.counts["answered"] / told.counts["asked"] < 0.6
    if followed:
        assert told.levels["shift"].low < 0.8 < told.levels["shift"].high
        assert told.levels["shift"].low > 0
        assert told.levels["followed_up"].value > few.value
        assert "NOT KNOWN" not in text
        assert f"{told.counts['called']} of the silent, drawn at random, were asked again" in text
    else:
        assert "shift" not in told.levels
        assert "asked again" not in text
        assert "The level of those who do not answer is NOT KNOWN" in text
        assert "about 400 a quarter" in text


def test_the_risk_of_anybody_is_corrected_only_where_a_follow_up_was(world: tuple[float, World]) -> None:
    followed, there = world
    _, data, trained = there
    told, rows = measured(there), data.test_rows
    assert told
    X, risk = trained.encoder.matrix(data.features)[rows], trained.shipped.risk[rows]
    if not followed:
        with pytest.raises(ValueError, match="not known"):
            told.risk(risk, X, data.fold[rows])
        return
    anybody = told.risk(risk, X, data.fold[rows])
    assert (anybody > risk).all()
    assert (anybody < 1).all()


def test_the_examples_hold_no_answer_of_the_follow_up(world: tuple[float, World]) -> None:
    """It answers 30.1 days after the visit: inside the 20 days of a point of day 12, whose first answer was earlier."""
    snapshot = world[1][0]
    late = Spec(**{**SPEC, "points": {"each": "VISIT", "after": ["24h", "12d"]}})
    assert examples(snapshot, late).points.num_rows == world[1][1].points.num_rows


def test_without_asked_the_report_says_nothing_of_the_silent(world: tuple[float, World]) -> None:
    assert measured(world[1], asked=None) is None
