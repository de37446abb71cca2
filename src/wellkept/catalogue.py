"""What a feature is: a function from a patient's past to one column, with all that people need to read it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from wellkept.errors import SpecRefused
from wellkept.history import Expression, FeatureQuery, History, expression_from, past
from wellkept.parts import discover

TOUCHPOINTS = ("scheduling", "insurance", "contact centre", "arrival", "visit", "discharge", "follow-up", "portal",
               "billing", "complaint", "survey", "comment", "person", "other")  # fmt: skip
DIMENSIONS = ("patient", "customer")


@dataclass(frozen=True)
class Feature:
    """One column.

    Attributes
    ----------
    name
        The column.
    expression
        What it is, in the language of `wellkept.history`.
    says
        The reason in words; ``{value}`` is the patient's own number or category.
    otherwise
        The words where the value is 0; by default `says`.
    null
        The words where nothing is known, which is also what null means.
    monotone
        +1: more of it can only raise the risk, -1: only lower it, 0: unconstrained.
    modifiable
        Can somebody still do something about it?
    protected
        Is it about who somebody is, or a judgement on a clinician (the model's TOML says which codes are)? Then it is
        never told as a reason.
    """

    name: str
    expression: Expression
    says: str
    docs: str
    unit: str
    touchpoint: str
    dimension: str
    null: str
    otherwise: str = ""
    monotone: int = 0
    modifiable: bool = False
    protected: bool = False
    family: str = "auto"

    def __post_init__(self) -> None:
        if self.touchpoint not in TOUCHPOINTS or self.dimension not in DIMENSIONS or self.monotone not in (-1, 0, 1):
            raise SpecRefused("feature", f"feature {self.name}: touchpoint, dimension or monotone is no known one")

    @cached_property
    def topic(self) -> str:
        """What it is about: the first code that it asks for, so that calls in 30 and in 90 days are one topic."""
        return next(iter(self.codes), self.name)

    @property
    def codes(self) -> tuple[str, ...]:
        """Every code that it asks for."""
        return tuple(code for a in self.expression.aggregates() for code in a.selection.codes)

    def sentence(self, value: float | str | None) -> str:
        """The reason in words for one patient's value; None and NaN mean not known."""
        if value is None or value != value:
            return self.null
        if value == 0 and self.otherwise:
            return self.otherwise
        return self.says.format(value=value)

    def to_json(self) -> dict[str, Any]:
        """Plain data, for a bundle."""
        return {**asdict(self), "expression": self.expression.to_json()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Feature:
        """Read `to_json`'s data back."""
        return cls(**{**data, "expression": expression_from(data["expression"])})


def feature(
    *, says: str, unit: str, touchpoint: str, dimension: str, null: str, otherwise: str = "", monotone: int = 0,
    modifiable: bool = False,
) -> Callable[[Callable[[History], Expression]], Feature]:  # fmt: skip
    """Declare a feature; the function's name is the column, its docstring the data dictionary."""

    def declare(function: Callable[[History], Expression]) -> Feature:
        return Feature(
            name=function.__name__, expression=function(past), says=says, docs=inspect.getdoc(function) or "",
            unit=unit, touchpoint=touchpoint, dimension=dimension, null=null, otherwise=otherwise,
            monotone=monotone, modifiable=modifiable, family=function.__module__.rpartition(".")[2],
        )  # fmt: skip

    return declare


def query_of(features: Iterable[Feature]) -> FeatureQuery:
    """One query that gives each of these features a column of its name."""
    return FeatureQuery({f.name: f.expression for f in features})


def families() -> dict[str, list[Feature]]:
    """Every hand-written feature, by the file of `features/` that declares it."""
    return {
        name: [value for value in vars(module).values() if isinstance(value, Feature)]
        for name, module in discover("features").items()
    }


def features_of(names: tuple[str, ...]) -> list[Feature]:
    """The features of these families, in order.

    Raises
    ------
    SpecRefused
        There is no such family, or two features share a name.
    """
    known = families()
    if unknown := [name for name in names if name not in known]:
        raise SpecRefused("no_family", f"no feature family {unknown[0]!r}: there are auto, {', '.join(known)}")
    chosen = [f for name in names for f in known[name]]
    if len({f.name for f in chosen}) != len(chosen):
        raise SpecRefused("feature", "two features share a name")
    return chosen
