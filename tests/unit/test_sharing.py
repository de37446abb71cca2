"""Which team does what for whom, what is never exceeded, and what each group gets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bundling import points
from tests.conftest import day
from wellkept.effects import Effects, effects_of
from wellkept.grouping import UNKNOWN
from wellkept.listing import recommendation_lines
from wellkept.listing_staff import not_done_lines, sharing_facts
from wellkept.offering import DETRACTOR, NO_RETURN, interventions
from wellkept.programs import NOBODY
from wellkept.recommending import Recommended, recommended, with_teams
from wellkept.sharing import NO_ROLE, People, Sharing, shared
from wellkept.staff import Staff
from wellkept.teams import NO_TEAM

CATALOGUE = list(interventions().values())
NAMES = [i.name for i in CATALOGUE]
MINUTES = np.array([i.minutes for i in CATALOGUE])
OWED = np.array([i.is_entitlement for i in CATALOGUE])
NURSES = {"name": "nurses", "minutes": 60, "roles": ["nurse"], "languages": ["english", "spanish"]}
DESK = {"name": "desk", "minutes": 60, "roles": ["coordinator", "scheduler"], "languages": ["english"],
        "interpreter": True}  # fmt: skip
PAYER = "PERSON//payer"


def staff(*teams: dict[str, Any], **rest: Any) -> Staff:
    return Staff.model_validate({"team": list(teams or (NURSES, DESK)), "texts": 10, **rest})


def offered(*steps: str, risk: float | list[float] = 0.3) -> Effects:
    """A patient for each text: the steps that are offered, by name."""
    triggered = np.array([[name in one.split() for name in NAMES] for one in steps])
    p = np.broadcast_to(np.array(risk), len(steps)).copy()
    return effects_of(CATALOGUE, {DETRACTOR: p, NO_RETURN: p}, triggered)


def people(*languages: str, contacts: list[int] | None = None, payer: list[str] | None = None,
           risk: np.ndarray | None = None) -> People:  # fmt: skip
    n = len(languages)
    return People(
        np.array(languages, object), {PAYER: np.array(payer or ["one"] * n, object)},
        np.array(contacts, float)[:, None] if contacts else np.zeros((n, 0)), np.full(n, 0.6) if risk is None else risk,
    )  # fmt: skip


def told(found: Sharing, who: Staff) -> list[tuple[str, str | None]]:
    """Step and team of each patient."""
    return [("" if k == NOBODY else NAMES[k], None if t == NO_TEAM else who.team[t].name)
            for k, t in zip(found.allocation.choice, found.team, strict=True)]  # fmt: skip


@pytest.mark.parametrize(("step", "language", "team", "through"), [
    # step               language      who does it, and with an interpreter on the line?
    ("nurse_call",          "english", "nurses", False),
    ("nurse_call",          "Spanish", "nurses", False),
    ("nurse_call",          "chinese", "",       False),  # the nurses have no interpreter
    ("nurse_call",          UNKNOWN,   "nurses", False),  # the first call finds out
    ("recovery_call",       "english", "desk",   False),
    ("recovery_call",       "spanish", "desk",   True),   # nurses speak it, but may not do this
    ("scheduling_priority", "chinese", "desk",   True),
    ("billing_fix",         "english", "",       False),  # nobody of the role is here
    ("interpreter",         "chinese", "desk",   False),  # whoever calls brings one along
    ("text_nudge",          "chinese", None,     False),  # a machine needs no team
])  # fmt: skip
def test_a_step_goes_to_a_team_that_may_do_it_in_the_patients_language(
    step: str, language: str, team: str | None, through: bool
) -> None:
    who = staff(NURSES | {"minutes": 15}, DESK)
    found = shared(offered(step), CATALOGUE, who, people(language))
    assert told(found, who) == [("", None) if team == "" else (step, team)]
    assert found.by_interpreter.tolist() == [through]


def test_who_gets_nothing_for_want_of_a_language_or_a_role_is_counted() -> None:
    steps = ["nurse_call", "nurse_call", "billing_fix", "billing_fix nurse_call"]
    found = shared(offered(*steps), CATALOGUE, staff(), people("chinese", "hmong", "english", "english"))
    assert dict(found.out_of_reach) == {"chinese": 1, "hmong": 1, NO_ROLE: 1}
    assert "Take over the bill" not in others(found, 3)


def others(found: Sharing, row: int) -> str:
    who = staff()
    table = recommended(points(4), found.effects, found.allocation, CATALOGUE, day(1))
    mine = with_teams(table, points(4), who, found).filter(pc.equal(table["subject_id"], points(4)["subject_id"][row]))
    [mine] = mine.to_pylist()
    assert (mine["team"], mine["by_interpreter"]) == ("nurses", False)
    return mine["others"]


def test_what_is_owed_and_nobody_can_do_is_listed_all_the_same() -> None:
    who = staff({"name": "billing", "minutes": 60, "roles": ["billing"], "languages": ["english"]})
    found = shared(offered("interpreter billing_fix"), CATALOGUE, who, people("chinese"))
    assert told(found, who) == [("interpreter", None)]
    assert found.owed_by_nobody == 1


def test_steps_that_several_teams_can_do_are_spread_over_them() -> None:
    both = NURSES | {"roles": ["nurse", "coordinator"], "minutes": 50}
    who = staff(both, DESK | {"minutes": 50})
    found = shared(offered(*["recovery_call"] * 5), CATALOGUE, who, people(*["english"] * 5))
    assert sorted(t or "" for _, t in told(found, who)) == ["", "desk", "desk", "nurses", "nurses"]
    assert found.allocation.used == {"texts": 0, "nurses": 50, "desk": 50}


def test_a_price_is_what_one_more_minute_of_that_team_would_add() -> None:
    random = np.random.default_rng(1)
    n, who = 3000, staff(NURSES | {"minutes": 900}, DESK | {"minutes": 600})
    steps = random.choice(["nurse_call", "recovery_call", "scheduling_priority", "nurse_call portal_help", ""], n)
    effects = offered(*steps, risk=random.beta(2, 5, n).tolist())
    record = people(*random.choice(["english", "spanish"], n))
    before = shared(effects, CATALOGUE, who, record).allocation
    for t, team in enumerate(who.team):
        teams = [one.model_copy(update={"minutes": one.minutes + 120 * (one.name == team.name)}) for one in who.team]
        after = shared(effects, CATALOGUE, who.model_copy(update={"team": tuple(teams)}), record).allocation
        assert (after.value - before.value) / 120 == pytest.approx(before.prices[team.name], rel=0.1), t
    assert before.gap < 0.002


def test_no_more_of_an_intervention_than_there_is() -> None:
    found = shared(offered(*["scheduling_priority"] * 4), CATALOGUE, staff(arms={"scheduling_priority": 1}),
                   people(*["english"] * 4))  # fmt: skip
    assert found.allocation.used["scheduling_priority"] == 1
    assert found.allocation.prices["scheduling_priority"] > 0
    assert found.allocation.prices["desk"] == 0


@pytest.mark.parametrize(("contacts", "steps", "given"), [
    ([0, 1, 2], ["nurse_call"] * 3, ["nurse_call", "nurse_call", ""]),
    ([2], ["text_nudge"], [""]),
    ([2], ["interpreter"], ["interpreter"]),  # what is owed is done all the same
    ([5], [""], [""]),
])  # fmt: skip
def test_whoever_had_enough_contacts_is_left_alone(contacts: list[int], steps: list[str], given: list[str]) -> None:
    who = staff(contacts=[{"most": 2, "within": "30d"}])
    found = shared(offered(*steps), CATALOGUE, who, people(*["english"] * len(steps), contacts=contacts))
    assert [step for step, _ in told(found, who)] == given
    assert found.left_alone == sum(bool(s) and not g for s, g in zip(steps, given, strict=True))


def many(n: int, seed: int, **rest: Any) -> tuple[Effects, Staff, People]:
    """Patients of two payers; those of the second have as much need and less to gain."""
    random = np.random.default_rng(seed)
    second = random.random(n) < 0.3
    value = random.gamma(1, 0.05, (n, len(NAMES))) * np.where(second, 0.5, 1)[:, None]
    steps = (random.random(value.shape) < 0.3) & ~OWED
    effects = Effects({DETRACTOR: -value}, {DETRACTOR: value / 9}, steps, ("assumed",) * len(NAMES))
    who = staff(NURSES | {"minutes": n / 4}, DESK | {"minutes": n / 4, "languages": ["english", "spanish"]}, **rest)
    languages = random.choice(["english", "spanish", "chinese"], n, p=[0.8, 0.15, 0.05])
    payer = np.where(second, "second", "first").tolist()
    return effects, who, people(*languages, payer=payer, risk=random.beta(2, 5, n))


def test_a_floor_holds_costs_little_and_is_told() -> None:
    effects, who, record = many(4000, 1)
    free = shared(effects, CATALOGUE, who, record)
    held = shared(effects, CATALOGUE, who.model_copy(update=floor(need="risk")), record)
    mine = record.groups[PAYER] == "second"

    def share(found: Sharing) -> float:
        given = np.where(found.allocation.choice == NOBODY, 0, MINUTES[found.allocation.choice])
        return given[mine].sum() / given.sum()

    first, second = held.floors
    assert (first.group.name, second.group.name) == ("payer first", "payer second")
    assert second.group.need == pytest.approx(record.risk[mine].sum() / record.risk.sum())
    assert share(free) < 0.9 * second.group.floor
    assert share(held) == pytest.approx(second.minutes)
    assert share(held) >= second.group.floor - 15 / who.minutes  # steps are whole: less than the shortest
    assert 0 < held.price < 0.1
    assert held.price == pytest.approx(1 - held.allocation.value / free.allocation.value)
    assert held.allocation.gap < 0.005


def floor(**rest: Any) -> dict[str, Any]:
    return {"floor": staff(floor=[{"code": PAYER, **rest}]).floor}


def test_a_group_of_which_nobody_can_be_given_more_gets_that_and_others_lose_nothing_by_it() -> None:
    effects, who, record = many(1000, 2)
    record.groups[PAYER][:] = np.where(record.language == "chinese", "second", "first")
    teams = tuple(team.model_copy(update={"interpreter": False}) for team in who.team)
    who = who.model_copy(update={**floor(), "team": teams})
    held, free = (shared(effects, CATALOGUE, w, record) for w in (who, who.model_copy(update={"floor": ()})))
    [_, second] = held.floors
    assert (second.group.reach, second.group.floor, second.holds) == (0, 0, False)
    assert held.allocation.value == pytest.approx(free.allocation.value, rel=1e-3)


def test_need_is_what_the_best_step_of_staff_would_prevent_where_the_file_does_not_say_otherwise() -> None:
    effects, who, record = many(1000, 3)
    held = shared(effects, CATALOGUE, who.model_copy(update=floor()), record)
    best = np.where(MINUTES > 0, effects.value, 0).max(axis=1)
    assert held.floors[1].group.need == pytest.approx(best[record.groups[PAYER] == "second"].sum() / best.sum())


def test_a_group_of_a_few_is_held_to_no_floor_and_told_nothing_of() -> None:
    effects, who, record = many(200, 4)
    record.groups[PAYER][:] = np.where(np.arange(200) < 9, "few", "many")
    found = shared(effects, CATALOGUE, who.model_copy(update=floor()), record)
    assert [one.group.name for one in found.floors] == ["payer many"]


def test_the_output_says_who_does_what_who_gets_nothing_and_what_an_hour_is_worth() -> None:
    steps = ["nurse_call", "nurse_call", "recovery_call", "recovery_call", "interpreter", "text_nudge", "nurse_call"]
    languages = ["english", "spanish", "english", "spanish", "chinese", "english", "chinese"]
    who = staff(NURSES | {"minutes": 15}, DESK | {"languages": ["english", "frisian"]},
                contacts=[{"most": 3, "within": "30d"}], floor=[{"code": PAYER, "groups": ["medicaid"]}])  # fmt: skip
    found = shared(offered(*steps), CATALOGUE, who, people(*languages, contacts=[0] * 6 + [3]))
    table = recommended(points(7), found.effects, found.allocation, CATALOGUE, day(1))
    told = Recommended(with_teams(table, points(7), who, found), found.allocation, 7, who, found)
    text = "\n".join(recommendation_lines(told))
    for line in (
        "5 steps for 7 patients: nurses 15 of 15 minutes, desk 50 of 60 minutes, 1 of 10 texts; what is owed costs no",
        "1 x Nurse follow-up call (nurses 1, 15 min each)",
        "2 x Service-recovery call (desk 2 (1 with an interpreter), 25 min each)",
        "1 patient gets nothing: they had their contacts (3 in 30d)",
        "no patient speaks frisian today; on record are chinese, english, spanish",
        "floor of PERSON//payer: fewer than 10 patients today are medicaid",
        "one more hour of nurses today would prevent about",
        "if what is assumed of the steps holds: none of it was measured here",
        "one more hour of desk would prevent nothing more: no step is left for it",
    ):
        assert line in text, (line, text)
    assert "evidence: assumed" in text
    assert sharing_facts(told)["left_alone"] == 1


def test_a_floor_that_does_not_hold_says_why() -> None:
    effects, who, record = many(300, 7)
    record.groups[PAYER][:] = np.where(record.language == "chinese", "second", "first")
    teams = tuple(team.model_copy(update={"interpreter": False}) for team in who.team)
    who = who.model_copy(update={**floor(), "team": teams})
    found = shared(effects, CATALOGUE, who, record)
    table = recommended(points(300), found.effects, found.allocation, CATALOGUE, day(1))
    table = with_teams(table, points(300), who, found)
    text = "\n".join(recommendation_lines(Recommended(table, found.allocation, 300, who, found)))
    assert "payer first: 100.0% of the minutes" in text
    assert "payer second: 0.0% of the minutes" in text
    assert "what makes sense for them and a team here may do comes to 0.0% at most" in text
    assert "patients get nothing: no team that may do their step speaks chinese, or has an interpreter today" in text


TEAM = st.fixed_dictionaries({
    "minutes": st.integers(0, 200),
    "roles": st.sets(st.sampled_from(["nurse", "coordinator", "scheduler", "navigator"]), min_size=1).map(list),
    "languages": st.sets(st.sampled_from(["english", "spanish", "chinese"]), min_size=1).map(list),
    "interpreter": st.booleans(),
})  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(TEAM, min_size=1, max_size=4), st.integers(1, 150), st.integers(0, 10_000), st.booleans(),
       st.integers(0, 4))  # fmt: skip
def test_nobody_gets_a_step_that_their_team_may_not_do_and_nothing_is_exceeded(
    teams: list[dict], n: int, seed: int, floors: bool, bound: int
) -> None:
    who = staff(*({"name": str(k), **team} for k, team in enumerate(teams)), texts=n // 10, arms={"navigator": bound},
                contacts=[{"most": 2, "within": "30d"}], floor=[{"code": PAYER}] if floors else [])  # fmt: skip
    effects, _, record = many(n, seed)
    random = np.random.default_rng(seed)
    effects.offered[:, OWED] = random.random((n, 1)) < 0.1
    record = People(record.language, record.groups, random.poisson(1, (n, 1)), record.risk)
    found = shared(effects, CATALOGUE, who, record)
    choice, team = found.allocation.choice, found.team
    spent, arms = np.zeros(len(who.team)), np.zeros(len(NAMES), int)
    for row in np.flatnonzero(choice != NOBODY):
        step = CATALOGUE[choice[row]]
        assert effects.offered[row, choice[row]]
        assert record.contacts[row, 0] < 2 or step.is_entitlement
        assert not step.is_automated or team[row] == NO_TEAM
        arms[choice[row]] += 1
        if team[row] == NO_TEAM:
            assert step.is_automated or not any(set(step.roles) & set(t.roles) for t in who.team)
            continue
        doer, language = who.team[team[row]], record.language[row]
        assert set(doer.roles) & set(step.roles)
        if step.needs_language and language not in doer.languages:
            assert doer.interpreter
            assert found.by_interpreter[row]
            assert not any(set(t.roles) & set(step.roles) and language in t.languages for t in who.team)
        spent[team[row]] += 0 if step.is_entitlement else step.minutes
    assert (spent <= [t.minutes + 1e-6 for t in who.team]).all()
    assert spent == pytest.approx([found.allocation.used[t.name] for t in who.team])
    assert arms[NAMES.index("navigator")] <= bound
    assert arms[NAMES.index("text_nudge")] <= n // 10
    minutes = np.where((choice == NOBODY) | OWED[choice], 0, MINUTES[choice])
    for one in found.floors:
        mine = minutes[record.groups[PAYER] == one.group.name.removeprefix("payer ")].sum()
        assert one.minutes == pytest.approx(mine / minutes.sum() if minutes.sum() else 0)
        assert one.short == pytest.approx(max(0, one.group.floor * minutes.sum() - mine))
    told = not_done_lines(Recommended(points(1), found.allocation, n, who, found))
    why = [line for line in told if " minutes short" in line or "SHORT by" in line or "at most" in line]
    assert len(why) == sum(not one.holds for one in found.floors)
