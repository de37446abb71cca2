"""What an experience does: each failure takes from the state, which the next visit carries over in part."""

from __future__ import annotations

import numpy as np

from wellkept.simulator.chance import Columns, happens, logistic
from wellkept.simulator.worlds import FAILURES, World


def feel(rng: np.random.Generator, world: World, visit: Columns) -> Columns:
    """What went wrong, weighed by who it happened to, moves the state; a missed visit leaves it as it was."""
    failures = _failures(world, visit)
    hurt = world.losses * visit["sensitivity"] * np.stack([failures[name] for name in FAILURES], axis=1)
    luck = rng.normal(0, world.luck, len(hurt))
    place = visit["site_quality"] + visit["clinician_quality"] + world.continuity * visit["same_clinician"]
    pace = world.length_curve * (1 - np.minimum(visit["length"] ** 2, 9))  # 0 on average: both ends hurt
    experience = world.experience + place + pace + luck - hurt.sum(axis=1)
    state = np.where(visit["kept"], world.carried_over * visit["state"] + experience, visit["state"])
    return {
        "state_untreated": state,
        "luck": luck,
        "worst": np.argmax(hurt, axis=1),
        "second_worst": np.argsort(hurt, axis=1)[:, -2],
        "something_hurt": np.sort(hurt, axis=1)[:, -1] > 0.10,
        "major_failure": _is_major(failures),
        "complains": visit["kept"] & happens(rng, logistic(world.complaint + world.complaint_state * state)),
    }


def _failures(world: World, visit: Columns) -> Columns:
    """How much went wrong, for each of `FAILURES`: 0 where all was well."""
    lobby = np.clip((visit["lobby_minutes"] - 15) / 15, 0, 3)
    slow = np.clip((visit["response_hours"] - 24) / 24, 0, 3)
    return {
        "long_lead": np.log1p(visit["lead_days"] / 14),
        "rescheduled": visit["reschedules"] > 0,
        "long_hold": np.log1p(visit["hold_seconds"] / 180),
        "transferred": np.minimum(visit["transfers"], 3),
        "verification_failed": visit["verification_failed"],
        "long_lobby": np.where(visit["telehealth"], world.telehealth_lobby, 1) * lobby,
        "new_clinician": ~visit["same_clinician"] & ~visit["first_visit"],
        "interpreter_missed": visit["interpreter_missed"],
        "no_instructions": visit["instructions_missed"],
        "no_follow_up": visit["no_follow_up"],
        "slow_portal": np.where(visit["messaged"], slow, 0),
        "surprise_bill": visit["surprise_bill"],
        "denied_claim": visit["denied_claim"],
        "access_failed": visit["access_failed"],
        "rushed_after_waiting": lobby * (visit["length"] < world.rushed_below),
        "denied_unheard": visit["denied_claim"] & ~visit["disputes"],
    }


def _is_major(failures: Columns) -> np.ndarray:
    """Something that a coordinator would call a failure of service."""
    named = ("verification_failed", "no_instructions", "surprise_bill", "denied_claim", "access_failed")
    return np.logical_or.reduce([failures[name] for name in named]) | (failures["long_lobby"] > 1.5)
