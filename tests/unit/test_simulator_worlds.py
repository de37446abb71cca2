"""Each mechanism of the synthetic world has an effect, and none where its one field says so."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wellkept.simulator.answering import scored
from wellkept.simulator.chance import Columns
from wellkept.simulator.drifting import DRIFTS, FROM_DAY
from wellkept.simulator.helping import ARMS, NO_ARM
from wellkept.simulator.lives import live
from wellkept.simulator.population import draw_clinics, draw_patients
from wellkept.simulator.worlds import WORLDS, World, jittered, named

DAYS = 1461


@functools.cache
def _lives(world: World) -> Columns:
    """Kept visits of 6,000 patients, with the traits of whose they are."""
    rng = np.random.default_rng(3)
    clinics = draw_clinics(rng, world)
    people = draw_patients(rng, world, 6000, days=DAYS, clinics=clinics)
    visits = live(rng, world, people, clinics, until=DAYS)
    visits |= {name: people[name][visits["patient"]] for name in ("moved_at", "fatigued", "loyalty")}
    order = np.lexsort((visits["start_at"], visits["patient"]))
    return {name: column[order][visits["kept"][order]] for name, column in visits.items()}


def _slope(of: np.ndarray, on: np.ndarray) -> float:
    return float(np.polyfit(on, of, 1)[0])


def _next(visits: Columns, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A column at each visit and at the same patient's next."""
    same = visits["patient"][1:] == visits["patient"][:-1]
    return visits[name][:-1][same], visits[name][1:][same]


def _repeats(name: str) -> Callable[[Columns], float]:
    return lambda visits: float(np.corrcoef(*_next(visits, name))[0, 1])


def _spread_of_means(visits: Columns, group: np.ndarray) -> float:
    """Variance between groups' mean states that is more than chance would give, in units of that."""
    _, group = np.unique(group, return_inverse=True)
    counts = np.bincount(group)
    means = np.bincount(group, visits["state_untreated"]) / counts
    chance = visits["state_untreated"].var() / counts
    return float(np.average((means - visits["state_untreated"].mean()) ** 2 / chance, weights=counts))


def _between_sites(visits: Columns) -> float:
    return _spread_of_means(visits, visits["site"])


def _between_clinicians(visits: Columns) -> float:
    return _spread_of_means(visits, visits["site"] * 1000 + visits["clinician"])


def _difference(visits: Columns, these: np.ndarray, those: np.ndarray, of: str = "state_untreated") -> float:
    return float(visits[of][these].mean() - visits[of][those].mean())


def _unheard(visits: Columns) -> float:
    denied = visits["denied_claim"]
    return _difference(visits, denied & ~visits["disputes"], denied & visits["disputes"])


def _rush_costs_more_after_waiting(visits: Columns) -> float:
    rushed, waited = visits["length"] < -0.7, visits["lobby_minutes"] > 30
    return _difference(visits, rushed & waited, ~rushed & waited) - _difference(
        visits, rushed & ~waited, ~rushed & ~waited
    )


def _too_long(visits: Columns) -> float:
    return _difference(visits, visits["length"] > 1.5, np.abs(visits["length"]) < 0.5)


def _content_answer(visits: Columns) -> float:
    asked = visits["invited"]
    return _difference(visits, asked & visits["answered"], asked & ~visits["answered"], "satisfaction")


def _unlucky_are_helped(visits: Columns) -> float:
    helped = (visits["arm"] != NO_ARM) & ~visits["pilot"]
    return _difference(visits, helped, ~helped & ~visits["pilot"], "luck")


def _true_gain(visits: Columns) -> float:
    return float(np.abs(visits["p_detractor"][:, None] - visits["p_detractor_arm"]).mean())


def _missed_interpreter(visits: Columns) -> float:
    return _difference(visits, visits["interpreter_missed"], ~visits["interpreter_missed"])


def _disloyal_leave(visits: Columns) -> float:
    return _difference(visits, visits["loyalty"] < -1, visits["loyalty"] > 1, "p_no_return")


def _sensitive_differ(visits: Columns) -> float:
    return float(visits["state_untreated"][visits["interpreter_missed"]].std())


