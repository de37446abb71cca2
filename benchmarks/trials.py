"""Trials on SYNTHETIC visits: who was drawn, what came of them, and what that teaches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from wellkept.evidence import Evidence, basis, effect_of_each, learned
from wellkept.judging_steps import FIRST, MINUTES_EACH, Batch, allotted, owed_first
from wellkept.offering import DETRACTOR
from wellkept.programs import NOBODY


@dataclass(frozen=True)
class Told:
    """One arm by one target: the rows whose outcome is known."""

    arm: int
    target: str
    rows: np.ndarray
    X: np.ndarray
    given: np.ndarray
    outcome: np.ndarray
    effect: np.ndarray


@dataclass(frozen=True)
class Trial:
    """So many touchpoints that would get a step, had the staff twice the minutes: half of them got it by chance.

    Whoever is entitled is never held out: what is owed is not tried.
    """

    before: Batch
    touchpoints: int
    seed: int = 1

    def each(self) -> Iterator[Told]:
        """What is known of each arm and target."""
        random, effects = np.random.default_rng(self.seed), self.before.effects()
        first = owed_first(effects, self.before.catalogue)
        arm = allotted(np.where(first == FIRST, 0.0, first), self.before.catalogue, 2 * MINUTES_EACH)
        rows = random.choice(np.flatnonzero(arm != NOBODY), self.touchpoints)  # with replacement: there may be too few
        given = random.random(self.touchpoints) < 0.5
        for target, risk in self.before.risk.items():
            came_true = self.before.truth[target][rows] - given * self.before.gains[target][rows, arm[rows]]
            outcome = random.random(self.touchpoints) < came_true
            answered = random.random(self.touchpoints) < self.before.answers[rows]
            known = answered if target == DETRACTOR else ~np.isnan(risk[rows])
            effect = effect_of_each(outcome, risk[rows], given, np.full(self.touchpoints, 0.5))
            for k in np.unique(arm[rows]):
                mine = known & (arm[rows] == k)
                yield Told(int(k), target, rows[mine], self.before.X[target][rows[mine]], given[mine], outcome[mine],
                           effect[mine])  # fmt: skip

    def evidence(self) -> Evidence:
        """What the product learns from it."""
        before, kinds, trials = self.before, tuple(np.unique(self.before.kind)), {}
        assumed = before.effects().change
        for told in self.each():
            by = basis(before.risk[told.target][told.rows], assumed[told.target][told.rows, told.arm],
                       before.kind[told.rows], kinds)  # fmt: skip
            trials[before.catalogue[told.arm].name, told.target] = by, told.effect
        return learned([i.name for i in before.catalogue], list(before.risk), kinds, trials)
