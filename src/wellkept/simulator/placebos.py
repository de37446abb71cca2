"""Traps in which something was done that changed nothing, and seems to have."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.simulator.answering import LAST_OF_DETRACTORS
from wellkept.simulator.chance import happens, opaque
from wellkept.simulator.delivery import Delivery
from wellkept.simulator.hospital import INSTANT

SENT = 0.05  # share of the visits
DAY = 86_400


def courtesy_letter(delivery: Delivery) -> Delivery:
    """T14: a letter to some, drawn at random, that does nothing at all."""
    visits = delivery.tables["encounters"]
    chosen = visits.filter(pa.array(happens(delivery.rng, np.full(visits.num_rows, SENT))))
    return _sent(delivery, "courtesy_letter", chosen, "end_at")


def apology_letter(delivery: Delivery) -> Delivery:
    """T15: a letter to everybody who answered 0 to 6, whose next answer is higher as it would have been anyway."""
    surveys = delivery.tables["surveys"]
    unhappy = surveys.filter(pc.fill_null(pc.less_equal(surveys["nps"], LAST_OF_DETRACTORS), False))
    return _sent(delivery, "apology_letter", unhappy, "available_at")


def _sent(
    delivery: Delivery, letter: str, to: pa.Table, after: str
) -> Delivery:
    """Letters within 36 hours after a time in the rows of `to`, as rows of the interventions."""
    wait = pa.array(delivery.rng.integers(DAY // 4, DAY * 3 // 2, to.num_rows).astype("timedelta64[s]"))
    done_at = pc.add(to[after], pa.chunked_array([wait])).cast(INSTANT)
    known = {"type": letter, "assigned_by": "coordinator"}
    schema = delivery.tables["interventions"].schema
    columns = {
        "intervention_id": opaque(delivery.rng, "I", to.num_rows),
        "patient_id": to["patient_id"],
        "visit_id": to["visit_id"],
        **{name: pa.repeat(text, to.num_rows).dictionary_encode() for name, text in known.items()},
        **dict.fromkeys(("assigned_at", "available_at", "done_at"), done_at),
        **dict.fromkeys(("pilot", "holdout"), pa.repeat(False, to.num_rows)),
        **{name: pa.nulls(to.num_rows, schema.field(name).type) for name in ("arm", "propensity")},
    }
    rows = pa.table(columns).select(schema.names).cast(schema)
    until = delivery.hospital.instants(np.array([delivery.hospital.export_day]))[0]
    return delivery.with_rows("interventions", rows.filter(pc.less_equal(rows["done_at"], until)))
