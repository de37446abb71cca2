"""A staff file: which teams are here today, what they may do and speak, and what nobody may exceed or fall below."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from wellkept.durations import microseconds
from wellkept.errors import SpecRefused
from wellkept.offering import Intervention
from wellkept.toml import Strict, load_toml

MOST_TEAMS = 8  # each set of teams may be a limit of its own (teams.py)


class Team(Strict):
    """People who do the same work."""

    name: str = Field(min_length=1)
    minutes: float = Field(ge=0, allow_inf_nan=False, description="of all of them together, today")
    roles: tuple[str, ...] = Field(min_length=1, description="roles of interventions that they cover")
    languages: tuple[str, ...] = Field(min_length=1, description="that they speak, as the record writes them")
    interpreter: bool = Field(False, description="can have one on the line, for a language that nobody speaks")

    @field_validator("languages", "roles")
    @classmethod
    def _once(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        plain = tuple(word.strip().casefold() for word in words)
        if "" in plain or len(set(plain)) < len(plain):
            raise ValueError("each word stands there once, and none is empty")
        return plain


class Contacts(Strict):
    """Nobody is contacted more often than `most` times within so long; what was done is in the record."""

    most: int = Field(ge=1)
    within: str

    @field_validator("within")
    @classmethod
    def _lasts(cls, within: str) -> str:
        if microseconds(within) <= 0:
            raise ValueError("a duration is longer than nothing: '30d'")
        return within


class Floor(Strict):
    """Every group's share of the minutes is at least `share` of its share of the estimated need."""

    code: str = Field(pattern=r"^PERSON//[^*]+$", description="what makes the groups, as in a model's `groups`")
    share: float = Field(0.95, gt=0, le=1)
    need: Literal["preventable", "risk"] = Field("preventable", description="in proportion to what (floors.py)")
    groups: tuple[str, ...] = Field((), description="only these of them; all, where it is left out")


class Staff(Strict):
    """What there is to do it with today."""

    texts: float = Field(0, ge=0, allow_inf_nan=False, description="that machines may send")
    language: str = Field("PERSON//language", pattern=r"^[^*]+$", description="code of the patient's language")
    team: tuple[Team, ...] = Field(min_length=1, max_length=MOST_TEAMS)
    arms: Mapping[str, int] = Field(default_factory=dict, description="intervention -> at most so many today")
    contacts: tuple[Contacts, ...] = ()
    floor: tuple[Floor, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        names = [team.name for team in self.team]
        if len(set(names)) < len(names):
            raise ValueError("two teams have one name")
        if "texts" in names or set(names) & set(self.arms):
            raise ValueError("a team is called neither `texts` nor like an intervention")
        if negative := [arm for arm, most in self.arms.items() if most < 0]:
            raise ValueError(f"[arms] {', '.join(negative)}: at most 0 or more")
        if len({one.code for one in self.floor}) < len(self.floor):
            raise ValueError("a code has one [[floor]]")
        return self

    @property
    def minutes(self) -> float:
        return sum(team.minutes for team in self.team)


def load_staff(path: Path, catalogue: Mapping[str, Intervention]) -> Staff:
    """Read a staff file and hold it against the catalogue.

    Raises
    ------
    SpecRefused
        It cannot be carried out as written: `role`: no intervention has that role; `arm`: there is no such
        intervention, or it is owed, and what is owed has no capacity. Otherwise what is wrong with the TOML.
    """
    staff = load_toml(path, Staff)
    roles = sorted({role.casefold() for i in catalogue.values() if not i.is_automated for role in i.roles})
    for team in staff.team:
        if unknown := [role for role in team.roles if role not in roles]:
            message = f"{path}: team {team.name} has the roles {', '.join(unknown)}, which no intervention asks for; "
            raise SpecRefused("role", message + f"there are {', '.join(roles)}")
    if unknown := [arm for arm in staff.arms if arm not in catalogue]:
        message = f"{path}: [arms] names {', '.join(unknown)}; there are {', '.join(catalogue)}"
        raise SpecRefused("arm", message)
    if owed := [arm for arm in staff.arms if catalogue[arm].is_entitlement]:
        message = f"{path}: [arms] bounds {', '.join(owed)}, which is owed to the patient: take it out"
        raise SpecRefused("arm", message)
    return staff
