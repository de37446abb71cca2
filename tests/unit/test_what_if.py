"""What the model would say if it had gone well, and how that is averaged with what is believed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.bundling import bundle, values
from wellkept.effects import effects_of
from wellkept.offering import DETRACTOR, NO_RETURN, Belief, Intervention, interventions
from wellkept.what_if import what_if

CALL = interventions()["recovery_call"]
NAN = np.nan


def putting_right(**features: float) -> Intervention:
    return replace(CALL, puts_right=features)


def row(wait: float, calls: float, kind: str = "trees") -> np.ndarray:
    """One patient as the bundle's encoder makes it; more of `wait` is worse, and less of `calls`."""
    X = bundle(kind).encoder.matrix(values().slice(0, 1))
    X[0, column("wait")], X[0, column("calls")] = wait, calls
    return X


def column(name: str) -> int:
    encoder = bundle().encoder
    return next(c for c, (i, _) in enumerate(encoder.columns) if encoder.features[i].name == name)


@pytest.mark.parametrize("kind", ["trees", "logistic"])
@pytest.mark.parametrize(
    ("wait", "calls", "well", "then"),
    [
        (40, 3, {"wait": 10}, (10, 3)),
        (5, 3, {"wait": 10}, (5, 3)),  # better than well: nothing to put right
        (40, 1, {"calls": 4}, (40, 4)),
        (40, 1, {"wait": 10, "calls": 4}, (10, 4)),
        (NAN, 3, {"wait": 10}, (10, 3)),  # not known to be good
        (40, 3, {"wait": 10, "hold": 60}, (10, 3)),  # of `hold` this model knows nothing
    ],
)  # fmt: skip
def test_the_model_is_asked_about_the_same_patient_with_better_values(
    kind: str, wait: float, calls: float, well: dict[str, float], then: tuple[float, float]
) -> None:
    model, before, after = bundle(kind), row(wait, calls, kind), row(*then, kind)
    change = what_if(model, before, [putting_right(**well)])
    assert change == pytest.approx(np.minimum(model.risk(after) - model.risk(before), 0)[:, None])
    assert (change <= 0).all()


@pytest.mark.parametrize("well", [{}, {"hold": 60}, {"age": 30}])
def test_a_model_that_knows_nothing_of_it_or_not_what_is_worse_has_no_say(well: dict[str, float]) -> None:
    assert np.isnan(what_if(bundle(), row(40, 3), [putting_right(**well)])).all()


@pytest.mark.parametrize(
    ("said", "change"),
    [(-0.02, -0.04), (-0.10, -0.08), (0.0, -0.03), (NAN, -0.03)],
)  # fmt: skip
def test_what_is_believed_and_what_the_model_says_count_half_each(said: float, change: float) -> None:
    belief = replace(CALL, beliefs={DETRACTOR: Belief(-0.06, 0.02)})
    risk = np.array([0.5 - np.sqrt(0.25 - 0.12)])  # the room that beliefs are stated for
    effects = effects_of([belief], {DETRACTOR: risk}, np.ones((1, 1), bool), {DETRACTOR: np.array([[said]])})
    assert effects.change[DETRACTOR][0, 0] == pytest.approx(change)
    spread = 0.01 if np.isnan(said) else 0.02  # half a belief is as sure as a whole one
    assert effects.spread[DETRACTOR][0, 0] == pytest.approx(spread)
    assert effects.offered[0, 0]


def test_whoever_has_no_risk_of_a_target_is_not_helped_there() -> None:
    risk = {DETRACTOR: np.array([0.3]), NO_RETURN: np.array([NAN])}
    said = {DETRACTOR: np.array([[-0.5]]), NO_RETURN: np.array([[NAN]])}
    effects = effects_of([CALL], risk, np.ones((1, 1), bool), said)
    assert effects.change[DETRACTOR][0, 0] < 0
    assert effects.change[NO_RETURN][0, 0] == effects.spread[NO_RETURN][0, 0] == 0
