"""Facts that come once a patient, as known from the start, in; those that are the state of the export day, out."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.history import engine
from wellkept.journeys import Snapshot
from wellkept.labelling import sql_text
from wellkept.leaks.ceilings import rates
from wellkept.leaks.evidence import Evidence, Finding, auroc_estimate
from wellkept.snapshots import open_snapshot

SAMPLE = 3000  # patients
ONCE, FIRST = 1.01, 0.95
CHANGED, FEWEST_CHANGED = 0.005, 5
KNOWS = 0.75
SETTLED = 30 * 86_400_000_000  # facts are from the start when they were known this long before
SETTLED_SHARE = 0.5  # at least so many of the points
TO_DO = "load it with its history (one event a change, each with its own time), or exclude it"


def current_state(evidence: Evidence) -> Finding:
    """No fact that was always known may be the state of the day of the export.

    Two signs. `changes`: between two landed versions, patients got another value of a fact without a time of its own.
    `knows`: at each patient's last labelled point it separates the labels with AUROC above .75: an account that is
    closed on the export day tells who has left, and sex or birth year cannot.
    """
    rows = evidence.sample(_last_rows(evidence), SAMPLE)
    read = {c for f in evidence.features if not evidence.expected(f) for a in f.expression.aggregates()
            for c in a.selection.codes if not c.endswith("*")}  # fmt: skip
    codes = _standing(evidence, rows, read)
    if not codes:
        return Finding("current_state", True, None, KNOWS, "", "no feature reads a fact that was known from the start")
    changed = _changed(evidence, rows, codes)
    for code, share in changed.items():
        if share > CHANGED:
            says = f"{share:.1%} of patients got another value of {code} in a later version, under its first time"
            return Finding("current_state", False, share, CHANGED, code, f"{says}: {TO_DO}")
    return _knows(evidence, rows, codes)


def _knows(evidence: Evidence, rows: np.ndarray, codes: set[str]) -> Finding:
    label, subject, even = evidence.data.label, evidence.data.subject, evidence.data.fold[rows] % 2 == 0
    fit, judged = rows[even], rows[~even]
    if evidence.few(fit) or evidence.few(judged):
        return Finding("current_state", None, None, KNOWS, "", "too few labels at the patients' last points")
    found = {}
    for feature in evidence.features:
        if {c for a in feature.expression.aggregates() for c in a.selection.codes} <= codes:
            score = rates(evidence.data.features[feature.name], label, fit)[judged]
            found[feature.name] = auroc_estimate(label[judged], score, subject[judged])
    if not found:
        return Finding("current_state", True, None, KNOWS, "", "no feature reads only facts known from the start")
    worst = max(found, key=lambda name: found[name].low)
    says = f"of {len(codes)} facts known from the start, {worst} tells most at the last points: AUROC {found[worst]}"
    if found[worst].low <= KNOWS:
        return Finding("current_state", True, found[worst].value, KNOWS, "", says)
    says += f": it looks like the state of the export day; {TO_DO}"
    return Finding("current_state", False, found[worst].value, KNOWS, worst, says)


def _last_rows(evidence: Evidence) -> np.ndarray:
    """The last labelled point of each patient; rows are sorted by time."""
    subject = evidence.data.subject
    return len(subject) - 1 - np.unique(subject[::-1], return_index=True)[1]


def _standing(evidence: Evidence, rows: np.ndarray, read: set[str]) -> set[str]:
    """Of the codes that features read, those that come once a patient, at no time or with the patient's first event."""
    if not read:
        return set()
    table = engine.totals(
        f"""
WITH s AS (SELECT subject_id, MIN(CASE WHEN known > {engine.SINCE_EVER} THEN known END) AS first FROM events
           WHERE subject_id IN (SELECT subject_id FROM points) GROUP BY subject_id)
SELECT e.code, COUNT(*) AS events, COUNT(DISTINCT (e.subject_id, e.known)) AS moments,
       COUNT(DISTINCT e.subject_id) AS subjects,
       COUNT(CASE WHEN e.known = {engine.SINCE_EVER} OR e.known <= s.first THEN 1 END) AS first,
       COUNT(CASE WHEN e.known = {engine.SINCE_EVER} OR e.known <= p.moment - {SETTLED} THEN 1 END) AS settled
FROM points p JOIN events e ON e.subject_id = p.subject_id JOIN s ON s.subject_id = p.subject_id
WHERE e.code IN ({", ".join(map(sql_text, sorted(read)))}) GROUP BY e.code""",
        evidence.snapshot, evidence.points.take(pa.array(rows)),
    )  # fmt: skip
    figures = ("events", "moments", "subjects", "first", "settled")
    summed = table.group_by("code").aggregate([(name, "sum") for name in figures])
    return {
        row["code"] for row in summed.to_pylist()
        if row["moments_sum"] <= ONCE * row["subjects_sum"]
        and row["first_sum"] >= FIRST * row["events_sum"]
        and row["settled_sum"] >= SETTLED_SHARE * row["events_sum"]
    }  # fmt: skip


def _changed(evidence: Evidence, rows: np.ndarray, codes: set[str]) -> dict[str, float]:
    """Code -> share of patients who have more values of it now than in the version of the first landing."""
    if evidence.snapshot.version == 1:
        return {}
    points = evidence.points.take(pa.array(rows))
    old = _values(open_snapshot(evidence.snapshot.folder, 1), points, codes)
    new = _values(evidence.snapshot, points, codes)
    both = old.join(new, ["subject_id", "code"], join_type="inner", right_suffix="_now")
    counts = both.append_column("more", pc.cast(pc.greater(both["said_now"], both["said"]), pa.int64()))
    grouped = counts.group_by("code").aggregate([("more", "sum"), ("more", "count")]).sort_by("code").to_pylist()
    return {r["code"]: r["more_sum"] / r["more_count"] for r in grouped if r["more_sum"] >= FEWEST_CHANGED}


def _values(snapshot: Snapshot, points: pa.Table, codes: set[str]) -> pa.Table:
    """How many values each patient has of each code."""
    return engine.totals(
        f"""SELECT e.subject_id, e.code, COUNT(DISTINCT COALESCE(e.text, CAST(e.value AS VARCHAR), '')) AS said
            FROM points p JOIN events e ON e.subject_id = p.subject_id
            WHERE e.code IN ({", ".join(map(sql_text, sorted(codes)))}) GROUP BY e.subject_id, e.code""",
        snapshot, points,
    )  # fmt: skip
