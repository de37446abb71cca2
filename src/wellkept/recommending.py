"""Who could be helped by what, and how many minutes there are, in; one step a patient, why, and by when, out.

Entitlements (language, disability) come first and cost no budget. The rest is allocated: nobody gets more than one, the
minutes are enough, and machines' texts have a budget of their own, so that they cannot crowd people out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.allocating import Allocation, Resource, allocate
from wellkept.contracts import RECOMMENDATIONS
from wellkept.durations import microseconds
from wellkept.effects import Effects, Z
from wellkept.history import Expression, past
from wellkept.offering import Intervention
from wellkept.pilots.holdouts import draw
from wellkept.pilots.plans import Pilot
from wellkept.programs import NOBODY
from wellkept.sharing import Sharing, beside_what_is_owed, is_owed
from wellkept.staff import Staff
from wellkept.teams import NO_TEAM

OTHERS = 2


@dataclass(frozen=True)
class Budget:
    """Minutes of staff, and texts that machines may send, today."""

    minutes: float
    texts: float


@dataclass(frozen=True)
class Recommended:
    """What was recommended (fits RECOMMENDATIONS), how it was allocated, and among how many patients.

    `staff` and `sharing` are there where a staff file was given.
    """

    table: pa.Table
    allocation: Allocation
    candidates: int
    staff: Staff | None = None
    sharing: Sharing | None = None


def questions(catalogue: Sequence[Intervention]) -> dict[str, Expression]:
    """What must be asked of the record: 1 where an intervention's trigger is there and nothing is against it."""
    asked = {}
    for i in catalogue:
        done = past.of("INTERVENTION//DONE").saying(i.name).within(i.cool_off).count()
        against = done if i.unless is None else done + i.unless.coalesce(0)
        asked[i.name] = i.trigger.coalesce(0) > against
    return asked


def facts_of(catalogue: Sequence[Intervention]) -> dict[str, Expression]:
    """What must be asked to tell patients which facts are theirs, where a step answers any of several."""
    return {_fact(i, n): fact for i in catalogue for n, fact in enumerate(i.facts.values())}


def with_facts(table: pa.Table, record: pa.Table, catalogue: Sequence[Intervention]) -> pa.Table:
    """The same steps, and why for this very patient; `record` has what `facts_of` asks for, at their points."""
    there = {name: np.nan_to_num(record[name].to_numpy()) > 0 for name in facts_of(catalogue)}
    by_name = {i.name: i for i in catalogue}
    because = []
    for row, name in enumerate(table["intervention"].to_pylist()):
        step = by_name[name]
        told = ", ".join(words for n, words in enumerate(step.facts) if there[_fact(step, n)][row])
        because.append(f"{step.because}: {told}" if told else step.because)
    return table.set_column(table.column_names.index("because"), "because", pa.array(because, pa.string()))


def _fact(step: Intervention, place: int) -> str:
    return f"{step.name} {place}"


def given(effects: Effects, catalogue: Sequence[Intervention], budget: Budget) -> Allocation:
    """Entitlements to whom they are owed; the rest to where it is worth most within the budget."""
    entitled, value = beside_what_is_owed(effects, catalogue)
    minutes = np.array([i.minutes for i in catalogue])
    resources = [
        Resource("staff minutes", budget.minutes, minutes[None]),
        Resource("texts", budget.texts, np.array([[float(i.is_automated) for i in catalogue]])),
    ]
    found = allocate(value, np.zeros(len(value), int), resources)
    choice = np.where(entitled, (effects.offered & is_owed(catalogue)).argmax(axis=1), found.choice)
    return Allocation(choice, found.value, found.bound, found.prices, found.used)


