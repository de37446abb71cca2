"""Whether and when a patient comes back, and the chance of it in closed form."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from wellkept.simulator.booking import DAYS_TO_REBOOK, care_weights, chance_to_miss
from wellkept.simulator.chance import Columns, happens, logistic, lognormal
from wellkept.simulator.population import SELF_PAY
from wellkept.simulator.worlds import World

MISSES = 6  # appointments in a row that the closed form follows, all missed but the last


def deadline_days(world: World) -> np.ndarray:
    """Days within which each care type expects the next kept visit."""
    return 1.5 * np.array(world.expected_days) + 90


def next_day(rng: np.random.Generator, world: World, visit: Columns) -> np.ndarray:
    """Who stays comes when care calls for it, of the others one in five, late; most misses are rebooked."""
    start, care, count = visit["start_at"], visit["care"], len(visit["age"])
    interval = np.array(world.interval_days)[care]
    another_reason = rng.exponential(1 / _other_reasons(visit))
    needed = happens(rng, np.array(world.need)[care])
    on_time = np.where(needed, lognormal(rng, interval, world.interval_spread, count), 30 + another_reason)
    late = np.where(
        happens(rng, np.full(count, world.gone)), np.inf, deadline_days(world)[care] + another_reason
    )
    stays = happens(rng, logistic(stay_logit(world, visit, visit["state_after"]) + visit["stay_gain"]))
    at_least, beyond = DAYS_TO_REBOOK
    rebooked = ~visit["kept"] & happens(rng, np.full(count, world.rebooked))
    wait = np.where(rebooked, at_least + rng.exponential(beyond, count), np.where(stays, on_time, late))
    day = start + wait
    end_of_day = np.floor(day) + 1
    return np.where(end_of_day > np.minimum(visit["died_at"], visit["moved_at"]), np.inf, day)


def stay_logit(world: World, visit: Columns, state: np.ndarray) -> np.ndarray:
    """Log-odds to stay."""
    return (
        world.stay
        + world.stay_state * state
        + world.stay_loyalty * visit["loyalty"]
        + world.stay_distance * np.log(visit["distance_km"] / 9)
        + world.stay_self_pay * (visit["payer"] == SELF_PAY)
        + world.stay_young * (visit["age"] < 40)
        + world.stay_visits * np.minimum(visit["visits_before"], 4)
        + world.stay_no_portal * ~visit["uses_portal"]
    )


def chance_lost(world: World, visit: Columns, stays: np.ndarray, in_time: np.ndarray) -> np.ndarray:
    """Chance of no kept visit by the deadline among those of whom no death and no move is recorded by then.

    That is all that a health system can ever see: of who leaves for good, some are recorded and are not lost, the
    others look lost. `stays` and `in_time` are the two chances whose product is the chance to return in time.
    """
    there = dict(visit, leaves_a_day=np.zeros(len(stays)))
    nobody_leaves = np.exp(-visit["leaves_a_day"] * deadline_days(world)[visit["care"]])
    silent = 1 - stays * in_time
    left = silent - nobody_leaves * (1 - stays * chance_in_time(world, there))
    recorded = visit["leaving_recorded"] * left
    return (silent - recorded) / (1 - recorded)


def chance_in_time(world: World, visit: Columns) -> np.ndarray:
    """Chance that one who stays keeps a visit by the deadline: need, its time, death, moving and misses.

    A miss costs what rebooking takes on average; one that is not rebooked is decided anew, as after any visit.
    It is the closed form of `next_day` to within half of one in a hundred, not the exact integral.
    """
    care, leaves = visit["care"], visit["leaves_a_day"]
    interval, deadline = np.array(world.interval_days)[care], deadline_days(world)[care]
    miss, miss_again = chance_to_miss(world, visit, again=False), chance_to_miss(world, visit, again=True)
    rebooking = sum(DAYS_TO_REBOOK)
    needed, total, let_go = np.array(world.need)[care], np.zeros(len(care)), np.zeros(len(care))
    to_come = np.ones(len(care))  # chance that the appointment after this many misses is made at all
    for misses in range(MISSES):
        left, chance = deadline - misses * rebooking, miss if misses == 0 else miss_again
        on_time = _by(left, interval, world.interval_spread) * np.exp(-leaves * (interval + misses * rebooking))
        total += to_come * (1 - chance) * (needed * on_time + (1 - needed) * _other_by(visit, left))
        let_go += to_come * chance * (1 - world.rebooked)
        to_come = to_come * chance * world.rebooked
    stays = logistic(stay_logit(world, visit, visit["state_untreated"]))
    kept = (1 - miss_again) / (1 - miss_again * world.rebooked)
    anew = let_go * stays * kept * _soon_by(world, visit, deadline - interval)
    return total + needed * anew * np.exp(-leaves * deadline)


def _other_reasons(visit: Columns) -> np.ndarray:
    """Visits a day for other reasons."""
    return (0.5 + 0.35 * visit["conditions"]) / 365


def _by(days: np.ndarray, median: np.ndarray | float, spread: float) -> np.ndarray:
    """Chance that a lognormal time is over by `days`."""
    return ndtr(np.log(np.maximum(days, 1e-9) / median) / max(spread, 1e-9))


def _other_by(visit: Columns, days: np.ndarray) -> np.ndarray:
    """Chance to come for another reason by `days`, and 30 at the earliest, before leaving for good."""
    rate, leaves = _other_reasons(visit), visit["leaves_a_day"]
    both = rate + leaves
    return np.exp(-leaves * 30) * rate / both * -np.expm1(-both * np.maximum(days - 30, 0))


def _soon_by(world: World, visit: Columns, days: np.ndarray) -> np.ndarray:
    """Chance that care of any kind calls within `days`, over the kinds that the patient comes for."""
    weights, other = care_weights(world, visit), _other_by(visit, days)
    soon = [need * _by(days, interval, world.interval_spread) + (1 - need) * other
            for interval, need in zip(world.interval_days, world.need, strict=True)]  # fmt: skip
    return (weights * np.stack(soon, axis=1)).sum(axis=1) / weights.sum(axis=1)
