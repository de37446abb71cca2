"""How much would it help this patient, and how do we know: beliefs, risks, what-ifs in; effects and their spread out.

Without an experiment an intervention's effect is its catalogue's belief where the trigger is in the record, and nothing
where it is not, times the patient's room to move: risk (1 - risk) over what is usual (METHOD.md, section 9.5). It is
averaged with what the model would say had the thing never gone wrong (what_if.py; METHOD.md, section 7.1): two ways to
be wrong that have little in common. Evidence of trials, if it is given, corrects it (evidence.py): of the steps that
were tried, and somewhat of the others, since the same catalogue assumed them. SHAP values play no part: what a risk is
associated with need not be what would lower it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtr

from wellkept.evidence import Evidence, basis, room
from wellkept.offering import Intervention

SURE = 0.8  # probability that it helps at all, below which it is not offered
SURE_AFTER_TRIALS = 0.95  # of a step that was tried: of many that were, one looks good by luck
Z = 1.96  # 95 %
RANDOMISED = "randomised"


@dataclass(frozen=True)
class Effects:
    """Patients x interventions: change of each risk, and the spread of that belief; 0 where it is not offered.

    Attributes
    ----------
    change, spread
        Target -> shape (patients, interventions), probability; a change below 0 is help.
    offered
        Shape (patients, interventions): trigger there, nothing against it, and surely enough a help.
    grades
        By intervention, the best evidence that its effects go by.
    measured
        Target -> places of the interventions whose change of that risk was tried: the others' was only drawn after.
    """

    change: Mapping[str, np.ndarray]
    spread: Mapping[str, np.ndarray]
    offered: np.ndarray
    grades: tuple[str, ...]
    measured: Mapping[str, frozenset[int]] = field(default_factory=dict)

    @property
    def value(self) -> np.ndarray:
        """Bad outcomes prevented, of all targets together; 0 where it is not offered."""
        return np.where(self.offered, -sum(self.change.values()), 0.0)


def effects_of(
    catalogue: Sequence[Intervention], risk: Mapping[str, np.ndarray], triggered: np.ndarray,
    gone_well: Mapping[str, np.ndarray] | None = None, evidence: Evidence | None = None,
    kind: np.ndarray | None = None,
) -> Effects:  # fmt: skip
    """What the catalogue believes and the model says, half and half, and what trials corrected.

    Parameters
    ----------
    risk
        Target -> shape (patients,), probability; NaN where the patient has no such risk, which then cannot change.
    triggered
        Shape (patients, interventions): is the trigger there, and nothing against it?
    gone_well
        Target -> what `what_if` says, shape (patients, interventions); NaN, or no target, where it has no say.
    evidence
        What trials taught.
    kind
        Shape (patients,): each one's kind of care, where trials told kinds apart.
    """
    gone_well = gone_well or {}
    change, spread = {}, {}
    for target, p in risk.items():
        said = gone_well.get(target, np.full(triggered.shape, np.nan))
        change[target], spread[target] = _assumed(catalogue, target, p, triggered, said)
    doubt, sure = np.sqrt(sum(s**2 for s in spread.values())), np.full(len(catalogue), SURE)
    if evidence:
        doubt = _corrected(catalogue, risk, triggered, change, spread, evidence, kind)
        sure[[evidence.is_tried(i.name) for i in catalogue]] = SURE_AFTER_TRIALS
    helps = ndtr(np.divide(-sum(change.values()), doubt, out=np.zeros(triggered.shape), where=doubt > 0)) >= sure
    offered = triggered & (helps | np.array([i.is_entitlement for i in catalogue]))
    grades = tuple(_grade(i, k, gone_well, evidence) for k, i in enumerate(catalogue))
    return Effects(change, spread, offered, grades, _measured(catalogue, risk, evidence))


def _assumed(
    catalogue: Sequence[Intervention], target: str, risk: np.ndarray, triggered: np.ndarray, gone_well: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Beliefs where the trigger is, averaged with what the model says; it counts as nothing where it has no say."""
    beliefs = [i.beliefs.get(target) for i in catalogue]
    reach = triggered * room(risk)[:, None]
    change = reach * np.array([b.change if b else 0.0 for b in beliefs])
    spread = reach * np.array([b.spread if b else 0.0 for b in beliefs])
    has_say = np.isfinite(gone_well)
    return (change + triggered * np.where(has_say, gone_well, 0.0)) / 2, np.where(has_say, spread, spread / 2)


def _corrected(
    catalogue: Sequence[Intervention], risk: Mapping[str, np.ndarray], triggered: np.ndarray,
    change: dict[str, np.ndarray], spread: dict[str, np.ndarray], evidence: Evidence, kind: np.ndarray | None,
) -> np.ndarray:  # fmt: skip
    """What was assumed gives way, in place, to what is known after trials; returns the doubt about the sum."""
    kinds = np.full(len(triggered), "") if kind is None else kind
    nothing, doubt = np.zeros(len(triggered)), np.zeros(triggered.shape)
    for k, step in enumerate(catalogue):
        there = triggered[:, k : k + 1]
        bases = [there * basis(risk.get(t, nothing), change[t][:, k] if t in change else nothing, kinds, evidence.kinds)
                 for t in evidence.targets]  # fmt: skip
        mean, deviation, together = evidence.change(step.name, bases)
        others = sum(spread[target][:, k] ** 2 for target in change if target not in evidence.targets)
        doubt[:, k] = np.sqrt(together**2 + others)
        for t, target in enumerate(evidence.targets):
            if target in change:
                change[target][:, k], spread[target][:, k] = mean[t], deviation[t]
    return doubt


def _measured(
    catalogue: Sequence[Intervention], targets: Iterable[str], evidence: Evidence | None
) -> dict[str, frozenset[int]]:
    rows = evidence.rows if evidence else {}
    return {t: frozenset(k for k, i in enumerate(catalogue) if rows.get((i.name, t))) for t in targets}


def _grade(intervention: Intervention, k: int, gone_well: Mapping[str, np.ndarray], evidence: Evidence | None) -> str:
    if evidence and evidence.is_tried(intervention.name):
        return RANDOMISED
    asked = any(np.isfinite(said[:, k]).any() for said in gone_well.values())
    return "what-if" if asked and intervention.grade == "assumed" else intervention.grade
