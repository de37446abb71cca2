"""Changes that come over the health system from month 30 on; each has a name and is asked for by it."""

from __future__ import annotations

import numpy as np

from wellkept.simulator.chance import Columns
from wellkept.simulator.worlds import World

DRIFTS = {
    "vendor-change": "a new telephone vendor: longer holds, more transfers, and more visits by video",
    "unit-error": "site 3 writes the telephone hold in minutes instead of seconds",
    "survey-mode": "text messages give way to telephone interviews, which hear higher scores",
    "new-care-line": "a new kind of care, rehabilitation, opens",
    "clinician-exodus": "a third of the clinicians leave, and their patients have none of their own",
    "price-shock": "surprise bills become three times as frequent",
}
FROM_DAY = 30 * 365.25 / 12


def drifted(world: World, name: str, day: np.ndarray) -> np.ndarray:
    """True where the change of that name has come by `day`."""
    return (day >= FROM_DAY) & (name in world.drift)


def clinician_left(world: World, visit: Columns) -> np.ndarray:
    """Has the patient's own clinician left? Every third of each site does."""
    return drifted(world, "clinician-exodus", visit["next_day"]) & (visit["own_clinician"] % 3 == 0)