def recommended(
    points: pa.Table, effects: Effects, allocation: Allocation, catalogue: Sequence[Intervention], as_of: datetime
) -> pa.Table:
    """A table that fits RECOMMENDATIONS: patients who get something, the most valuable first."""
    rows = np.flatnonzero(allocation.choice != NOBODY)
    worth = effects.value[rows, allocation.choice[rows]]
    owed = np.array([catalogue[k].is_entitlement for k in allocation.choice[rows]], bool)
    rows = rows[np.lexsort((-worth, ~owed))]
    chosen = [catalogue[k] for k in allocation.choice[rows]]
    table = points.take(pa.array(rows))
    return RECOMMENDATIONS.check(pa.table({
        **{name: table[name] for name in table.column_names},
        "rank": pa.array(np.arange(1, len(rows) + 1), pa.int32()),
        "intervention": pa.array([i.name for i in chosen], pa.string()),
        "title": pa.array([i.title for i in chosen], pa.string()),
        "because": pa.array([i.because for i in chosen], pa.string()),
        "script": pa.array([i.script for i in chosen], pa.string()),
        "roles": pa.array([", ".join(i.roles) for i in chosen], pa.string()),
        "minutes": pa.array([i.minutes for i in chosen], pa.float32()),
        "due_at": pa.array([as_of + _duration(i.within) for i in chosen], pa.timestamp("us", tz="UTC")),
        "grade": pa.array([effects.grades[k] for k in allocation.choice[rows]], pa.string()),
        "channel": pa.array([i.channel for i in chosen], pa.string()),
        "expected": pa.array(_expected(effects, rows, allocation.choice[rows]), pa.string()),
        "others": pa.array(_others(effects, rows, allocation.choice[rows], catalogue), pa.string()),
        "holdout": pa.repeat(False, len(rows)),
    }))  # fmt: skip


def with_teams(table: pa.Table, points: pa.Table, staff: Staff, sharing: Sharing) -> pa.Table:
    """The same steps with who is to do each; `points` are the patients that the sharing has rows of."""
    place = pc.index_in(table["subject_id"], points["subject_id"].combine_chunks()).to_numpy()
    team = [None if t == NO_TEAM else staff.team[t].name for t in sharing.team[place]]
    told = {"team": pa.array(team, pa.string()), "by_interpreter": pa.array(sharing.by_interpreter[place])}
    for name, column in told.items():
        table = table.set_column(table.column_names.index(name), name, column)
    return RECOMMENDATIONS.check(table)


def with_holdouts(table: pa.Table, pilot: Pilot, salt: str, at: datetime) -> pa.Table:
    """The same steps after the draw of a pilot: who is held out comes last, and is for the log alone.

    It is drawn among those whom the allocation chose without knowing the draw, and what is saved is not given to others
    tonight: so nobody's chance to be chosen hangs on their own draw, and who got a step is like who was held out.
    """
    drawn = draw(pilot, salt, table["subject_id"].to_numpy(), np.array(table["intervention"].to_pylist(), str), at)
    order = np.argsort(drawn.holdout, kind="stable")
    told = {
        "rank": pa.array(np.arange(1, len(order) + 1), pa.int32()),
        "pilot": pa.array([pilot.name if one else None for one in drawn.drawn[order]], pa.string()),
        "holdout": pa.array(drawn.holdout[order]),
        "propensity": pa.array(drawn.propensity[order], from_pandas=True),
    }
    table = table.take(pa.array(order))
    for name, column in told.items():
        table = table.set_column(table.column_names.index(name), name, column)
    return RECOMMENDATIONS.check(table)


def for_coordinators(table: pa.Table) -> pa.Table:
    """The steps that somebody is to do: without those who are held out."""
    return table.filter(pc.invert(table["holdout"]))


def _others(
    effects: Effects, rows: np.ndarray, chosen: np.ndarray, catalogue: Sequence[Intervention]
) -> list[str]:
    """The next best that are offered to each, by worth a minute."""
    minutes = np.array([max(i.minutes, 0.5) for i in catalogue])
    told = []
    for row, arm in zip(rows, chosen, strict=True):
        order = np.argsort(-effects.value[row] / minutes, kind="stable")
        rest = [k for k in order if k != arm and effects.offered[row, k]][:OTHERS]
        told.append("; ".join(catalogue[k].title for k in rest))
    return told


def _expected(effects: Effects, rows: np.ndarray, chosen: np.ndarray) -> list[str | None]:
    """In words, of each outcome by which the step was randomised: a belief is no number for a coordinator."""
    return [
        "; ".join(f"{target}: {_of_100(float(change[row, arm]), float(effects.spread[target][row, arm]))}"
                  for target, change in effects.change.items()
                  if arm in effects.measured.get(target, ()) and effects.spread[target][row, arm] > 0) or None
        for row, arm in zip(rows, chosen, strict=True)
    ]  # fmt: skip


def _of_100(change: float, spread: float) -> str:
    """Such as "of 100 6 fewer (2 fewer to 9 fewer)"."""
    ways = (change, change + Z * spread, change - Z * spread)
    middle, least, most = (f"{abs(100 * at):.0f} {'fewer' if at < 0 else 'more'}" for at in ways)
    return f"of 100 {middle} ({least} to {most})"


def _duration(text: str) -> timedelta:
    return timedelta(microseconds=microseconds(text))
