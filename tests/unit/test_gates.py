"""One deliberately bad challenger a gate: each is refused by the right gate, with a sentence that says why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from wellkept.calibrating import logit, sigmoid
from wellkept.gates import GATES, Contest, closed, judge_gates
from wellkept.subgroups import by_group

N = 6000
RANDOM = np.random.default_rng(11)
TRUE = sigmoid(RANDOM.normal(-1.2, 1.2, N))
LABEL = RANDOM.random(N) < TRUE
SITE = np.array(["north", "south"])[np.arange(N) % 2]
LANGUAGE = np.where(np.arange(N) % 5 == 0, "spanish", "english")


def blurred(spread: float, seed: int) -> np.ndarray:
    """Calibrated risks of a model that sees less than there is."""
    noise = np.random.default_rng(seed).normal(0, spread, N)
    share = 1.44 / (1.44 + spread**2)
    return sigmoid(-1.2 * (1 - share) + share * (logit(TRUE) + noise))


GOOD = Contest(
    label=LABEL, subject=np.arange(N) // 2, risk=blurred(0.2, 1), logistic=blurred(0.7, 3), incumbent=blurred(0.5, 2),
    groups=pa.table({"site": SITE, "language": LANGUAGE}),
    trained_on={"site": frozenset(["north", "south"])}, facts={"leaks.decay": "passed 0.1"}, missing=(),
    explained="more rows a patient",
)  # fmt: skip


def refused_by(contest: Contest) -> dict[str, str]:
    return {gate.gate: gate.says for gate in closed(judge_gates(contest))}


def test_a_better_challenger_passes_every_gate() -> None:
    assert refused_by(GOOD) == {}
    assert [gate.holds for gate in judge_gates(GOOD)] == [True] * len(GATES)


def test_without_a_champion_only_what_needs_none_is_asked() -> None:
    first = judge_gates(replace(GOOD, incumbent=None))
    assert {gate.gate for gate in first if gate.holds is None} == {"brier", "net_benefit", "list"}
    assert closed(first) == []


def test_shuffled_labels_are_no_better_than_chance_and_worse_than_the_champion() -> None:
    shuffled = np.random.default_rng(1).permutation(GOOD.risk)
    found = refused_by(replace(GOOD, risk=shuffled, incumbent=GOOD.risk))
    assert {"skill", "brier", "net_benefit", "logistic"} <= set(found)
    assert "no better than chance" in found["skill"]
    assert "at most +0.00" in found["brier"]
    assert "fewer" in found["net_benefit"]
    assert "simpler model" in found["logistic"]


def test_a_challenger_that_states_too_little_is_to_be_recalibrated() -> None:
    low = sigmoid(logit(GOOD.risk) - 0.5)
    found = refused_by(replace(GOOD, risk=low, incumbent=None))
    assert set(found) == {"calibration", "groups"}
    assert "recalibrate" in found["calibration"]
    assert "too little risk" in found["calibration"]


def test_a_group_that_is_stated_wrongly_is_named_though_the_whole_is_right() -> None:
    spanish = LANGUAGE == "spanish"
    skewed = np.where(spanish, sigmoid(logit(GOOD.risk) - 0.6), sigmoid(logit(GOOD.risk) + 0.08))
    found = refused_by(replace(GOOD, risk=skewed, incumbent=None))
    assert set(found) == {"groups"}
    assert found["groups"].startswith("language spanish: true over stated")


def test_groups_that_a_report_has_measured_are_not_measured_again() -> None:
    """The gate says of a report's figures what it says of its own, and believes those of the report."""
    measured = by_group(GOOD.label, GOOD.risk, GOOD.subject, GOOD.groups)
    known = {name: {level: group.plain for level, group in levels.items()} for name, levels in measured.items()}
    asked, told = ({g.gate: g for g in judge_gates(c)}["groups"] for c in (GOOD, replace(GOOD, measured=known)))
    assert told.says == asked.says
    known["language"]["spanish"]["metrics"]["observed_expected"] = [1.5, 1.4, 1.6]
    assert refused_by(replace(GOOD, measured=known))["groups"].startswith("language spanish: true over stated 1.500")


def test_a_group_too_small_to_tell_closes_no_gate() -> None:
    few = np.where(np.arange(N) < 60, "few", "many")
    wrong = np.where(few == "few", 0.9, GOOD.risk)
    assert refused_by(replace(GOOD, risk=wrong, groups=pa.table({"g": few}), trained_on={}, incumbent=None)) == {}


def test_a_site_that_training_never_saw_is_missing() -> None:
    found = refused_by(replace(GOOD, trained_on={"site": frozenset(["north"])}))
    assert set(found) == {"coverage"}
    assert found["coverage"] == "training had no row of site south (3000 rows)"


def test_a_list_that_turns_over_asks_for_an_explanation() -> None:
    other = replace(GOOD, risk=blurred(0.9, 5), incumbent=blurred(1.2, 6), logistic=blurred(1.3, 7), explained="",
                    moved={"wait": 0.4, "calls": -0.6, "age": 0.01})  # fmt: skip
    found = refused_by(other)
    assert set(found) == {"list"}
    assert "calls -0.60, wait +0.40" in found["list"]
    assert "--explained" in found["list"]
    assert refused_by(replace(other, explained="two clinics were added")) == {}


@pytest.mark.parametrize(("facts", "says"), [
    ({}, "no leak test was run"),
    ({"leaks.decay": "FAILED 0.4", "leaks.replay": "passed"}, "decay failed"),
])  # fmt: skip
def test_a_leak_or_none_looked_for_closes_the_gate(facts: dict, says: str) -> None:
    found = refused_by(replace(GOOD, facts=facts))
    assert set(found) == {"leaks"}
    assert says in found["leaks"]


def test_a_leak_that_somebody_accepted_does_not() -> None:
    assert refused_by(replace(GOOD, facts={"leaks.decay": "FAILED 0.4", "leaks.accepted": "decay"})) == {}


def test_an_empty_card_names_its_fields() -> None:
    assert refused_by(replace(GOOD, missing=("intended_use", "developer"))) == {
        "card": "empty: intended_use, developer"
    }
