"""The visit itself and what follows from it: lobby, clinician, language, instructions, portal and bills."""

from __future__ import annotations

import numpy as np

from wellkept.simulator.booking import MINUTE
from wellkept.simulator.chance import Columns, happens, logistic, lognormal
from wellkept.simulator.drifting import clinician_left, drifted
from wellkept.simulator.population import COMMERCIAL, MEDICAID, PROCEDURE, SELF_PAY, Clinics
from wellkept.simulator.worlds import World


def receive_care(rng: np.random.Generator, world: World, visit: Columns, clinics: Clinics) -> Columns:
    """The lobby, the clinician, the interpreter, the instructions, and a portal message around the visit."""
    count = len(visit["age"])
    interpreter_missed = visit["limited_english"] & ~happens(rng, visit["site_interpreters"])
    instructions_missed = (
        world.instructions_missed
        + world.instructions_language * interpreter_missed
        + world.instructions_complex * (visit["conditions"] > 3)
    )
    return {
        **_meet(rng, world, visit, clinics),
        **_time_spent(rng, world, visit),
        "interpreter_missed": interpreter_missed,
        "instructions_missed": happens(rng, instructions_missed),
        "no_follow_up": (visit["care"] == PROCEDURE) & happens(rng, np.full(count, world.follow_up_missed)),
        "access_failed": visit["disability"] & happens(rng, np.full(count, world.access_failed)),
        "ordered": happens(rng, np.array(world.order_recorded)[visit["care"]]),
        "messaged": happens(rng, world.messages * visit["uses_portal"]),
        "response_hours": lognormal(rng, world.response_hours, world.response_spread, count),
    }


def _meet(rng: np.random.Generator, world: World, visit: Columns, clinics: Clinics) -> Columns:
    """One's own clinician, or any of the site."""
    count, left = len(visit["age"]), clinician_left(world, visit)
    own = happens(rng, np.array(world.own_clinician)[visit["care"]]) & ~left
    clinician = np.where(own, visit["own_clinician"], rng.integers(0, world.clinicians, count))
    same = (clinician == visit["own_clinician"]) & ~left
    return {
        "clinician": clinician,
        "clinician_quality": clinics.clinician_quality[visit["site"], clinician],
        "first_visit": visit["visits_before"] == 0,
        "same_clinician": same,
    }


def _time_spent(rng: np.random.Generator, world: World, visit: Columns) -> Columns:
    """Waiting, and being with the clinician: `length` is in standard deviations of the logarithm."""
    count, remote = len(visit["age"]), visit["telehealth"]
    in_clinic = rng.gamma(world.lobby_shape, world.lobby_scale * np.exp(visit["site_waiting"]), count)
    lobby_minutes = np.where(remote, rng.gamma(1.5, 2, count), in_clinic)
    length = rng.normal(0, 1, count)
    minutes = np.array(world.visit_minutes)[visit["care"]] * np.exp(world.visit_spread * length)
    told = happens(rng, np.full(count, world.told_wait)) & ~remote
    return {
        "lobby_minutes": lobby_minutes,
        "told_minutes": np.where(told, 5 * np.ceil(lobby_minutes * rng.lognormal(0, 0.3, count) / 5), np.nan),
        "length": length,
        "visit_minutes": minutes,
        "end_at": visit["arrive_at"] + (lobby_minutes + minutes) * MINUTE,
    }


def pay(rng: np.random.Generator, world: World, visit: Columns) -> Columns:
    """Bills nobody expected and claims the insurer refuses; who speaks up for themselves disputes them."""
    payer, procedure = visit["payer"], visit["care"] == PROCEDURE
    surprise = (
        world.surprise
        + world.surprise_commercial * (payer == COMMERCIAL)
        + world.surprise_self_pay * (payer == SELF_PAY)
        + world.surprise_procedure * procedure
    ) * np.where(drifted(world, "price-shock", visit["next_day"]), 3, 1)
    denial = world.denial + world.denial_procedure * procedure + world.denial_medicaid * (payer == MEDICAID)
    speaks_up = (
        world.dispute
        + world.dispute_portal * visit["uses_portal"]
        + world.dispute_language * visit["limited_english"]
    )
    surprised, denied = happens(rng, surprise), happens(rng, denial)
    return {
        "surprise_bill": surprised,
        "denied_claim": denied,
        "disputes": (surprised | denied) & happens(rng, logistic(speaks_up)),
    }
