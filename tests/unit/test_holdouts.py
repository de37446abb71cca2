"""Who is held out of a pilot, and what the log keeps of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given as drawn_by
from hypothesis import strategies as st

from tests.bundling import points
from tests.conftest import START, day
from wellkept.contracts import ASSIGNMENTS
from wellkept.effects import effects_of
from wellkept.errors import InputRefused, SpecRefused
from wellkept.offering import DETRACTOR, interventions
from wellkept.pilots.holdouts import assignments, chance, disagreeing, draw, epoch_of, first_assignments
from wellkept.pilots.plans import Pilot, load_pilot
from wellkept.recommending import Budget, for_coordinators, given, recommended, with_holdouts

CATALOGUE = interventions()
SALT = "a secret of thirty-two characters"
ANSWER = "SURVEY//NPS <= 6 within 42d in the same encounter"
TOML = f"""
name = "recovery-2025"
arms = ["recovery_call"]
begins = 2025-01-01T00:00:00Z
ends = 2025-07-01T00:00:00Z
share = 0.4
epoch = "30d"

[outcomes]
detractor_risk = "{ANSWER}"
"""


def pilot(**changed: Any) -> Pilot:
    told = {"name": "recovery-2025", "arms": ("recovery_call",), "begins": day(0), "ends": day(180), "share": 0.4,
            "epoch": "30d", "outcomes": {"detractor_risk": ANSWER}}  # fmt: skip
    return Pilot.model_validate(told | changed)


def steps(count: int, step: str = "recovery_call", owed: int = 0) -> pa.Table:
    """What `count` patients would get: the first `owed` of them an interpreter, the rest this step."""
    catalogue = list(CATALOGUE.values())
    triggered = np.zeros((count, len(catalogue)), bool)
    triggered[:owed, list(CATALOGUE).index("interpreter")] = True
    triggered[owed:, list(CATALOGUE).index(step)] = True
    effects = effects_of(catalogue, {DETRACTOR: np.full(count, 0.3)}, triggered)
    return recommended(points(count), effects, given(effects, catalogue, Budget(1e6, 1e6)), catalogue, day(20))


@drawn_by(st.integers(0, 2**62), st.integers(0, 179))
def test_a_draw_hangs_on_patient_arm_epoch_and_salt_and_on_nothing_else(subject: int, number: int) -> None:
    at, arm = day(number), np.array(["recovery_call"])
    alone = draw(pilot(), SALT, np.array([subject]), arm, at).holdout[0]
    among = draw(pilot(), SALT, np.array([5, subject, 7]), arm.repeat(3), at).holdout[1]
    same_epoch = draw(pilot(), SALT, np.array([subject]), arm, epoch_of(pilot(), at)).holdout[0]
    assert alone == among == same_epoch == (chance(SALT, subject, "recovery_call", epoch_of(pilot(), at)) < 0.4)


def test_as_many_are_held_out_as_the_pilot_says_and_each_arm_epoch_and_salt_draws_anew() -> None:
    def held(salt: str = SALT, arm: str = "recovery_call", epoch: datetime = START) -> np.ndarray:
        return np.array([chance(salt, subject, arm, epoch) < 0.4 for subject in range(20_000)])

    assert held().mean() == pytest.approx(0.4, abs=0.0104)  # three standard deviations
    for other in (held(SALT + "!"), held(arm="billing_fix"), held(epoch=day(30))):
        assert np.corrcoef(held(), other)[0, 1] == pytest.approx(0, abs=0.022)


def test_what_is_owed_is_never_held_out_and_no_pilot_may_name_it(tmp_path: Path) -> None:
    table = with_holdouts(steps(200, owed=100), pilot(), SALT, day(20))
    owed = table.filter(pa.array(np.array(table["intervention"]) == "interpreter"))
    assert not any(owed["holdout"].to_pylist())
    assert owed["propensity"].null_count == owed["pilot"].null_count == 100
    (tmp_path / "pilot.toml").write_text(TOML.replace("recovery_call", "interpreter"))
    with pytest.raises(SpecRefused, match="interpreter is owed to the patient or a matter of safety"):
        load_pilot(tmp_path / "pilot.toml", CATALOGUE)


def test_who_is_held_out_comes_last_and_is_for_no_coordinator() -> None:
    table = with_holdouts(steps(100), pilot(), SALT, day(20))
    held = np.array(table["holdout"])
    assert 20 < held.sum() < 60
    assert (np.diff(held.astype(int)) >= 0).all()
    assert table["rank"].to_pylist() == list(range(1, 101))
    assert set(table["propensity"].to_pylist()) == {0.6}
    assert for_coordinators(table).num_rows == 100 - held.sum()


@pytest.mark.parametrize("at", [day(-1), day(180)])
def test_nobody_is_drawn_before_the_pilot_begins_or_once_it_is_over(at: datetime) -> None:
    table = with_holdouts(steps(50), pilot(), SALT, at)
    assert not any(table["holdout"].to_pylist())
    assert table["propensity"].null_count == table["pilot"].null_count == 50


def test_the_log_counts_a_patient_once_an_epoch_and_can_be_drawn_again() -> None:
    nights = [day(20), day(21), day(40)]
    log = pa.concat_tables([assignments(pilot(), with_holdouts(steps(50), pilot(), SALT, at), at) for at in nights])
    first = first_assignments(ASSIGNMENTS.check(log))
    assert first.num_rows == 100
    assert set(first["epoch"].to_pylist()) == {day(0), day(30)}
    assert disagreeing(pilot(), SALT, first) == 0
    assert disagreeing(pilot(), SALT + "!", first) > 20


def test_a_salt_that_was_changed_midway_is_found() -> None:
    salts = {day(20): SALT, day(21): SALT + "!"}
    nights = [assignments(pilot(), with_holdouts(steps(50), pilot(), salt, at), at) for at, salt in salts.items()]
    with pytest.raises(InputRefused, match="of 50 patients' draws changed within an epoch") as refused:
        first_assignments(pa.concat_tables(nights))
    assert refused.value.code == "two_draws"


@pytest.mark.parametrize(
    ("line", "instead", "says"),
    [
        ("share = 0.4", "share = 0.05", "greater than or equal to 0.1"),
        ("2025-07-01T00:00:00Z", "2024-07-01T00:00:00Z", "begins"),
        ("2025-07-01T00:00:00Z", "2025-07-01T00:00:00", "offset"),
        ('"recovery_call"]', '"recovery_call", "recovery_call"]', "twice"),
        ('"recovery_call"]', '"dance"]', "no intervention is called dance"),
        ('"recovery-2025"', '"../elsewhere"', "small letters"),
        ("[outcomes]", "[expected.no_return]\nrate = 0.2\n[outcomes]", "speaks of no_return"),
        ("[outcomes]", "[expected.detractor_risk]\nrate = 0.02\n[outcomes]", "lies between 0 and 1"),
        ("[outcomes]", "shade = 1\n[outcomes]", "shade"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(tmp_path: Path, line: str, instead: str, says: str) -> None:
    assert line in TOML
    (tmp_path / "pilot.toml").write_text(TOML.replace(line, instead, 1))
    with pytest.raises(SpecRefused, match=says):
        load_pilot(tmp_path / "pilot.toml", CATALOGUE)


def test_a_plan_is_read(tmp_path: Path) -> None:
    (tmp_path / "pilot.toml").write_text(TOML)
    found = load_pilot(tmp_path / "pilot.toml", CATALOGUE)
    assert (found.share, found.arms, found.begins) == (0.4, ("recovery_call",), datetime(2025, 1, 1, tzinfo=UTC))
    assert epoch_of(found, found.begins + timedelta(days=31)) == found.begins + timedelta(days=30)
