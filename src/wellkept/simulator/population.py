"""Who there is: clinics and their habits, patients with traits that tables show and traits that none does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wellkept.simulator.chance import Columns, choose, happens, logistic, lognormal, opaque

SITES = 8
CLINICIANS = 6  # a site

RACES = np.array(["white", "black", "hispanic", "asian", "other"])
RACE_WEIGHTS = np.array([0.58, 0.14, 0.18, 0.07, 0.03])
LIMITED_ENGLISH = np.array([0.01, 0.01, 0.38, 0.30, 0.05])  # share of each race
OTHER_LANGUAGE = np.array(["other", "other", "spanish", "chinese", "other"])  # spoken by those

PAYERS = np.array(["commercial", "medicare", "medicaid", "self_pay"])
PAYER_WEIGHTS_YOUNG = np.array([0.66, 0.00, 0.26, 0.08])
PAYER_WEIGHTS_OLD = np.array([0.10, 0.90, 0.00, 0.00])  # from 65 on

FAILURES = {  # how much one unit of each failure takes from the state of a patient of usual sensitivity
    "long_lead": 0.16,
    "rescheduled": 0.22,
    "long_hold": 0.20,
    "transferred": 0.16,
    "verification_failed": 0.40,
    "long_lobby": 0.26,
    "new_clinician": 0.22,
    "interpreter_missed": 0.95,
    "no_instructions": 0.55,
    "slow_portal": 0.16,
    "surprise_bill": 0.60,
    "denied_claim": 0.45,
    "access_failed": 0.45,
}

SITE_HABITS = ("quality", "waiting", "lead", "calling", "interpreters")


@dataclass(frozen=True)
class Clinics:
    """What differs between sites (one entry each) and clinicians (one row a site)."""

    quality: np.ndarray
    waiting: np.ndarray
    lead: np.ndarray
    calling: np.ndarray
    interpreters: np.ndarray
    clinician_quality: np.ndarray


def draw_clinics(rng: np.random.Generator) -> Clinics:
    """Sites that are better, slower, harder to reach or better provided with interpreters than others."""
    return Clinics(
        quality=rng.normal(0, 0.22, SITES),
        waiting=rng.normal(0, 0.25, SITES),
        lead=rng.normal(0, 0.25, SITES),
        calling=rng.normal(0, 0.25, SITES),
        interpreters=np.clip(rng.normal(0.68, 0.15, SITES), 0.25, 0.95),
        clinician_quality=rng.normal(0, 0.32, (SITES, CLINICIANS)),
    )


def draw_patients(rng: np.random.Generator, count: int, *, days: int, clinics: Clinics) -> Columns:
    """Patients, one entry each: what is recorded of them, what is not, and their history on day 0."""
    people = _demography(rng, count)
    people |= _access_to_care(rng, people)
    people |= _character(rng, count)
    people |= {f"site_{name}": getattr(clinics, name)[people["site"]] for name in SITE_HABITS}
    return people | _history_on_day_0(rng, count, days)


def _demography(rng: np.random.Generator, count: int) -> Columns:
    young = happens(rng, np.full(count, 0.25))
    age = np.clip(np.where(young, rng.normal(30, 8, count), rng.normal(58, 16, count)), 18, 97)
    race = choose(rng, np.tile(RACE_WEIGHTS, (count, 1)))
    limited_english = happens(rng, LIMITED_ENGLISH[race])
    old = age[:, None] >= 65
    payer = PAYERS[choose(rng, np.where(old, PAYER_WEIGHTS_OLD, PAYER_WEIGHTS_YOUNG))]
    disability = 0.04 + 0.0025 * (age - 18) + 0.06 * (payer == "medicaid")
    return {
        "patient_id": opaque(rng, "P", count),
        "age": age,
        "sex": np.where(happens(rng, np.full(count, 0.55)), "female", "male"),
        "race": RACES[race],
        "limited_english": limited_english,
        "language": np.where(limited_english, OTHER_LANGUAGE[race], "english"),
        "payer": payer,
        "disability": happens(rng, disability),
    }


def _access_to_care(rng: np.random.Generator, people: Columns) -> Columns:
    age, count = people["age"], len(people["age"])
    return {
        "distance_km": lognormal(rng, 9, 0.9, count),
        "conditions": rng.poisson(np.clip(0.2 + 0.035 * (age - 25), 0.1, 3.2)),
        "uses_portal": happens(rng, logistic(0.9 - 0.02 * (age - 50) - 0.9 * people["limited_english"])),
        "site": rng.integers(0, SITES, count),
        "own_clinician": rng.integers(0, CLINICIANS, count),
    }


def _character(rng: np.random.Generator, count: int) -> Columns:
    """What no table shows: scores given, ties felt, and how much each kind of failure hurts."""
    return {
        "generosity": rng.normal(0, 0.75, count),
        "loyalty": rng.normal(0, 1, count),
        "sensitivity": rng.lognormal(0, 0.35, (count, len(FAILURES))),
    }


def _history_on_day_0(rng: np.random.Generator, count: int, days: int) -> Columns:
    """Nothing has happened yet; most come for the first time in the first third of the days."""
    early = happens(rng, np.full(count, 0.6))
    return {
        "next_day": rng.uniform(0, days, count) * np.where(early, 0.35, 1),
        "free_from": np.full(count, -np.inf),
        "state": np.zeros(count),
        "visits_before": np.zeros(count, int),
        "no_shows_before": np.zeros(count, int),
        "last_invited": np.full(count, -np.inf),
    }
