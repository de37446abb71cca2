"""What the hospital records: lives in, the tables of an export out, as they stand on the day of the export.

A table holds what was known by then and nothing else: a bill that has not come yet has no row, an appointment
that is still ahead no outcome, an open survey no answer. Times are in days since day 0; `export.py` writes
them as dates.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from wellkept.simulator.chance import Columns, opaque
from wellkept.simulator.visits import CARE_TYPES, MINUTE

CALL_TOPICS = ("booking", "referral", "question")

KNOWN_AT = {  # the column of each table that says when its row came into being
    "patients": "registered_at",
    "appointments": "made_at",
    "reschedules": "moved_at",
    "calls": "available_at",
    "eligibility": "checked_at",
    "visits": "end_at",
    "billing": "available_at",
    "portal": "available_at",
    "complaints": "filed_at",
    "surveys": "invited_at",
}


def hospital_tables(
    rng: np.random.Generator,
    people: Columns,
    visits: pd.DataFrame,
    *,
    export_day: float,
    first_day: np.datetime64,
) -> dict[str, pd.DataFrame]:
    """The tables by name, in order of becoming known and without the rows that only the future brings."""
    visits = _described(rng, people, visits)
    kept = visits[visits["kept"]]
    expected = visits[~visits["cancelled"]]
    tables = {
        "patients": _patients(people, visits, first_day),
        "appointments": _appointments(visits, export_day),
        "reschedules": _reschedules(rng, expected),
        "calls": _calls(rng, visits),
        "eligibility": _eligibility(rng, expected),
        "visits": _visits(kept),
        "billing": _billing(rng, kept),
        "portal": _portal(rng, expected),
        "complaints": _complaints(rng, kept),
        "surveys": _surveys(rng, kept, export_day),
    }
    return {name: _known_by(export_day, table, KNOWN_AT[name]) for name, table in tables.items()}


def _known_by(export_day: float, table: pd.DataFrame, known_at: str) -> pd.DataFrame:
    known = table[table[known_at] <= export_day]
    return known.sort_values([known_at, table.columns[0]])


def _described(rng: np.random.Generator, people: Columns, visits: pd.DataFrame) -> pd.DataFrame:
    """Add the names by which the hospital calls patients, appointments, sites and clinicians."""
    site, clinician = visits["site"].to_numpy() + 1, visits["clinician"].to_numpy() + 1
    return visits.assign(
        patient_id=people["patient_id"][visits["patient"]],
        appointment_id=opaque(rng, "A", len(visits)),
        site=[f"site-{s:02d}" for s in site],
        clinician=[f"clinician-{s:02d}-{c:02d}" for s, c in zip(site, clinician, strict=True)],
        care_type=CARE_TYPES[visits["care"]],
        called_at=visits["made_at"] - (visits["hold_seconds"] / 60 + 4) * MINUTE,
    )


def _patients(people: Columns, visits: pd.DataFrame, first_day: np.datetime64) -> pd.DataFrame:
    year_of_day_0 = first_day.astype("datetime64[Y]").astype(int) + 1970
    return pd.DataFrame(
        {
            "patient_id": people["patient_id"],
            "registered_at": visits.groupby("patient")["called_at"].min().to_numpy(),
            "birth_year": year_of_day_0 - people["age"].astype(int),
            "sex": people["sex"],
            "language": people["language"],
            "payer": people["payer"],
            "distance_km": people["distance_km"].round(1),
            "disability": _yes_no(people["disability"]),
            "race": people["race"],
        }
    )


def _appointments(visits: pd.DataFrame, export_day: float) -> pd.DataFrame:
    """Those still ahead on the day of the export are `booked`, with no `status_at`."""
    status = np.select([visits["kept"], visits["cancelled"]], ["kept", "cancelled"], "no_show")
    over = visits["status_at"] <= export_day
    columns = ["appointment_id", "patient_id", "made_at", "start_at", "site", "clinician", "care_type"]
    return visits[columns].assign(
        status=np.where(over, status, "booked"), status_at=visits["status_at"].where(over)
    )


def _reschedules(rng: np.random.Generator, expected: pd.DataFrame) -> pd.DataFrame:
    """One row per move by the clinic, to another hour of the same day."""
    moved = expected.loc[expected.index.repeat(expected["reschedules"])]
    return pd.DataFrame(
        {
            "reschedule_id": opaque(rng, "R", len(moved)),
            "patient_id": moved["patient_id"],
            "appointment_id": moved["appointment_id"],
            "moved_at": moved["made_at"] + rng.uniform(0, 1, len(moved)) * moved["lead_days"],
        }
    )


def _calls(rng: np.random.Generator, visits: pd.DataFrame) -> pd.DataFrame:
    """Every appointment is made by telephone; the call's record is there when it ends."""
    return pd.DataFrame(
        {
            "call_id": opaque(rng, "C", len(visits)),
            "patient_id": visits["patient_id"],
            "called_at": visits["called_at"],
            "available_at": visits["made_at"],
            "hold_seconds": visits["hold_seconds"].round().astype(int),
            "transfers": visits["transfers"],
            "topic": rng.choice(CALL_TOPICS, len(visits)),
        }
    )


