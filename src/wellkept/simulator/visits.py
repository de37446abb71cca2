"""What happens: patients in, one row per appointment out, with causes, state, score and return.

Time runs in days since day 0. All patients who are due live one appointment at once, then the next, until
nobody is due. Each step below takes what is known of those appointments and adds columns.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from wellkept.simulator.chance import Columns, choose, happens, logistic, lognormal
from wellkept.simulator.population import CLINICIANS, FAILURES, Clinics

RUN_OUT_DAYS = 120  # life goes on after the export, so that what was booked by then is in it, still open
MINUTE = 1 / 1440

CARE_TYPES = np.array(["preventive", "chronic", "acute", "procedure"])
PREVENTIVE, CHRONIC, ACUTE, PROCEDURE = range(4)
LEAD_DAYS = np.array([16, 10, 3, 14])
OWN_CLINICIAN = np.array([0.60, 0.70, 0.25, 0.40])  # probability to see one's own clinician
NEED_AGAIN = np.array([0.96, 0.97, 0.30, 0.80])  # probability that another visit is called for
INTERVAL_DAYS = np.array([365, 120, 60, 30])  # until then

USUAL_EXPERIENCE = 0.92
CARRIED_OVER = 0.35  # share of the old state in the new one
SCORE_STEPS = np.array([-2.88, -2.68, -2.44, -2.22, -2.04, -1.63, -1.35, -0.97, -0.17, 0.50])
INVITED, QUIET_DAYS = 0.95, 60  # share of visits surveyed, and how long nobody is asked again
NOT_AT_RANDOM = 0.15  # log-odds to answer, per unit of satisfaction

HISTORY = ("next_day", "free_from", "state", "visits_before", "no_shows_before", "last_invited")
UNSEEN = ("sensitivity", *HISTORY)


def live(rng: np.random.Generator, people: Columns, clinics: Clinics, *, until: float) -> pd.DataFrame:
    """All appointments that start before day `until`, one row each; `patient` counts the rows of `people`."""
    history = {name: people[name].copy() for name in HISTORY}
    rounds = []
    while (due := np.flatnonzero(history["next_day"] < until)).size:
        visit = {name: column[due] for name, column in (people | history).items()}
        visit |= _book(rng, visit)
        visit |= _attend(rng, visit)
        visit |= _receive_care(rng, visit, clinics)
        visit |= _pay(rng, visit)
        visit |= _feel(rng, visit)
        visit |= _answer(rng, visit)
        for name, column in _look_back(rng, visit).items():
            history[name][due] = column
        lived = {name: column for name, column in visit.items() if name not in UNSEEN}
        rounds.append(pd.DataFrame({"patient": due, **lived}))
    return pd.concat(rounds, ignore_index=True)


def _book(rng: np.random.Generator, visit: Columns) -> Columns:
    """A call that waits and is passed on, and an appointment that the clinic may move within its day."""
    count, medicaid = len(visit["age"]), visit["payer"] == "medicaid"
    care, start_at = _care(rng, visit["conditions"]), _clinic_slot(rng, visit["next_day"])
    wish = lognormal(rng, LEAD_DAYS[care] * np.exp(visit["site_lead"] + 0.30 * medicaid), 0.75, count)
    made_at = np.maximum(start_at - wish, visit["free_from"])
    lead_days = start_at - made_at
    return {
        "care": care,
        "start_at": start_at,
        "made_at": made_at,
        "lead_days": lead_days,
        "hold_seconds": lognormal(rng, 150 * np.exp(visit["site_calling"]), 0.85, count),
        "transfers": rng.poisson(0.35, count),
        "reschedules": rng.poisson(0.10 + 0.006 * np.minimum(lead_days, 60)),
        "verification_failed": happens(rng, 0.05 + 0.06 * medicaid + 0.05 * (visit["payer"] == "self_pay")),
    }


def _care(rng: np.random.Generator, conditions: np.ndarray) -> np.ndarray:
    weights = np.tile([0.30, 0.18, 0.28, 0.12], (len(conditions), 1))
    weights[:, CHRONIC] += 0.12 * np.minimum(conditions, 4)
    return choose(rng, weights)


def _clinic_slot(rng: np.random.Generator, day: np.ndarray) -> np.ndarray:
    """A quarter of an hour between 8:00 and 17:00 of the same day."""
    return np.floor(day) + (8 * 4 + rng.integers(0, 9 * 4, len(day))) * 15 * MINUTE


def _attend(rng: np.random.Generator, visit: Columns) -> Columns:
    """Kept, cancelled by the patient, or missed without a word (no-show)."""
    logit = (
        -2.15
        + 0.016 * np.minimum(visit["lead_days"], 60)
        + 0.55 * (visit["payer"] == "medicaid")
        + 0.70 * (visit["no_shows_before"] > 0)
        + 0.10 * (visit["distance_km"] > 25)
        - 0.012 * (visit["age"] - 50)
        - 0.12 * visit["state"]
    )
    kept = ~happens(rng, logistic(logit))
    cancelled = ~kept & happens(rng, np.full(len(kept), 0.3))
    arrive_at = visit["start_at"] - rng.uniform(2, 20, len(kept)) * MINUTE
    cancelled_at = visit["made_at"] + rng.uniform(0.3, 1, len(kept)) * visit["lead_days"]
    return {
        "kept": kept,
        "cancelled": cancelled,
        "arrive_at": arrive_at,
        "status_at": np.select([kept, cancelled], [arrive_at, cancelled_at], visit["start_at"] + 60 * MINUTE),
    }


def _receive_care(rng: np.random.Generator, visit: Columns, clinics: Clinics) -> Columns:
    """The lobby, the clinician, the interpreter, the instructions, and a portal message around the visit."""
    count = len(visit["age"])
    own = happens(rng, OWN_CLINICIAN[visit["care"]])
    clinician = np.where(own, visit["own_clinician"], rng.integers(0, CLINICIANS, count))
    interpreter_missed = visit["limited_english"] & ~happens(rng, visit["site_interpreters"])
    instructions_missed = 0.13 + 0.10 * interpreter_missed + 0.05 * (visit["conditions"] > 3)
    lobby_minutes = rng.gamma(2.2, 10 * np.exp(visit["site_waiting"]), count)
    return {
        "clinician": clinician,
        "clinician_quality": clinics.clinician_quality[visit["site"], clinician],
        "first_visit": visit["visits_before"] == 0,
        "same_clinician": clinician == visit["own_clinician"],
        "lobby_minutes": lobby_minutes,
        "end_at": visit["arrive_at"] + (lobby_minutes + rng.uniform(15, 45, count)) * MINUTE,
        "interpreter_missed": interpreter_missed,
        "instructions_given": ~happens(rng, instructions_missed),
        "access_failed": visit["disability"] & happens(rng, np.full(count, 0.25)),
        "messaged": happens(rng, 0.45 * visit["uses_portal"]),
        "response_hours": lognormal(rng, 18, 0.9, count),
    }


def _pay(rng: np.random.Generator, visit: Columns) -> Columns:
    """Bills nobody expected and claims the insurer refuses; both come to light weeks later."""
    payer, procedure = visit["payer"], visit["care"] == PROCEDURE
    surprise = 0.05 + 0.05 * (payer == "commercial") + 0.08 * (payer == "self_pay") + 0.05 * procedure
    denial = 0.05 + 0.05 * procedure + 0.04 * (payer == "medicaid")
    return {"surprise_bill": happens(rng, surprise), "denied_claim": happens(rng, denial)}


def _feel(rng: np.random.Generator, visit: Columns) -> Columns:
    """What went wrong, weighed by who it happened to, moves the state; a missed visit leaves it as it was."""
    hurt = (np.array(list(FAILURES.values())) * visit["sensitivity"] * _failures(visit)).sum(axis=1)
    luck = rng.normal(0, 0.65, len(hurt))
    place = visit["site_quality"] + visit["clinician_quality"] + 0.25 * visit["same_clinician"]
    state = CARRIED_OVER * visit["state"] + USUAL_EXPERIENCE + place - hurt + luck
    return {
        "state_after": np.where(visit["kept"], state, visit["state"]),
        "complains": visit["kept"] & happens(rng, logistic(-4.6 - 1.1 * state)),
    }


def _failures(visit: Columns) -> np.ndarray:
    """How much went wrong: one row per visit, one column per entry of `FAILURES`, 0 where all was well."""
    slow = np.clip((visit["response_hours"] - 24) / 24, 0, 3)
    failures = {
        "long_lead": np.log1p(visit["lead_days"] / 14),
        "rescheduled": visit["reschedules"] > 0,
        "long_hold": np.log1p(visit["hold_seconds"] / 180),
        "transferred": np.minimum(visit["transfers"], 3),
        "verification_failed": visit["verification_failed"],
        "long_lobby": np.clip((visit["lobby_minutes"] - 15) / 15, 0, 3),
        "new_clinician": ~visit["same_clinician"] & ~visit["first_visit"],
        "interpreter_missed": visit["interpreter_missed"],
        "no_instructions": ~visit["instructions_given"],
        "slow_portal": np.where(visit["messaged"], slow, 0),
        "surprise_bill": visit["surprise_bill"],
        "denied_claim": visit["denied_claim"],
        "access_failed": visit["access_failed"],
    }
    return np.stack([failures[name] for name in FAILURES], axis=1).astype(float)


def _answer(rng: np.random.Generator, visit: Columns) -> Columns:
    """The score a patient would give, and whether they are asked and answer: the content do a bit more."""
    hispanic_style = 0.12 * ((visit["race"] == "hispanic") & visit["limited_english"])
    mood = rng.normal(0, 0.90, len(visit["age"]))
    satisfaction = visit["generosity"] + visit["state_after"] + hispanic_style + mood
    rested = visit["end_at"] - visit["last_invited"] > QUIET_DAYS
    invited = visit["kept"] & rested & happens(rng, np.full(len(mood), INVITED))
    logit = (
        -1.40
        + 0.022 * (visit["age"] - 50)
        - 0.55 * visit["limited_english"]
        + 0.35 * visit["uses_portal"]
        - 0.25 * (visit["payer"] == "medicaid")
        - 0.25 * (visit["race"] == "black")
        + NOT_AT_RANDOM * (satisfaction - 0.6)
    )
    answered = invited & happens(rng, logistic(logit))
    return {"score": np.searchsorted(SCORE_STEPS, satisfaction), "invited": invited, "answered": answered}


def _look_back(rng: np.random.Generator, visit: Columns) -> Columns:
    """The history with this appointment in it, and the day of the next (infinity: they have left)."""
    return {
        "next_day": _next_day(rng, visit),
        "free_from": np.where(visit["kept"], visit["end_at"], visit["status_at"]) + 0.1,
        "state": visit["state_after"],
        "visits_before": visit["visits_before"] + visit["kept"],
        "no_shows_before": visit["no_shows_before"] + (~visit["kept"] & ~visit["cancelled"]),
        "last_invited": np.where(visit["invited"], visit["end_at"], visit["last_invited"]),
    }


def _next_day(rng: np.random.Generator, visit: Columns) -> np.ndarray:
    """Who stays comes when care calls for it, of the others one in five, late; most misses are rebooked."""
    start, interval, count = visit["start_at"], INTERVAL_DAYS[visit["care"]], len(visit["age"])
    another_reason = rng.exponential(365 / (0.5 + 0.35 * visit["conditions"]))
    needed = happens(rng, NEED_AGAIN[visit["care"]])
    on_time = np.where(needed, lognormal(rng, interval, 0.35, count), 30 + another_reason)
    late = np.where(happens(rng, np.full(count, 0.2)), 1.5 * interval + 90 + another_reason, np.inf)
    wait = np.where(happens(rng, logistic(_loyalty_logit(visit))), on_time, late)
    rebooked = ~visit["kept"] & happens(rng, np.full(count, 0.7))
    return start + np.where(rebooked, 5 + rng.exponential(21, count), wait)


def _loyalty_logit(visit: Columns) -> np.ndarray:
    """Log-odds to stay."""
    return (
        2.0
        + 1.15 * visit["state_after"]
        + 0.60 * visit["loyalty"]
        - 0.30 * np.log(visit["distance_km"] / 9)
        - 0.45 * (visit["payer"] == "self_pay")
        - 0.60 * (visit["age"] < 40)
        + 0.125 * np.minimum(visit["visits_before"], 4)
        - 0.30 * ~visit["uses_portal"]
    )
