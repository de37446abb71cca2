"""A model and visits of last quarter in; which service factor to move, at which sites and how far, out.

After Peruzzo et al. 2025 (doi:10.1186/s12913-024-11960-7): the least effort at which a fitted model expects a wanted
gain, over what can be modified and within bounds. Here the bounds are what better sites reach (wellkept.factors), the
model is the one in service, asked exactly for every site, factor and step, and what was chosen is asked once more all
together, because factors of one visit do not add up.

It is what the model associates with a service that is like the better sites', not what moving it was shown to do:
nobody randomised it. It is about coming patients like these; no past visit is changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from pydantic import Field

from wellkept.bundles import Bundle
from wellkept.choosing import Options, everything, least_effort, most_gain
from wellkept.errors import InputRefused, NotEnoughData
from wellkept.expecting import Expectations, Gain
from wellkept.factors import QUARTERS, Factor, Visits, as_better, factors_of, quarters
from wellkept.toml import Strict

ROUNDS = 8  # of asking for more, where what was chosen does less together than its sum
BUDGETS = 12  # places of the trade-off curve


class Terms(Strict):
    """What moving costs, and how far a factor may move: a manager's TOML, by the names of factors."""

    effort: dict[str, float] = Field(default_factory=dict, description="of a step of a factor; 1 where none is given")
    at_most: dict[str, int] = Field(default_factory=dict, description="steps of a factor; 0 keeps it where it is")

    def check(self, factors: Sequence[Factor]) -> None:
        """Raise InputRefused where it names no factor, or a number makes no sense."""
        names = [f.name for f in factors]
        if unknown := sorted({*self.effort, *self.at_most} - {*names}):
            raise InputRefused("factor", f"no factor is called {unknown[0]!r}: this model has {', '.join(names)}")
        if min([0.0, *self.effort.values(), *self.at_most.values()]) < 0:
            raise InputRefused("effort", "an effort or a number of steps is below 0")


@dataclass(frozen=True)
class Move:
    """One factor at one site: how many quarters up, for what effort, and what that alone brings.

    `gain` is that of the whole system; `at_site` is in points of the site's own visits, or events fewer in 100 of them.
    `before` and `after` are the factor's values at the visits that are read.
    """

    site: str
    factor: Factor
    steps: int
    effort: float
    gain: Gain
    at_site: float
    before: np.ndarray
    after: np.ndarray


@dataclass(frozen=True)
class Plan:
    """The moves, by their gain, and what they do.

    `summed` adds up what each does alone; `joint` is what the model expects of all together. `curve` has (effort, joint
    gain) pairs; `of_all` is what every move together would bring, beyond which nothing can be reached. `by_kind` is the
    joint gain among the visits of each kind of care, `now` the level before, None where it has no natural one.
    `still` says of each factor that cannot move, why.
    """

    moves: tuple[Move, ...]
    effort: float
    summed: float
    joint: Gain
    of_all: Gain
    effort_of_all: float
    curve: tuple[tuple[float, float], ...]
    by_kind: Mapping[str, tuple[int, Gain]]
    still: Mapping[str, str]
    now: float | None


