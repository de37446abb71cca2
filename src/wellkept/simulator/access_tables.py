"""Tables of who there is and of what comes before a visit: patients, appointments, calls, insurance checks."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from wellkept.simulator.booking import MINUTE
from wellkept.simulator.chance import opaque
from wellkept.simulator.drifting import drifted
from wellkept.simulator.hospital import Hospital, coded, where
from wellkept.simulator.population import CARE_TYPES, LANGUAGES, PAYERS, RACES, SEXES

MODALITIES = ("clinic", "telehealth")
STATUSES = ("booked", "kept", "no_show", "cancelled")
CALL_TOPICS = ("booking", "referral", "question")
REASONS = ("coverage ended", "plan not accepted", "referral missing")
UNIT_ERROR_SITE = 2  # site-03


def patients(hospital: Hospital) -> pa.Table:
    """A version of each patient from registration on, and one more from the day that they begin to use the portal."""
    registered_at, portal_from = hospital.registered_at, hospital.people["portal_from"]
    begins = hospital.people["uses_portal"] & (portal_from > registered_at)
    rows = np.append(np.arange(len(begins)), np.flatnonzero(begins))
    later = np.arange(len(rows)) >= len(begins)
    changed_at = np.where(later, portal_from[rows], registered_at[rows])
    people = {name: column[rows] for name, column in hospital.people.items()}
    year_of_day_0 = hospital.first_day.astype("datetime64[Y]").astype(int) + 1970
    own = people["site"] * hospital.world.clinicians + people["own_clinician"]
    return hospital.record(changed_at, {
        "patient_id": hospital.patient_ids.take(pa.array(rows)),
        "changed_at": changed_at,
        "available_at": changed_at,
        "registered_at": registered_at[rows],
        "birth_year": year_of_day_0 - people["age"].astype(np.int32),
        "sex": coded(SEXES, people["sex"]),
        "race": coded(RACES, people["race"]),
        "language": coded(LANGUAGES, people["language"]),
        "interpreter_needed": people["limited_english"],
        "payer": coded(PAYERS, people["payer"]),
        "disability": people["disability"],
        "deprivation": people["deprivation"].round(),
        "chronic_conditions": people["conditions"],
        "distance_km": people["distance_km"].round(1),
        "portal_active": people["uses_portal"] & (people["portal_from"] <= changed_at),
        "usual_clinician": coded(hospital.clinician_names, own),
    })  # fmt: skip


def sites(hospital: Hospital) -> pa.Table:
    """The sites' names."""
    return pa.table({"site": hospital.site_names})


def clinicians(hospital: Hospital) -> pa.Table:
    """The clinicians' names and where they work."""
    names = hospital.clinician_names
    return pa.table({"clinician": names, "site": np.repeat(hospital.site_names, hospital.world.clinicians).tolist()})


def appointments(hospital: Hospital) -> pa.Table:
    """Those still ahead on the day of the export are `booked`, with no `status_at`."""
    visits, rows = hospital.visits, np.arange(len(hospital.appointment_ids))
    status = np.select([visits["kept"], ~visits["cancelled"]], [1, 2], 3)
    return hospital.record(visits["made_at"], {
        **hospital.links(rows, visit="appointment_id"),
        "made_at": visits["made_at"],
        "available_at": visits["made_at"],
        "start_at": visits["start_at"],
        **hospital.places(rows),
        "care_type": coded(CARE_TYPES, visits["care"]),
        "modality": coded(MODALITIES, visits["telehealth"]),
        "status": coded(STATUSES, np.where(visits["status_at"] <= hospital.export_day, status, 0)),
        "status_at": hospital.past(visits["status_at"]),
    })  # fmt: skip


def reschedules(rng: np.random.Generator, hospital: Hospital) -> pa.Table:
    """One row per move by the clinic, to another hour of the same day."""
    visits = hospital.visits
    rows = np.repeat(np.arange(len(visits["kept"])), np.where(visits["cancelled"], 0, visits["reschedules"]))
    moved_at = visits["made_at"][rows] + rng.uniform(0, 1, len(rows)) * visits["lead_days"][rows]
    return hospital.record(moved_at, {
        "reschedule_id": opaque(rng, "R", len(rows)),
        **hospital.links(rows, visit="appointment_id"),
        "moved_at": moved_at,
        "available_at": moved_at,
    })  # fmt: skip


def calls(rng: np.random.Generator, hospital: Hospital) -> pa.Table:
    """Every appointment is made by telephone, some at the second attempt; a call is recorded when it ends."""
    visits, count = hospital.visits, len(hospital.appointment_ids)
    again = np.flatnonzero(visits["hung_up"])
    rows, abandoned = np.append(again, np.arange(count)), np.arange(count + len(again)) < len(again)
    tried_at = hospital.called_at[again] - rng.uniform(1, 2, len(again)) / 24
    hold = np.append(rng.uniform(30, 1200, len(again)), visits["hold_seconds"]).round()
    called_at = np.append(tried_at, hospital.called_at)
    ended_at = np.append(tried_at + hold[: len(again)] / 60 * MINUTE, visits["made_at"])
    in_minutes = drifted(hospital.world, "unit-error", called_at) & (visits["site"][rows] == UNIT_ERROR_SITE)
    return hospital.record(ended_at, {
        "call_id": opaque(rng, "C", len(rows)),
        **hospital.links(rows, visit="appointment_id"),
        "called_at": called_at,
        "available_at": ended_at,
        "site": hospital.places(rows)["site"],
        "topic": coded(CALL_TOPICS, rng.integers(0, len(CALL_TOPICS), len(rows))),
        "hold_seconds": np.where(in_minutes, (hold / 60).round(1), hold),
        "transfers": where(visits["transfers"][rows], ~abandoned),
        "abandoned": abandoned,
    })  # fmt: skip


def eligibility_checks(rng: np.random.Generator, hospital: Hospital) -> pa.Table:
    """Insurance is verified two days ahead, or at once when there is less time than that."""
    visits = hospital.visits
    rows = np.flatnonzero(~visits["cancelled"])
    checked_at = np.maximum(visits["made_at"][rows] + 5 * MINUTE, visits["start_at"][rows] - 2)
    failed = visits["verification_failed"][rows]
    return hospital.record(checked_at, {
        "check_id": opaque(rng, "E", len(rows)),
        **hospital.links(rows, visit="appointment_id"),
        "checked_at": checked_at,
        "available_at": checked_at,
        "result": coded(("passed", "failed"), failed),
        "reason": coded(REASONS, rng.integers(0, len(REASONS), len(rows)), failed),
    })  # fmt: skip
