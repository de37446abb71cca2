"""Trials' rows in; what each step does to whom, and how sure that is, out: one Bayesian update in closed form.

Where chance decided who got a step, (outcome - risk) (given - propensity) / (propensity (1 - propensity)) has the
effect on each patient as its expectation, whatever the risk is worth (Robins, Rotnitzky, Zhao 1994; METHOD.md, section
9.5), as long as it does not go by this very outcome: a model that was trained on it makes effects look smaller, by as
much as it fits its own training rows better than others. It is regressed on a few numbers of the patient: the room to
move, that room in each kind of care, and what was assumed before. So trials tell whether a step does anything, whether
the assumed differences between patients are true, and where. All steps and targets are learned at once, since they are
assumed by the same people and act on the same patients: what helps against one outcome is likely to help against the
other, and a catalogue whose tried steps do nothing is believed less of the untried ones too. With few rows the answer
stays what was assumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

USUAL_ROOM = 0.12  # mean of risk (1 - risk) that beliefs are stated for
# before any trial, standard deviations: of what is added at the usual room, of that in one kind of care, and of the
# factor on what was assumed; and how alike each of them is for the two targets, and the factor for two steps
ADDED, IN_KIND, FACTOR = 0.005, 0.005, 0.7
TARGETS_ALIKE, STEPS_ALIKE = 0.8, 0.7

FEW_ROWS, USUAL_NOISE = 100, 4 * USUAL_ROOM  # of an effect that even chances tell
NOT_OVER, NO_MODEL = "not_over", "no_model"

Trials = Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray]]  # (step, target) -> rows' `basis`, `effect_of_each`


@dataclass(frozen=True)
class Evidence:
    """What is known of every step: its change of a target's risk is the patient's `basis` times `mean`.

    Attributes
    ----------
    steps, targets, kinds
        Names of interventions, of models' targets, and of the kinds of care that are told apart.
    mean
        Shape (steps, targets, columns of the basis).
    covariance
        Shape (steps, targets x columns, targets x columns).
    rows
        (step, target) -> patients' touchpoints of trials behind it.
    """

    steps: tuple[str, ...]
    targets: tuple[str, ...]
    kinds: tuple[str, ...]
    mean: np.ndarray = field(repr=False)
    covariance: np.ndarray = field(repr=False)
    rows: Mapping[tuple[str, str], int]

    def is_tried(self, step: str) -> bool:
        """Did a trial have this step?"""
        return any(self.rows.get((step, target), 0) for target in self.targets)

    def change(self, step: str, bases: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The expected change of each risk, its standard deviation, and that of the changes' sum.

        Parameters
        ----------
        bases
            One a target, in their order: shape (patients, columns).

        Returns
        -------
        tuple
            Shapes (targets, patients), (targets, patients) and (patients,).
        """
        k, columns = self.steps.index(step), self.mean.shape[2]
        mean = np.stack([by @ self.mean[k, t] for t, by in enumerate(bases)])
        blocks = self.covariance[k].reshape(len(self.targets), columns, len(self.targets), columns)
        each = np.stack([np.einsum("ri,ij,rj->r", by, blocks[t, :, t], by) for t, by in enumerate(bases)])
        together = np.hstack(list(bases))
        total = np.einsum("ri,ij,rj->r", together, self.covariance[k], together)
        return mean, np.sqrt(np.maximum(each, 0)), np.sqrt(np.maximum(total, 0))


@dataclass(frozen=True)
class Lesson:
    """What one arm of one pilot taught of one outcome.

    Attributes
    ----------
    rows
        Patients' touchpoints that chance decided and whose outcome is known; 0 where it taught nothing.
    refused
        Empty, or why it taught nothing: as `pilots.reading` has it, `not_over`, or `no_model` of that name in service.
    """

    pilot: str
    arm: str
    outcome: str
    rows: int
    refused: str


