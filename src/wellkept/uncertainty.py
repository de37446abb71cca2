"""What members of a bag state of one patient in; between what the patient's risk lies, out.

The interval is of the risk of patients who look like this one to the model, E[outcome | features], not of what will
become of one person; where labels are answers, of those patients who would answer. Two errors are in it:

- of learning: members that each leave out a fold of patients are a delete-a-group jackknife, whose variance of the
  mean is (g - 1) / g times the sum of (member - mean)^2. Few members say little of one patient alone, so theirs is
  shrunk to what is usual at such a margin, as Smyth (2004, doi:10.2202/1544-6115.1027) shrinks variances.
- of calibrating: the sandwich covariance of slope and intercept, by patient.

A jackknife takes it that the squared error falls as 1/n. What was not learned yet is no noise that members share out:
theirs falls more slowly, and at n^-0.57 the variance counts 1 / (4 (1.25^0.57 - 1)) times, LEARNED_SLOWLY. That figure
was set on SYNTHETIC systems, seeds 1 to 3 and 11 to 15, and is no property of one's own data; `benchmarks/covering.py`
shows it on others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from wellkept.calibrating import sigmoid

NORMAL = 1.959964  # 97.5 % of a standard normal lie below
LEARNED_SLOWLY = 1.85  # on variances
USUAL_COUNTS = 20.0  # degrees of freedom that the usual spread at a margin counts for, beside the patient's own
KNOTS = 20  # places between which the usual spread is interpolated


@dataclass(frozen=True)
class Uncertainty:
    """What a bundle keeps to state an interval.

    Attributes
    ----------
    knots, usual
        Rising mean margins before calibration, and the jackknife variance that is usual there.
    slope, both, intercept
        Variances of the calibrator's slope and intercept, and in the middle their covariance.
    """

    knots: tuple[float, ...]
    usual: tuple[float, ...]
    slope: float
    both: float
    intercept: float

    def half_width(self, margins: np.ndarray, slope: float) -> np.ndarray:
        """Half of the 95 % interval in calibrated log-odds, shape (rows,), of rows x members margins."""
        return self.half_width_at(margins.mean(axis=1), margins, slope)

    def half_width_at(self, mean: np.ndarray, margins: np.ndarray, slope: float) -> np.ndarray:
        """The same where the members' mean is known already."""
        freedom = margins.shape[1] - 1
        usual = np.interp(mean, *self._curve)
        learning = (USUAL_COUNTS * usual + freedom * _jackknife(mean, margins)) / (USUAL_COUNTS + freedom)
        calibrating = (mean * self.slope + 2 * self.both) * mean + self.intercept
        return NORMAL * np.sqrt(LEARNED_SLOWLY * slope**2 * learning + np.maximum(calibrating, 0))

    @cached_property
    def _curve(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self.knots), np.array(self.usual)

    def recalibrated(
        self, *, label: np.ndarray, margin: np.ndarray, subject: np.ndarray, line: tuple[float, float]
    ) -> Uncertainty:
        """The same with another calibrator; the arguments are those of `fit_uncertainty`."""
        covariance = _sandwich(label, margin, subject, line)
        return replace(self, slope=covariance[0, 0], both=covariance[0, 1], intercept=covariance[1, 1])

    def to_json(self) -> dict[str, Any]:
        """Plain data, for a bundle."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Uncertainty:
        """Read `to_json`'s data back; ValueError where it makes no interval."""
        knots, usual = (tuple(float(number) for number in data[name]) for name in ("knots", "usual"))
        read = cls(knots, usual, *(float(data[name]) for name in ("slope", "both", "intercept")))
        numbers = np.array([*knots, *usual, read.slope, read.both, read.intercept])
        if not (len(knots) == len(usual) > 0 and np.isfinite(numbers).all()):
            raise ValueError("knots and spreads do not fit each other")
        if min(*usual, read.slope, read.intercept) < 0 or (np.diff(knots) < 0).any():
            raise ValueError("a variance below 0, or knots that do not rise")
        return read


def jackknife(margins: np.ndarray) -> np.ndarray:
    """Delete-a-group variance of the members' mean, shape (rows,), of rows x members margins."""
    return _jackknife(margins.mean(axis=1), margins)


def _jackknife(mean: np.ndarray, margins: np.ndarray) -> np.ndarray:
    members = margins.shape[1]
    return (members - 1) / members * np.add.reduce((margins - mean[:, None]) ** 2, axis=1)


def fit_uncertainty(
    margins: np.ndarray, *, label: np.ndarray, margin: np.ndarray, subject: np.ndarray, line: tuple[float, float]
) -> Uncertainty:
    """What is usual, and how sure the calibrator is.

    Parameters
    ----------
    margins
        Rows x members, of rows like those that will be scored; no label of theirs is used.
    label, margin, subject
        Shape (n,): the rows that the calibrator was fitted on, with the uncalibrated margin of each.
    line
        The calibrator: slope and intercept.
    """
    order = np.argsort(margins.mean(axis=1), kind="stable")
    groups = np.array_split(order, min(KNOTS, len(order)))
    mean, spread = margins.mean(axis=1), jackknife(margins)
    knots, usual = (np.array([values[rows].mean() for rows in groups]) for values in (mean, spread))
    knots = np.maximum.accumulate(knots)  # means of equal margins differ in their last bit
    covariance = _sandwich(label, margin, subject, line)
    return Uncertainty(tuple(knots.tolist()), tuple(usual.tolist()), *covariance[np.triu_indices(2)].tolist())


def _sandwich(label: np.ndarray, margin: np.ndarray, subject: np.ndarray, line: tuple[float, float]) -> np.ndarray:
    """Covariance of a calibrator's slope and intercept, with all rows of a patient as one (White 1980)."""
    design = np.column_stack([margin, np.ones(len(margin))])
    risk = sigmoid(design @ np.array(line))
    patient = np.unique(subject, return_inverse=True)[1]
    scores = np.column_stack([np.bincount(patient, weights=column * (label - risk)) for column in design.T])
    # as little ridge as keeps it finite where the risks are all 0, all 1 or all the same
    bread = np.linalg.inv((design * (risk * (1 - risk))[:, None]).T @ design + 1e-6 * np.eye(2))
    return bread @ (scores.T @ scores) @ bread
