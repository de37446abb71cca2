"""Traps in which a column knows what came later, although its row says that it was known before."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.simulator.answering import LAST_OF_DETRACTORS
from wellkept.simulator.chance import happens, opaque
from wellkept.simulator.delivery import Delivery, exchanged
from wellkept.simulator.hospital import INSTANT

GONE_AFTER = pd.Timedelta(days=365)  # without a visit
LATE_CANCELLATION = pa.scalar(np.timedelta64(180, "D").astype("timedelta64[s]"))


def loop_closed(delivery: Delivery) -> Delivery:
    """T1: a flag "loop closed" that is set once a detractor has answered, in the row of the visit."""
    surveys = delivery.tables["surveys"]
    unhappy = surveys.filter(pc.less_equal(surveys["nps"], LAST_OF_DETRACTORS))["visit_id"].combine_chunks()
    called = pc.is_in(delivery.tables["encounters"]["visit_id"], unhappy).to_numpy()
    flag = called & happens(delivery.rng, np.full(len(called), 0.8))
    event = (
        'code = "VISIT//LOOP_CLOSED"\nsays = "loop closed"\nevent_at = "end_at"\nencounter_id = "visit_id"\n'
        'when = { column = "loop_closed", is = ["true"] }'
    )
    return delivery.with_column("encounters", "loop_closed", flag, event)


def account_status(delivery: Delivery) -> Delivery:
    """T2: the account's status on the day of the export, in the row of the registration, without its history."""
    gone = pc.is_in(delivery.tables["patients"]["patient_id"], pa.array(_gone(delivery)["patient_id"]))
    status = np.where(gone.to_numpy(), "inactive", "active")
    event = (
        'code = "PERSON//account_status"\nsays = "account"\nevent_at = "changed_at"\ncategory = "account_status"'
    )
    return delivery.with_column("patients", "account_status", pa.array(status), event)


def cancelled_at_deactivation(delivery: Delivery) -> Delivery:
    """T4: who is gone had an appointment more, cancelled when the account was closed but dated at its booking."""
    last = pa.array(_gone(delivery)["visit_id"])
    appointments, visits = delivery.tables["appointments"], delivery.tables["encounters"]
    rows = appointments.filter(pc.is_in(appointments["appointment_id"], last)).sort_by("appointment_id")
    ends = visits.filter(pc.is_in(visits["visit_id"], last)).sort_by("visit_id")["end_at"]
    return delivery.with_rows("appointments", exchanged(
        rows,
        appointment_id=opaque(delivery.rng, "A", len(rows)),
        made_at=ends,
        available_at=ends,
        start_at=pc.add(ends, LATE_CANCELLATION).cast(INSTANT),
        status=pa.repeat("cancelled", len(rows)).dictionary_encode(),
        status_at=ends,
    ).cast(appointments.schema))  # fmt: skip


def early_comment(delivery: Delivery) -> Delivery:
    """T5: the mapping says that a comment was known when the survey that it answers was sent out."""
    told = delivery.mappings["surveys"]
    before, mark, comment = told.partition('code = "COMMENT//TEXT"')
    early = comment.replace('event_at = "answered_at"\ntime = "available_at"', 'event_at = "invited_at"', 1)
    return delivery.with_mapping("surveys", before + mark + early)


def site_score(delivery: Delivery) -> Delivery:
    """T6: the mean answer of the site over all years, later ones too, in the row of each visit."""
    visits = delivery.tables["encounters"].select(["visit_id", "site"]).to_pandas()
    answers = delivery.tables["surveys"].select(["visit_id", "nps"]).to_pandas().dropna()
    means = answers.merge(visits, on="visit_id").groupby("site", observed=True)["nps"].mean()
    score = visits["site"].astype(str).map(means).fillna(answers["nps"].mean()).round(3)
    event = 'code = "SITE//SCORE"\nsays = "mean answer of the site"\nevent_at = "end_at"\nnumber = "site_score"'
    return delivery.with_column("encounters", "site_score", score.to_numpy(), event)


def record_number(delivery: Delivery) -> Delivery:
    """T7: a number of one's own for each patient, by which a model can remember who is generous with scores."""
    patients = delivery.tables["patients"]["patient_id"].combine_chunks().dictionary_encode()
    numbers = delivery.rng.permutation(len(patients.dictionary))[patients.indices.to_numpy()]
    event = (
        'code = "PERSON//record_number"\nsays = "record number"\nevent_at = "changed_at"\nnumber = "record_number"'
    )
    return delivery.with_column("patients", "record_number", numbers, event)


def _gone(delivery: Delivery) -> pd.DataFrame:
    """The last visit of each patient who has not come for a year by the export."""
    visits = delivery.tables["encounters"].select(["visit_id", "patient_id", "end_at"]).to_pandas()
    last = visits.sort_values("end_at").drop_duplicates("patient_id", keep="last")
    exported_at = pd.Timestamp(delivery.hospital.first_day, tz="UTC") + pd.Timedelta(days=delivery.hospital.export_day)
    return last[last["end_at"] < exported_at - GONE_AFTER]
