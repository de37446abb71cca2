"""What both contestants learn from and give: each is a bag with one member a fold of patients.

Both take the encoder's matrix and give margins (log-odds) and exact contributions that add up to them. The member
of a patient's own fold never saw that patient, so it can judge them honestly; all members together score.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np


class Explained(NamedTuple):
    """What a contestant says of rows, from one pass over it.

    `contributions`, rows x (columns + 1), float32, are the members' mean, the bias in the last column; they add up to
    the mean of `margins`, rows x members. `agreement`, rows x topics, is the share of the members that gives the
    topic's contribution the sign that the mean gives it.
    """

    contributions: np.ndarray
    agreement: np.ndarray
    margins: np.ndarray


class Estimator(Protocol):
    """What training, scoring and bundles need of a contestant."""

    @property
    def kind(self) -> str:
        """`trees` or `logistic`."""
        ...

    def margins(self, X: np.ndarray) -> np.ndarray:
        """Rows x members, log-odds, float64."""
        ...

    def member_contributions(self, X: np.ndarray) -> Iterator[np.ndarray]:
        """One member after the other: rows x (columns + 1), which add up to its margin; the last column is the bias."""
        ...

    def explained(self, X: np.ndarray, topic: np.ndarray) -> Explained:
        """Margins, contributions and agreement; `topic` is each column's, counted from 0, or negative for none."""
        ...

    def files(self) -> dict[str, bytes]:
        """What a bundle keeps of it."""
        ...

    @property
    def columns(self) -> int:
        """How many columns the matrix must have."""
        ...


def own_margin(estimator: Estimator, X: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Shape (n,): each row's margin by the member of its patient's own fold, which never saw that patient."""
    return np.take_along_axis(estimator.margins(X), fold[:, None], 1)[:, 0]


@dataclass(frozen=True)
class Outcomes:
    """What a contestant learns from, one entry a row.

    Attributes
    ----------
    label, weight, fold
        Shape (n,): did it come true (for trees, perhaps the chance that it will), how much the row counts, and the
        fold of its patient.
    grade
        Shape (n,): the whole answer, the smaller the more it is true; None where the label is all there is.
    mode
        Shape (n,), integers: how the answer was asked for, 0 the reference; None where that is not recorded.
    modes
        How many ways of asking there are.
    """

    label: np.ndarray
    weight: np.ndarray
    fold: np.ndarray
    grade: np.ndarray | None = None
    mode: np.ndarray | None = None
    modes: int = 1

    def where(self, rows: np.ndarray) -> Outcomes:
        """The same of some of the rows."""
        grade, mode = (None if column is None else column[rows] for column in (self.grade, self.mode))
        return replace(self, label=self.label[rows], weight=self.weight[rows], fold=self.fold[rows], grade=grade,
                       mode=mode)  # fmt: skip

    @property
    def way(self) -> np.ndarray:
        """The mode, or the reference for all."""
        return np.zeros(len(self.label), int) if self.mode is None else self.mode


@dataclass(frozen=True)
class Fitted:
    """An estimator, whose margins are at the reference way of asking, and what the others add (modes,), log-odds."""

    estimator: Estimator
    mode_effects: np.ndarray
