"""Traps in which rows are late, lost, doubled, renamed or in other clocks than one expects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.simulator.answering import LAST_OF_DETRACTORS
from wellkept.simulator.chance import happens, opaque
from wellkept.simulator.delivery import Delivery, exchanged
from wellkept.simulator.hospital import INSTANT

ZONE = "America/New_York"
LATER = {"bills": 30, "deaths": 180}  # days
DOUBLED = 0.03  # share of the patients
SUPPRESSED = 0.5  # share of the answers 0 to 6
ONE_OF_THESE = 4  # sites suppress


def late_bills(delivery: Delivery) -> Delivery:
    """T3: bills become known a month later than usual, long after the visits that they belong to are scored."""
    return _later(delivery, "billing_events", LATER["bills"])


def late_deaths(delivery: Delivery) -> Delivery:
    """T9: deaths are recorded half a year later than usual."""
    return _later(delivery, "vital_status", LATER["deaths"])


def ordered_ids(delivery: Delivery) -> Delivery:
    """T8: patients are numbered in the order of their last visits, so that a number says who has left."""
    visits = delivery.tables["encounters"].select(["patient_id", "end_at"]).to_pandas()
    last = visits.groupby("patient_id")["end_at"].max().sort_values(kind="stable")
    everybody = delivery.tables["patients"]["patient_id"].to_pandas().drop_duplicates()
    order = pd.Index([*everybody[~everybody.isin(last.index)], *last.index])
    return _renamed(delivery, lambda ids, _: pa.array([f"P-{number:016d}" for number in order.get_indexer(ids)]))


def duplicate_patients(delivery: Delivery) -> Delivery:
    """T11: some patients are registered twice, and what comes after the second time goes by the second name."""
    patients = delivery.tables["patients"]
    first = patients.filter(pc.equal(patients["changed_at"], patients["registered_at"]))
    chosen = first.filter(pa.array(happens(delivery.rng, np.full(first.num_rows, DOUBLED))))
    second = pd.Series(opaque(delivery.rng, "P", chosen.num_rows).to_pylist(), index=chosen["patient_id"].to_pylist())
    first_at = chosen["registered_at"].to_numpy()
    until = delivery.hospital.first_day + np.timedelta64(int(delivery.hospital.export_day * 86_400), "s")
    again_at = first_at + (delivery.rng.uniform(0.3, 0.7, len(chosen)) * (until - first_at)).astype("timedelta64[s]")
    again = pd.Series(again_at, index=second.index)

    def name(ids: pd.Series, known_at: np.ndarray) -> pa.Array:
        later = known_at >= ids.map(again).to_numpy()
        return pa.array(np.where(later, ids.map(second), ids), pa.string())

    registered = pa.array(again_at.astype("datetime64[s]")).cast(INSTANT)
    times = dict.fromkeys(("changed_at", "available_at", "registered_at"), registered)
    doubles = exchanged(chosen, patient_id=pa.array(second.tolist()), **times)
    return _renamed(delivery, name).with_rows("patients", doubles)


def local_times(delivery: Delivery) -> Delivery:
    """T12: times as the clocks on the wall showed them, with an hour a year that happened twice."""
    for name, table in delivery.tables.items():
        times = [column for column in table.column_names if column.endswith("_at")]
        local = {column: pc.local_timestamp(table[column].cast(pa.timestamp("s", ZONE))) for column in times}
        delivery = delivery.with_table(name, exchanged(table, **local))
    for name, told in delivery.mappings.items():
        zoned = told.replace("\nsubject =", f'\ntimezone = "{ZONE}"\nsubject =', 1)
        delivery = delivery.with_mapping(name, zoned)
    return delivery


def suppressed_surveys(delivery: Delivery) -> Delivery:
    """T13: at some sites half of the surveys with a low answer vanish, the invitation with them."""
    surveys, visits = delivery.tables["surveys"], delivery.tables["encounters"]
    sites = pa.array(delivery.hospital.site_names[::ONE_OF_THESE])
    there = visits.filter(pc.is_in(visits["site"].cast(pa.string()), sites))["visit_id"].combine_chunks()
    low = pc.fill_null(pc.less_equal(surveys["nps"], LAST_OF_DETRACTORS), False)
    gone = pc.and_(low, pc.is_in(surveys["visit_id"], there)).to_numpy() & happens(
        delivery.rng, np.full(surveys.num_rows, SUPPRESSED)
    )
    return delivery.with_table("surveys", surveys.filter(pa.array(~gone)))


def _later(delivery: Delivery, name: str, days: int) -> Delivery:
    """The table with its rows known so many days later, without those of which that is after the export."""
    table = delivery.tables[name]
    known_at = pc.add(table["available_at"], pa.scalar(np.timedelta64(days * 86_400, "s"))).cast(INSTANT)
    until = delivery.hospital.instants(np.array([delivery.hospital.export_day]))[0]
    late = exchanged(table, available_at=known_at)
    return delivery.with_table(name, late.filter(pc.less_equal(late["available_at"], until)))


def _renamed(delivery: Delivery, name_of: Callable[[pd.Series, np.ndarray], pa.Array]) -> Delivery:
    """All tables with other names for the patients, by the old name and when the row became known."""
    for name, table in delivery.tables.items():
        if "patient_id" in table.column_names:
            known_at = next(table[c].to_numpy() for c in table.column_names if c.endswith("_at"))
            ids = table["patient_id"].to_pandas()
            delivery = delivery.with_table(name, exchanged(table, patient_id=name_of(ids, known_at)))
    return delivery
