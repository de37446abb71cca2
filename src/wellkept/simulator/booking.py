"""Before a visit: the call, the appointment and whether it is kept."""

from __future__ import annotations

import numpy as np

from wellkept.simulator.chance import Columns, choose, happens, logistic, lognormal
from wellkept.simulator.drifting import drifted
from wellkept.simulator.population import CHRONIC, MEDICAID, PROCEDURE, REHABILITATION, SELF_PAY
from wellkept.simulator.worlds import World

MINUTE = 1 / 1440
SOON = 14  # most days of lead at which a missed appointment is usually booked again
LEAD_POINTS = ((-np.sqrt(3), 1 / 6), (0, 2 / 3), (np.sqrt(3), 1 / 6))  # a normal variable, by Gauss and Hermite
MISSED_NOT_CANCELLED = 0.8  # share of the misses that were no-shows
DAYS_TO_REBOOK = 5, 21  # at least, and on average beyond that


def book(rng: np.random.Generator, world: World, visit: Columns) -> Columns:
    """A call that waits and is passed on, and an appointment that the clinic may move within its day."""
    count, payer, day = len(visit["age"]), visit["payer"], visit["next_day"]
    vendor = drifted(world, "vendor-change", day)
    care, start_at = choose(rng, care_weights(world, visit)), _clinic_slot(rng, day)
    wish = lognormal(rng, np.exp(_log_lead(world, visit, care)), world.lead_spread, count)
    made_at = np.maximum(start_at - wish, visit["free_from"])
    lead_days = start_at - made_at
    median_hold = world.hold_seconds * np.exp(visit["site_calling"] + 0.45 * vendor)
    hold_seconds = lognormal(rng, median_hold, world.hold_spread, count)
    unverified = (
        world.verification
        + world.verification_medicaid * (payer == MEDICAID)
        + world.verification_self_pay * (payer == SELF_PAY)
    )
    telehealth = np.where(vendor, 0.22, world.telehealth) * (care != PROCEDURE)
    return {
        "care": care,
        "start_at": start_at,
        "made_at": made_at,
        "lead_days": lead_days,
        "telehealth": happens(rng, telehealth),
        "hold_seconds": hold_seconds,
        "hung_up": happens(rng, np.minimum(world.abandoned * hold_seconds / 180, 0.5)),
        "transfers": rng.poisson(world.transfers + 0.15 * vendor),
        "reschedules": rng.poisson(world.moved + world.moved_lead * np.minimum(lead_days, 60)),
        "verification_failed": happens(rng, unverified),
    }


def attend(rng: np.random.Generator, world: World, visit: Columns) -> Columns:
    """Kept, cancelled by the patient, or missed without a word (no-show)."""
    count = len(visit["age"])
    cancelled = happens(rng, np.full(count, world.cancelled))
    logit = no_show_logit(world, visit, visit["lead_days"], visit["no_shows_before"] > 0)
    no_show = ~cancelled & happens(rng, logistic(logit + world.no_show_telehealth * visit["telehealth"]))
    arrive_at = visit["start_at"] - rng.uniform(2, 20, count) * MINUTE
    cancelled_at = visit["made_at"] + rng.uniform(0.3, 1, count) * visit["lead_days"]
    missed_at = visit["start_at"] + 60 * MINUTE
    return {
        "kept": ~cancelled & ~no_show,
        "cancelled": cancelled,
        "arrive_at": arrive_at,
        "status_at": np.select([cancelled, no_show], [cancelled_at, missed_at], arrive_at),
    }


def care_weights(world: World, visit: Columns) -> np.ndarray:
    """How likely each care type is for each patient, up to a constant."""
    weights = np.tile(np.array(world.care_weights), (len(visit["age"]), 1))
    weights[:, CHRONIC] += world.care_chronic * np.minimum(visit["conditions"], 4)
    weights[:, REHABILITATION] += 0.15 * drifted(world, "new-care-line", visit["next_day"])
    return weights


def no_show_logit(world: World, visit: Columns, lead_days: np.ndarray, missed_before: np.ndarray) -> np.ndarray:
    """Log-odds not to come to an appointment `lead_days` ahead."""
    return (
        world.no_show
        + world.no_show_lead * np.minimum(lead_days, 60)
        + world.no_show_medicaid * (visit["payer"] == MEDICAID)
        + world.no_show_before * missed_before
        + world.no_show_far * (visit["distance_km"] > 25)
        + world.no_show_deprivation * (visit["deprivation"] - 45)
        + world.no_show_age * (visit["age"] - 50)
        + world.no_show_state * visit["state"]
    )


def chance_to_miss(world: World, visit: Columns, *, again: bool) -> np.ndarray:
    """Chance to miss the next appointment, of whatever kind; `again`: the one booked after a missed one."""
    coming = visit | {"state": visit["state_untreated"]}
    missed_before = np.maximum(visit["no_shows_before"] > 0, MISSED_NOT_CANCELLED * again)
    weights = care_weights(world, visit)
    no_show = np.zeros(len(weights))
    for care in np.flatnonzero(weights.any(axis=0)).tolist():
        for deviation, share in LEAD_POINTS:
            lead = np.exp(_log_lead(world, visit, care) + world.lead_spread * deviation)
            lead = np.minimum(lead, SOON) if again else lead
            no_show += share * weights[:, care] * logistic(no_show_logit(world, coming, lead, missed_before))
    return world.cancelled + (1 - world.cancelled) * no_show / weights.sum(axis=1)


def _log_lead(world: World, visit: Columns, care: np.ndarray | int) -> np.ndarray:
    """Logarithm of the usual days from booking to appointment: they grow by the year."""
    usual = np.log(np.array(world.lead_days))[care]
    years = visit["next_day"] / 365.25
    return usual + visit["site_lead"] + world.lead_medicaid * (visit["payer"] == MEDICAID) + world.lead_year * years


def _clinic_slot(rng: np.random.Generator, day: np.ndarray) -> np.ndarray:
    """A quarter of an hour between 8:00 and 17:00 of the same day."""
    return np.floor(day) + (8 * 4 + rng.integers(0, 9 * 4, len(day))) * 15 * MINUTE
