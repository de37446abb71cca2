"""Answers on a scale in, the gradient of one margin out: what a detractor's 3 and a promoter's 9 say beyond 0-6 or not.

A label keeps one cut of an answer and throws the rest away: between 0-6 and 7-10, where one answer in ten lies below,
it has about two fifths of what the whole answer says of the patient. The cumulative-logit model (McCullagh 1980,
doi:10.1111/j.2517-6161.1980.tb01109.x) learns from all of it and still gives one margin, so that reasons stay exact.
"""

from __future__ import annotations

import numpy as np

MOST_LEVELS = 20
ROUNDS_BETWEEN = 10  # cuts and ways of asking follow the margin slowly; moving them each round costs time
NEWTON_STEPS = 3
FARTHEST = 600.0  # log-odds: beyond it an exponential, times that of a cut, would be none or endless


class GradedLoss:
    """Negative log-likelihood of P(grade <= k) = sigmoid(cut_k + margin + effect of the way of asking), for XGBoost.

    Cuts and effects are nuisances: they are moved beside the boosting, each to where what is expected is what was
    seen. With two grades and one way of asking it is the usual logistic loss.

    Parameters
    ----------
    grade
        Shape (n,): the smaller, the more the label is true. At most MOST_LEVELS levels are told apart.
    mode
        Shape (n,), integers: the way of asking; 0 is the reference, whose effect is 0.
    weight
        Shape (n,): how much a row counts.

    Attributes
    ----------
    cuts
        Shape (levels - 1,), rising, log-odds.
    mode_effects
        Shape (modes,), log-odds.
    """

    def __init__(self, grade: np.ndarray, mode: np.ndarray, weight: np.ndarray, modes: int) -> None:
        self.level, levels = _levels(grade)
        self.mode, self.weight = mode, weight
        at_most = np.cumsum(np.bincount(self.level, weights=weight, minlength=levels))
        self._seen = at_most[:-1]
        self.cuts = np.log(self._seen / (at_most[-1] - self._seen))
        self.mode_effects = np.zeros(modes)
        self._round = 0

    def __call__(self, margin: np.ndarray, _: object = None) -> tuple[np.ndarray, np.ndarray]:
        """Gradient and curvature by row, as `xgboost.train(obj=...)` asks for them."""
        if self._round % ROUNDS_BETWEEN == 0:
            self._move_effects(margin)
            self._move_cuts(_odds(margin + self.mode_effects[self.mode]))
        self._round += 1
        slope, curvature = self._slopes(_odds(margin + self.mode_effects[self.mode]))
        return self.weight * slope, self.weight * curvature

    def _slopes(self, odds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        edges = np.concatenate([[np.inf], np.exp(-self.cuts), [0.0]])
        above, below = 1 / (1 + edges[self.level + 1] * odds), 1 / (1 + edges[self.level] * odds)
        return above + below - 1, above * (1 - above) + below * (1 - below)

    def _move_cuts(self, odds: np.ndarray) -> None:
        for _ in range(NEWTON_STEPS):
            for k, seen in enumerate(self._seen):
                chance = 1 / (1 + np.exp(-self.cuts[k]) * odds)
                expected = self.weight * chance
                self.cuts[k] -= (expected.sum() - seen) / (expected * (1 - chance)).sum()

    def _move_effects(self, margin: np.ndarray) -> None:
        slope, curvature = self._slopes(_odds(margin + self.mode_effects[self.mode]))
        modes = len(self.mode_effects)
        pull = np.bincount(self.mode, weights=self.weight * slope, minlength=modes)
        hold = np.bincount(self.mode, weights=self.weight * curvature, minlength=modes)
        self.mode_effects[1:] -= pull[1:] / (hold[1:] + 1)  # a way of asking that nobody met has no effect


def _odds(at: np.ndarray) -> np.ndarray:
    """Of a grade above a cut of 0: one exponential a row, which all cuts share."""
    return np.exp(-np.clip(at.astype(float), -FARTHEST, FARTHEST))


def _levels(grade: np.ndarray) -> tuple[np.ndarray, int]:
    """Each grade's place among the levels that occur, and how many there are."""
    found, level = np.unique(grade, return_inverse=True)
    if len(found) > MOST_LEVELS:
        edges = np.unique(np.quantile(grade, np.linspace(0, 1, MOST_LEVELS + 1)[1:-1]))
        found, level = np.unique(np.searchsorted(edges, grade), return_inverse=True)
    return level, len(found)
