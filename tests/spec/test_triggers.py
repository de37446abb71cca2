"""When an intervention makes sense, by example: a journey drawn as rows, and what is offered at its end."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from tests.conftest import points_table
from wellkept.history import FeatureQuery
from wellkept.offering import interventions
from wellkept.recommending import facts_of, questions, with_facts

VISIT = {"time": 10, "code": "VISIT//COMPLETED", "text_value": "chronic", "encounter_id": "e"}


def event(code: str, time: float = 10, **more: object) -> dict:
    return {"time": time, "code": code, "encounter_id": "e", **more}


def person(code: str, value: float) -> dict:
    return {"time": 0, "code": f"PERSON//{code}", "numeric_value": value}


CASES = [
    ("billing_fix", [event("BILLING//DENIAL", 11)], True),
    ("billing_fix", [event("BILLING//DENIAL", 11), event("BILLING//RESOLVED", 12)], False),
    ("recovery_call", [event("VISIT//INTERPRETER_MISSED")], True),
    ("recovery_call", [event("ARRIVAL//LOBBY_WAIT", numeric_value=50)], True),
    ("recovery_call", [event("ARRIVAL//LOBBY_WAIT", numeric_value=20)], False),
    ("interpreter", [event("VISIT//INTERPRETER_MISSED")], True),
    ("interpreter", [{**event("VISIT//INTERPRETER_MISSED"), "encounter_id": "another"}], False),
    ("nurse_call", [event("VISIT//COMPLETED", text_value="procedure")], True),
    ("nurse_call", [event("VISIT//COMPLETED", text_value="procedure"), event("FOLLOW_UP//CONTACTED", 11)], False),
    ("scheduling_priority", [event("APPOINTMENT//BOOKED", 5, numeric_value=25)], True),
    ("scheduling_priority", [event("APPOINTMENT//BOOKED", 5, numeric_value=5)], False),
    ("transport", [person("distance_km", 40)], True),
    ("transport", [person("distance_km", 4), person("deprivation", 90)], True),
    ("transport", [person("distance_km", 4), person("deprivation", 10)], False),
    ("portal_help", [{"time": 9, "code": "PORTAL//MESSAGE"}], True),
    ("portal_help", [{"time": 9, "code": "PORTAL//MESSAGE"}, person("birth_year", 1930)], False),
    ("continuity_rebook", [event("VISIT//OTHER_CLINICIAN")], True),
    ("continuity_rebook", [{**event("VISIT//OTHER_CLINICIAN"), "encounter_id": "another"}], False),
    ("text_nudge", [event("FOLLOW_UP//DUE", numeric_value=30)], True),
    ("text_nudge", [event("FOLLOW_UP//DUE", numeric_value=30), event("APPOINTMENT//BOOKED", 11)], False),
    ("navigator", [person("chronic_conditions", 3)], True),
    ("navigator", [person("chronic_conditions", 2)], False),
    ("transport", [person("distance_km", 40), event("INTERVENTION//DONE", 11, text_value="transport")], False),
    ("transport", [person("distance_km", 40), event("INTERVENTION//DONE", 11, text_value="nurse_call")], True),
]


@pytest.mark.parametrize(("name", "rows", "offered"), CASES)
def test_an_intervention_is_offered_where_its_fact_is_in_the_record(
    name: str, rows: list[dict], offered: bool, store: Callable
) -> None:
    asked = {name: questions([interventions()[name]])[name]}
    snapshot = store([{"subject_id": 1, **row} for row in [VISIT, *rows]])
    found = FeatureQuery(asked).run(snapshot, points_table((1, 13, "e")))[name].to_numpy()
    assert bool(np.nan_to_num(found)[0]) is offered


def test_the_usual_clinician_is_for_care_of_something_chronic(store: Callable) -> None:
    asked = {"rebook": questions([interventions()["continuity_rebook"]])["continuity_rebook"]}
    visit = {**VISIT, "text_value": "acute"}
    snapshot = store([{"subject_id": 1, **row} for row in (visit, event("VISIT//OTHER_CLINICIAN"))])
    assert not FeatureQuery(asked).run(snapshot, points_table((1, 13, "e")))["rebook"].to_numpy()[0]


TOLD = [
    ("recovery_call", [event("COMPLAINT//FILED", 11)], "a complaint was made"),
    ("recovery_call", [event("ARRIVAL//LOBBY_WAIT", numeric_value=45), event("BILLING//SURPRISE", 12)],
     "the bill came as a surprise, 45 minutes or more in the lobby"),
    ("transport", [person("distance_km", 40), event("PERSON//disability", 0)],
     "more than 25 km, a disability on record"),
    ("portal_help", [{"time": 9, "code": "PORTAL//MESSAGE"}], "no answer yet"),
    ("billing_fix", [event("BILLING//DENIAL", 11), event("BILLING//DISPUTE", 12), event("BILLING//RESOLVED", 12)],
     "a claim was denied, it is disputed"),
    ("navigator", [person("chronic_conditions", 3)], ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "rows", "told"), TOLD)
def test_a_patient_is_told_the_facts_that_are_theirs_and_no_others(
    name: str, rows: list[dict], told: str, store: Callable
) -> None:
    step = interventions()[name]
    snapshot = store([{"subject_id": 1, **row} for row in [VISIT, *rows]])
    record = FeatureQuery({"n": questions([step])[name], **facts_of([step])}).run(snapshot, points_table((1, 13, "e")))
    table = with_facts(pa.table({"intervention": [name], "because": [step.because]}), record, [step])
    assert table["because"].to_pylist() == [f"{step.because}: {told}" if told else step.because]


def test_a_night_on_which_nobody_gets_a_step_has_no_facts_to_tell(store: Callable) -> None:
    catalogue, nobody = list(interventions().values()), points_table((1, 13, "e")).slice(0, 0)
    record = FeatureQuery(facts_of(catalogue)).run(store([{"subject_id": 1, **VISIT}]), nobody)
    none = pa.array([], pa.string())
    assert with_facts(pa.table({"intervention": none, "because": none}), record, catalogue).num_rows == 0


@pytest.mark.parametrize(("name", "rows", "offered"), CASES)
def test_whoever_is_offered_a_step_for_one_of_several_facts_has_one_of_them(
    name: str, rows: list[dict], offered: bool, store: Callable
) -> None:
    step = interventions()[name]
    snapshot = store([{"subject_id": 1, **row} for row in [VISIT, *rows]])
    asked = {"n": questions([step])[name], **facts_of([step])}
    record = FeatureQuery(asked).run(snapshot, points_table((1, 13, "e")))
    there = [bool(np.nan_to_num(record[fact].to_numpy())[0]) for fact in facts_of([step])]
    assert not (offered and step.facts) or any(there)
