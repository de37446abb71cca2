"""A champion and newer labels in; what could be done with it, from the least to the most, and the least that will do.

The rungs are METHOD.md's (section 8): keep, recalibrate the intercept, recalibrate intercept and slope, refit. A rung
will do when its gates hold and no higher rung whose gates hold states risks more truly by more than a standard error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from wellkept.bundles import Bundle
from wellkept.calibrating import calibrate_logistic, fit_logistic
from wellkept.examples import Examples, fold_of
from wellkept.gates import Gate, closed
from wellkept.learning import own_margin
from wellkept.performance import paired_difference

WEAK = 1e-4  # prior precision of an intercept: the labels decide


@dataclass(frozen=True)
class Rung:
    """One thing that could be done: the bundle it gives, what that states of the judged rows, and its gates."""

    name: str
    bundle: Bundle
    risk: np.ndarray
    gates: Sequence[Gate]

    @property
    def holds(self) -> bool:
        return not closed(self.gates)


def margins_of(bundle: Bundle, X: np.ndarray, subject: np.ndarray, mode: Sequence[str | None]) -> np.ndarray:
    """Calibrated log-odds of rows as they were asked for, by the members that never saw their patients, shape (n,).

    Parameters
    ----------
    X
        Of the bundle's own encoder.
    mode
        Shape (n,): the way of asking; one that the bundle never met counts as the reference.
    """
    fold = fold_of(subject, bundle.spec.split.folds, bundle.spec.seed)
    effect = np.array([bundle.mode_effects.get(way or "", 0.0) for way in mode])
    return bundle.slope * own_margin(bundle.estimator, X, fold) + bundle.intercept + effect


def recalibrated(
    bundle: Bundle, margin: np.ndarray, label: np.ndarray, *, subject: np.ndarray, slope: bool
) -> Bundle:
    """The same trees or coefficients with another intercept, or another line, that newer labels ask for.

    Parameters
    ----------
    margin
        Shape (n,): what `margins_of` gives of the newer rows.
    label
        Shape (n,): did it come true.
    subject
        Shape (n,): whose row it is; how sure the new line is goes by patients.

    Notes
    -----
    Both heads move alike. Ways of asking keep their distance. Intervals of one patient take the new line to be as
    unsure as if slope and intercept had both been learned, also where only the intercept was.
    """
    if slope:
        b, a = calibrate_logistic(label, margin)
    else:
        ones, prior = np.ones((len(margin), 1)), (np.zeros(1), np.full(1, WEAK))
        b, a = 1.0, float(fit_logistic(ones, label.astype(float), np.ones(len(margin)), prior=prior, offset=margin)[0])
    second = None if bundle.second is None else (b * bundle.second[0], b * bundle.second[1] + a)
    line = (b * bundle.slope, b * bundle.intercept + a)
    unsure = bundle.uncertainty.recalibrated(
        label=label, margin=(margin - bundle.intercept) / bundle.slope, subject=subject, line=line
    )
    return replace(
        bundle, slope=line[0], intercept=line[1], second=second, uncertainty=unsure,
        mode_effects={mode: b * effect for mode, effect in bundle.mode_effects.items()},
    )  # fmt: skip


def modes_of(data: Examples) -> list[str]:
    """How each row was asked for, by name."""
    return [data.modes[way] for way in data.mode]


def lowest_enough(rungs: Sequence[Rung], label: np.ndarray, subject: np.ndarray) -> Rung | None:
    """The lowest rung whose gates hold and that no higher such rung surely beats; None where no rung's gates hold."""
    holding = [rung for rung in rungs if rung.holds]
    for i, rung in enumerate(holding):
        if not any(_surely_truer(higher.risk, rung.risk, label, subject) for higher in holding[i + 1 :]):
            return rung
    return None


def _surely_truer(risk: np.ndarray, other: np.ndarray, label: np.ndarray, subject: np.ndarray) -> bool:
    difference = paired_difference(label, risk, other, subject, resamples=200)
    return difference.value < -(difference.high - difference.low) / (2 * 1.96)