MECHANISMS = {  # the field, a figure, and the least and most that the figure is with the mechanism on and off
    "generosity": (_repeats("nps"), 0.30, 0.27),
    "carried_over": (_repeats("state_untreated"), 0.42, 0.20),
    "stay_loyalty": (_disloyal_leave, 0.07, 0.02),
    "sensitivity": (_sensitive_differ, 1.15, 1.10),
    "site_quality": (_between_sites, 40, 25),
    "clinician_quality": (_between_clinicians, 17, 14),
    "continuity": (lambda v: _difference(v, v["same_clinician"], ~v["same_clinician"]), 0.30, 0.25),
    "loss_interpreter_missed": (lambda v: -_missed_interpreter(v), 0.8, 0.3),
    "loss_denied_unheard": (lambda v: -_unheard(v), 0.5, 0.2),
    "loss_rushed_after_waiting": (lambda v: -_rush_costs_more_after_waiting(v), 0.4, 0.2),
    "length_curve": (lambda v: -_too_long(v), 0.3, 0.15),
    "answer_satisfaction": (_content_answer, 0.2, 0.15),
    "helped_severity": (lambda v: -_unlucky_are_helped(v), 0.25, 0.10),
    "effects": (_true_gain, 0.005, 1e-6),
    "pilot": (lambda v: v["pilot"].mean(), 0.05, 0),
    "fatigued": (lambda v: v["fatigued"].mean(), 0.15, 0),
    "telehealth": (lambda v: v["telehealth"].mean(), 0.05, 0),
    "access_failed": (lambda v: v["access_failed"].mean(), 0.02, 0),
    "move_old": (lambda v: (v["moved_at"] < DAYS).mean(), 0.05, 0.04),
}  # fmt: skip


@pytest.mark.parametrize("field", MECHANISMS)
def test_a_mechanism_shows_its_effect_and_none_when_it_is_off(field: str) -> None:
    figure, at_least, at_most = MECHANISMS[field]
    assert figure(_lives(World())) > at_least
    assert figure(_lives(dataclasses.replace(World(), **{field: 0.0}))) <= at_most


def test_asked_twice_patients_agree_with_themselves_as_much_as_real_ones() -> None:
    visits = _lives(World())
    alone = visits["arm"] == NO_ARM
    mood = np.random.default_rng(1).normal(0, World().mood, alone.sum())
    again = scored(World(), visits["leaning"][alone] + visits["state_untreated"][alone] + mood)
    assert np.corrcoef(visits["nps"][alone], again)[0, 1] == pytest.approx(0.66, abs=0.04)


def test_named_worlds_are_what_their_names_say() -> None:
    assert _unheard(_lives(WORLDS["additive"])) > -0.2
    assert _too_long(_lives(WORLDS["additive"])) > -0.15
    assert _content_answer(_lives(WORLDS["strong-mnar"])) > 1.3 * _content_answer(_lives(World()))
    assert _true_gain(_lives(WORLDS["dead-interventions"])) < 1e-6
    right, wrong = _lives(World()), _lives(WORLDS["wrong-triggers"])
    for visits, expected in ((right, True), (wrong, False)):
        billed = visits["surprise_bill"] | visits["denied_claim"]
        gain = visits["p_detractor"] - visits["p_detractor_arm"][:, ARMS.index("billing_fix")]
        assert (gain[billed].mean() > gain[~billed].mean()) == expected


def test_jitter_moves_every_parameter_within_its_share_and_nothing_else() -> None:
    moved, again, other = (jittered(World(), 0.2, seed) for seed in (1, 1, 2))
    assert moved == again != other
    assert jittered(World(), 0.0, 1) == World()
    for field in dataclasses.fields(World):
        before, after = getattr(World(), field.name), getattr(moved, field.name)
        if isinstance(before, float):
            assert (after != before) == (before != 0)
            assert abs(after - before) <= 0.2 * abs(before) + 1e-9
            assert not 0 < before < 1 or after < 1
        elif not isinstance(before, tuple):
            assert after == before
    assert sorted(moved.score_steps) == list(moved.score_steps)


def test_a_world_of_ones_own_is_taken_as_it_is() -> None:
    own = World(mood=0.5)
    assert named(own) is own


def _change(name: str, figure: Callable[[Columns], Any]) -> float:
    """The figure from month 30 on less the figure before, with the drift."""
    visits = _lives(dataclasses.replace(World(), drift=(name,)))
    late = visits["start_at"] >= FROM_DAY + 1
    halves = [{key: column[part] for key, column in visits.items()} for part in (~late, late)]
    return float(figure(halves[1])) - float(figure(halves[0]))


DRIFTED: dict[str, tuple[Callable[[Columns], Any], float]] = {
    "vendor-change": (lambda v: np.median(v["hold_seconds"]), 50),
    "survey-mode": (lambda v: (v["mode"] == 2).mean(), 0.4),
    "new-care-line": (lambda v: (v["care"] == 4).mean(), 0.05),
    "clinician-exodus": (lambda v: (~v["same_clinician"]).mean(), 0.1),
    "price-shock": (lambda v: v["surprise_bill"].mean(), 0.1),
}


@pytest.mark.parametrize("name", DRIFTED)
def test_drift_comes_in_month_30(name: str) -> None:
    figure, at_least = DRIFTED[name]
    assert _change(name, figure) > at_least
    assert _change("unit-error", figure) < at_least / 2  # that one is in the tables and not in the lives


def test_every_drift_is_looked_at() -> None:
    assert set(DRIFTS) == {*DRIFTED, "unit-error"}
