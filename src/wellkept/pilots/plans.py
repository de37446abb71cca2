"""A pilot's TOML: which steps, when, how many are held out, and which outcomes judge it, told before it begins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from wellkept.durations import microseconds
from wellkept.errors import SpecRefused
from wellkept.offering import Intervention
from wellkept.toml import Strict, load_toml

LEAST_SHARE, MOST_SHARE = 0.10, 0.90
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")  # it names a folder


class Expected(Strict):
    """What is expected of one outcome without any step, and the smallest change that would matter."""

    rate: float | None = Field(None, gt=0, lt=1, description="how often it comes true; counted with --journeys")
    change: float = Field(-0.03, gt=-1, lt=1, description="smallest change that would matter; below 0 is help")
    known: float = Field(1.0, gt=0, le=1, description="share of whom it becomes known: who answers; counted likewise")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.change == 0 or (self.rate is not None and not 0 < self.rate + self.change < 1):
            raise ValueError("`change` is not 0, and `rate` + `change` lies between 0 and 1")
        return self


class Wedge(Strict):
    """A stepped wedge: all sites begin without, and cross over by chance, some more each period."""

    sites: int = Field(ge=2)
    periods: int = Field(ge=2, description="with the first, in which nobody has it yet")
    answers: int = Field(gt=0, description="of each site in each period")
    icc: float = Field(0.02, ge=0, lt=1, description="share of the variance that lies between sites")


class Pilot(Strict):
    """What must be fixed before anybody is drawn."""

    name: str
    says: str = Field("", description="what it is to find out, in a sentence")
    arms: tuple[str, ...] = Field(min_length=1, description="interventions, each against nothing")
    begins: datetime
    ends: datetime
    share: float = Field(0.5, ge=LEAST_SHARE, le=MOST_SHARE, description="held out of those who would get a step")
    epoch: str = Field("90d", description="how long a draw stands, until the patient is drawn again")
    outcomes: Mapping[str, str] = Field(min_length=1, description="name -> sentence, as in a model's [label]")
    adjust: tuple[str, ...] = Field((), description="features known before the draw, to make intervals shorter")
    strata: Mapping[str, tuple[float, ...]] = Field(
        default_factory=dict, description="feature -> where bands of it end; shown where chance did not decide"
    )
    patients: int | None = Field(None, gt=0, description="who would get one arm until it ends; counted with --journeys")
    expected: Mapping[str, Expected] = Field(default_factory=dict, description="outcome -> what is expected")
    wedge: Wedge | None = None

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            raise ValueError("a name is of small letters, digits, - and _")
        return name

    @field_validator("begins", "ends")
    @classmethod
    def _aware(cls, at: datetime) -> datetime:
        if at.tzinfo is None:
            raise ValueError("it carries an offset: 2026-01-05T00:00:00Z")
        return at.astimezone(UTC)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if microseconds(self.epoch) <= 0 or self.begins >= self.ends:
            raise ValueError("it `begins` before it `ends`, and an `epoch` is longer than nothing")
        if len(set(self.arms)) < len(self.arms):
            raise ValueError("an arm stands in `arms` twice")
        if any(list(cuts) != sorted(set(cuts)) or not cuts for cuts in self.strata.values()):
            raise ValueError("the cuts of [strata] rise")
        if unknown := sorted(set(self.expected) - set(self.outcomes)):
            raise ValueError(f"[expected] speaks of {', '.join(unknown)}, which [outcomes] does not name")
        return self

    def runs_at(self, at: datetime) -> bool:
        return self.begins <= at < self.ends


def load_pilot(path: Path, catalogue: Mapping[str, Intervention]) -> Pilot:
    """Read a pilot and hold it against the catalogue.

    Raises
    ------
    SpecRefused
        It cannot be carried out as written: also where an arm is unknown, owed to the patient, or a matter of safety.
    """
    pilot = load_toml(path, Pilot)
    if unknown := [arm for arm in pilot.arms if arm not in catalogue]:
        message = f"{path}: no intervention is called {', '.join(unknown)}; there are {', '.join(catalogue)}"
        raise SpecRefused("arm", message)
    if owed := [arm for arm in pilot.arms if not catalogue[arm].may_be_held_out]:
        message = f"{path}: {', '.join(owed)} is owed to the patient or a matter of safety; nobody is held out of it"
        raise SpecRefused("held_out", message)
    return pilot
