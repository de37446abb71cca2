"""A letter that does nothing, drawn again and again on the same visits: 19 of 20 intervals hold zero."""

from __future__ import annotations

import numpy as np
import pytest

from wellkept.pilots.estimating import Compared, effect

DRAWS = 600  # of intervals that hold zero in 95 of 100, so many hold it in 93.2 to 96.8 (two standard errors)


def visits(patients: int, rate: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Subject, outcome and covariates of each visit; a patient's visits share what drives the outcome."""
    random = np.random.default_rng(patients)
    subject = np.repeat(np.arange(patients), random.geometric(0.35, patients))
    frailty = np.exp(random.normal(size=patients))[subject]
    outcome = random.random(len(subject)) < np.minimum(rate * frailty / frailty.mean(), 0.95)
    told = np.column_stack([np.log(frailty) + random.normal(size=len(subject)), random.normal(size=(len(subject), 3))])
    told[random.random(told.shape) < 0.2] = np.nan
    return subject, outcome.astype(float), told


@pytest.mark.parametrize(
    ("patients", "rate", "chance", "drawn"),
    [
        (2000, 0.06, 0.05, "visits"),  # some 17 of the treated have it: hardly more than the fewest that are read
        (2000, 0.30, 0.05, "visits"),
        (2000, 0.30, 0.95, "visits"),  # few held out
        (2000, 0.30, 0.05, "patients"),  # one draw for all of a patient's visits: 84 of 100 were each a patient
        (500, 0.30, 0.50, "visits"),
    ],
)
def test_19_of_20_intervals_hold_zero(patients: int, rate: float, chance: float, drawn: str) -> None:
    subject, outcome, told = visits(patients, rate)
    propensity = np.full(len(subject), chance)
    random = np.random.default_rng(0)
    held = []
    for _ in range(DRAWS):
        luck = random.random(len(subject)) if drawn == "visits" else random.random(patients)[subject]
        interval = effect(Compared(outcome, luck < chance, propensity, subject, told))
        held.append(interval.low <= 0 <= interval.high)
    assert 0.93 <= np.mean(held) <= 0.97
