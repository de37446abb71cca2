"""A pilot's log in; how it stands, arm by arm, out: who is in, is the split what chance gives, what does it take.

Nothing here looks at an outcome, so it may be asked every day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.pilots.estimating import split_p_value
from wellkept.pilots.plans import Pilot
from wellkept.pilots.reading import MISMATCH


@dataclass(frozen=True)
class Standing:
    """One arm.

    Attributes
    ----------
    patients, given, held_out
        Patients in it, and assignments of each kind: a patient may be drawn again in the next epoch.
    expected
        Held out by the logged chances.
    p_value
        Chance of a split at least as far from them; NaN where nobody was drawn.
    minutes, minutes_free
        Of staff, for those who were to get the step, and not spent on those who were held out.
    done, done_held_out
        Share of each to whom it was done all the same or as planned; None where nobody looked or it is too early.
    """

    arm: str
    patients: int
    given: int
    held_out: int
    expected: float
    p_value: float
    minutes: float
    minutes_free: float
    done: float | None = None
    done_held_out: float | None = None

    @property
    def is_sound(self) -> bool:
        """Is the split one that chance gives?"""
        return not self.p_value < MISMATCH


def standing(pilot: Pilot, log: pa.Table, done: np.ndarray | None = None) -> list[Standing]:
    """Each arm of the log (fits ASSIGNMENTS: `first_assignments` of it).

    Parameters
    ----------
    done
        Shape (rows of the log,): 1 the step was done, 0 it was not, NaN it is too early to tell.
    """
    return [_of_arm(arm, log, done) for arm in pilot.arms]


def _of_arm(arm: str, log: pa.Table, done: np.ndarray | None) -> Standing:
    rows = pc.equal(log["arm"], arm).to_numpy()
    mine = log.filter(pa.array(rows))
    held, propensity = mine["holdout"].to_numpy(), pc.fill_null(mine["propensity"], np.nan).to_numpy()
    minutes = pc.fill_null(mine["minutes"], 0.0).to_numpy().astype(float)
    mine_done = np.full(len(held), np.nan) if done is None else done[rows]
    return Standing(
        arm, pc.count_distinct(mine["subject_id"]).as_py(), int((~held).sum()), int(held.sum()),
        float(np.nansum(1 - propensity)), split_p_value(~held, propensity) if len(held) else np.nan,
        float(minutes[~held].sum()), float(minutes[held].sum()), _share(mine_done[~held]), _share(mine_done[held]),
    )  # fmt: skip


def _share(done: np.ndarray) -> float | None:
    known = done[~np.isnan(done)]
    return float(known.mean()) if len(known) else None