def room(risk: np.ndarray) -> np.ndarray:
    """How far this risk can move, 1 where it is usual; 0 where there is no risk (NaN)."""
    return np.nan_to_num(risk * (1 - risk) / USUAL_ROOM)


def basis(risk: np.ndarray, assumed: np.ndarray, kind: np.ndarray, kinds: Sequence[str]) -> np.ndarray:
    """Room to move, assumed change, and the room in each kind of care: shape (rows, 2 + kinds)."""
    reach = room(risk)
    return np.column_stack([reach, assumed, *(reach * (kind == name) for name in kinds)])


def effect_of_each(outcome: np.ndarray, risk: np.ndarray, given: np.ndarray, propensity: np.ndarray) -> np.ndarray:
    """A number for each row whose expectation is the effect on that row, shape (rows,).

    Parameters
    ----------
    outcome, given
        0 or 1: did it come true, and did chance give the intervention?
    risk
        What was stated before; any number would do, a good one makes it less noisy.
    propensity
        The probability with which chance gave it.

    Raises
    ------
    ValueError
        A propensity is not between 0 and 1: where nothing was left to chance, nothing can be learned.
    """
    if not ((propensity > 0) & (propensity < 1)).all():
        raise ValueError("propensities lie between 0 and 1: what chance did not decide teaches no effect")
    return (outcome - risk) * (given - propensity) / (propensity * (1 - propensity))


def learned(steps: Sequence[str], targets: Sequence[str], kinds: Sequence[str], trials: Trials) -> Evidence:
    """What is known of all steps after these trials; without any, what was assumed.

    Raises
    ------
    KeyError, ValueError
        A trial is of a step, or of a target, that is not among them.
    """
    mean, covariance = _assumed(len(steps), len(targets), 2 + len(kinds))
    columns, start = 2 + len(kinds), {name: i for i, name in enumerate(steps)}
    precision = np.linalg.inv(covariance)
    told = precision @ mean
    for (step, target), (by, effect) in trials.items():
        at = (start[step] * len(targets) + targets.index(target)) * columns
        mine = slice(at, at + columns)
        noise = _noise(effect - by @ mean[mine])
        precision[mine, mine] += by.T @ by / noise
        told[mine] += by.T @ effect / noise
    covariance = np.linalg.inv(precision)
    width = len(targets) * columns
    own = [covariance[k * width : (k + 1) * width, k * width : (k + 1) * width] for k in range(len(steps))]
    return Evidence(
        tuple(steps), tuple(targets), tuple(kinds), (covariance @ told).reshape(len(steps), len(targets), columns),
        np.stack(own), {key: len(effect) for key, (_, effect) in trials.items()},
    )  # fmt: skip


def _noise(left_open: np.ndarray) -> float:
    """Its mean square; few rows, which may agree by chance, are held to be as noisy as even chances usually are."""
    return float((np.square(left_open).sum() + FEW_ROWS * USUAL_NOISE) / (len(left_open) + FEW_ROWS))


def _assumed(steps: int, targets: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance before any trial, flat: step, then target, then column of the basis."""
    mean = np.zeros((steps, targets, columns))
    mean[:, :, 1] = 1.0
    spread = np.array([ADDED, FACTOR, *[IN_KIND] * (columns - 2)])
    of_targets, of_steps = _alike(targets, TARGETS_ALIKE), _alike(steps, STEPS_ALIKE)
    alike = np.zeros((steps, targets, columns, steps, targets, columns))
    for c in range(columns):
        alike[:, :, c, :, :, c] = np.multiply.outer(of_steps if c == 1 else np.eye(steps), of_targets).swapaxes(1, 2)
    covariance = alike * spread[:, None, None, None] * spread
    return mean.ravel(), covariance.reshape(mean.size, mean.size)


def _alike(count: int, correlation: float) -> np.ndarray:
    return np.full((count, count), correlation) + (1 - correlation) * np.eye(count)
