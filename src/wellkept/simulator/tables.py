"""The hospital's tables by name, as they stand on the day of the export, and the mapping of each.

A table holds what was known by then and nothing else: a bill that has not come yet has no row, an appointment that is
still ahead no outcome, an open survey no answer.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wellkept.simulator import access_tables, asking_tables, care_tables
from wellkept.simulator.hospital import Hospital, Tables

MAPPINGS = Path(__file__).with_name("mappings")
NAMES = (
    "patients", "sites", "clinicians", "appointments", "reschedules", "calls", "eligibility_checks", "encounters",
    "orders_followup", "portal_messages", "billing_events", "complaints", "surveys", "interventions", "vital_status",
    "address_changes",
)  # fmt: skip


def hospital_tables(rng: np.random.Generator, hospital: Hospital, *, follow_up: int) -> Tables:
    """All tables, those without rows too."""
    return {
        "patients": access_tables.patients(hospital),
        "sites": access_tables.sites(hospital),
        "clinicians": access_tables.clinicians(hospital),
        "appointments": access_tables.appointments(hospital),
        "reschedules": access_tables.reschedules(rng, hospital),
        "calls": access_tables.calls(rng, hospital),
        "eligibility_checks": access_tables.eligibility_checks(rng, hospital),
        "encounters": care_tables.encounters(hospital),
        "orders_followup": care_tables.orders_followup(rng, hospital),
        "portal_messages": care_tables.portal_messages(rng, hospital),
        "billing_events": care_tables.billing_events(rng, hospital),
        "complaints": care_tables.complaints(rng, hospital),
        "surveys": asking_tables.surveys(rng, hospital, follow_up=follow_up),
        "interventions": asking_tables.interventions(rng, hospital),
        "vital_status": care_tables.vital_status(hospital),
        "address_changes": care_tables.address_changes(hospital),
    }


def mappings() -> dict[str, str]:
    """The mapping TOML of each table that the reader reads."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(MAPPINGS.glob("*.toml"))}
