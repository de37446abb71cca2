"""What a patient would say, how they are asked, and whether they answer."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from wellkept.simulator.chance import Columns, choose, happens, logistic
from wellkept.simulator.drifting import drifted
from wellkept.simulator.population import BLACK, HISPANIC, MEDICAID
from wellkept.simulator.worlds import World

MODES = ("sms", "email", "phone", "paper")
PHONE = MODES.index("phone")
LATER_SHARES = (0.10, 0.15, 0.70, 0.05)  # of the modes, after the change of survey mode
CSAT_STEPS = np.array([-1.9, -1.1, -0.3, 0.7])  # of satisfaction: 1 below the first, 5 above the last
CES_STEPS = np.array([-2.2, -1.6, -1.0, -0.4, 0.3, 1.1])
LAST_OF_DETRACTORS = 6


def answer(rng: np.random.Generator, world: World, visit: Columns) -> Columns:
    """The answers that would be given, whether the patient is asked, and whether they do give them."""
    count = len(visit["age"])
    later = drifted(world, "survey-mode", visit["next_day"])
    shares = np.where(later[:, None], np.array(LATER_SHARES), np.array(world.mode_shares))
    mode = choose(rng, shares)
    leaning = visit["generosity"] + _style(world, visit) + np.array(world.mode_shifts)[mode]
    satisfaction = leaning + visit["state_after"] + rng.normal(0, world.mood, count)
    rested = visit["end_at"] - visit["last_invited"] > world.quiet_days
    invited = visit["kept"] & rested & happens(rng, np.full(count, world.invited))
    response = logistic(_answer_logit(world, visit, satisfaction))
    return {
        "mode": mode,
        "leaning": leaning,
        "satisfaction": satisfaction,
        **_scales(rng, world, satisfaction),
        "invited": invited,
        "response_probability": response,
        "answered": invited & happens(rng, response),
    }


def chance_of_detractor(world: World, leaning: np.ndarray, state: np.ndarray) -> np.ndarray:
    """P(NPS <= 6) of those with this leaning and state, whatever their mood."""
    return ndtr((world.score_steps[LAST_OF_DETRACTORS] - leaning - state) / max(world.mood, 1e-9))


def scored(world: World, satisfaction: np.ndarray) -> np.ndarray:
    """The answer 0 to 10."""
    return np.searchsorted(np.array(world.score_steps), satisfaction)


def _style(world: World, visit: Columns) -> np.ndarray:
    """A habit of answering, not an experience."""
    return world.style * ((visit["race"] == HISPANIC) & visit["limited_english"])


def _scales(rng: np.random.Generator, world: World, satisfaction: np.ndarray) -> Columns:
    count = len(satisfaction)
    return {
        "nps": scored(world, satisfaction),
        "csat": 1 + np.searchsorted(CSAT_STEPS, satisfaction + rng.normal(0, world.csat_noise, count)),
        "ces": 1 + np.searchsorted(CES_STEPS, satisfaction + rng.normal(0, world.ces_noise, count)),
    }


def _answer_logit(world: World, visit: Columns, satisfaction: np.ndarray) -> np.ndarray:
    """Log-odds to answer; the content do a bit more, which no table shows."""
    return (
        world.answer
        + world.answer_age * (visit["age"] - 50)
        + world.answer_language * visit["limited_english"]
        + world.answer_portal * visit["uses_portal"]
        + world.answer_medicaid * (visit["payer"] == MEDICAID)
        + world.answer_black * (visit["race"] == BLACK)
        + world.answer_satisfaction * (satisfaction - 0.6)
    )
