"""A snapshot and a model's definition in; who was asked, who answered, and what a follow-up of the silent heard, out.

A follow-up is a second invitation of a random sample of those who did not answer. What it hears is asked for in other
ways than the rest, so it is no label: it stands for the silent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.contracts import LABELS, TIME
from wellkept.errors import SpecRefused
from wellkept.history import engine
from wellkept.journeys import Snapshot
from wellkept.labelling import Question, first_points, labels, sql_any_code, sql_text
from wellkept.spec import Asked, Spec


@dataclass(frozen=True)
class Invited:
    """Points whose encounter has an invitation and whose window is over, by time and subject.

    Attributes
    ----------
    points
        Fits LABELS, with the way of asking; the label is null where no answer came.
    called
        Shape (n,): gave no answer, was followed up, and that window is over as well.
    follow_up
        Shape (n,): what the follow-up heard, 1 true, 0 false; NaN nothing.
    """

    points: pa.Table
    called: np.ndarray
    follow_up: np.ndarray

    @property
    def answer(self) -> np.ndarray:
        """Shape (n,): 1 true, 0 false, NaN no answer."""
        return _numbers(self.points["label"])


def invited(snapshot: Snapshot, spec: Spec, asked: Asked, question: Question, since: datetime) -> Invited:
    """Who was asked after `since`, each at the first of the model's moments after the occasion.

    Raises
    ------
    SpecRefused
        `asked`: the label is no answer that somebody could leave out.
    """
    if not question.is_answer:
        raise SpecRefused("asked", f"[asked] is for labels that are answers, not for {spec.label.true_when!r}")
    points = first_points(snapshot, spec.points)
    points = labels(snapshot, points.filter(pc.greater_equal(points["prediction_time"], since)), question)
    points = points.filter(_over(snapshot, points))
    invitations = _invitations(snapshot, points, asked)
    points = points.set_column(points.column_names.index("mode"), "mode", invitations["mode"])
    points, called_at = points.filter(invitations["asked"]), invitations["called_at"].filter(invitations["asked"])
    points = _without_follow_up(points, called_at)
    return Invited(points, *_followed_up(snapshot, points, called_at, question))


def as_asked(snapshot: Snapshot, points: pa.Table, asked: Asked | None) -> pa.Table:
    """The same labels with how each was asked for; not known where the follow-up called before its window was over."""
    if asked is None:
        return points
    invitations = _invitations(snapshot, points, asked)
    mode = points.column_names.index("mode")
    points = points.set_column(mode, "mode", invitations["mode"])
    return _without_follow_up(points, invitations["called_at"])


def _without_follow_up(points: pa.Table, called_at: pa.ChunkedArray) -> pa.Table:
    called = pc.fill_null(pc.less(called_at, points["known_at"]), fill_value=False)
    label = pc.if_else(called, pa.scalar(None, pa.bool_()), points["label"])
    return LABELS.check(points.set_column(points.column_names.index("label"), "label", label))


def _invitations(snapshot: Snapshot, points: pa.Table, asked: Asked) -> pa.Table:
    """By point: is its encounter asked about, how, and just before when the follow-up called, if it did."""
    follow_up = f"e.text IS NOT DISTINCT FROM {sql_text(asked.follow_up)}"
    answers = engine.at_points(
        f"""SELECT p.point, COUNT(e.code) FILTER (WHERE NOT ({follow_up})) > 0 AS asked,
                   MIN_BY(e.text, e.sequence) FILTER (WHERE NOT ({follow_up})) AS mode,
                   MIN(e.happened) FILTER (WHERE {follow_up}) - 1 AS called_at
            FROM points p LEFT JOIN events e
              ON e.subject_id = p.subject_id AND e.encounter_id = p.encounter_id AND ({sql_any_code([asked.by])})
            GROUP BY p.point""",
        snapshot, points.select(["subject_id", "prediction_time", "encounter_id"]),
    )  # fmt: skip
    called_at = pc.cast(answers["called_at"], pa.timestamp("us")).cast(TIME)
    return pa.table({"asked": answers["asked"], "mode": answers["mode"], "called_at": called_at})


def _followed_up(
    snapshot: Snapshot, points: pa.Table, called_at: pa.ChunkedArray, question: Question
) -> tuple[np.ndarray, np.ndarray]:
    """Whom the follow-up called, and what it heard: the model's own question, asked at the call."""
    called = pc.and_(points["label"].is_null(), called_at.is_valid())
    rows = np.flatnonzero(called.to_numpy())
    at_call = pa.table({"subject_id": points["subject_id"], "prediction_time": called_at,
                        "encounter_id": points["encounter_id"]}).filter(called)  # fmt: skip
    heard = labels(snapshot, at_call, question)
    follow_up = np.full(points.num_rows, np.nan)
    follow_up[rows] = _numbers(heard["label"])
    over = np.zeros(points.num_rows, bool)
    over[rows] = _over(snapshot, heard).to_numpy()
    return over, follow_up


def _over(snapshot: Snapshot, points: pa.Table) -> pa.ChunkedArray:
    until = pa.scalar(snapshot.observed_until, TIME)
    return pc.fill_null(pc.less_equal(points["known_at"], until), fill_value=False)


def _numbers(label: pa.ChunkedArray) -> np.ndarray:
    return pc.fill_null(pc.cast(label, pa.float64()), np.nan).to_numpy()
