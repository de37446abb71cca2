"""Interventions: whom each of ten arms can reach, what it truly changes, and who got which.

An arm moves the state by D and the log-odds to stay by G. Historic assignment is confounded by luck that no table
shows; in the pilot, from the second year on, chance decides with a logged propensity.
"""

from __future__ import annotations

import numpy as np

from wellkept.simulator.chance import Columns, happens, logistic
from wellkept.simulator.population import CHRONIC, PREVENTIVE, PROCEDURE
from wellkept.simulator.worlds import World

ARMS = (
    "recovery_call", "nurse_call", "scheduling_priority", "interpreter", "billing_fix", "transport", "portal_help",
    "continuity_rebook", "text_nudge", "navigator",
)  # fmt: skip
NO_ARM = -1


def help_out(rng: np.random.Generator, world: World, visit: Columns) -> Columns:
    """Who gets which arm, and the state after it; `effects_*` and `eligible` have one column an arm."""
    on_state, on_stay = _true_effects(world, visit)
    eligible = _eligible(visit)
    pilot = happens(rng, world.pilot * (visit["kept"] & (visit["next_day"] > 365.25)))
    chance_arm, propensity = _by_chance(rng, world, eligible)
    arm = np.where(pilot, chance_arm, _by_coordinators(rng, world, visit, eligible, on_state + on_stay))
    state = visit["state_untreated"]
    return {
        "arm": arm,
        "pilot": pilot,
        "propensity": np.where(pilot, propensity, np.nan),
        "effects_on_state": on_state.astype(np.float32),
        "effects_on_stay": on_stay.astype(np.float32),
        "eligible": eligible,
        "state_after": np.where(visit["kept"], state + _of(arm, on_state), state),
        "stay_gain": _of(arm, on_stay),
    }


def _of(arm: np.ndarray, effects: np.ndarray) -> np.ndarray:
    """The effect of the arm that each visit got; 0 without one."""
    return np.where(arm == NO_ARM, 0, effects[np.arange(len(arm)), arm])


def _true_effects(world: World, visit: Columns) -> tuple[np.ndarray, np.ndarray]:
    """D and G, one column an arm: strong where the trigger is there, less for lost causes and the fatigued."""
    care, fatigued = visit["care"], visit["fatigued"]
    fade = logistic(world.fade + world.fade_state * visit["state_untreated"])
    takes = visit["amenability"] * fade

    def where(trigger: np.ndarray) -> np.ndarray:
        return trigger if world.right_triggers else ~trigger

    major, procedure = where(visit["major_failure"]), where(care == PROCEDURE)
    long_lead, complex_ = where(visit["lead_days"] > 20), where(visit["conditions"] > 2)
    missed, other_clinician = where(visit["interpreter_missed"]), where(~visit["same_clinician"])
    billed = where(visit["surprise_bill"] | visit["denied_claim"])
    hard_to_reach = where((visit["distance_km"] > 25) | (visit["deprivation"] > 80) | visit["disability"])
    slow_portal = where(visit["messaged"] & (visit["response_hours"] > 36))
    off_portal = where(~visit["uses_portal"] & (visit["age"] < 75))
    careful = 0.4 + 0.6 * visit["instructions_missed"]
    nothing = np.zeros(len(care))
    on_state = [
        takes * (0.85 * major + 0.10) - 0.35 * fatigued * ~major,
        takes * (0.60 * procedure * careful + 0.08) - 0.15 * fatigued,
        takes * 0.15 * long_lead,
        takes * 1.05 * missed,
        takes * 1.05 * billed + 0.02,
        nothing,
        takes * (0.35 * slow_portal + 0.15 * off_portal) - 0.12 * (visit["age"] > 80),
        takes * 0.15 * other_clinician,
        nothing,
        takes * (0.30 + 0.30 * complex_ + 0.25 * major) - 0.30 * fatigued,
    ]
    on_stay = [
        nothing,
        nothing,
        takes * 0.70 * long_lead,
        takes * 0.55 * visit["limited_english"],
        nothing,
        takes * 0.80 * hard_to_reach,
        nothing,
        takes * 0.65 * ((care == CHRONIC) & other_clinician),
        takes * 0.14 - 0.30 * fatigued,
        takes * (0.25 + 0.35 * complex_),
    ]
    return world.effects * np.stack(on_state, axis=1), world.effects * np.stack(on_stay, axis=1)


def _eligible(visit: Columns) -> np.ndarray:
    """Whom each arm makes sense for at all; nobody after a missed appointment."""
    care = visit["care"]
    eligible = np.ones((len(care), len(ARMS)), bool)
    eligible[:, ARMS.index("interpreter")] = visit["limited_english"]
    eligible[:, ARMS.index("billing_fix")] = (
        visit["surprise_bill"] | visit["denied_claim"] | visit["verification_failed"]
    )
    eligible[:, ARMS.index("nurse_call")] = (care == PROCEDURE) | (care == CHRONIC)
    eligible[:, ARMS.index("continuity_rebook")] = (care == PREVENTIVE) | (care == CHRONIC)
    return eligible & visit["kept"][:, None]


def _by_coordinators(
    rng: np.random.Generator, world: World, visit: Columns, eligible: np.ndarray, gain: np.ndarray
) -> np.ndarray:
    """They see more than the tables show, call those who had it worst, and often choose what helps."""
    logit = (
        world.helped
        + world.helped_major * visit["major_failure"]
        + world.helped_complaint * visit["complains"]
        + world.helped_detractor * (visit["last_score"] <= 6)
        + world.helped_severity * visit["luck"]
    )
    helped = happens(rng, logistic(logit)) & visit["kept"]
    appeal = np.where(eligible, 1.2 * (gain > 0.25) + rng.gumbel(0, 1, eligible.shape), -np.inf)
    return np.where(helped & eligible.any(axis=1), appeal.argmax(axis=1), NO_ARM)


def _by_chance(rng: np.random.Generator, world: World, eligible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The control group, or one of the arms that make sense, each as likely; and how likely that was."""
    arm = np.where(eligible, rng.random(eligible.shape), -1).argmax(axis=1)
    control = happens(rng, np.full(len(arm), world.pilot_control))
    each = (1 - world.pilot_control) / np.maximum(eligible.sum(axis=1), 1)
    return np.where(control, NO_ARM, arm), np.where(control, world.pilot_control, each)
