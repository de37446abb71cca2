"""What nobody in a hospital can know: true risks, true effects and the traits behind them.

It lies in a folder of its own, which no mapping names: the product reads none of it, and whoever judges the product
does.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from wellkept.simulator.chance import Columns
from wellkept.simulator.helping import ARMS
from wellkept.simulator.hospital import Hospital, Tables, coded
from wellkept.simulator.population import CARE_TYPES
from wellkept.simulator.returning import deadline_days

OUTCOMES = ("returned", "lost", "died", "moved_away", "pending")
NAMES = ("encounters", "arms", "patients")


def true_tables(hospital: Hospital) -> Tables:
    """`encounters` and `arms` with one row a completed visit, `patients` with one a patient."""
    visits = hospital.visits
    rows = np.flatnonzero(visits["kept"] & (visits["end_at"] <= hospital.export_day))
    rows = rows[np.argsort(visits["end_at"][rows], kind="stable")]
    return {
        "encounters": _encounters(hospital, rows),
        "arms": _arms(hospital, rows),
        "patients": _patients(hospital),
    }


def _encounters(hospital: Hospital, rows: np.ndarray) -> pa.Table:
    visit = {name: column[rows] for name, column in hospital.visits.items()}
    return pa.table({
        **_named(hospital, rows),
        "end_at": hospital.instants(visit["end_at"]),
        "care_type": coded(CARE_TYPES, visit["care"]),
        "site": hospital.places(rows)["site"],
        "state": visit["state_untreated"],
        "generosity": hospital.people["generosity"][visit["patient"]],
        "luck": visit["luck"],
        "p_detractor": visit["p_detractor"],
        "p_detractor_reference": visit["p_detractor_reference"],
        "p_no_return": visit["p_no_return"],
        "p_lost": visit["p_lost"],
        "next_booked_at": hospital.instants(hospital.past(_next_booked(hospital.visits)[rows])),
        "response_probability": visit["response_probability"],
        "invited": visit["invited"],
        "nps": visit["nps"],
        "outcome": coded(OUTCOMES, _outcome(hospital, rows)),
        "deadline_days": deadline_days(hospital.world)[visit["care"]],
        "arm": coded(("none", *ARMS), visit["arm"] + 1),
        "pilot": visit["pilot"],
    })  # fmt: skip


def _arms(hospital: Hospital, rows: np.ndarray) -> pa.Table:
    """Both risks with each arm, and whether it makes sense at all."""
    visits = hospital.visits
    columns = _named(hospital, rows)
    for number, arm in enumerate(ARMS):
        columns[f"p_detractor_{arm}"] = pa.array(visits["p_detractor_arm"][rows, number])
        columns[f"p_no_return_{arm}"] = pa.array(visits["p_no_return_arm"][rows, number])
        columns[f"eligible_{arm}"] = pa.array(visits["eligible"][rows, number])
    return pa.table(columns)


def _patients(hospital: Hospital) -> pa.Table:
    people = hospital.people
    traits: Columns = {name: people[name] for name in ("generosity", "loyalty", "amenability", "fatigued")}
    departures = {name: hospital.instants(hospital.past(people[name])) for name in ("died_at", "moved_at")}
    return pa.table({"patient_id": hospital.patient_ids, **traits, **departures})


def _named(hospital: Hospital, rows: np.ndarray) -> dict[str, pa.Array]:
    links = hospital.links(rows, visit="encounter_id")
    return {"encounter_id": links["encounter_id"], "patient_id": links["patient_id"]}


def _outcome(hospital: Hospital, rows: np.ndarray) -> np.ndarray:
    """The number in `OUTCOMES`: what had happened by the deadline, or is still open on the day of the export."""
    visits, people, export_day = hospital.visits, hospital.people, hospital.export_day
    start_at, patient = visits["start_at"][rows], visits["patient"][rows]
    deadline = start_at + deadline_days(hospital.world)[visits["care"][rows]]
    seen = np.minimum(deadline, export_day)
    returned = _next_kept(visits)[rows] <= seen
    died_at, moved_at = people["died_at"][patient], people["moved_at"][patient]
    died = (died_at <= seen) & (died_at <= moved_at)
    moved = (moved_at <= seen) & (moved_at < died_at)
    return np.select([returned, died, moved, deadline > export_day], [0, 2, 3, 4], 1)


def _next_kept(visits: Columns) -> np.ndarray:
    """When each patient's next kept visit begins; infinity without one."""
    return _of_next(visits, np.flatnonzero(visits["kept"]), visits["start_at"])


def _next_booked(visits: Columns) -> np.ndarray:
    """When each patient's next appointment, kept or not, is made; infinity without one."""
    return _of_next(visits, np.arange(len(visits["kept"])), visits["made_at"])


def _of_next(visits: Columns, among: np.ndarray, value: np.ndarray) -> np.ndarray:
    """The value of the patient's next of these appointments; infinity at the last."""
    order = among[np.lexsort((visits["start_at"][among], visits["patient"][among]))]
    same = visits["patient"][order[1:]] == visits["patient"][order[:-1]]
    after = np.full(len(visits["kept"]), np.inf)
    after[order[:-1][same]] = value[order[1:][same]]
    return after
