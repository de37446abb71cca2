"""What the database knows of one patient: live events that the journeys do not hold yet, and earlier scores."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Engine, func, select

from wellkept.store.database import reading
from wellkept.store.tables import DELIVERIES, LIVE_EVENTS, SCORES

EVENT = ("subject_id", "known", "happened", "code", "value", "text", "encounter_id", "site", "clinician")
TOGETHER = 10_000


def live_events(engine: Engine, subject_ids: Sequence[int]) -> list[dict[str, Any]]:
    """The live events of these patients, as they came in."""
    columns = [LIVE_EVENTS.c[name] for name in EVENT]
    asked = select(*columns).where(LIVE_EVENTS.c.subject_id.in_(subject_ids)).order_by(LIVE_EVENTS.c.id)
    with reading(engine) as connection:
        return [dict(row) for row in connection.execute(asked).mappings()]


def every_live_event(engine: Engine) -> Iterator[list[dict[str, Any]]]:
    """All live events in the order in which they came in, some thousand at a time."""
    asked = select(*(LIVE_EVENTS.c[name] for name in EVENT)).order_by(LIVE_EVENTS.c.id)
    with reading(engine) as connection:
        for rows in connection.execution_options(yield_per=TOGETHER).execute(asked).mappings().partitions():
            yield [dict(row) for row in rows]


def delivered(engine: Engine, id_: str) -> tuple[str, str] | None:
    """(digest of the body, answer) of an earlier delivery of this id; None without one."""
    with reading(engine) as connection:
        row = connection.execute(select(DELIVERIES.c.body, DELIVERIES.c.answer).where(DELIVERIES.c.id == id_)).first()
    return (row[0], row[1]) if row else None


def history(engine: Engine, subject_id: int, *, limit: int) -> list[dict[str, Any]]:
    """The latest scores of a patient, newest first, as they were answered."""
    asked = (select(SCORES.c.answer).where(SCORES.c.subject_id == subject_id)
             .order_by(SCORES.c.as_of.desc(), SCORES.c.id.desc()).limit(limit))  # fmt: skip
    with reading(engine) as connection:
        return [json.loads(answer) for answer in connection.execute(asked).scalars()]


def newest(engine: Engine, subject_id: int) -> list[dict[str, Any]]:
    """The latest score of each target of a patient, newest first, as it was answered."""
    place = func.row_number().over(partition_by=SCORES.c.target, order_by=(SCORES.c.as_of.desc(), SCORES.c.id.desc()))
    ranked = (select(SCORES.c.answer, SCORES.c.as_of, SCORES.c.id, place.label("place"))
              .where(SCORES.c.subject_id == subject_id).subquery())  # fmt: skip
    asked = select(ranked.c.answer).where(ranked.c.place == 1).order_by(ranked.c.as_of.desc(), ranked.c.id.desc())
    with reading(engine) as connection:
        return [json.loads(answer) for answer in connection.execute(asked).scalars()]
