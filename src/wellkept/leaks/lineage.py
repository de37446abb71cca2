"""The codes that features read, and where they came from, in; those that come of the label's own answer, out."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from wellkept.history import engine
from wellkept.labelling import cohort, sql_any_code, sql_text
from wellkept.leaks.evidence import Evidence, Finding
from wellkept.spec import matches

POINTS_READ = 20_000
ONLY_ANSWERED, LIFT = 0.8, 0.15
Z = 3.0  # of Wilson's interval: 36 encounters that were all answered reach .8
TOGETHER = 0.5
TO_DO = (
    "exclude it ([automatic] exclude), give its events the time when the answer could be read, or say "
    '[leaks] expected = ["{}"]'
)


def label_source_lineage(evidence: Evidence) -> Finding:
    """No feature may read what an answer leaves behind in its encounter before the answer itself is known.

    Two signs. `told earlier`: a code of the label's own table that mostly has the answer's moment but an earlier
    `time`. `only answered`: a code, or one of its values, that stands at the point in hardly any encounter but those
    whose answer is still to come. Earlier answers to the same question are the patient's past, and may be read.
    """
    asked = evidence.asked
    features = [f for f in evidence.features if not evidence.expected(f)]
    read = {code for f in features for code in f.codes if not matches(code, asked.codes)}
    points = _points(evidence)
    if not asked.codes or not read or points.num_rows == 0:
        return Finding("label_source_lineage", None, None, ONLY_ANSWERED, "", "no encounters, or no code of the label")
    if earlier := _told_earlier(evidence, points, read):
        code, share = max(earlier.items(), key=lambda item: item[1])
        says = f"{code} comes from the label's own table and moment, yet {share:.0%} of it is told earlier"
        return Finding("label_source_lineage", False, share, TOGETHER, code, f"{says}: {TO_DO.format(code)}")
    if not asked.is_answer:
        return Finding("label_source_lineage", True, 0.0, TOGETHER, "", "nothing of the label's own rows is told early")
    return _only_answered(evidence, points, read)


def _only_answered(evidence: Evidence, points: pa.Table, read: set[str]) -> Finding:
    counts = _answered(evidence, points, read)
    everywhere = counts.pop(("", None), (0, 0))
    usual = everywhere[1] / max(everywhere[0], 1)
    sure = {key: _wilson_low(answered, n) for key, (n, answered) in counts.items()}
    bar = max(ONLY_ANSWERED, usual + LIFT)
    if bar > 1 or everywhere[1] == 0 or not sure:
        says = f"{usual:.0%} of the encounters are answered: an answer's traces could not be told from others"
        return Finding("label_source_lineage", None, None, ONLY_ANSWERED, "", says)
    code, said = worst = max(sure, key=lambda key: sure[key])
    n, answered = counts[worst]
    says = f"{code}{'' if said is None else f' with one of its {_values(counts, code)} values'} stands before the "
    says += f"answer in {n} encounters, of which {answered} are answered later (usual: {usual:.0%})"
    if sure[worst] <= bar:
        return Finding("label_source_lineage", True, sure[worst], bar, "", f"at most, {says}")
    return Finding("label_source_lineage", False, sure[worst], bar, code, f"{says}: {TO_DO.format(code)}")


def _points(evidence: Evidence) -> pa.Table:
    """Points whose encounter is known, also those that nobody answered."""
    points = cohort(evidence.snapshot, evidence.spec.points)
    points = points.filter(points["encounter_id"].is_valid())
    chosen = np.random.default_rng(evidence.spec.seed).permutation(points.num_rows)[:POINTS_READ]
    return points.take(pa.array(np.sort(chosen)))


def _answered(evidence: Evidence, points: pa.Table, read: set[str]) -> dict[tuple[str, str | None], tuple[int, int]]:
    """(code, value or None for any) -> encounters that have it before their answer, and those with an answer to come.

    ("", None) counts all encounters.
    """
    label = sql_any_code(list(evidence.asked.codes))
    count = "COUNT(DISTINCT encounter_id) AS n, COUNT(DISTINCT CASE WHEN to_come THEN encounter_id END) AS answered"
    table = engine.totals(
        f"""
WITH answers AS (
  SELECT p.point, COUNT(CASE WHEN e.known > p.moment THEN 1 END) > 0 AS to_come,
         COUNT(CASE WHEN e.known <= p.moment THEN 1 END) AS gone
  FROM points p LEFT JOIN events e ON e.subject_id = p.subject_id AND e.encounter_id = p.encounter_id AND ({label})
  GROUP BY p.point
), waiting AS (
  SELECT p.*, a.to_come FROM points p JOIN answers a ON a.point = p.point WHERE a.gone = 0
), seen AS (
  SELECT w.encounter_id, w.to_come, e.code, COALESCE(e.text, CAST(e.value AS VARCHAR)) AS said
  FROM waiting w JOIN events e ON e.subject_id = w.subject_id AND e.encounter_id = w.encounter_id
   AND e.known <= w.moment WHERE ({sql_any_code(sorted(read))}) AND NOT ({label})
)
SELECT code, said, {count} FROM seen WHERE said IS NOT NULL GROUP BY code, said
UNION ALL SELECT code, NULL, {count} FROM seen GROUP BY code
UNION ALL SELECT '', NULL, {count} FROM waiting""",
        evidence.snapshot, points,
    ).group_by(["code", "said"]).aggregate([("n", "sum"), ("answered", "sum")])  # fmt: skip
    return {(row["code"], row["said"]): (row["n_sum"], row["answered_sum"]) for row in table.to_pylist()}


def _told_earlier(evidence: Evidence, points: pa.Table, read: set[str]) -> dict[str, float]:
    """Codes of the label's tables -> share of them with the answer's moment that a point sees before the answer."""
    siblings = sorted(_siblings(evidence, read))
    if not siblings:
        return {}
    label, codes = sql_any_code(list(evidence.asked.codes)), ", ".join(map(sql_text, siblings))
    table = engine.totals(
        f"""
SELECT s.code, COUNT(*) AS n, COUNT(CASE WHEN s.happened = e.happened THEN 1 END) AS together
FROM points p JOIN events e ON e.subject_id = p.subject_id AND e.known > p.moment AND ({label})
JOIN events s ON s.subject_id = e.subject_id AND s.encounter_id = e.encounter_id AND s.known <= p.moment
WHERE s.code IN ({codes}) GROUP BY s.code""",
        evidence.snapshot, points,
    ).group_by("code").aggregate([("n", "sum"), ("together", "sum")])  # fmt: skip
    shares = {row["code"]: row["together_sum"] / row["n_sum"] for row in table.to_pylist()}
    return {code: share for code, share in shares.items() if share > TOGETHER}


def _siblings(evidence: Evidence, read: Iterable[str]) -> set[str]:
    """The codes that come from a table from which the label's codes come, and which features read."""
    lineage, asked = evidence.snapshot.lineage, evidence.asked.codes
    tables = {table for code, names in lineage.items() if matches(code, asked) for table in names}
    return {
        code for code, names in lineage.items()
        if tables & set(names) and matches(code, tuple(read)) and not matches(code, asked)
    }  # fmt: skip


def _values(counts: dict[tuple[str, str | None], tuple[int, int]], code: str) -> int:
    return sum(1 for other, said in counts if other == code and said is not None)


def _wilson_low(hits: int, n: int) -> float:
    """Lower end of Wilson's interval of a share (Wilson 1927, doi:10.2307/2276774)."""
    share = hits / n
    spread = Z * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return float((share + Z**2 / (2 * n) - spread) / (1 + Z**2 / n))
