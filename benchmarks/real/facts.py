"""Facts of shared/DATA.md about groups of people, held beside what the product measures on the same people.

Each fact is looked up in the model with or without columns that it speaks of (wellkept.fairness), whatever the number
of events: a group under the product's bar of 100 events is marked, since the product would state nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
EVERYBODY = {"hints_with": ("AUC of everybody, protected columns dropped", ALL_RACES, NEITHER)}


def held(study: str, snapshot: Snapshot, data: Examples, spec: Spec, kind: str) -> dict:
    """Each fact with our figure and its interval, and how it moves against the model as it is; with the verdicts."""
    from wellkept.fairness import AS_IT_IS, variants, with_audited

    more = with_audited(snapshot, data, spec)
    wanted = dict.fromkeys((AS_IT_IS, *(fact.variant for fact in FACTS[study])))
    made = variants(more, spec, kind, only=(*wanted,))
    return {"facts": [_held(fact, more, made) for fact in FACTS[study]], "everybody": _everybody(study, more, made)}


def lines(found: dict) -> list[str]:
    """One line a fact: theirs, ours, and whether theirs lies within our interval."""
    told = [
        f"  {fact['says']:36} theirs {fact['value']:.3f}   ours {_triple(fact['ours'])}   "
        f"{'within' if fact['within'] else 'OUTSIDE'}   ({fact['variant']}; change {_triple(fact['change'], '+')})"
        + (f"   {fact['events']} events: the product tells nothing of so few" if fact["events"] < 100 else "")
        for fact in found["facts"]
    ]
    if found["everybody"]:
        told.append(f"  {found['everybody']['says']}: change {_triple(found['everybody']['change'], '+')}")
    return ["  facts of DATA.md (mean of refits with other folds, intervals over patients and refits):", *told]


def _held(fact: Fact, data: Examples, made: list) -> dict:
    import numpy as np
    from wellkept.disparities import disparities
    from wellkept.evaluating import triple
    from wellkept.intervals import mean_over

    rows, ours = data.test_rows, next(i for i, v in enumerate(made) if v.name == fact.variant)
    label, subject = data.label[rows], data.subject[rows]
    here = np.array(data.groups[fact.group].to_pylist(), str)[rows] == fact.level
    found = disparities(label, [[r[rows] for r in v.risks] for v in made], subject, here)[ours]
    if fact.figure == "base_rate":
        own, change = triple(mean_over(label[here], subject[here])), [0.0, 0.0, 0.0]
    else:
        own, change = (triple(side[fact.figure]) for side in found)
    return {"says": fact.says, "value": fact.value, "ours": own, "within": own[1] <= fact.value <= own[2],
            "variant": fact.variant, "change": change, "events": int(label[here].sum())}  # fmt: skip


def _everybody(study: str, data: Examples, made: list) -> dict:
    import numpy as np
    from wellkept.disparities import disparities
    from wellkept.evaluating import triple

    if study not in EVERYBODY:
        return {}
    says, before, after = EVERYBODY[study]
    rows, named = data.test_rows, {v.name: [r[rows] for r in v.risks] for v in made}
    both = disparities(data.label[rows], [named[before], named[after]], data.subject[rows], np.ones(len(rows), bool))
    return {"says": says, "change": triple(both[1][1]["auroc"])}


def _triple(triple: list[float], sign: str = "") -> str:
    value, low, high = (f"{number:{sign}.3f}" for number in triple)
    return f"{value} [{low} to {high}]"
