"""A plan and how many patients there are in; what it will be able to show, and what it will not, out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wellkept.errors import SpecRefused
from wellkept.pilots.plans import Pilot
from wellkept.pilots.power import SURE_ENOUGH, Needed, needed, power, smallest_seen, wedge_power


@dataclass(frozen=True)
class Counted:
    """One arm: patients who would get it, and how often each outcome comes true and becomes known."""

    patients: int
    rates: Mapping[str, float]
    known: Mapping[str, float]


@dataclass(frozen=True)
class Prospect:
    """One arm by one outcome.

    Attributes
    ----------
    patients, outcomes
        Of both groups together, and the outcomes that will become known of them.
    rate, change
        How often it comes true without the step, and the smallest change that would matter; probability.
    chance
        To see that change (power at a two-sided 5 %).
    smallest
        The smallest fall that is seen four times in five, or None.
    needed
        What it would take to see `change` four times in five.
    wedge
        Chance to see it in the stepped wedge of the plan, if it has one.
    """

    arm: str
    outcome: str
    patients: int
    outcomes: float
    rate: float
    change: float
    chance: float
    smallest: float | None
    needed: Needed
    wedge: float | None

    @property
    def is_enough(self) -> bool:
        return self.chance >= SURE_ENOUGH


def prospects(pilot: Pilot, counted: Mapping[str, Counted]) -> list[Prospect]:
    """Each arm by each outcome that [expected] names; `counted` (by arm) goes before what the plan expects.

    Raises
    ------
    SpecRefused
        `expected`: nothing says how many patients or how often it comes true.
    """
    if not pilot.expected:
        raise SpecRefused("expected", f"pilot {pilot.name}: [expected.<outcome>] names no change that would matter")
    return [_prospect(pilot, arm, outcome, counted.get(arm)) for arm in pilot.arms for outcome in pilot.expected]


def _prospect(pilot: Pilot, arm: str, outcome: str, counted: Counted | None) -> Prospect:
    expected = pilot.expected[outcome]
    patients = pilot.patients if pilot.patients is not None else counted.patients if counted else None
    rate = (counted.rates.get(outcome) if counted else None) or expected.rate
    if patients is None or not rate:
        missing = "patients" if patients is None else f"[expected.{outcome}] rate"
        message = f"pilot {pilot.name}, {arm}: name `{missing}`, or let --journeys count it"
        raise SpecRefused("expected", message)
    if not 0 < rate + expected.change < 1:
        message = f"pilot {pilot.name}, {arm}: {outcome} is {rate:.3f} here, which cannot change by {expected.change}"
        raise SpecRefused("expected", message)
    known = (counted.known.get(outcome) if counted else None) or expected.known
    at = {"rate": rate, "change": expected.change}
    return Prospect(
        arm, outcome, patients, patients * known, rate, expected.change,
        power(**at, outcomes=patients * known, share=pilot.share),
        smallest_seen(rate, patients * known, share=pilot.share) if patients else None,
        needed(**at, share=pilot.share, known=known),
        wedge_power(**at, wedge=pilot.wedge) if pilot.wedge else None,
    )  # fmt: skip