@dataclass
class Planner:
    """All tables of a model's factors at these visits; ask it for plans.

    Gains are as `wellkept.expecting` has them: points of expected NPS, or events fewer.
    """

    bundle: Bundle
    visits: Visits
    terms: Terms = field(default_factory=Terms)

    def __post_init__(self) -> None:
        encoder, spec = self.bundle.encoder, self.bundle.spec
        self.factors = factors_of(encoder.features, encoder.columns, spec.points.each)
        if not self.factors:
            raise NotEnoughData("no_factor", f"{self.bundle.target}: the model has no feature that is modifiable and "
                                "has a sign: there is nothing to plan with")  # fmt: skip
        if len(self.visits.sites) < QUARTERS:
            raise NotEnoughData("too_few_sites", f"{len(self.visits.sites)} sites have enough visits to tell: a plan "
                                f"compares at least {QUARTERS}")  # fmt: skip
        self.terms.check(self.factors)
        self.expected = Expectations(self.bundle, self.visits, self.factors)

    def plan(self, gain: float) -> Plan:
        """The moves of least effort that bring at least this gain together.

        Raises
        ------
        InputRefused
            `gain`: it is not above 0. `out_of_reach`: all moves together bring less; it says how much.
        """
        if not gain > 0:
            raise InputRefused("gain", "the gain to plan for must be above 0")
        of_all = self.reachable
        if of_all.value < gain:
            raise InputRefused("out_of_reach", f"a gain of {gain:g} is out of reach: every site as good as the best "
                               f"quarter of its peers, in all that could be moved, is expected to bring "
                               f"{max(of_all.value, 0):.2f}")  # fmt: skip
        chosen, all_moves = self._chosen(gain), everything(self.options)
        effort, summed = (float(told[chosen].sum()) for told in (self.options.effort, self.options.gain))
        change = self._change(chosen)
        joint = self.expected.gain(change)
        return Plan(
            moves=tuple(sorted((self._move(i) for i in chosen), key=lambda m: -m.gain.value)), effort=effort,
            summed=summed, joint=joint, of_all=of_all, effort_of_all=float(self.options.effort[all_moves].sum()),
            curve=self._curve(effort, joint), by_kind=self.expected.by_kind(change), still=self.still,
            now=self.expected.now,
        )  # fmt: skip

    @cached_property
    def reachable(self) -> Gain:
        """What the model expects of every site as good as the best quarter of its peers, in all that can move."""
        return self.gain_of(everything(self.options))

    def gain_of(self, chosen: np.ndarray) -> Gain:
        """What the model expects of these options, positions in `options`, all together."""
        return self.expected.gain(self._change(chosen))

    @cached_property
    def options(self) -> Options:
        """Every move that the model expects a gain of."""
        of = self._offers
        gain, effort = (np.array(told, float) for told in ([o.gain.value for o in of], [o.effort for o in of]))
        return Options(np.array([o.group for o in of], int), gain, effort)

    @cached_property
    def still(self) -> dict[str, str]:
        """Factor -> why it cannot be moved anywhere."""
        able = {self.factors[o.factor].name for o in self._offers}
        return {f.name: self._why(k, f) for k, f in enumerate(self.factors) if f.name not in able}

    def _why(self, k: int, factor: Factor) -> str:
        if self.terms.at_most.get(factor.name, QUARTERS) == 0:
            return "the terms keep it where it is"
        if (self._placed[k] < 0).all():
            return "too few visits to tell"
        if not any(moves.any() for (which, _), (_, moves) in self._moved.items() if which == k):
            return "no site is clearly better than another"
        return "the model expects no gain of it"

    @cached_property
    def _placed(self) -> list[np.ndarray]:
        return [quarters(self.visits, factor) for factor in self.factors]

    @cached_property
    def _moved(self) -> dict[tuple[int, int], tuple[np.ndarray, np.ndarray]]:
        """(factor, steps) -> the columns as they would be, and which sites move."""
        return {
            (k, steps): as_better(self.visits, factor, self._placed[k], steps)
            for k, factor in enumerate(self.factors)
            for steps in range(1, min(QUARTERS, 1 + self.terms.at_most.get(factor.name, QUARTERS)))
        }

    @cached_property
    def _offers(self) -> list[_Offer]:
        offers, place = [], self.expected.place
        for (k, steps), (columns, moves) in self._moved.items():
            rows = np.flatnonzero(np.isin(place, np.flatnonzero(moves)))
            change = self.expected.change({k: columns}, rows) if len(rows) else np.zeros((0, 2))
            effort = steps * self.terms.effort.get(self.factors[k].name, 1.0)
            for site in np.flatnonzero(moves).tolist():
                mine = change[place[rows] == site]
                gain = self.expected.gain(mine)
                if gain.value > 0:
                    group = site * len(self.factors) + k
                    offers.append(_Offer(group, site, k, steps, effort, gain, self.expected.usual(mine)))
        return offers

    def _change(self, chosen: np.ndarray) -> np.ndarray:
        """The change of every row of `read` by these options together."""
        X, columns = self.visits.X[self.visits.read], dict[int, np.ndarray]()
        for offer in (self._offers[i] for i in chosen):
            kept = columns.setdefault(offer.factor, X[:, list(self.factors[offer.factor].columns)])
            mine = self.expected.place == offer.site
            kept[mine] = self._moved[offer.factor, offer.steps][0][mine]
        return self.expected.change(columns, np.arange(len(X)))

    def _chosen(self, gain: float) -> np.ndarray:
        """What together brings at least the gain, found by asking for more or less than it of the sum."""
        best, wanted = everything(self.options), gain
        for _ in range(ROUNDS):
            chosen = least_effort(self.options, wanted)
            if chosen is None:
                break
            joint = self.gain_of(chosen).value
            if joint >= gain and self.options.effort[chosen].sum() <= self.options.effort[best].sum():
                best = chosen
            wanted *= 1.002 * gain / joint if joint > 0 else 2.0
        more = most_gain(self.options, float(self.options.effort[best].sum()))
        return more if self.gain_of(more).value >= gain else best

    def _curve(self, effort: float, joint: Gain) -> tuple[tuple[float, float], ...]:
        """Most gain by effort; who has more effort to spend can always spend less."""
        most = float(self.options.effort[everything(self.options)].sum())
        pairs = [(0.0, 0.0), (effort, joint.value)]
        for budget in np.linspace(0, most, BUDGETS + 1)[1:].tolist():
            chosen = most_gain(self.options, budget)
            pairs.append((float(self.options.effort[chosen].sum()), self.gain_of(chosen).value))
        pairs.sort()
        best = np.maximum.accumulate([gain for _, gain in pairs]).tolist()
        return tuple((spent, gain) for (spent, _), gain in zip(pairs, best, strict=True))

    def _move(self, i: int) -> Move:
        offer = self._offers[i]
        factor, mine = self.factors[offer.factor], self.expected.place == offer.site
        before = self.visits.X[self.visits.read, factor.columns[0]][mine]
        after = self._moved[offer.factor, offer.steps][0][mine, 0]
        return Move(self.visits.sites[offer.site], factor, offer.steps, offer.effort, offer.gain, offer.at_site,
                    before, after)  # fmt: skip


class _Offer(NamedTuple):
    """One move that could be made: positions of its site and factor, and `group`, of which one is made at most."""

    group: int
    site: int
    factor: int
    steps: int
    effort: float
    gain: Gain
    at_site: float
