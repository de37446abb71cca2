"""A trial's rows in; what each intervention does, and how sure that is, out: a Bayesian update in closed form.

Where chance decided who got an intervention, (outcome - risk) (given - propensity) / (propensity (1 - propensity)) has
the effect on each patient as its expectation, whatever the risk is worth (Robins, Rotnitzky, Zhao 1994; METHOD.md,
section 9.5). It is regressed on two numbers of the patient: the room to move, and what was assumed before. So a trial
tells both whether an intervention does anything and whether the assumed differences between patients are true.
With few rows the answer stays what was assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

USUAL_ROOM = 0.12  # mean of risk (1 - risk) that beliefs are stated for
SPREAD = (0.04, 0.5)  # before any trial: of what is added at the usual room, and of the factor on what was assumed


@dataclass(frozen=True)
class Learned:
    """What is known of one intervention and one target: change = room x mean[0] + assumed change x mean[1].

    Attributes
    ----------
    mean, covariance
        Shapes (2,) and (2, 2).
    rows
        Patients' touchpoints of trials behind it.
    """

    mean: np.ndarray
    covariance: np.ndarray
    rows: int = 0

    def change(self, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The expected change of the risk, and its standard deviation, of rows whose basis has shape (rows, 2)."""
        spread = np.sqrt(np.einsum("ri,ij,rj->r", basis, self.covariance, basis))
        return basis @ self.mean, spread


ASSUMED = Learned(np.array([0.0, 1.0]), np.diag(np.square(SPREAD)))


def room(risk: np.ndarray) -> np.ndarray:
    """How far this risk can move, 1 where it is usual; 0 where there is no risk (NaN)."""
    return np.nan_to_num(risk * (1 - risk) / USUAL_ROOM)


def basis(risk: np.ndarray, assumed: np.ndarray) -> np.ndarray:
    """Room to move and assumed change, shape (rows, 2)."""
    return np.column_stack([room(risk), assumed])


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


def updated(known: Learned, basis: np.ndarray, effect: np.ndarray) -> Learned:
    """What is known after a trial, from each row's basis, shape (rows, 2), and `effect_of_each`, shape (rows,)."""
    if len(effect) == 0:
        return known
    noise = float(np.mean((effect - basis @ known.mean) ** 2))
    before = np.linalg.inv(known.covariance)
    covariance = np.linalg.inv(before + basis.T @ basis / noise)
    mean = covariance @ (before @ known.mean + basis.T @ effect / noise)
    return Learned(mean, covariance, known.rows + len(effect))


Evidence = Mapping[tuple[str, str], Learned]  # (intervention, target) -> what is known
