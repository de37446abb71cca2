"""A snapshot of the journeys in; a batch of events out that say how others had answered about a clinician and a site.

Each completed visit gets what was known of its clinician and its site when the visit became known: the share of
detractors (0-6) among the answers to their visits, shrunk towards everybody's share as if SHRINKAGE more answers were
like everybody's (empirical Bayes; the numbers are METHOD.md's, section 4). Below FEWEST answers there is no event, so
that nobody can be shown a figure. The first answer of an encounter counts, unless a follow-up brought it: those are of
the silent, whom the others' share does not describe.

The events are landed like any other and never change: what later answers say, later visits are told. They are no
figure of performance. They name no clinician and no site, and models tell no clinician's as a reason (spec.py).
"""

from __future__ import annotations

import hashlib
from typing import Unpack

import pyarrow as pa
import pyarrow.compute as pc

from wellkept.contracts import EVENTS, Batch
from wellkept.history import engine
from wellkept.journeys import Snapshot

VISIT, ANSWER, INVITED = "VISIT//COMPLETED", "SURVEY//NPS", "SURVEY//INVITED"
CLINICIAN_SHARE, SITE_SHARE = "CLINICIAN//DETRACTOR_SHARE", "SITE//DETRACTOR_SHARE"
WORDS = {
    CLINICIAN_SHARE: {"says": "share of earlier answers about this clinician that were 0-6", "unit": ""},
    SITE_SHARE: {"says": "share of earlier answers about this site that were 0-6", "unit": ""},
}
FEWEST, SHRINKAGE = 30, 40.0  # answers
EARLIER = "ORDER BY known RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"  # microseconds: ties know nothing

SQL = f"""
WITH read AS MATERIALIZED (
  SELECT subject_id, encounter_id, code, known, happened, value, site, clinician FROM events
  WHERE (code IN ('{VISIT}', '{ANSWER}', '{CLINICIAN_SHARE}', '{SITE_SHARE}')
         OR (code = '{INVITED}' AND text = 'follow_up'))
    AND encounter_id IS NOT NULL AND happened IS NOT NULL
), visits AS (
  SELECT * FROM read WHERE code = '{VISIT}' QUALIFY 1 = row_number() OVER (
    PARTITION BY subject_id, encounter_id ORDER BY known, happened, clinician, site)
), answers AS (
  SELECT * FROM read WHERE code = '{ANSWER}' AND value IS NOT NULL QUALIFY 1 = row_number() OVER (
    PARTITION BY subject_id, encounter_id ORDER BY known, happened, value)
), first_asked AS (
  SELECT a.* FROM answers a ANTI JOIN read f
    ON f.subject_id = a.subject_id AND f.encounter_id = a.encounter_id AND f.code = '{INVITED}' AND f.known <= a.known
), moments AS (
  SELECT subject_id, encounter_id, known, happened, clinician, site, 0 AS answers, 0 AS low FROM visits
  UNION ALL
  SELECT NULL, NULL, GREATEST(a.known, v.known), NULL, v.clinician, v.site, 1, CAST(a.value <= 6 AS INTEGER)
  FROM first_asked a JOIN visits v ON v.subject_id = a.subject_id AND v.encounter_id = a.encounter_id
), members AS (
  SELECT *, '{CLINICIAN_SHARE}' AS code, clinician AS whose FROM moments
  UNION ALL
  SELECT *, '{SITE_SHARE}' AS code, site AS whose FROM moments
), known_by_then AS (
  SELECT subject_id, encounter_id, known, happened, code, whose,
         CAST(SUM(answers) OVER its AS DOUBLE) AS n, CAST(SUM(low) OVER its AS DOUBLE) AS low,
         CAST(SUM(low) OVER everybodys AS DOUBLE) / SUM(answers) OVER everybodys AS base
  FROM members
  WINDOW its AS (PARTITION BY code, whose {EARLIER}), everybodys AS (PARTITION BY code {EARLIER})
)
SELECT subject_id, make_timestamp(known) AS time, code,
       CAST((low + {SHRINKAGE} * base) / (n + {SHRINKAGE}) AS FLOAT) AS numeric_value, NULL AS text_value,
       make_timestamp(happened) AS event_at, encounter_id
FROM known_by_then k ANTI JOIN read there
  ON there.subject_id = k.subject_id AND there.encounter_id = k.encounter_id AND there.code = k.code
WHERE k.subject_id IS NOT NULL AND k.whose IS NOT NULL AND k.n >= {FEWEST}
ORDER BY subject_id, encounter_id, code"""


def derived(snapshot: Snapshot, **limits: Unpack[engine.Limits]) -> Batch | None:
    """The events that completed visits of a snapshot have not got yet, as a batch to land; None where there are none.

    One an encounter and code: `time`, `event_at` and `encounter_id` are the visit's, `numeric_value` is the share.
    """
    events = EVENTS.check(engine.everybody(SQL, snapshot, **limits))
    if events.num_rows == 0:
        return None
    inputs = {"journeys": snapshot.digest}
    digest = hashlib.sha256(f"{__name__} {snapshot.digest}".encode()).hexdigest()
    # of no table of a source: a table that brings these codes is looked at by the leak tests under its own name
    lineage = dict.fromkeys(WORDS, (__name__,))
    return Batch("derived", digest, events, events.num_rows, inputs=inputs, codes=WORDS, lineage=lineage,
                 observes=False)  # fmt: skip


def concerns(events: pa.Table) -> bool:
    """Are there visits or answers among these events, so that `derived` could tell something new?"""
    return bool(pc.any(pc.is_in(events["code"], pa.array([VISIT, ANSWER]))).as_py())
