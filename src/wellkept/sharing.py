"""Effects, a staff file and what the record says of patients in; who gets what from which team, and why not, out.

Nobody is contacted more often than the file allows, nobody gets a step that no team may do in their language, and no
team, text or arm gives more than there is. Groups get their floors (floors.py), and what these cost is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from wellkept.allocating import Allocation, Resource, allocate
from wellkept.effects import Effects
from wellkept.floors import Demand, Kept, groups, kept, preventable, resources_of
from wellkept.offering import Intervention
from wellkept.programs import NOBODY
from wellkept.staff import Staff
from wellkept.teams import NO_TEAM, Skills, divided, limits, owed_to, skills, team_prices, topped_up, used_by

NO_ROLE = ""


@dataclass(frozen=True)
class People:
    """What the record says of patients that a staff file asks for.

    Attributes
    ----------
    language
        Shape (patients,), words.
    groups
        Code of a floor -> shape (patients,), words.
    contacts
        Shape (patients, rules of `contacts`): how often each was contacted lately.
    risk
        Shape (patients,): of all targets together, 0 for one that a patient does not have.
    """

    language: np.ndarray
    groups: Mapping[str, np.ndarray]
    contacts: np.ndarray
    risk: np.ndarray


@dataclass(frozen=True)
class Sharing:
    """How steps were shared out among teams.

    Attributes
    ----------
    allocation
        With prices and use of each team, of texts and of each bounded intervention.
    effects
        Without what nobody may or can do today.
    team
        Shape (patients,): the team's place, NO_TEAM for a machine's step, none, or one that is owed and nobody can do.
    by_interpreter
        Shape (patients,): does the team need one on the line?
    languages
        On the record of these patients, in small letters.
    left_alone
        Patients who would be offered a step, were they not contacted so often already.
    out_of_reach
        Language -> patients whose every step would take a team that speaks it; NO_ROLE: for want of any team that may.
    owed_by_nobody
        Patients who are owed a step that no team can do.
    floors
        What each group got.
    price
        The share of what could be prevented without the floors that they cost; 0 without any.
    """

    allocation: Allocation
    effects: Effects
    team: np.ndarray = field(repr=False)
    by_interpreter: np.ndarray = field(repr=False)
    languages: frozenset[str] = frozenset()
    left_alone: int = 0
    out_of_reach: Mapping[str, int] = field(default_factory=dict)
    owed_by_nobody: int = 0
    floors: tuple[Kept, ...] = ()
    price: float = 0.0


def is_owed(catalogue: Sequence[Intervention]) -> np.ndarray:
    """Shape (interventions,)."""
    return np.array([i.is_entitlement for i in catalogue], bool)


def beside_what_is_owed(effects: Effects, catalogue: Sequence[Intervention]) -> tuple[np.ndarray, np.ndarray]:
    """Who is owed a step, shape (patients,), and what the others' steps are worth: whoever is owed one gets that."""
    owed = is_owed(catalogue)
    entitled: np.ndarray = (effects.offered & owed).any(axis=1)
    return entitled, np.where(entitled[:, None] | owed, 0.0, effects.value)


def contacting(catalogue: Sequence[Intervention]) -> list[str]:
    """Names of the interventions that reach out to the patient."""
    return [i.name for i in catalogue if i.channel != "task"]


def shared(effects: Effects, catalogue: Sequence[Intervention], staff: Staff, people: People) -> Sharing:
    """Share out today's steps.

    Parameters
    ----------
    people
        Rows as in `effects`.
    """
    languages, language = np.unique(people.language.astype(str), return_inverse=True)
    skill, owed = skills(staff, catalogue, languages.tolist()), is_owed(catalogue)
    quiet = _left_alone(effects, catalogue, staff, people.contacts)
    possible = replace(quiet, offered=quiet.offered & (skill.possible[language] | owed))
    entitled, value = beside_what_is_owed(possible, catalogue)
    book = _Book.of(value, language, staff, people, catalogue, skill)
    needs = {"risk": np.where(entitled, 0.0, people.risk),
             "preventable": preventable(beside_what_is_owed(quiet, catalogue)[1], skill.minutes)}  # fmt: skip
    held = groups(staff.floor, book.demand, needs, book.hard) if staff.floor else []
    found, team = book.filled(resources_of(held, skill.minutes))
    free = book.filled([])[0].value if held else found.value
    choice = np.where(entitled, (possible.offered & owed).argmax(axis=1), found.choice)
    given = np.where(found.choice == NOBODY, 0.0, skill.minutes[found.choice])
    team = np.where(entitled, owed_to(choice, entitled, language, skill), team)
    return Sharing(
        replace(found, choice=choice), possible, team, (team != NO_TEAM) & skill.by_interpreter[language, choice],
        languages=frozenset(word.strip().casefold() for word in languages.tolist()),
        left_alone=int((effects.offered.any(axis=1) & ~quiet.offered.any(axis=1)).sum()),
        out_of_reach=_out_of_reach(quiet, possible, catalogue, staff, people.language),
        owed_by_nobody=int((entitled & (team == NO_TEAM)).sum()),
        floors=tuple(kept(held, book.demand.kind, given, float(skill.minutes[skill.minutes > 0].min(initial=np.inf)))),
        price=max(0.0, 1 - found.value / free) if free > 0 else 0.0,
    )  # fmt: skip


