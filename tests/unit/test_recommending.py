"""Beliefs, room to move, and who gets the minutes."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from tests.bundling import points
from tests.conftest import day
from wellkept.contracts import RECOMMENDATIONS
from wellkept.effects import Effects, effects_of
from wellkept.offering import DETRACTOR, NO_RETURN, interventions
from wellkept.programs import NOBODY
from wellkept.recommending import Budget, given, recommended

CATALOGUE = list(interventions().values())
NAMES = [i.name for i in CATALOGUE]


def offered(triggers: dict[int, list[str]], risk: list[float]) -> Effects:
    """Effects of these triggers by patient; both risks are `risk`."""
    triggered = np.zeros((len(risk), len(CATALOGUE)), bool)
    for patient, names in triggers.items():
        triggered[patient, [NAMES.index(name) for name in names]] = True
    return effects_of(CATALOGUE, {DETRACTOR: np.array(risk), NO_RETURN: np.array(risk)}, triggered)


def chosen(effects: Effects, minutes: float = 1000, texts: float = 100) -> list[str]:
    choice = given(effects, CATALOGUE, Budget(minutes, texts)).choice
    return ["" if k == NOBODY else NAMES[k] for k in choice]


def test_what_has_no_trigger_is_not_offered_whatever_the_risk() -> None:
    assert chosen(offered({}, [0.99, 0.5])) == ["", ""]


def test_a_risk_in_the_middle_has_more_room_to_move_than_one_that_is_nearly_sure() -> None:
    effects = offered({0: ["billing_fix"], 1: ["billing_fix"]}, [0.5, 0.97])
    k = NAMES.index("billing_fix")
    assert effects.value[0, k] > 4 * effects.value[1, k]
    assert chosen(effects, minutes=30) == ["billing_fix", ""]


def test_a_patient_without_a_risk_of_a_target_gains_nothing_there() -> None:
    effects = effects_of(CATALOGUE, {DETRACTOR: np.array([0.3]), NO_RETURN: np.array([np.nan])},
                       np.ones((1, len(CATALOGUE)), bool))  # fmt: skip
    assert (effects.change[NO_RETURN] == 0).all()
    assert (effects.change[DETRACTOR] <= 0).all()


def test_what_is_owed_is_given_without_minutes_and_the_rest_only_within_them() -> None:
    triggers = {0: ["interpreter", "recovery_call"], 1: ["recovery_call"], 2: ["recovery_call"]}
    effects = offered(triggers, [0.1, 0.3, 0.4])
    assert chosen(effects, minutes=25) == ["interpreter", "", "recovery_call"]
    assert chosen(effects, minutes=0) == ["interpreter", "", ""]


def test_machines_have_a_budget_of_their_own() -> None:
    effects = offered({0: ["text_nudge"], 1: ["text_nudge"], 2: ["recovery_call"]}, [0.3, 0.4, 0.3])
    assert chosen(effects, minutes=25, texts=1) == ["", "text_nudge", "recovery_call"]
    assert chosen(effects, minutes=25, texts=0) == ["", "", "recovery_call"]


def test_the_table_says_what_why_by_when_and_what_else() -> None:
    effects = offered({1: ["recovery_call", "transport", "navigator"], 0: ["interpreter"]}, [0.3, 0.3])
    allocation = given(effects, CATALOGUE, Budget(25, 0))
    table = RECOMMENDATIONS.check(recommended(points(2), effects, allocation, CATALOGUE, day(20)))
    first, second = table.to_pylist()
    assert (first["intervention"], first["rank"], first["subject_id"]) == ("interpreter", 1, 1)
    assert first["due_at"] == day(20) + timedelta(hours=24)
    assert second["because"].startswith("something went wrong at the last visit")
    assert second["others"].split("; ") == ["Assign a navigator", "Arrange transport"]
    assert {first["grade"], second["grade"]} == {"assumed"}


@pytest.mark.parametrize("name", NAMES)
def test_every_intervention_that_is_not_owed_is_believed_to_help_surely_enough_to_be_offered(name: str) -> None:
    assert offered({0: [name]}, [0.3]).offered[0, NAMES.index(name)]