def _eligibility(rng: np.random.Generator, expected: pd.DataFrame) -> pd.DataFrame:
    """Insurance is verified two days ahead, or at once when there is less time than that."""
    return pd.DataFrame(
        {
            "check_id": opaque(rng, "E", len(expected)),
            "patient_id": expected["patient_id"],
            "appointment_id": expected["appointment_id"],
            "checked_at": np.maximum(expected["made_at"] + 5 * MINUTE, expected["start_at"] - 2),
            "result": np.where(expected["verification_failed"], "failed", "passed"),
        }
    )


def _visits(kept: pd.DataFrame) -> pd.DataFrame:
    """Completed visits. On a first visit there is no usual clinician, so `same_clinician` is not recorded."""
    return pd.DataFrame(
        {
            "visit_id": kept["appointment_id"],
            "patient_id": kept["patient_id"],
            "arrive_at": kept["arrive_at"],
            "end_at": kept["end_at"],
            "site": kept["site"],
            "clinician": kept["clinician"],
            "care_type": kept["care_type"],
            "lobby_minutes": kept["lobby_minutes"].round(1),
            "same_clinician": np.where(kept["first_visit"], "", _yes_no(kept["same_clinician"])),
            "instructions_given": _yes_no(kept["instructions_given"]),
            "interpreter_missed": _yes_no(kept["interpreter_missed"]),
        }
    )


def _billing(rng: np.random.Generator, kept: pd.DataFrame) -> pd.DataFrame:
    """Both kinds belong to the day of the visit and become known 5 to 40 days later."""
    kinds = [
        kept[kept[cause]].assign(kind=kind)
        for cause, kind in (("surprise_bill", "surprise"), ("denied_claim", "denial"))
    ]
    billed = pd.concat(kinds)
    return pd.DataFrame(
        {
            "bill_id": opaque(rng, "B", len(billed)),
            "patient_id": billed["patient_id"],
            "visit_id": billed["appointment_id"],
            "kind": billed["kind"],
            "service_at": billed["end_at"],
            "available_at": billed["end_at"] + rng.uniform(5, 40, len(billed)),
        }
    )


def _portal(rng: np.random.Generator, expected: pd.DataFrame) -> pd.DataFrame:
    """Messages sent between booking and visit; how long the answer took is known when it comes."""
    messages = expected[expected["messaged"]]
    sent_at = messages["start_at"] - rng.uniform(0, 1, len(messages)) * messages["lead_days"]
    return pd.DataFrame(
        {
            "message_id": opaque(rng, "M", len(messages)),
            "patient_id": messages["patient_id"],
            "sent_at": sent_at,
            "available_at": sent_at + messages["response_hours"] / 24,
            "response_hours": messages["response_hours"].round(1),
        }
    )


def _complaints(rng: np.random.Generator, kept: pd.DataFrame) -> pd.DataFrame:
    complaints = kept[kept["complains"]]
    return pd.DataFrame(
        {
            "complaint_id": opaque(rng, "K", len(complaints)),
            "patient_id": complaints["patient_id"],
            "visit_id": complaints["appointment_id"],
            "filed_at": complaints["end_at"] + 0.2 + rng.exponential(4, len(complaints)),
        }
    )


def _surveys(rng: np.random.Generator, kept: pd.DataFrame, export_day: float) -> pd.DataFrame:
    """Invitations a day after the visit; what nobody has answered yet, or ever will, stays empty."""
    asked = kept[kept["invited"]]
    answered_at = asked["end_at"] + rng.uniform(2, 19.5, len(asked))
    available_at = answered_at + rng.uniform(0.05, 0.5, len(asked))
    there = asked["answered"] & (available_at <= export_day)
    return pd.DataFrame(
        {
            "survey_id": opaque(rng, "S", len(asked)),
            "patient_id": asked["patient_id"],
            "visit_id": asked["appointment_id"],
            "invited_at": asked["end_at"] + 1,
            "answered_at": answered_at.where(there),
            "available_at": available_at.where(there),
            "nps": asked["score"].astype("Int64").where(there),
        }
    )


def _yes_no(flag: np.ndarray | pd.Series) -> np.ndarray:
    return np.where(flag, "yes", "no")
