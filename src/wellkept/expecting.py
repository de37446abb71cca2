"""A model and visits in; what it expects of them, and of the same visits with some columns moved, out.

What counts is the expected NPS in points, as a mean over the visits, where the model states one; else how many events
fewer are expected among as many visits as there are. Only the visits that are read count (wellkept.factors), and
stand for all.

The interval is that of learning (wellkept.uncertainty): each member of the bag left out some of the patients, and what
members say of a gain differs accordingly. It covers neither that an association may be no cause, nor which visits come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from wellkept.bundles import Bundle
from wellkept.factors import Factor, Visits
from wellkept.uncertainty import LEARNED_SLOWLY, NORMAL, jackknife


class Gain(NamedTuple):
    """A gain and its 95 % interval over the model's members."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Expectations:
    """What a bundle expects of visits; a change has a row a visit and 1 + members columns.

    The first column is what the bundle states, the others what each of its members would alone.
    """

    bundle: Bundle
    visits: Visits
    factors: Sequence[Factor]

    @property
    def states_nps(self) -> bool:
        """Are gains points of expected NPS?"""
        return self.bundle.second is not None

    @property
    def now(self) -> float | None:
        """The expected NPS of the visits, in points; None where the model states none."""
        return float(self._now[:, 0].mean()) if self.states_nps else None

    @cached_property
    def place(self) -> np.ndarray:
        """The position of the site of each row that is read, shape (rows,)."""
        return self.visits.place[self.visits.read]

    def change(self, columns: Mapping[int, np.ndarray], rows: np.ndarray) -> np.ndarray:
        """What changes at these rows of `read` where factors' columns are replaced.

        Parameters
        ----------
        columns
            By the position of a factor, its columns for every row of `read`.
        """
        X = self.visits.X[self.visits.read[rows]]
        for k, moved in columns.items():
            X[:, self.factors[k].columns] = moved[rows]
        return self._worth(X) - self._now[rows]

    def gain(self, change: np.ndarray, kind: str = "") -> Gain:
        """Of these rows' change, the gain; of the visits of one kind alone, where it is named."""
        value, *members = (change.sum(axis=0) * self._scale(kind)).tolist()
        width = NORMAL * float(np.sqrt(LEARNED_SLOWLY * jackknife(np.array([members]))[0]))
        return Gain(value, value - width, value + width)

    def usual(self, change: np.ndarray) -> float:
        """The mean of these rows' change, in points, or in events fewer in 100 visits."""
        return float(change[:, 0].mean()) * (1 if self.states_nps else 100)

    def by_kind(self, change: np.ndarray) -> dict[str, tuple[int, Gain]]:
        """Kind of care -> how many visits, and the gain among them, of the change of every row that is read."""
        kind = self.visits.kind[self.visits.read]
        return {name: (int((self.visits.kind == name).sum()), self.gain(change[kind == name], name))
                for name in sorted(set(kind.tolist()))}  # fmt: skip

    def _scale(self, kind: str) -> float:
        """What a change of one visit counts: its share of the mean, or as many visits as one read stands for."""
        read = self.visits.read
        if self.states_nps:
            return 1 / max(int((self.visits.kind[read] == kind).sum()) if kind else len(read), 1)
        return len(self.visits.X) / max(len(read), 1)

    @cached_property
    def _now(self) -> np.ndarray:
        return self._worth(self.visits.X[self.visits.read])

    def _worth(self, X: np.ndarray) -> np.ndarray:
        """Of each row, expected NPS in points, or minus the risk: by the bundle, then by each member."""
        margins = self.bundle.estimator.margins(X)
        alone = [margins[:, [m]] for m in range(margins.shape[1])]
        told = [self.bundle.stated_of(members) for members in (margins, *alone)]
        return np.column_stack([-one.risk if one.nps is None else 100 * one.nps for one in told])
