"""Tables of visits and of what follows from them: encounters, orders, portal, bills, complaints, departures."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from wellkept.simulator.access_tables import MODALITIES
from wellkept.simulator.booking import MINUTE
from wellkept.simulator.chance import lognormal, opaque
from wellkept.simulator.hospital import Hospital, coded, where
from wellkept.simulator.population import CARE_TYPES, PROCEDURE

NEXT_STEPS = ("preventive_visit", "chronic_review", "recheck", "procedure_review", "next_session")
AFTERCARE = "call_after_procedure"
BILL_KINDS = ("surprise", "denial", "dispute", "resolved")


def encounters(hospital: Hospital) -> pa.Table:
    """Completed visits. On a first visit there is no usual clinician, so that is not recorded."""
    rows = np.flatnonzero(hospital.visits["kept"])
    visit = {name: column[rows] for name, column in hospital.visits.items()}
    needs = {name: hospital.people[name][visit["patient"]] for name in ("limited_english", "disability")}
    lobby = visit["lobby_minutes"].round(1)
    return hospital.record(visit["end_at"], {
        **hospital.links(rows, visit="visit_id"),
        "arrive_at": visit["arrive_at"],
        "roomed_at": visit["arrive_at"] + lobby * MINUTE,
        "end_at": visit["end_at"],
        "available_at": visit["end_at"],
        **hospital.places(rows),
        "care_type": coded(CARE_TYPES, visit["care"]),
        "modality": coded(MODALITIES, visit["telehealth"]),
        "lobby_minutes": lobby,
        "told_minutes": where(visit["told_minutes"], np.isfinite(visit["told_minutes"])),
        "visit_minutes": visit["visit_minutes"].round(1),
        "usual_clinician": where(visit["same_clinician"], ~visit["first_visit"]),
        "interpreter": coded(("used", "missed"), visit["interpreter_missed"], needs["limited_english"]),
        "accommodation": coded(("met", "missed"), visit["access_failed"], needs["disability"]),
        "instructions_given": ~visit["instructions_missed"],
    })  # fmt: skip


def orders_followup(rng: np.random.Generator, hospital: Hospital) -> pa.Table:
    """The next step that a clinician ordered, and the call that a procedure calls for within 48 hours."""
    visits = hospital.visits
    steps = np.flatnonzero(visits["kept"] & visits["ordered"])
    procedures = np.flatnonzero(visits["kept"] & (visits["care"] == PROCEDURE))
    rows, aftercare = np.append(steps, procedures), np.arange(len(steps) + len(procedures)) >= len(steps)
    ordered_at, care = visits["end_at"][rows], visits["care"][rows]
    done = aftercare & ~visits["no_follow_up"][rows]
    done_at = np.where(done, ordered_at + rng.uniform(0.5, 1.9, len(rows)), np.nan)
    days = np.where(aftercare, 2, np.array(hospital.world.interval_days)[care])
    return hospital.record(ordered_at, {
        "order_id": opaque(rng, "F", len(rows)),
        **hospital.links(rows, visit="visit_id"),
        "ordered_at": ordered_at,
        "available_at": ordered_at,
        "due_at": ordered_at + days,
        "type": coded((*NEXT_STEPS, AFTERCARE), np.where(aftercare, len(NEXT_STEPS), care)),
        "done_at": hospital.past(done_at),
    })  # fmt: skip


def portal_messages(rng: np.random.Generator, hospital: Hospital) -> pa.Table:
    """Messages sent between booking and visit; how long the answer took is known when it comes."""
    visits = hospital.visits
    rows = np.flatnonzero(visits["messaged"] & ~visits["cancelled"])
    hours = visits["response_hours"][rows].round(1)
    sent_at = visits["start_at"][rows] - rng.uniform(0, 1, len(rows)) * visits["lead_days"][rows]
    answered_at = hospital.past(sent_at + hours / 24)
    return hospital.record(sent_at, {
        "message_id": opaque(rng, "M", len(rows)),
        "patient_id": hospital.links(rows, visit="visit_id")["patient_id"],
        "sent_at": sent_at,
        "available_at": sent_at,
        "answered_at": answered_at,
        "response_hours": where(hours, np.isfinite(answered_at)),
    })  # fmt: skip


def billing_events(rng: np.random.Generator, hospital: Hospital) -> pa.Table:
    """Bills belong to the day of the visit and become known 5 to 40 days later; then they may be disputed."""
    visits = hospital.visits
    end_at, kept = visits["end_at"], visits["kept"]
    billed_at = end_at + rng.uniform(5, 40, len(end_at))
    disputed_at = billed_at + rng.uniform(1, 10, len(end_at))
    settled_at = disputed_at + lognormal(rng, 20, 0.7, len(end_at))
    disputes = visits["disputes"]
    kinds = [(visits["surprise_bill"], end_at, billed_at), (visits["denied_claim"], end_at, billed_at),
             (disputes, end_at, disputed_at), (disputes, settled_at, settled_at)]  # fmt: skip
    rows = [np.flatnonzero(kept & there) for there, _, _ in kinds]
    known_at = np.concatenate([known[mine] for mine, (_, _, known) in zip(rows, kinds, strict=True)])
    every = np.concatenate(rows)
    return hospital.record(known_at, {
        "bill_id": opaque(rng, "B", len(every)),
        **hospital.links(every, visit="visit_id"),
        "kind": coded(BILL_KINDS, np.repeat(np.arange(len(kinds)), [len(mine) for mine in rows])),
        "happened_at": np.concatenate([when[mine] for mine, (_, when, _) in zip(rows, kinds, strict=True)]),
        "available_at": known_at,
    })  # fmt: skip


def complaints(rng: np.random.Generator, hospital: Hospital) -> pa.Table:
    """Complaints about a visit, some days after it."""
    rows = np.flatnonzero(hospital.visits["complains"])
    filed_at = hospital.visits["end_at"][rows] + 0.2 + rng.exponential(4, len(rows))
    return hospital.record(filed_at, {
        "complaint_id": opaque(rng, "K", len(rows)),
        **hospital.links(rows, visit="visit_id"),
        "filed_at": filed_at,
        "available_at": filed_at,
    })  # fmt: skip


def vital_status(hospital: Hospital) -> pa.Table:
    """Deaths that somebody recorded, weeks after them."""
    return _departures(hospital, "died_at", hospital.people["death_recorded_at"])


def address_changes(hospital: Hospital) -> pa.Table:
    """Moves out of the area that somebody recorded."""
    return _departures(hospital, "moved_at", hospital.people["move_recorded_at"])


def _departures(hospital: Hospital, happened: str, recorded_at: np.ndarray) -> pa.Table:
    known_at = np.where(hospital.registered_at <= hospital.export_day, recorded_at, np.inf)
    return hospital.record(known_at, {
        "patient_id": hospital.patient_ids,
        happened: hospital.people[happened],
        "available_at": recorded_at,
    })  # fmt: skip
