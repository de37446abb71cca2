"""Tables of what patients were asked and answered, and of what was done for them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from wellkept.simulator.answering import MODES, PHONE, scored
from wellkept.simulator.chance import Columns, opaque
from wellkept.simulator.comments import written_comments
from wellkept.simulator.helping import ARMS, NO_ARM
from wellkept.simulator.hospital import Hospital, coded, where
from wellkept.simulator.population import LANGUAGES

FOLLOW_UP = "follow_up"
QUARTER = 365.25 / 4
FOLLOWED_UP_AFTER = 43, 56  # days after the visit, when the answer can no longer be the first one
ANSWERS = ("nps", "csat", "ces")


def surveys(rng: np.random.Generator, hospital: Hospital, *, follow_up: int) -> pa.Table:
    """Invitations a day after the visit; what nobody has answered yet, or ever will, stays empty."""
    first = _first_round(rng, hospital)
    second = _by_telephone(rng, hospital, follow_up)
    asked = {name: np.concatenate([first[name], second[name]]) for name in first}
    rows, there = asked["row"], asked["available_at"] <= hospital.export_day
    language = hospital.people["language"][hospital.visits["patient"][rows]]
    return hospital.record(asked["invited_at"], {
        "survey_id": opaque(rng, "S", len(rows)),
        **hospital.links(rows, visit="visit_id"),
        "invited_at": asked["invited_at"],
        "mode": coded((*MODES, FOLLOW_UP), asked["mode"]),
        "language": coded(LANGUAGES, language),
        "answered_at": np.where(there, asked["answered_at"], np.nan),
        "available_at": np.where(there, asked["available_at"], np.nan),
        **{name: where(asked[name], there) for name in ANSWERS},
        "comment": written_comments(rng, hospital, rows, there),
    })  # fmt: skip


def _first_round(rng: np.random.Generator, hospital: Hospital) -> Columns:
    """One entry an invitation; the answer of who gives none, or dies before, is known never (infinity)."""
    visits = hospital.visits
    rows = np.flatnonzero(visits["invited"])
    end_at = visits["end_at"][rows]
    answered_at = end_at + rng.uniform(2, 19.5, len(rows))
    answered = visits["answered"][rows] & (answered_at < _died_at(hospital, rows))
    available_at = answered_at + rng.uniform(0.05, 0.5, len(rows))
    return {
        "row": rows,
        "invited_at": end_at + 1,
        "mode": visits["mode"][rows],
        "answered_at": answered_at,
        "available_at": np.where(answered, available_at, np.inf),
        **{name: visits[name][rows] for name in ANSWERS},
    }


def _by_telephone(rng: np.random.Generator, hospital: Hospital, most: int) -> Columns:
    """At most so many a quarter of those who did not answer, drawn at random, and all of them answer."""
    visits = hospital.visits
    silent = np.flatnonzero(visits["invited"] & ~visits["answered"])
    called_at = visits["end_at"][silent] + rng.uniform(*FOLLOWED_UP_AFTER, len(silent))
    alive = called_at + 1 < _died_at(hospital, silent)
    silent, called_at = silent[alive], called_at[alive]
    shuffled = np.lexsort((rng.random(len(silent)), np.floor(called_at / QUARTER)))
    quarter = np.floor(called_at[shuffled] / QUARTER)
    place = np.arange(len(shuffled)) - np.searchsorted(quarter, quarter)
    chosen = shuffled[place < most]
    rows, called_at = silent[chosen], called_at[chosen]
    shifts = np.array(hospital.world.mode_shifts)
    heard = visits["satisfaction"][rows] + shifts[PHONE] - shifts[visits["mode"][rows]]
    return {
        "row": rows,
        "invited_at": called_at,
        "mode": np.full(len(rows), len(MODES)),
        "answered_at": called_at + 0.01,
        "available_at": called_at + 0.1,
        "nps": scored(hospital.world, heard),
        "csat": visits["csat"][rows],
        "ces": visits["ces"][rows],
    }


def _died_at(hospital: Hospital, rows: np.ndarray) -> np.ndarray:
    return hospital.people["died_at"][hospital.visits["patient"][rows]]


def interventions(rng: np.random.Generator, hospital: Hospital) -> pa.Table:
    """What was done, and in the pilot also who was left alone by chance: `holdout`, with no type."""
    visits = hospital.visits
    rows = np.flatnonzero((visits["arm"] != NO_ARM) | (visits["pilot"] & visits["kept"]))
    arm, pilot, end_at = visits["arm"][rows], visits["pilot"][rows], visits["end_at"][rows]
    assigned_at = end_at + rng.uniform(0.1, 0.5, len(rows))
    done_at = assigned_at + rng.uniform(0.2, 1.4, len(rows))
    treated = arm != NO_ARM
    return hospital.record(assigned_at, {
        "intervention_id": opaque(rng, "I", len(rows)),
        **hospital.links(rows, visit="visit_id"),
        "type": coded(ARMS, np.maximum(arm, 0), treated),
        "assigned_by": coded(("coordinator", "pilot"), pilot),
        "assigned_at": assigned_at,
        "available_at": assigned_at,
        "done_at": hospital.past(np.where(treated, done_at, np.nan)),
        "pilot": pilot,
        "arm": coded((*ARMS, "control"), np.where(treated, arm, len(ARMS)), pilot),
        "propensity": where(visits["propensity"][rows], pilot),
        "holdout": pilot & ~treated,
    })  # fmt: skip
