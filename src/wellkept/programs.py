"""An allocation as arrays: what everybody chooses at prices of the resources, what that takes, what it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

NOBODY = -1
TOLERANCE = 1e-9  # of a unit a patient: sums in floating point


@dataclass(frozen=True)
class Program:
    """Values (patients x interventions, 0 where not to be given), kinds, and the resources as arrays.

    `use` has shape (resources, kinds, interventions), `capacity` (resources,).
    """

    value: np.ndarray
    kind: np.ndarray
    use: np.ndarray
    capacity: np.ndarray

    @cached_property
    def floors(self) -> np.ndarray:
        """Shape (resources,): is it a floor, which somebody adds to?"""
        return np.asarray((self.use < 0).any(axis=(1, 2)))

    @property
    def tolerance(self) -> float:
        """By how much sums may lie beyond a capacity."""
        return TOLERANCE * max(1.0, len(self.value))

    def choices(self, prices: np.ndarray) -> np.ndarray:
        """What each patient would choose at these prices."""
        worth = self.paid(prices)
        best = worth.argmax(axis=1)
        return np.where(np.take_along_axis(worth, best[:, None], 1)[:, 0] > 0, best, NOBODY)

    def dual(self, prices: np.ndarray) -> tuple[float, np.ndarray]:
        """The bound that prices give, and its slope: what is left of each resource."""
        worth = self.paid(prices)
        best = worth.argmax(axis=1)
        most = np.take_along_axis(worth, best[:, None], 1)[:, 0]
        chosen = np.where(most > 0, best, NOBODY)
        left = self.capacity - self.used(chosen)
        return float(np.maximum(most, 0).sum(dtype=float) + prices @ self.capacity), left

    def used(self, choice: np.ndarray) -> np.ndarray:
        """How much of each resource is taken, shape (resources,)."""
        given = choice != NOBODY
        kinds, arms = self.use.shape[1:]
        counts = np.bincount(self.kind[given] * arms + choice[given], minlength=kinds * arms)
        return self.use.reshape(len(self.use), kinds * arms) @ counts

    def worth(self, choice: np.ndarray) -> float:
        """Of all choices together."""
        given = np.flatnonzero(choice != NOBODY)
        return float(self.value[given, choice[given]].sum(dtype=float))

    def paid(self, prices: np.ndarray) -> np.ndarray:
        """Worth after paying, patients x interventions; 0 where it is not to be given, whatever a floor pays for it."""
        cost = self.cost(prices)
        worth = self.value - cost[self.kind]
        if (cost < 0).any():
            worth[self.value <= 0] = 0
        return worth

    def cost(self, prices: np.ndarray) -> np.ndarray:
        """What each intervention costs for each kind at these prices, kinds x interventions."""
        return np.tensordot(prices, self.use, 1).astype(self.value.dtype)
