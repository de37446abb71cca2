"""Every number by which the synthetic world runs, by name; and the worlds that have names of their own.

A mechanism is switched off by its one field: a spread, a loss, an effect or a share of 0.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from wellkept.errors import InputRefused

FAILURES = (
    "long_lead", "rescheduled", "long_hold", "transferred", "verification_failed", "long_lobby", "new_clinician",
    "interpreter_missed", "no_instructions", "no_follow_up", "slow_portal", "surprise_bill", "denied_claim",
    "access_failed", "rushed_after_waiting", "denied_unheard",
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """The parameters of all equations. Care types come in the order of `population.CARE_TYPES`."""

    # Clinics: how much sites and clinicians differ (standard deviations; of logarithms where they multiply).
    sites: int = 20
    clinicians: int = 12  # a site
    site_quality: float = 0.22
    site_waiting: float = 0.25
    site_lead: float = 0.25
    site_calling: float = 0.25
    interpreters: float = 0.68  # mean share of visits with an interpreter where one is needed
    interpreters_spread: float = 0.15
    clinician_quality: float = 0.32

    # Traits that no table shows.
    generosity: float = 0.75
    loyalty: float = 1.0
    sensitivity: float = 0.35
    amenability: float = 0.35
    fatigued: float = 0.18

    # Lives.
    early_entry: float = 0.60  # share that comes for the first time within the first `early_part` of the days
    early_part: float = 0.35
    portal_later: float = 0.30  # share of the portal's users that begin some day, not at once
    death_intercept: float = -6.9  # log hazard a year at the age of 40: about 1 in 1,000 die
    death_age: float = 0.075
    death_condition: float = 0.25
    move_young: float = 0.075  # a year, under 40
    move_old: float = 0.025
    death_delay: float = 45.0  # days until it is recorded, median
    death_unrecorded: float = 0.30
    move_delay: float = 30.0
    move_unrecorded: float = 0.40
    delay_spread: float = 0.8

    # Booking.
    care_weights: tuple[float, ...] = (0.30, 0.18, 0.28, 0.12, 0.0)
    care_chronic: float = 0.12  # added to the weight of chronic care for each condition, up to 4
    lead_days: tuple[float, ...] = (16.0, 10.0, 3.0, 14.0, 10.0)
    lead_medicaid: float = 0.30
    lead_year: float = 0.05
    lead_spread: float = 0.75
    telehealth: float = 0.08
    hold_seconds: float = 150.0
    hold_spread: float = 0.85
    transfers: float = 0.35
    abandoned: float = 0.05  # chance to hang up and call again, for each 180 s on hold
    moved: float = 0.10  # moves by the clinic
    moved_lead: float = 0.006
    verification: float = 0.05
    verification_medicaid: float = 0.06
    verification_self_pay: float = 0.05

    # Attendance.
    cancelled: float = 0.04
    no_show: float = -2.15
    no_show_lead: float = 0.016
    no_show_medicaid: float = 0.55
    no_show_before: float = 0.70
    no_show_far: float = 0.10
    no_show_deprivation: float = 0.006
    no_show_age: float = -0.012
    no_show_telehealth: float = -0.30
    no_show_state: float = -0.12

    # The visit.
    lobby_shape: float = 2.2
    lobby_scale: float = 10.0  # minutes
    told_wait: float = 0.60
    own_clinician: tuple[float, ...] = (0.60, 0.70, 0.25, 0.40, 0.50)
    visit_minutes: tuple[float, ...] = (25.0, 20.0, 15.0, 40.0, 30.0)
    visit_spread: float = 0.40
    rushed_below: float = -0.70  # standard deviations of the logarithm of the length
    instructions_missed: float = 0.13
    instructions_language: float = 0.10
    instructions_complex: float = 0.05
    follow_up_missed: float = 0.55
    messages: float = 0.45
    response_hours: float = 18.0
    response_spread: float = 0.9
    access_failed: float = 0.25
    order_recorded: tuple[float, ...] = (0.90, 0.95, 0.20, 0.90, 0.90)

    # Bills.
    surprise: float = 0.05
    surprise_commercial: float = 0.05
    surprise_self_pay: float = 0.08
    surprise_procedure: float = 0.05
    denial: float = 0.05
    denial_procedure: float = 0.05
    denial_medicaid: float = 0.04
    dispute: float = 0.0  # log-odds of those who speak up for themselves
    dispute_portal: float = 0.6
    dispute_language: float = -1.0

    # What each failure takes from the state; the last two are the interactions.
    loss_long_lead: float = 0.16
    loss_rescheduled: float = 0.22
    loss_long_hold: float = 0.20
    loss_transferred: float = 0.16
    loss_verification_failed: float = 0.40
    loss_long_lobby: float = 0.26
    loss_new_clinician: float = 0.22
    loss_interpreter_missed: float = 0.95
    loss_no_instructions: float = 0.55
    loss_no_follow_up: float = 0.28
    loss_slow_portal: float = 0.16
    loss_surprise_bill: float = 0.60
    loss_denied_claim: float = 0.45
    loss_access_failed: float = 0.45
    loss_rushed_after_waiting: float = 0.40
    loss_denied_unheard: float = 0.60
    length_curve: float = 0.15  # a visit too short or too long, against the usual length of its kind

    # Experience, state and answer.
    experience: float = 1.04
    telehealth_lobby: float = 0.15  # weight of the wait before a video visit
    continuity: float = 0.25
    luck: float = 0.65
    carried_over: float = 0.35
    mood: float = 0.90
    style: float = 0.12
    score_steps: tuple[float, ...] = (-2.88, -2.68, -2.44, -2.22, -2.04, -1.63, -1.35, -0.97, -0.17, 0.50)
    csat_noise: float = 0.45
    ces_noise: float = 0.60
    complaint: float = -4.6
    complaint_state: float = -1.1
    mode_shares: tuple[float, ...] = (0.55, 0.25, 0.12, 0.08)
    mode_shifts: tuple[float, ...] = (0.0, 0.0, 0.20, -0.10)
    invited: float = 0.85
    quiet_days: float = 60.0
    answer: float = -1.40  # .05 more than where all of the portal's users begin at once
    answer_age: float = 0.022
    answer_language: float = -0.55
    answer_portal: float = 0.35
    answer_medicaid: float = -0.25
    answer_black: float = -0.25
    answer_satisfaction: float = 0.15  # not missing at random: log-odds for each unit of satisfaction
    comments: float = 0.35  # share of the answers with one

    # Return.
    need: tuple[float, ...] = (0.96, 0.97, 0.30, 0.80, 0.90)
    interval_days: tuple[float, ...] = (365.0, 120.0, 60.0, 30.0, 21.0)
    expected_days: tuple[int, ...] = (365, 120, 60, 30, 21)  # what the rules of care say, whatever patients do
    interval_spread: float = 0.35
    stay: float = 2.7  # a missed appointment is no return: with 2.0 more than a quarter would be lost
    stay_state: float = 1.15
    stay_loyalty: float = 0.60
    stay_distance: float = -0.30
    stay_self_pay: float = -0.45
    stay_young: float = -0.60
    stay_visits: float = 0.125
    stay_no_portal: float = -0.30
    gone: float = 0.80  # of those who do not stay; the others come after the deadline
    rebooked: float = 0.70

    # Interventions.
    effects: float = 1.0  # multiplies every true effect
    right_triggers: bool = True  # false: each helps exactly those that it was not made for
    fade: float = 2.2  # lost causes: an effect is weighed by logistic(fade + fade_state * state)
    fade_state: float = 1.3
    helped: float = -4.1  # historic assignment, log-odds
    helped_major: float = 0.9
    helped_complaint: float = 1.5
    helped_detractor: float = 0.9
    helped_severity: float = -0.9  # coordinators see luck that no table shows: hidden confounding
    pilot: float = 0.12
    pilot_control: float = 0.50

    drift: tuple[str, ...] = ()

    @property
    def losses(self) -> np.ndarray:
        """What one unit of each of `FAILURES` takes from the state."""
        return np.array([getattr(self, f"loss_{name}") for name in FAILURES])


WORLDS = {
    "additive": World(
        loss_rushed_after_waiting=0.0, loss_denied_unheard=0.0, length_curve=0.0, experience=0.95
    ),
    "interacting": World(),
    "strong-mnar": World(answer_satisfaction=0.30),
    "wrong-triggers": World(right_triggers=False),
    "dead-interventions": World(effects=0.0),
}


def named(world: str | World) -> World:
    """A world by its name.

    Raises
    ------
    InputRefused
        No world has that name.
    """
    if isinstance(world, World):
        return world
    if world not in WORLDS:
        raise InputRefused("world", f"no world is called {world!r}; there are {', '.join(WORLDS)}")
    return WORLDS[world]


def jittered(world: World, share: float, seed: int) -> World:
    """The same world with each parameter multiplied by its own draw between 1 - `share` and 1 + `share`.

    Counts, switches and drift stay. What lies between 0 and 1 stays there: it may be a probability.
    """
    rng = np.random.default_rng([seed, 1])
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(world):
        value = getattr(world, field.name)
        factor = float(rng.uniform(1 - share, 1 + share))
        if isinstance(value, float):
            changed[field.name] = _scaled(value, factor)
        elif isinstance(value, tuple) and value and isinstance(value[0], float):
            changed[field.name] = tuple(_scaled(entry, factor) for entry in value)
    return dataclasses.replace(world, **changed)


def _scaled(value: float, factor: float) -> float:
    return min(value * factor, 0.99) if 0 < value < 1 else value * factor
