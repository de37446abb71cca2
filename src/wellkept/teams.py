"""Who is here today and what each may do and speaks, in; what runs out, and which team does each step, out.

A step can be done by some of the teams. Chosen steps can be divided among teams just where, for every set of teams, the
minutes of what only they can do are no more than theirs (Gale 1957, doi:10.2140/pjm.1957.7.1073). So each such set is
one resource, the allocation needs no arm for each pair of a step and a team, and one more minute of a team is worth
what all sets with that team are worth together. Dividing is a transport problem of few rows; steps are whole, so what
does not fit any team's last minutes is given to somebody whose step does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

from wellkept.allocating import Allocation, Resource
from wellkept.grouping import UNKNOWN
from wellkept.offering import Intervention
from wellkept.programs import NOBODY
from wellkept.rounding import FILLED
from wellkept.staff import Staff, Team

NO_TEAM = -1
ROUNDING = 1e-6  # of a minute


@dataclass(frozen=True)
class Skills:
    """Which team can do what for whom.

    Attributes
    ----------
    able
        Shape (languages, interventions, teams).
    by_interpreter
        Shape (languages, interventions): nobody of the role speaks the language, so a team with an interpreter does it.
    minutes
        Shape (interventions,): that one takes of the teams; 0 for a machine's and for what is owed.
    capacity
        Shape (teams,): their minutes.
    """

    able: np.ndarray
    by_interpreter: np.ndarray
    minutes: np.ndarray
    capacity: np.ndarray

    @property
    def sets(self) -> np.ndarray:
        """Shape (languages, interventions): the able teams as one whole number, bit by bit; 0 for none."""
        return self.able @ (1 << np.arange(self.able.shape[2]))

    @property
    def possible(self) -> np.ndarray:
        """Shape (languages, interventions): does a machine do it, or can a team?"""
        return self.able.any(axis=2) | (self.minutes == 0)


def skills(staff: Staff, catalogue: Sequence[Intervention], languages: Sequence[str]) -> Skills:
    """Who has the role and speaks the language; where nobody does, who has the role and an interpreter.

    Where a patient's language is not on record any team of the role may find out.
    """
    role = np.array([[bool({r.casefold() for r in i.roles} & set(team.roles)) and not i.is_automated
                      for team in staff.team] for i in catalogue])  # fmt: skip
    needs = np.array([i.needs_language for i in catalogue])
    speaks = np.array([[_speaks(team, language) for team in staff.team] for language in languages])
    native = role & (speaks[:, None] | ~needs[:, None])
    interpreter = role & np.array([team.interpreter for team in staff.team])
    by_interpreter = ~native.any(axis=2) & interpreter.any(axis=1)
    minutes = np.array([0.0 if i.is_entitlement else i.minutes for i in catalogue])
    capacity = np.array([team.minutes for team in staff.team])
    return Skills(np.where(by_interpreter[..., None], interpreter, native), by_interpreter, minutes, capacity)


def limits(skill: Skills, language: np.ndarray) -> dict[int, Resource]:
    """Set of teams, bit by bit -> the minutes of what only they can do.

    Parameters
    ----------
    language
        Shape (kinds of patients,): the language of each kind.
    """
    sets, budgeted = skill.sets, skill.minutes > 0
    made = {0}
    for teams in np.unique(sets[:, budgeted]):
        made |= {int(teams) | other for other in made}
    members = {teams: [bool(teams >> t & 1) for t in range(len(skill.capacity))] for teams in sorted(made - {0})}
    return {
        teams: Resource(
            f"teams {teams:b}", float(skill.capacity[within].sum()),
            np.where((sets != 0) & (sets & ~teams == 0), skill.minutes, 0.0)[language],
        )
        for teams, within in members.items()
    }  # fmt: skip


def team_prices(staff: Staff, sets: Mapping[int, Resource], found: Allocation) -> dict[str, float]:
    """Team -> what one more minute of it would add."""
    return {
        team.name: sum(found.prices[r.name] for teams, r in sets.items() if teams >> t & 1)
        for t, team in enumerate(staff.team)
    }


def divided(choice: np.ndarray, worth: np.ndarray, language: np.ndarray, skill: Skills) -> np.ndarray:
    """Which team does each chosen step, shape (patients,); NO_TEAM where it takes no minutes or they do not suffice.

    Parameters
    ----------
    worth
        Shape (patients,): of those with the same step and the same able teams, who is worth least goes first without.
    language
        Shape (patients,): its place among the languages.
    """
    team = np.full(len(choice), NO_TEAM)
    rows = np.flatnonzero(choice != NOBODY)
    rows = rows[skill.minutes[choice[rows]] > 0]
    if len(rows) == 0:
        return team
    rows = rows[np.argsort(-worth[rows], kind="stable")]
    arms, sets = skill.able.shape[1], skill.sets[language[rows], choice[rows]]
    lots, lot = np.unique(sets * arms + choice[rows], return_inverse=True)
    each = skill.minutes[lots % arms]
    whole = _transported(np.bincount(lot) * each, lots // arms, skill.capacity) / each[:, None]
    whole = np.floor(whole + ROUNDING).astype(int)
    for k, by_team in enumerate(whole):
        mine = rows[lot == k][: by_team.sum()]
        team[mine] = np.repeat(np.arange(len(by_team)), by_team)[: len(mine)]
    left = skill.capacity - _minutes(team, choice, skill)
    for row in rows[team[rows] == NO_TEAM]:
        team[row] = _tightest(skill.able[language[row], choice[row]], skill.minutes[choice[row]], left)
    return team


def topped_up(
    choice: np.ndarray, team: np.ndarray, worth: np.ndarray, kind: np.ndarray, language: np.ndarray,
    resources: Sequence[Resource], skill: Skills,
) -> None:  # fmt: skip
    """Give the teams' last minutes, in place, to those without anything whom it is worth most a minute.

    First within all resources, then within all but floors: no team is idle only so that a share holds.

    Parameters
    ----------
    worth
        Shape (patients, interventions), after paying for the floors; -inf where it is not to be given.
    kind, resources
        As they were allocated by.
    """
    left, use = skill.capacity - _minutes(team, choice, skill), np.stack([r.use for r in resources])
    given, floors = np.flatnonzero(choice != NOBODY), (use < 0).any(axis=(1, 2))
    spare = np.array([r.capacity for r in resources]) - use[:, kind[given], choice[given]].sum(axis=1)
    arms = np.flatnonzero((skill.minutes > 0) & (skill.minutes <= left.max(initial=0.0)))
    without = np.flatnonzero(choice == NOBODY)
    a_minute = worth[np.ix_(without, arms)] / skill.minutes[arms]
    order = np.argsort(-a_minute, axis=None, kind="stable")[:FILLED]
    order = order[np.isfinite(a_minute.flat[order])]
    for counts in [np.ones_like(floors), ~floors] if floors.any() else [~floors]:
        for place in order:
            i, arm = without[place // len(arms)], arms[place % len(arms)]
            takes = use[:, kind[i], arm]
            if choice[i] == NOBODY and (takes <= np.maximum(spare, 0) + ROUNDING)[counts].all():
                team[i] = _tightest(skill.able[language[i], arm], skill.minutes[arm], left)
                choice[i] = arm if team[i] != NO_TEAM else NOBODY
                spare = spare - takes * (team[i] != NO_TEAM)


def owed_to(choice: np.ndarray, owed: np.ndarray, language: np.ndarray, skill: Skills) -> np.ndarray:
    """Which team does what is owed, shape (patients,): in turn, the more minutes the more; NO_TEAM where none can."""
    team, has = np.full(len(choice), NO_TEAM), np.zeros(len(skill.capacity))
    for row in np.flatnonzero(owed):
        can = np.flatnonzero(skill.able[language[row], choice[row]])
        if len(can):
            team[row] = can[np.argmin((has[can] + 1) / np.maximum(skill.capacity[can], ROUNDING))]
            has[team[row]] += 1
    return team


def used_by(team: np.ndarray, choice: np.ndarray, staff: Staff, skill: Skills) -> dict[str, float]:
    """Team -> minutes of the budget that it gives."""
    minutes = _minutes(team, choice, skill)
    return {one.name: float(minutes[t]) for t, one in enumerate(staff.team)}


def _speaks(team: Team, language: str) -> bool:
    return language == UNKNOWN or language.strip().casefold() in team.languages


def _transported(minutes: np.ndarray, sets: np.ndarray, capacity: np.ndarray) -> np.ndarray:
    """As many of the lots' minutes as the able teams have, shape (lots, teams)."""
    lot, team = np.nonzero((sets[:, None] >> np.arange(len(capacity))) & 1)
    pairs, ones = np.arange(len(lot)), np.ones(len(lot))
    rules = coo_matrix((np.r_[ones, ones], (np.r_[lot, len(sets) + team], np.r_[pairs, pairs])),
                       shape=(len(sets) + len(capacity), len(lot)))  # fmt: skip
    found = linprog(-ones, A_ub=rules.tocsr(), b_ub=np.r_[minutes, capacity], method="highs")
    given = np.zeros((len(sets), len(capacity)))
    given[lot, team] = found.x
    return given


def _tightest(able: np.ndarray, minutes: float, left: np.ndarray) -> int:
    """The able team with the fewest minutes left that suffice, which then has fewer; NO_TEAM if none has."""
    fits = np.flatnonzero(able & (left + ROUNDING >= minutes))
    if len(fits) == 0:
        return NO_TEAM
    chosen = int(fits[np.argmin(left[fits])])
    left[chosen] -= minutes
    return chosen


def _minutes(team: np.ndarray, choice: np.ndarray, skill: Skills) -> np.ndarray:
    """That each team gives, shape (teams,)."""
    rows = np.flatnonzero(team != NO_TEAM)
    return np.bincount(team[rows], skill.minutes[choice[rows]], minlength=len(skill.capacity))
