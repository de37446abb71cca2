"""How much would it help this patient, and how do we know: beliefs, risks, what-ifs in; effects and their spread out.

Without an experiment an intervention's effect is its catalogue's belief where the trigger is in the record, and nothing
where it is not, times the patient's room to move: risk (1 - risk) over what is usual (METHOD.md, section 9.5). It is
bounded by what the model would say had the thing never gone wrong (what_if.py), where the model has a say. SHAP values
play no part: what a risk is associated with need not be what would lower it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from wellkept.offering import Intervention

USUAL_ROOM = 0.12  # mean of risk (1 - risk) that beliefs are stated for
SURE = 0.8  # probability that it helps at all, below which it is not offered


@dataclass(frozen=True)
class Effects:
    """Patients x interventions: change of each risk, and the spread of that belief; 0 where it is not offered.

    Attributes
    ----------
    change, spread
        Target -> shape (patients, interventions), probability; a change below 0 is help.
    offered
        Shape (patients, interventions): trigger there, nothing against it, and surely enough a help.
    """

    change: Mapping[str, np.ndarray]
    spread: Mapping[str, np.ndarray]
    offered: np.ndarray

    @property
    def value(self) -> np.ndarray:
        """Bad outcomes prevented, of all targets together; 0 where it is not offered."""
        return np.where(self.offered, -sum(self.change.values()), 0.0)


def believed(
    catalogue: Sequence[Intervention], risk: Mapping[str, np.ndarray], triggered: np.ndarray,
    gone_well: Mapping[str, np.ndarray] | None = None,
) -> Effects:  # fmt: skip
    """What the catalogue believes, and the model does not contradict.

    Parameters
    ----------
    risk
        Target -> shape (patients,), probability; NaN where the patient has no such risk, which then cannot change.
    triggered
        Shape (patients, interventions): is the trigger there, and nothing against it?
    gone_well
        Target -> what `what_if` says, shape (patients, interventions); a target without it is not bounded.
    """
    change, spread = {}, {}
    for target, p in risk.items():
        room = np.nan_to_num(p * (1 - p) / USUAL_ROOM)[:, None]
        beliefs = [i.beliefs.get(target) for i in catalogue]
        believed_of = triggered * room * np.array([b.change if b else 0.0 for b in beliefs])
        most = -np.inf if gone_well is None or target not in gone_well else gone_well[target]
        change[target] = np.fmax(believed_of, np.where(np.isnan(p)[:, None], 0.0, most))
        kept = np.divide(change[target], believed_of, out=np.ones_like(believed_of), where=believed_of != 0)
        spread[target] = kept * triggered * room * np.array([b.spread if b else 0.0 for b in beliefs])
    mean = -sum(change.values())
    deviation = np.sqrt(sum(s**2 for s in spread.values()))
    helps = ndtr(np.divide(mean, deviation, out=np.zeros_like(mean), where=deviation > 0)) >= SURE
    owed = np.array([i.is_entitlement for i in catalogue])
    return Effects(change, spread, triggered & (helps | owed))
