"""What happens: patients in, one entry per appointment out, with causes, state, answers, help and return.

Time runs in days since day 0. All patients who are due live one appointment at once, then the next, until nobody is
due. Each step takes what is known of those appointments and adds columns.
"""

from __future__ import annotations

import numpy as np

from wellkept.simulator.answering import answer, chance_of_detractor
from wellkept.simulator.booking import attend, book
from wellkept.simulator.caring import pay, receive_care
from wellkept.simulator.chance import Columns, logistic
from wellkept.simulator.feeling import feel
from wellkept.simulator.helping import help_out
from wellkept.simulator.population import Clinics
from wellkept.simulator.returning import chance_in_time, chance_lost, next_day, stay_logit
from wellkept.simulator.worlds import World

RUN_OUT_DAYS = 120  # life goes on after the export, so that what was booked by then is in it, still open

HISTORY = (
    "next_day", "free_from", "state", "visits_before", "no_shows_before", "last_invited", "last_score",
)  # fmt: skip
LIVED = (
    "site", "care", "clinician", "start_at", "made_at", "lead_days", "hold_seconds", "hung_up", "transfers",
    "reschedules", "verification_failed", "telehealth", "kept", "cancelled", "arrive_at", "status_at", "end_at",
    "first_visit", "same_clinician", "lobby_minutes", "told_minutes", "length", "visit_minutes", "interpreter_missed",
    "instructions_missed", "no_follow_up", "access_failed", "ordered", "messaged", "response_hours", "surprise_bill",
    "denied_claim", "disputes", "complains", "worst", "second_worst", "something_hurt", "state_untreated", "luck",
    "arm", "pilot", "propensity", "eligible", "mode", "leaning", "satisfaction", "nps", "csat", "ces", "invited",
    "response_probability", "answered",
)  # fmt: skip
NARROW = {np.dtype(np.int64): np.int32}


def live(
    rng: np.random.Generator, world: World, people: Columns, clinics: Clinics, *, until: float
) -> Columns:
    """All appointments that start before day `until`; `patient` counts the entries of `people`."""
    history = {name: people[name].copy() for name in HISTORY}
    rounds = []
    while (due := np.flatnonzero(history["next_day"] < until)).size:
        visit = {name: column[due] for name, column in (people | history).items()}
        visit["uses_portal"] &= visit["portal_from"] <= visit["next_day"]
        visit |= book(rng, world, visit)
        visit |= attend(rng, world, visit)
        visit |= receive_care(rng, world, visit, clinics)
        visit |= pay(rng, world, visit)
        visit |= feel(rng, world, visit)
        visit |= help_out(rng, world, visit)
        visit |= answer(rng, world, visit)
        for name, column in _look_back(rng, world, visit).items():
            history[name][due] = column
        lived = {name: _narrow(visit[name]) for name in LIVED}
        rounds.append({"patient": due.astype(np.int32), **lived, **_truth(world, visit)})
    return {name: np.concatenate([lived[name] for lived in rounds]) for name in rounds[0]}


def _look_back(rng: np.random.Generator, world: World, visit: Columns) -> Columns:
    """The history with this appointment in it, and the day of the next (infinity: they have left)."""
    kept, cancelled = visit["kept"], visit["cancelled"]
    return {
        "next_day": next_day(rng, world, visit),
        "free_from": np.where(kept, visit["end_at"], visit["status_at"]) + 0.1,
        "state": visit["state_after"],
        "visits_before": visit["visits_before"] + kept,
        "no_shows_before": visit["no_shows_before"] + (~kept & ~cancelled),
        "last_invited": np.where(visit["invited"], visit["end_at"], visit["last_invited"]),
        "last_score": np.where(visit["answered"], visit["nps"], visit["last_score"]),
    }


def _truth(world: World, visit: Columns) -> Columns:
    """Both risks at the end of the visit without help, and with each arm (one column an arm)."""
    state, on_state = visit["state_untreated"], visit["effects_on_state"]
    after = state[:, None] + on_state
    logit, in_time = stay_logit(world, visit, state), chance_in_time(world, visit)
    unmoded = visit["leaning"] - np.array(world.mode_shifts)[visit["mode"]]
    helped = logit[:, None] + world.stay_state * on_state + visit["effects_on_stay"]
    return {
        "p_detractor": chance_of_detractor(world, visit["leaning"], state),
        "p_detractor_reference": chance_of_detractor(world, unmoded, state),
        "p_no_return": 1 - logistic(logit) * in_time,
        "p_lost": chance_lost(world, visit, logistic(logit), in_time),
        "p_detractor_arm": chance_of_detractor(world, visit["leaning"][:, None], after).astype(np.float32),
        "p_no_return_arm": (1 - logistic(helped) * in_time[:, None]).astype(np.float32),
    }


def _narrow(column: np.ndarray) -> np.ndarray:
    return column.astype(NARROW.get(column.dtype, column.dtype), copy=False)
