"""A pilot's log and what came of it in; what may be said of each arm, and what may not, out.

Nothing here compares patients with themselves before, or with patients whom nobody drew: of those no number is given,
since whoever is chosen because things went badly is better off later, whatever is done (regression to the mean).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.intervals import Estimate
from wellkept.pilots import estimating
from wellkept.pilots.bands import Band, bands
from wellkept.pilots.estimating import LEVEL, Compared
from wellkept.pilots.plans import Pilot

FEWEST = 200  # effective patients
FEWEST_EVENTS = 10  # to be expected in each group, that come true, and as many that do not
MISMATCH = 0.001
EARLY = 0.999  # before the end an interval is this wide: who looks often finds effects that are not there (Peto 1976)
RANDOMISED, OBSERVATIONAL = "randomised", "observational"
NOT_RANDOMISED, SPLIT, TOO_FEW = "not_randomised", "split", "too_few"


@dataclass(frozen=True)
class Reading:
    """What may be said of one arm by one outcome.

    Attributes
    ----------
    grade
        `randomised`, or `observational` where chance did not decide: then there is no number.
    refused
        Empty, or why no effect is told: `not_randomised`, `split`, `too_few`.
    given, held_out, left_out
        Assignments in each group, and those that nobody drew; `known` are those drawn whose outcome is known.
    effective
        Effective sample size, patients.
    effect, without, with_it
        Change of the outcome by the step (below 0 is help), and how often it came true in each group.
    answering
        Change of the share whose outcome is known.
    targeting
        What it would gain to treat first those of whom most is expected.
    bands
        Where chance did not decide: how often it came true by band of each of the pilot's `strata`. No effect, but a
        way to see that the raw comparison is none.
    """

    arm: str
    outcome: str
    grade: str
    refused: str
    given: int
    held_out: int
    left_out: int
    known: int
    effective: float
    level: float = LEVEL
    effect: Estimate | None = None
    without: float | None = None
    with_it: float | None = None
    answering: Estimate | None = None
    targeting: Estimate | None = None
    bands: Mapping[str, tuple[Band, ...]] = field(default_factory=dict)


def read(
    pilot: Pilot, log: pa.Table, outcomes: Mapping[str, np.ndarray], covariates: np.ndarray, as_of: datetime,
    strata: Mapping[str, np.ndarray] | None = None,
) -> list[Reading]:  # fmt: skip
    """Each arm by each outcome.

    Parameters
    ----------
    log
        Fits ASSIGNMENTS: `first_assignments` of it.
    outcomes
        Name -> shape (rows of the log,): 1 it came true, 0 it did not, NaN not known.
    covariates
        Shape (rows of the log, columns), known before each draw.
    strata
        Name in the pilot's `strata` -> shape (rows of the log,): shown band by band where chance did not decide.
    """
    level = LEVEL if as_of >= pilot.ends else EARLY
    found = []
    for name in pilot.arms:
        for outcome, label in outcomes.items():
            told = reading(name, outcome, log, label, covariates, level=level)
            if told.refused == NOT_RANDOMISED:
                told = replace(told, bands=_banded(pilot, log, name, label, strata or {}))
            found.append(told)
    return found


def reading(
    arm: str, outcome: str, log: pa.Table, label: np.ndarray, covariates: np.ndarray, *, level: float = LEVEL
) -> Reading:
    """One arm by one outcome; the log and its rows are those of `read`."""
    compared = compared_of(log, arm, label, covariates)
    known = compared.known
    told = Reading(
        arm, outcome, RANDOMISED, "", int(compared.treated.sum()), int((~compared.treated).sum()),
        _rows_of(log, arm) - len(compared.treated), len(known.outcome), estimating.effective_size(known), level,
    )  # fmt: skip
    if refused := refusal(compared):
        graded = RANDOMISED if refused == TOO_FEW else OBSERVATIONAL
        return replace(told, refused=refused, grade=graded)
    without, with_it = estimating.rates(known)
    return replace(
        told, effect=estimating.effect(known, level=level), without=without, with_it=with_it,
        answering=estimating.answering(compared, level=level),
        targeting=estimating.targeting_gain(known) if covariates.shape[1] else None,
    )  # fmt: skip


def _banded(
    pilot: Pilot, log: pa.Table, arm: str, label: np.ndarray, strata: Mapping[str, np.ndarray]
) -> dict[str, tuple[Band, ...]]:
    mine = pc.equal(log["arm"], arm).to_numpy()
    given = ~log["holdout"].to_numpy()
    return {name: bands(given[mine], label[mine], of[mine], pilot.strata[name]) for name, of in strata.items()}


def refusal(compared: Compared) -> str:
    """Why no effect may be told: as `Reading.refused` has it, empty where one may."""
    if not (compared.treated.any() and (~compared.treated).any()):
        return NOT_RANDOMISED
    if estimating.split_p_value(compared.treated, compared.propensity) < MISMATCH:
        return SPLIT
    known = compared.known
    enough = estimating.effective_size(known) >= FEWEST and _expected_events(known) >= FEWEST_EVENTS
    return "" if enough else TOO_FEW


def _expected_events(known: Compared) -> float:
    """Of the smaller group, of the rarer outcome, by the rate of both groups together.

    Not what was counted there: were effects told only where the treated had many events, they would lean to harm.
    """
    rate = float(known.outcome.mean())
    smaller = min(int(known.treated.sum()), int((~known.treated).sum()))
    return smaller * min(rate, 1 - rate)


def compared_of(log: pa.Table, arm: str, outcome: np.ndarray, covariates: np.ndarray) -> Compared:
    """The rows of an arm in which chance decided, as `estimating` takes them."""
    held, propensity = log["holdout"].to_numpy(), pc.fill_null(log["propensity"], np.nan).to_numpy()
    mine = np.array(log["arm"].to_pylist(), str) == arm
    rows = mine & (propensity > 0) & (propensity < 1)  # NaN, where nobody drew, is neither
    subject = log["subject_id"].to_numpy()
    return Compared(outcome[rows], ~held[rows], propensity[rows], subject[rows], covariates[rows])


def _rows_of(log: pa.Table, arm: str) -> int:
    return pc.sum(pc.equal(log["arm"], arm), min_count=0).as_py()
