"""Facts that never change, as known from the start, in; those that are the state of the export day, out."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.catalogue import Feature
from wellkept.history import engine
from wellkept.intervals import Estimate
from wellkept.journeys import Snapshot
from wellkept.labelling import sql_text
from wellkept.leaks.ceilings import rates
from wellkept.leaks.evidence import FEWEST, Evidence, Finding, auroc_estimate
from wellkept.snapshots import open_snapshot

SAMPLE = 3000  # patients
ONCE, FIRST = 1.01, 0.95
CHANGED, FEWEST_CHANGED = 0.005, 5
KNOWS = 0.75
SILENT = (90, 180, 365)  # days
SETTLED = 30 * 86_400_000_000  # facts are from the start when they were known this long before
SETTLED_SHARE = 0.5  # at least so many of the points
TO_DO = "load it with its history (one event a change, each with its own time), or exclude it"


def current_state(evidence: Evidence) -> Finding:
    """No fact that was always known may be the state of the day of the export.

    Two signs. `changes`: between two landed versions, patients got another value of a fact without a time of its own.
    `knows`: it separates, with AUROC above .75, the labels of the patients' last points or the patients who are
    silent at the end of the store: an account that is closed on the export day tells who has left by then, and what
    was so from the start, such as sex or birth year, cannot.
    """
    rows = evidence.sample(last_rows(evidence.data.subject), SAMPLE)
    features = [f for f in evidence.features if not evidence.expected(f)]
    read = {code for f in features for code in f.codes if not code.endswith("*")}
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
    even = evidence.data.fold[rows] % 2 == 0
    silences = {f"who is silent in the last {days} days": silent(evidence, rows, days) for days in SILENT}
    outcomes = {"the label": evidence.data.label[rows], **silences}
    told = {name: known for name, known in outcomes.items() if enough(known[even]) and enough(known[~even])}
    columns = {f.name: evidence.data.features[f.name].take(pa.array(rows)) for f in _facts(evidence, codes)}
    if not told or not columns:
        says = "too few labels at the patients' last points" if columns else "no feature reads only such facts"
        return Finding("current_state", None if columns else True, None, KNOWS, "", says)
    found = {
        (feature, name): alone(column, known, even, evidence.data.subject[rows])
        for feature, column in columns.items() for name, known in told.items()
    }  # fmt: skip
    worst = max(found, key=lambda key: found[key].low)
    says = f"of {len(columns)} facts known from the start, {worst[0]} tells most, of {worst[1]}: AUROC {found[worst]}"
    if found[worst].low <= KNOWS:
        return Finding("current_state", True, found[worst].value, KNOWS, "", says)
    says += f": it looks like the state of the export day; {TO_DO}"
    return Finding("current_state", False, found[worst].value, KNOWS, worst[0], says)


def _facts(evidence: Evidence, codes: set[str]) -> list[Feature]:
    """The features that read the values of such facts only, and neither how long ago nor how often of late."""
    return [
        f for f in evidence.features
        if all(a.how != "since" and not a.selection.window and set(a.selection.codes) <= codes
               for a in f.expression.aggregates())
    ]  # fmt: skip


def silent(evidence: Evidence, rows: np.ndarray, days: int) -> np.ndarray:
    """Of whom is nothing known in the last days of the store? One row a patient."""
    points = evidence.points.take(pa.array(rows))
    sql = "SELECT p.subject_id, MAX(e.known) AS last FROM points p JOIN events e ON e.subject_id = p.subject_id"
    table = engine.totals(f"{sql} GROUP BY p.subject_id", evidence.snapshot, points)
    last = table["last"].take(pc.index_in(points["subject_id"], table["subject_id"].combine_chunks())).to_numpy()
    return last < int(evidence.snapshot.observed_until.timestamp() * 1e6) - days * 86_400_000_000


def alone(column: pa.ChunkedArray, known: np.ndarray, even: np.ndarray, subject: np.ndarray) -> Estimate:
    """How well one fact separates, learned on half of the patients and judged on the other."""
    score = rates(column, known, np.flatnonzero(even))
    return auroc_estimate(known[~even], score[~even], subject[~even])


def enough(known: np.ndarray) -> bool:
    return min(int(known.sum()), int((~known).sum())) >= FEWEST


def last_rows(subject: np.ndarray) -> np.ndarray:
    """The last row of each patient; rows are sorted by time."""
    return len(subject) - 1 - np.unique(subject[::-1], return_index=True)[1]


def _standing(evidence: Evidence, rows: np.ndarray, read: set[str]) -> set[str]:
    """Of the codes that features read, those told once or never otherwise, since ever or a patient's first event."""
    if not read:
        return set()
    table = engine.totals(
        f"""
WITH s AS (SELECT subject_id, MIN(CASE WHEN known > {engine.SINCE_EVER} THEN known END) AS first FROM events
           WHERE subject_id IN (SELECT subject_id FROM points) GROUP BY subject_id)
SELECT e.code, COUNT(DISTINCT e.subject_id) AS subjects, COUNT(DISTINCT (e.subject_id, e.known)) AS moments,
       COUNT(DISTINCT (e.subject_id, COALESCE(e.text, CAST(e.value AS VARCHAR), ''))) AS said,
       COUNT(DISTINCT CASE WHEN e.known <= s.first THEN e.subject_id END) AS first,
       COUNT(DISTINCT CASE WHEN e.known <= p.moment - {SETTLED} THEN e.subject_id END) AS settled
FROM points p JOIN events e ON e.subject_id = p.subject_id JOIN s ON s.subject_id = p.subject_id
WHERE e.code IN ({", ".join(map(sql_text, sorted(read)))}) GROUP BY e.code""",
        evidence.snapshot, evidence.points.take(pa.array(rows)),
    )  # fmt: skip
    figures = ("subjects", "moments", "said", "first", "settled")
    summed = table.group_by("code").aggregate([(name, "sum") for name in figures])
    return {
        row["code"] for row in summed.to_pylist()
        if min(row["moments_sum"], row["said_sum"]) <= ONCE * row["subjects_sum"]
        and row["first_sum"] >= FIRST * row["subjects_sum"]
        and row["settled_sum"] >= SETTLED_SHARE * row["subjects_sum"]
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
