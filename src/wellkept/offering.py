"""What an intervention is: what somebody can do, when it makes sense, and what it is believed to change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from wellkept.durations import microseconds
from wellkept.errors import SpecRefused
from wellkept.history import Expression
from wellkept.parts import discover

GRADES = ("assumed", "what-if", "observational", "randomised")  # each better evidence than the one before
CHANNELS = ("call", "text", "task")
DETRACTOR, NO_RETURN = "detractor_risk", "no_return"


@dataclass(frozen=True)
class Belief:
    """What is believed of a risk where the trigger is there: its change in probability, below 0 is help.

    `change` holds for a patient whose risk has the usual room to move; `spread` is its standard deviation.
    """

    change: float
    spread: float


@dataclass(frozen=True)
class Intervention:
    """One thing that a person, or a machine, can do.

    Attributes
    ----------
    title, script
        For the coordinator: what it is, and how to begin. No script asks for a score or mentions a survey.
    roles
        Who may do it.
    minutes
        Of their time; 0 for a machine's.
    channel
        `call`, `text` or `task` (nobody is contacted).
    within
        By when it should be done.
    trigger
        The fact in the record that it answers: 1 where it is there, 0 or null where not. Never a model's output.
    because
        That fact in words, after "because".
    facts
        Where it answers any one of several: each in words, 1 where it is there. A patient is told of those that are.
    unless
        1 where it must not be done, and `not_for` says why not.
    cool_off
        For how long it is not offered again.
    touchpoints, dimension
        Stages of the journey that it addresses; `patient` or `customer`.
    trade_off
        What it may cost the other dimension; empty where nothing is known.
    beliefs
        Target -> what it is believed to change.
    puts_right
        Feature -> the value it would have if what this answers had gone well: what a model is asked about (what_if.py).
    grade, source
        On what evidence, and whose.
    needs_language
        Must whoever does it speak the patient's language?
    is_entitlement
        Is it owed (language, disability)? Then no budget and no holdout applies.
    is_safety
        Does it answer a danger to the patient? Then nobody is held out of it either.
    """

    title: str
    script: str
    roles: tuple[str, ...]
    minutes: float
    channel: str
    within: str
    trigger: Expression
    because: str
    touchpoints: tuple[str, ...]
    dimension: str
    beliefs: Mapping[str, Belief]
    source: str
    facts: Mapping[str, Expression] = field(default_factory=dict)
    puts_right: Mapping[str, float] = field(default_factory=dict)
    grade: str = "assumed"
    unless: Expression | None = None
    not_for: str = ""
    cool_off: str = "30d"
    trade_off: str = ""
    needs_language: bool = True
    is_entitlement: bool = False
    is_safety: bool = False
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for duration in (self.within, self.cool_off):
            microseconds(duration)
        if self.channel not in CHANNELS or self.grade not in GRADES or self.minutes < 0 or not self.roles:
            raise SpecRefused("intervention", f"{self.title}: channel, grade, minutes or roles are no possible ones")

    @property
    def is_automated(self) -> bool:
        return self.minutes == 0

    @property
    def may_be_held_out(self) -> bool:
        """May chance decide that a patient does not get it, to learn what it does?"""
        return not (self.is_entitlement or self.is_safety)


def interventions() -> dict[str, Intervention]:
    """Every intervention, by its file's name."""
    return {name: replace(module.INTERVENTION, name=name) for name, module in discover("interventions").items()}
