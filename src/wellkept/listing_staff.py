"""What a staff file led to, for people: which team does what, what nobody can do, floors, and what an hour is worth."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from wellkept.effects import RANDOMISED
from wellkept.floors import FEWEST, Kept
from wellkept.grouping import UNKNOWN
from wellkept.recommending import Recommended
from wellkept.sharing import NO_ROLE, Sharing
from wellkept.staff import Staff

NOBODY_CAN = "NOBODY HERE CAN"


def worth(table: pa.Table) -> str:
    """What an hour more would prevent, and how far that was measured."""
    tried = table["grade"].to_pylist().count(RANDOMISED)
    measured = f"{tried} of these {table.num_rows} are randomised" if tried else "none of it was measured here"
    return f"detractors or lost patients, if what is assumed of the steps holds: {measured}"


def spent_words(found: Recommended) -> str:
    """What each team and the machines give, of what they have; empty without a staff file."""
    if found.staff is None:
        return ""
    used = found.allocation.used
    teams = [f"{team.name} {used[team.name]:.0f} of {team.minutes:g} minutes" for team in found.staff.team]
    return ", ".join([*teams, f"{used['texts']:.0f} of {found.staff.texts:g} texts"])


def team_words(table: pa.Table, intervention: str) -> str:
    """Which team does how many of these; empty where no team is named."""
    mine = table.filter(pc.equal(table["intervention"], intervention))
    if mine["by_interpreter"].null_count == mine.num_rows or not pc.any(pc.greater(mine["minutes"], 0)).as_py():
        return ""
    of_team, through = mine["team"].to_pylist(), mine["by_interpreter"].to_pylist()
    times = Counter(of_team)
    helped = Counter(team for team, helped in zip(of_team, through, strict=True) if helped)
    return ", ".join(
        f"{team or NOBODY_CAN} {times[team]}" + (f" ({helped[team]} with an interpreter)" if helped[team] else "")
        for team in sorted(times, key=lambda t: (t is None, t or ""))
    )


def not_done_lines(found: Recommended) -> list[str]:
    """Who was left alone, for whom nobody here can do anything, and each group's floor beside what it got."""
    sharing, staff = found.sharing, found.staff
    if sharing is None or staff is None:
        return []
    lines = _out_of_reach_lines(sharing)
    if sharing.left_alone:
        rules = " or ".join(f"{rule.most} in {rule.within}" for rule in staff.contacts)
        lines.append(f"{_patients(sharing.left_alone)} nothing: they had their contacts ({rules})")
    if sharing.floors:
        lines.append("share of the minutes beside share of the estimated need:")
        lines += [f"  {_floor_words(one)}" for one in sharing.floors]
        lines.append(f"  floors cost {sharing.price:.1%} of what could be prevented without them")
    return lines + _unknown_lines(staff, sharing)


def worth_lines(found: Recommended) -> list[str]:
    """What one more hour of each team, or one more of what is bounded, would add: for the manager, and assumed."""
    prices = found.allocation.prices
    teams = [team.name for team in found.staff.team] if found.staff else []
    arms = list(found.staff.arms) if found.staff else []
    lines = [f"one more hour of {team} today would prevent about {60 * prices[team]:.2f}" for team in teams
             if prices[team] > 0]  # fmt: skip
    lines += [f"one more {arm} today would prevent about {prices[arm]:.2f}" for arm in arms if prices[arm] > 0]
    free = [team for team in teams if not prices[team] > 0]
    spare = [f"one more hour of {', '.join(free)} would prevent nothing more: no step is left for it"] if free else []
    told = [f"{line} {worth(found.table) if line is lines[0] else 'likewise'}" for line in lines]
    return [*told, *spare]


def sharing_facts(found: Recommended) -> dict:
    """The same for `--json`; empty without a staff file."""
    if found.sharing is None:
        return {}
    one = found.sharing
    floors = [{"group": k.group.name, "patients": k.group.patients, "need": k.group.need, "floor": k.group.floor,
               "minutes": k.minutes, "reach": k.group.reach, "holds": k.holds} for k in one.floors]  # fmt: skip
    return {"left_alone": one.left_alone, "out_of_reach": dict(one.out_of_reach), "owed_by_nobody": one.owed_by_nobody,
            "floors": floors, "floors_cost": one.price}  # fmt: skip


def _out_of_reach_lines(sharing: Sharing) -> list[str]:
    lines = [
        f"{_patients(count)} nothing: no team that may do their step speaks {language}, or has an interpreter today"
        for language, count in sharing.out_of_reach.items() if language != NO_ROLE
    ]  # fmt: skip
    if count := sharing.out_of_reach.get(NO_ROLE):
        lines.append(f"{_patients(count)} nothing: no team here has a role that may do their step")
    if sharing.owed_by_nobody:
        lines.append(f"OWED to {sharing.owed_by_nobody} and no team here may do it: find somebody")
    return lines


def _patients(count: int) -> str:
    return "1 patient gets" if count == 1 else f"{count} patients get"


def _floor_words(kept: Kept) -> str:
    group = kept.group
    told = f"{group.name}: {kept.minutes:.1%} of the minutes, {group.need:.1%} of the need"
    if kept.holds:
        return told
    promised = f"{told}, promised at least {group.promised * group.need:.1%}: "
    if group.reach < group.promised * group.need and kept.short < kept.step:
        return promised + f"what makes sense for them and a team here may do comes to {group.reach:.1%} at most"
    if kept.short < kept.step:
        return promised + f"{kept.short:.0f} minutes short, and the shortest step takes {kept.step:.0f}"
    return promised + f"SHORT by {kept.short:.0f} minutes: whole steps, other floors or limits stand against it"


def _unknown_lines(staff: Staff, sharing: Sharing) -> list[str]:
    """Names in the staff file that no patient's record has today: a slip of the pen would else go unseen."""
    lines = []
    spoken = {language for team in staff.team for language in team.languages}
    if unheard := sorted(spoken - sharing.languages):
        known = ", ".join(sorted(sharing.languages - {UNKNOWN}))
        lines.append(f"no patient speaks {', '.join(unheard)} today; on record are {known}")
    held = {kept.group.name for kept in sharing.floors}
    for one in staff.floor:
        name = one.code.rpartition("//")[2]
        if missing := [group for group in one.groups if f"{name} {group}" not in held]:
            lines.append(f"floor of {one.code}: fewer than {FEWEST} patients today are {', '.join(missing)}")
    return lines
