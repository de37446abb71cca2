"""`models/<target>.toml`: everything that could change a prediction, and nothing else."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from wellkept.durations import microseconds
from wellkept.toml import Strict, load_toml


class Points(Strict):
    """When, and for whom, a risk is stated."""

    each: str = Field("", description="a point after each event of this code (may end in *)")
    at: datetime | None = Field(None, description="or one point for everybody who is known by then")
    after: tuple[str, ...] = Field(("0h",), description="how long after the event; a later event of the code wins")
    active: str | dict[str, str] = Field(
        "365d", description="whose latest such event is less old than this; {category = duration}: and of these kinds"
    )
    per: Literal["subject", "encounter"] = Field("subject", description="scoring: one risk for each of these")
    where: tuple[str, ...] = Field((), description="conditions on what was last known: 'PERSON//AGE >= 18'")
    unless: tuple[str, ...] = Field((), description="nobody of whom one of these codes is known (may end in *)")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.each) == bool(self.at):
            raise ValueError("[points] has either `each` (an event's code) or `at` (one time)")
        for duration in (*self.after, *([self.active] if isinstance(self.active, str) else self.active.values())):
            microseconds(duration)
        return self

    @field_validator("at")
    @classmethod
    def _aware(cls, at: datetime | None) -> datetime | None:
        if at is not None and at.tzinfo is None:
            raise ValueError("`at` carries an offset: 2021-12-31T00:00:00Z")
        return at.astimezone(UTC) if at else None


class Label(Strict):
    """What is predicted, in one sentence (targets/ lists the grammars)."""

    true_when: str
    second_cut: float | None = Field(
        None, description="answers up to this are no promoters': a second head, which gives the expected NPS"
    )


class Asked(Strict):
    """Whom the label's answer was asked of, so that who did not answer can be told from who was never asked."""

    by: str = Field(min_length=1, description="code of the invitations, tied to the encounter (may end in *)")
    reference: str = Field("", description="risks are stated as if asked in this way (a category of `by`)")
    follow_up: str = Field("", description="category of the invitations of a random sample of who did not answer")
    follow_up_like: str = Field("", description="the way of asking that the follow-up uses")


class Automatic(Strict):
    """Which codes become features by themselves, and how."""

    min_share: float = Field(0.01, gt=0, le=1, description="seen in at least this share of training subjects")
    max_codes: int = Field(200, gt=0, description="the most common ones, at most")
    windows: tuple[str, ...] = ("30d", "90d", "365d")
    exclude: tuple[str, ...] = Field((), description="codes that are no features (may end in *)")


class Split(Strict):
    """How honest evaluation is arranged: later in time, and by members that never saw the patient."""

    by: Literal["time", "subject"] = "time"
    test_share: float = Field(0.25, gt=0, lt=1)
    calibration_share: float = Field(0.25, gt=0, lt=1, description="of what was known before the test period")
    folds: int = Field(5, ge=3, le=20)


class Trees(Strict):
    """XGBoost: shallow, monotone where the catalogue says so, one member a fold of patients."""

    rounds: int = Field(150, gt=0)
    depth: int = Field(3, gt=0, le=8)
    learning_rate: float = Field(0.06, gt=0, le=1)
    min_child_weight: float = Field(8.0, ge=0)
    subsample: float = Field(0.8, gt=0, le=1)
    columns: float = Field(0.4, gt=0, le=1, description="share of columns that a tree may use")
    l2: float = Field(5.0, ge=0)


class Search(Strict):
    """Where one setting of [trees] may lie when it is tuned: between two ends, or among choices."""

    low: float | None = None
    high: float | None = None
    log: bool = Field(False, description="tried by its logarithm: as often between 1 and 10 as between 10 and 100")
    choices: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ends = [end for end in (self.low, self.high) if end is not None]
        if bool(self.choices) == bool(ends) or len(ends) == 1:
            raise ValueError("a search is between `low` and `high`, or among `choices`")
        if ends and ends[0] >= ends[1]:
            raise ValueError("`low` lies below `high`")
        if self.log and not (ends and ends[0] > 0):
            raise ValueError("`log` is for a `low` above 0")
        return self

    @property
    def reach(self) -> tuple[float, ...]:
        """The numbers that must all be possible settings."""
        return self.choices or tuple(end for end in (self.low, self.high) if end is not None)


class Logistic(Strict):
    """The logistic regression that trees must beat to be shipped."""

    inverse_penalties: tuple[float, ...] = Field(
        (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1), min_length=1, description="scikit-learn's C, chosen inside training"
    )


class Leaks(Strict):
    """What the leak tests (wellkept.leaks) are told before they look."""

    expected: tuple[str, ...] = Field(
        (), description="features or codes that may be as good, or as close to the label, as they are (may end in *)"
    )


class Spec(Strict):
    """A model's whole definition."""

    target: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    says: str = Field("", description="the risk in plain words, for people")
    features: Literal["auto"] | tuple[str, ...] = Field("auto", description="families of features/, and 'auto'")
    points: Points
    label: Label
    asked: Asked | None = Field(None, description="without it the report says nothing of those who did not answer")
    audit: tuple[str, ...] = Field((), description="codes used to audit and never as features (may end in *)")
    protected: tuple[str, ...] = Field(
        ("PERSON//birth_year", "PERSON//sex", "PERSON//language", "PERSON//disability", "PERSON//interpreter_needed",
         "CLINICIAN//DETRACTOR_SHARE"),
        description="codes about who somebody is, or judging a clinician: features perhaps, but never told as reasons",
    )
    groups: tuple[str, ...] = Field(
        (), description="codes of persons (PERSON//...) by which performance is told, besides audit and protected"
    )
    baseline: str = Field("", description="the feature that people go by today, shown beside ours")
    beside: tuple[Literal["hazard", "hiatus", "bg_nbd"], ...] = Field(
        (), description="what a model of no return is shown beside: a control (wellkept.hazard), rules of thumb"
    )
    automatic: Automatic = Automatic()
    split: Split = Split()
    estimator: Literal["best", "trees", "logistic"] = "best"
    trees: Trees = Trees()
    # a search changes no prediction until its result is pasted into [trees]: it is no part of what is dumped or hashed
    tune: dict[str, Search] = Field(default_factory=dict, exclude=True, description="what `wellkept tune` tries")
    logistic: Logistic = Logistic()
    leaks: Leaks = Leaks()
    seed: int = Field(1, ge=0)

    @field_validator("tune")
    @classmethod
    def _searchable(cls, tune: dict[str, Search]) -> dict[str, Search]:
        for name, search in tune.items():
            if name not in Trees.model_fields:
                raise ValueError(f"{name!r} is no setting of [trees]: there are {', '.join(Trees.model_fields)}")
            for number in search.reach:
                Trees.model_validate({name: number})
        return tune

    @property
    def families(self) -> tuple[str, ...]:
        return ("auto",) if self.features == "auto" else self.features

    @property
    def digest(self) -> str:
        """SHA-256 of the meaning: comments, order and defaults written out do not change it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Is `name` one of the patterns, which may end in ``*`` (any ending)?"""
    return any(name == p or (p.endswith("*") and name.startswith(p[:-1])) for p in patterns)


def load_spec(path: Path) -> Spec:
    """Read a model's TOML.

    Raises
    ------
    SpecRefused
        It is not there, is no TOML, has unknown keys, or contradicts itself; the message names the place.
    """
    return load_toml(path, Spec)
