"""What a pilot will be able to show, and how one stands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.conftest import day
from tests.unit.test_holdouts import SALT, pilot, steps
from wellkept.errors import SpecRefused
from wellkept.listing_pilots import prospect_lines, reading_lines, standing_lines
from wellkept.pilots.holdouts import assignments, first_assignments
from wellkept.pilots.prospects import Counted, prospects
from wellkept.pilots.reading import read
from wellkept.pilots.standing import standing
from wellkept.recommending import with_holdouts

EXPECTED = {"detractor_risk": {"rate": 0.14, "change": -0.03, "known": 0.2}}


def night(**changed: Any) -> pa.Table:
    return first_assignments(assignments(pilot(), with_holdouts(steps(400), pilot(), SALT, day(20)), day(20)))


def test_a_plan_says_how_many_it_would_take_by_answers_and_by_patients() -> None:
    [one] = prospects(pilot(share=0.5, patients=9000, expected=EXPECTED), {})
    assert one.outcomes == 1800
    assert one.needed.known == (1904, 1904)
    assert one.needed.patients == (9519, 9519)
    assert not one.is_enough
    told = "\n".join(prospect_lines(pilot(), [one]))
    assert "TOO FEW" in told
    assert "cannot be seen: falls smaller than from 14.0%" in told


def test_what_was_counted_goes_before_what_was_expected() -> None:
    counted = {"recovery_call": Counted(20_000, {"detractor_risk": 0.3}, {"detractor_risk": 0.5})}
    [one] = prospects(pilot(expected=EXPECTED), counted)
    assert (one.patients, one.outcomes, one.rate) == (20_000, 10_000, 0.3)
    assert one.is_enough


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, "names no change that would matter"),
        ({"expected": EXPECTED}, "name `patients`"),
        ({"expected": {"detractor_risk": {}}, "patients": 100}, r"name `\[expected.detractor_risk\] rate`"),
    ],
)
def test_a_plan_that_says_too_little_is_refused(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecRefused, match=says):
        prospects(pilot(**changed), {})


def test_a_change_that_the_counted_rate_leaves_no_room_for_is_refused() -> None:
    counted = {"recovery_call": Counted(100, {"detractor_risk": 0.02}, {"detractor_risk": 0.5})}
    with pytest.raises(SpecRefused, match="cannot change by"):
        prospects(pilot(expected=EXPECTED), counted)


def test_a_pilot_stands_as_chance_gives_and_says_what_it_takes() -> None:
    log = night()
    [one] = standing(pilot(), log)
    assert one.is_sound
    assert one.given + one.held_out == one.patients == 400
    assert one.expected == pytest.approx(160)
    assert one.minutes == 25 * one.given
    assert one.minutes_free == 25 * one.held_out
    assert "as chance gives" in "\n".join(standing_lines(pilot(), [one], 0))


def test_rows_that_were_lost_of_one_group_are_found() -> None:
    log = night()
    held = np.array(log["holdout"])
    [one] = standing(pilot(), log.filter(pa.array(~held | (np.cumsum(held) <= 90))))
    assert not one.is_sound
    assert "NOT AS CHANCE GIVES" in "\n".join(standing_lines(pilot(), [one], 3))


def test_whom_it_was_done_to_is_told_of_those_for_whom_it_is_late_enough() -> None:
    log = night()
    done = np.where(np.array(log["holdout"]), 0.0, 1.0)
    done[:10] = np.nan
    [one] = standing(pilot(), log, done)
    assert (one.done, one.done_held_out) == (1.0, 0.0)
    assert "to 100% of who was to get it, and to 0%" in "\n".join(standing_lines(pilot(), [one], None))


def test_an_empty_arm_has_no_split() -> None:
    [one] = standing(pilot(), night().slice(0, 0))
    assert (one.patients, one.is_sound) == (0, True)


def test_readings_say_in_words_what_they_are_and_are_not() -> None:
    log, random = night(), np.random.default_rng(0)
    held, covariates = np.array(log["holdout"]), random.normal(size=(400, 1))
    outcome = (random.random(400) < np.where(held, 0.6, 0.2)).astype(float)
    told = "\n".join(reading_lines(read(pilot(), log, {"detractor_risk": outcome}, covariates, day(200))))
    assert "Service-recovery call, by detractor_risk (randomised)" in told
    assert "this is evidence that it helps" in told
    assert "95 % interval" in told
    assert "no targeting gain is shown" in told
    nothing = read(pilot(), log, {"detractor_risk": outcome[random.permutation(400)]}, covariates, day(100))
    assert "no evidence that it helps or harms" in "\n".join(reading_lines(nothing))
    assert "it is not over" in "\n".join(reading_lines(nothing))
    nobody = log.set_column(log.column_names.index("propensity"), "propensity", pa.nulls(400, pa.float64()))
    told = "\n".join(reading_lines(read(pilot(), nobody, {"detractor_risk": outcome}, covariates, day(200))))
    assert "(observational)" in told
    assert "chance did not decide who got it, so no effect is told" in told
    assert "interval" not in told