@dataclass(frozen=True)
class _Book:
    """All that steps are shared out by.

    Attributes
    ----------
    language
        Shape (patients,): its place among the languages.
    sets
        What the teams have, by set of teams (teams.py).
    others
        What else runs out: texts, and interventions of which there are only so many.
    """

    demand: Demand
    language: np.ndarray
    skill: Skills
    staff: Staff
    sets: Mapping[int, Resource]
    others: Sequence[Resource]

    @classmethod
    def of(
        cls, value: np.ndarray, language: np.ndarray, staff: Staff, people: People, catalogue: Sequence[Intervention],
        skill: Skills,
    ) -> _Book:  # fmt: skip
        """Kinds of patients are those of one language and one level of each code that has a floor."""
        split = {one.code: np.unique(people.groups[one.code].astype(str), return_inverse=True) for one in staff.floor}
        columns = np.column_stack([language, *(level for _, level in split.values())])
        levels, kind = np.unique(columns, axis=0, return_inverse=True)
        words = {code: level.tolist() for code, (level, _) in split.items()}
        demand = Demand(value, kind.reshape(-1), levels[:, 0], levels[:, 1:], words, skill.minutes)
        every = np.ones((len(levels), 1))
        texts = Resource("texts", staff.texts, every * [float(i.is_automated) for i in catalogue])
        bounded = [Resource(arm, float(most), every * [float(i.name == arm) for i in catalogue])
                   for arm, most in staff.arms.items()]  # fmt: skip
        return cls(demand, language, skill, staff, limits(skill, levels[:, 0]), [texts, *bounded])

    @property
    def hard(self) -> list[Resource]:
        """All but floors."""
        return [*self.sets.values(), *self.others]

    def filled(self, floors: Sequence[Resource]) -> tuple[Allocation, np.ndarray]:
        """Allocate, divide the steps among teams and give their last minutes: who gets what, and from which team."""
        value, kind = self.demand.value, self.demand.kind
        found = allocate(value, kind, [*self.hard, *floors])
        paid = sum((found.prices[r.name] * r.use for r in floors), np.zeros((len(self.demand.levels), value.shape[1])))
        worth = np.where(value > 0, value - paid[kind], -np.inf)
        team = divided(found.choice, worth[np.arange(len(kind)), found.choice], self.language, self.skill)
        fits = (team != NO_TEAM) | (self.skill.minutes[found.choice] == 0)
        choice = np.where(fits, found.choice, NOBODY)
        topped_up(choice, team, worth, kind, self.language, [*self.hard, *floors], self.skill)
        rows = np.flatnonzero(choice != NOBODY)
        used = {r.name: float(r.use[kind[rows], choice[rows]].sum()) for r in self.others}
        used |= used_by(team, choice, self.staff, self.skill)
        prices = {r.name: found.prices[r.name] for r in self.others} | team_prices(self.staff, self.sets, found)
        return Allocation(choice, float(value[rows, choice[rows]].sum()), found.bound, prices, used), team


def _left_alone(
    effects: Effects, catalogue: Sequence[Intervention], staff: Staff, contacts: np.ndarray
) -> Effects:
    """Without contacts of whoever had enough; what is owed or a matter of safety is done all the same."""
    enough = np.asarray((contacts >= np.array([rule.most for rule in staff.contacts])).any(axis=1))
    names = contacting(catalogue)
    reaching_out = np.array([i.name in names and i.may_be_held_out for i in catalogue])
    return replace(effects, offered=effects.offered & ~(enough[:, None] & reaching_out))


def _out_of_reach(
    quiet: Effects, possible: Effects, catalogue: Sequence[Intervention], staff: Staff, language: np.ndarray
) -> dict[str, int]:
    """For whom there is a step that makes sense, and none that can be done: by language, or for want of any role."""
    without = quiet.offered.any(axis=1) & ~possible.offered.any(axis=1)
    covered = {role for team in staff.team for role in team.roles}
    roles = np.array([bool({r.casefold() for r in i.roles} & covered) for i in catalogue])
    by_language = without & (quiet.offered & roles).any(axis=1)
    words, count = np.unique(language[by_language].astype(str), return_counts=True)
    told = dict(zip(words.tolist(), count.tolist(), strict=True))
    want = int((without & ~by_language).sum())
    return told | ({NO_ROLE: want} if want else {})
