"""Who would get which step, in; who is held out by chance, and how likely that was, out.

Chance is a keyed hash of patient, arm and epoch: whoever has the salt can draw again and finds the same, nobody without
it can foresee or choose. A draw stands for an epoch, whatever happens in it, so nights agree with each other.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.contracts import ASSIGNMENTS
from wellkept.durations import delta
from wellkept.errors import InputRefused
from wellkept.pilots.plans import Pilot

KEY = ("subject_id", "arm", "epoch")


@dataclass(frozen=True)
class Draw:
    """Shape (n,) each: in the pilot at all; held out; chance to get the step, NaN outside the pilot."""

    drawn: np.ndarray
    holdout: np.ndarray
    propensity: np.ndarray


def epoch_of(pilot: Pilot, at: datetime) -> datetime:
    """When the epoch began that `at` lies in: epochs count from the pilot's begin."""
    return pilot.begins + (at - pilot.begins) // delta(pilot.epoch) * delta(pilot.epoch)


def chance(salt: str, subject_id: int, arm: str, epoch: datetime) -> float:
    """A number in [0, 1), uniform to whoever has no salt: HMAC-SHA-256 of patient, arm and epoch."""
    text = f"{subject_id}\x1f{arm}\x1f{epoch.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    digest = hmac.digest(salt.encode(), text.encode(), "sha256")
    return (int.from_bytes(digest[:8]) >> 11) / 2**53


def is_held_out(pilot: Pilot, salt: str, subject_id: int, arm: str, epoch: datetime) -> bool:
    return chance(salt, subject_id, arm, epoch) < pilot.share


def draw(pilot: Pilot, salt: str, subject: np.ndarray, arm: np.ndarray, at: datetime) -> Draw:
    """Draw for everybody who would get a step tonight.

    The allocation must not have known the draws: then those who would get a step are alike in both groups.

    Parameters
    ----------
    subject, arm
        Shape (n,): the patient, and the name of the step that each would get.
    """
    drawn = np.isin(arm, pilot.arms) & pilot.runs_at(at)
    epoch = epoch_of(pilot, at)
    holdout = np.zeros(len(subject), bool)
    holdout[drawn] = [is_held_out(pilot, salt, int(s), str(a), epoch)
                      for s, a in zip(subject[drawn], arm[drawn], strict=True)]  # fmt: skip
    return Draw(drawn, holdout, np.where(drawn, 1 - pilot.share, np.nan))


def assignments(pilot: Pilot, recommendations: pa.Table, at: datetime) -> pa.Table:
    """What the log keeps of one night (fits ASSIGNMENTS): the drawn rows of a table that fits RECOMMENDATIONS."""
    mine = recommendations.filter(pc.equal(recommendations["pilot"], pilot.name))
    epoch = pa.repeat(pa.scalar(epoch_of(pilot, at), ASSIGNMENTS.schema.field("epoch").type), mine.num_rows)
    renamed = mine.rename_columns({"intervention": "arm"}).append_column("epoch", epoch)
    return ASSIGNMENTS.check(renamed.select(ASSIGNMENTS.schema.names))


def first_assignments(log: pa.Table) -> pa.Table:
    """Each patient's first row of each arm and epoch, by time: the draw stood from then on, so it is counted once.

    Raises
    ------
    InputRefused
        `two_draws`: a patient was held out and not held out in one epoch. The salt or the share was changed midway.
    """
    log = ASSIGNMENTS.check(log).sort_by([(name, "ascending") for name in (*KEY, "prediction_time")])
    group = log.append_column("row", pa.array(np.arange(log.num_rows))).group_by(list(KEY), use_threads=False)
    found = group.aggregate([("row", "min"), ("holdout", "count_distinct"), ("propensity", "count_distinct")])
    torn = np.maximum(found["holdout_count_distinct"].to_numpy(), found["propensity_count_distinct"].to_numpy()) > 1
    if torn.any():
        message = (f"{int(torn.sum())} of {found.num_rows} patients' draws changed within an epoch: the salt or the "
                   "pilot's share was changed while it ran; give such a pilot a new name and begin")  # fmt: skip
        raise InputRefused("two_draws", message)
    return log.take(pa.array(np.sort(found["row_min"].to_numpy()))).sort_by("prediction_time")


def disagreeing(pilot: Pilot, salt: str, log: pa.Table) -> int:
    """How many rows of the log say otherwise than the draw that this salt gives: 0 in a log that was kept honestly."""
    rows = zip(*(log[name].to_pylist() for name in (*KEY, "holdout")), strict=True)
    return sum(is_held_out(pilot, salt, subject, arm, epoch) != held for subject, arm, epoch, held in rows)


