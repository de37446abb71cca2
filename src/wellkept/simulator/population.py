"""Who there is: clinics and their habits, patients with traits that tables show and traits that none does.

What is one of a few kinds is kept as its number in the tuple of the kinds' names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wellkept.simulator.chance import Columns, choose, draw_from, happens, logistic, lognormal
from wellkept.simulator.worlds import FAILURES, World

CARE_TYPES = ("preventive", "chronic", "acute", "procedure", "rehabilitation")
PREVENTIVE, CHRONIC, ACUTE, PROCEDURE, REHABILITATION = range(5)

SEXES = ("female", "male")
RACES = ("white", "black", "hispanic", "asian", "other")
WHITE, BLACK, HISPANIC, ASIAN, OTHER = range(5)
RACE_SHARES = (0.58, 0.14, 0.18, 0.07, 0.03)
LIMITED_ENGLISH = np.array([0.01, 0.01, 0.38, 0.30, 0.05])  # share of each race
LANGUAGES = ("english", "spanish", "chinese", "other")
SPOKEN = np.array([3, 3, 1, 2, 3])  # by those of each race whose English is limited

PAYERS = ("commercial", "medicare", "medicaid", "self_pay")
COMMERCIAL, MEDICARE, MEDICAID, SELF_PAY = range(4)
PAYERS_YOUNG = np.array([0.66, 0.00, 0.26, 0.08])
PAYERS_OLD = np.array([0.10, 0.90, 0.00, 0.00])  # from 65 on

NEVER = 1e-12  # a rate so small that a rate of 0 can be divided by

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


def draw_clinics(rng: np.random.Generator, world: World) -> Clinics:
    """Sites that are better, slower, harder to reach or better provided with interpreters than others."""
    sites = world.sites
    return Clinics(
        quality=rng.normal(0, world.site_quality, sites),
        waiting=rng.normal(0, world.site_waiting, sites),
        lead=rng.normal(0, world.site_lead, sites),
        calling=rng.normal(0, world.site_calling, sites),
        interpreters=np.clip(rng.normal(world.interpreters, world.interpreters_spread, sites), 0.25, 0.95),
        clinician_quality=rng.normal(0, world.clinician_quality, (sites, world.clinicians)),
    )


def draw_patients(
    rng: np.random.Generator, world: World, count: int, *, days: int, clinics: Clinics
) -> Columns:
    """Patients, one entry each: what is recorded of them, what is not, and their history on day 0."""
    people = _demography(rng, count)
    people |= _access_to_care(rng, world, people)
    people |= _character(rng, world, count)
    people |= {f"site_{name}": getattr(clinics, name)[people["site"]] for name in SITE_HABITS}
    people |= _history_on_day_0(rng, world, count, days)
    later = happens(rng, np.full(count, world.portal_later))
    people["portal_from"] = np.where(later, rng.uniform(0, days, count), 0)
    return people | _departures(rng, world, people)


def _demography(rng: np.random.Generator, count: int) -> Columns:
    young = happens(rng, np.full(count, 0.25))
    age = np.clip(np.where(young, rng.normal(30, 8, count), rng.normal(58, 16, count)), 18, 97)
    race = draw_from(rng, RACE_SHARES, count)
    limited_english = happens(rng, LIMITED_ENGLISH[race])
    payer = choose(rng, np.where(age[:, None] >= 65, PAYERS_OLD, PAYERS_YOUNG))
    return {
        "age": age,
        "sex": (~happens(rng, np.full(count, 0.55))).astype(np.int8),
        "race": race,
        "limited_english": limited_english,
        "language": np.where(limited_english, SPOKEN[race], 0),
        "payer": payer,
        "disability": happens(rng, np.clip(0.04 + 0.0025 * (age - 18) + 0.06 * (payer == MEDICAID), 0, 0.5)),
    }


def _access_to_care(rng: np.random.Generator, world: World, people: Columns) -> Columns:
    age, race, count = people["age"], people["race"], len(people["age"])
    poverty = 12 * (race == BLACK) + 10 * (race == HISPANIC) + 10 * (people["payer"] == MEDICAID)
    deprivation = np.clip(rng.normal(45 + poverty, 22), 1, 100)
    portal = 0.9 - 0.02 * (age - 50) - 0.9 * people["limited_english"] - 0.008 * (deprivation - 45)
    return {
        "deprivation": deprivation,
        "distance_km": lognormal(rng, 9, 0.9, count),
        "conditions": rng.poisson(np.clip(0.2 + 0.035 * (age - 25), 0.1, 3.2)),
        "uses_portal": happens(rng, logistic(portal)),
        "site": rng.integers(0, world.sites, count),
        "own_clinician": rng.integers(0, world.clinicians, count),
    }


def _character(rng: np.random.Generator, world: World, count: int) -> Columns:
    """What no table shows: scores given, ties felt, how much each failure hurts and help is taken."""
    return {
        "generosity": rng.normal(0, world.generosity, count),
        "loyalty": rng.normal(0, world.loyalty, count),
        "sensitivity": rng.lognormal(0, world.sensitivity, (count, len(FAILURES))).astype(np.float32),
        "amenability": rng.lognormal(0, world.amenability, count),
        "fatigued": happens(rng, np.full(count, world.fatigued)),
    }


def _history_on_day_0(rng: np.random.Generator, world: World, count: int, days: int) -> Columns:
    """Nothing has happened yet; most come for the first time early in the days that are simulated."""
    early = happens(rng, np.full(count, world.early_entry))
    return {
        "next_day": rng.uniform(0, days, count) * np.where(early, world.early_part, 1),
        "free_from": np.full(count, -np.inf),
        "state": np.zeros(count),
        "visits_before": np.zeros(count, np.int32),
        "no_shows_before": np.zeros(count, np.int32),
        "last_invited": np.full(count, -np.inf),
        "last_score": np.full(count, 10, np.int32),
    }


def _departures(rng: np.random.Generator, world: World, people: Columns) -> Columns:
    """When each dies and moves away, at a constant rate after the first visit, and when that is recorded."""
    age, first_day, count = people["age"], np.floor(people["next_day"]) + 1, len(people["age"])
    death = np.exp(
        world.death_intercept + world.death_age * (age - 40) + world.death_condition * people["conditions"]
    )
    move = np.where(age < 40, world.move_young, world.move_old)
    died_at = first_day + rng.exponential(1, count) * 365 / np.maximum(death, NEVER)
    moved_at = first_day + rng.exponential(1, count) * 365 / np.maximum(move, NEVER)
    return {
        "leaves_a_day": (death + move) / 365,
        "leaving_recorded": (death * (1 - world.death_unrecorded) + move * (1 - world.move_unrecorded))
        / np.maximum(death + move, NEVER),
        "died_at": died_at,
        "moved_at": moved_at,
        "death_recorded_at": _recorded(rng, died_at, world.death_delay, world.death_unrecorded, world),
        "move_recorded_at": _recorded(rng, moved_at, world.move_delay, world.move_unrecorded, world),
    }


def _recorded(
    rng: np.random.Generator, happened: np.ndarray, delay: float, never: float, world: World
) -> np.ndarray:
    lost = happens(rng, np.full(len(happened), never))
    return np.where(lost, np.inf, happened + lognormal(rng, delay, world.delay_spread, len(happened)))
