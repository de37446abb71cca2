"""Facts of shared/DATA.md about groups of people, held beside what the product measures on the same people.

Each fact is looked up in the model with or without columns that it speaks of (wellkept.fairness), whatever the number
of events: a group under the product's bar of 100 events is marked, since the product would state nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from wellkept.examples import Examples
    from wellkept.journeys import Snapshot
    from wellkept.spec import Spec

ALL_RACES, NEITHER = "with all that is audited", "without all of them"


@dataclass(frozen=True)
class Fact:
    """What DATA.md says of one group under one choice of columns."""

    group: str
    level: str
    says: str
    figure: str
    variant: str
    value: float


FACTS = {
    "meps": [
        Fact("RACETHX", "1", "Hispanic: base rate", "base_rate", "as it is", 0.137),
        Fact("RACETHX", "2", "White: base rate", "base_rate", "as it is", 0.028),
        Fact("RACETHX", "1", "Hispanic: O/E with race", "observed_expected", "with PERSON//RACETHX", 1.16),
        Fact("RACETHX", "1", "Hispanic: O/E without race", "observed_expected", "as it is", 1.24),
        Fact("RACETHX", "1", "Hispanic: O/E without race and SES", "observed_expected",
             "without all that tells groups", 1.33),
    ],
    "hints_with": [
        Fact("RACE_CAT2", "White only", "White: AUC", "auroc", ALL_RACES, 0.89),
        Fact("RACE_CAT2", "Black only", "Black: AUC", "auroc", ALL_RACES, 0.80),
        Fact("RACE_CAT2", "White only", "White: found in the top 10 %", "recall_at_capacity", ALL_RACES, 0.49),
        Fact("RACE_CAT2", "Black only", "Black: found in the top 10 %", "recall_at_capacity", ALL_RACES, 0.38),
        Fact("RACE_CAT2", "Black only", "Black: found, protected dropped", "recall_at_capacity", NEITHER, 0.33),
    ],
}  # fmt: skip
DROPPED = {  # what dropping the columns changes, beside the model that has them all
    "hints_with": [("everybody: AUC", "", "", "auroc"), ("Black: found in the top 10 %", "RACE_CAT2", "Black only",
                                                        "recall_at_capacity")],
}  # fmt: skip


def held(study: str, snapshot: Snapshot, data: Examples, spec: Spec, kind: str) -> dict:
    """Each fact with our figure and its interval, and how it moves against the model as it is; with the verdicts."""
    from wellkept.fairness import AS_IT_IS, variants, with_audited

    more = with_audited(snapshot, data, spec)
    wanted = dict.fromkeys((AS_IT_IS, *(fact.variant for fact in FACTS[study])))
    made = variants(more, spec, kind, only=(*wanted,))
    return {"facts": [_held(fact, more, made) for fact in FACTS[study]], "dropped": _dropped(study, more, made)}


def lines(found: dict) -> list[str]:
    """One line a fact: theirs, ours, and whether theirs lies within our interval."""
    told = [
        f"  {fact['says']:36} theirs {fact['value']:.3f}   ours {_triple(fact['ours'])}   "
        f"{'within' if fact['within'] else 'OUTSIDE'}   ({fact['variant']})"
        + (f"   {fact['events']} events: the product tells nothing of so few" if fact["events"] < 100 else "")
        for fact in found["facts"]
    ]
    told += [f"  all such columns dropped, {says}: change {_triple(c, '+')}" for says, c in found["dropped"].items()]
    return ["  facts of DATA.md (mean of refits with other folds, intervals over patients and refits):", *told]


def _held(fact: Fact, data: Examples, made: list) -> dict:
    from wellkept.evaluating import triple
    from wellkept.intervals import mean_over

    rows, here = data.test_rows, _here(data, fact.group, fact.level)
    label, subject = data.label[rows][here], data.subject[rows][here]
    ours = next(variant for variant in made if variant.name == fact.variant)
    own = (triple(mean_over(label, subject)) if fact.figure == "base_rate"
           else _figure(data, [ours], fact.group, fact.level, fact.figure)[0])  # fmt: skip
    return {"says": fact.says, "value": fact.value, "ours": own, "within": own[1] <= fact.value <= own[2],
            "variant": fact.variant, "events": int(label.sum())}  # fmt: skip


def _dropped(study: str, data: Examples, made: list) -> dict:
    pair = [variant for name in (ALL_RACES, NEITHER) for variant in made if variant.name == name]
    return {says: _figure(data, pair, *of_whom)[1] for says, *of_whom in DROPPED.get(study, [])}


def _figure(data: Examples, made: list, group: str, level: str, figure: str) -> tuple[list[float], list[float]]:
    """One figure of the last of the variants, and by how much it lies above that of the first."""
    from wellkept.disparities import disparities
    from wellkept.evaluating import triple

    rows = data.test_rows
    risks = [[risk[rows] for risk in variant.risks] for variant in made]
    own, apart = disparities(data.label[rows], risks, data.subject[rows], _here(data, group, level))[-1]
    return triple(own[figure]), triple(apart[figure])


def _here(data: Examples, group: str, level: str) -> np.ndarray:
    """Which test rows belong to the level; all, where no group is named."""
    import numpy as np

    rows = data.test_rows
    return np.array(data.groups[group].to_pylist(), str)[rows] == level if group else np.ones(len(rows), bool)


def _triple(triple: list[float], sign: str = "") -> str:
    value, low, high = (f"{number:{sign}.3f}" for number in triple)
    return f"{value} [{low} to {high}]"
