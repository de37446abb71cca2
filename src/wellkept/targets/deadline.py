"""Whether a return that was expected comes in time: ``no event of VISIT//COMPLETED by chronic: 270d after the last``.

The deadline counts from the latest event of the code that is known at the point, by its category; a category that is
not listed expects nobody (a cured patient is not lost), so its label is not known. After ``unless`` stand events that
compete with a return, death or a move: whoever did not return before one of them is not lost, and the label is not
known. Known at the deadline, also where the return came early (METHOD.md, section 2.2). A death or a move that is
recorded later still takes the label away: it would not have been lost, had it been told in time.
"""

from __future__ import annotations

import re

from wellkept.durations import microseconds
from wellkept.labelling import Question, sql_any_code, sql_text

SAYS = "asks whether an expected return does not come by the deadline of its kind"
EXAMPLE = "no event of VISIT//COMPLETED by preventive: 637d, chronic: 270d after the last unless VITAL//DIED"
GRAMMAR = re.compile(
    r"no event of (?P<code>[^\s,]+) by (?P<deadlines>[\w-]+: \d+[hd](?:, [\w-]+: \d+[hd])*) after the last"
    r"(?: unless (?P<unless>[^\s,]+(?:, ?[^\s,]+)*))?"
)


def parse(sentence: str) -> Question | None:
    """Read a sentence of this grammar; None when it is another's."""
    match = GRAMMAR.fullmatch(sentence)
    if not match:
        return None
    deadlines = [part.split(": ") for part in match["deadlines"].split(", ")]
    after = " ".join(f"WHEN {sql_text(kind)} THEN {microseconds(length)}" for kind, length in deadlines)
    competing = [code.strip() for code in match["unless"].split(",")] if match["unless"] else []
    same, ended = sql_any_code([match["code"]]), sql_any_code(competing) or "FALSE"
    visits = f"""
WITH latest AS (
  SELECT p.point, MAX(e.happened) AS happened, MAX_BY(e.text, e.sequence) AS kind
  FROM points p JOIN events e ON e.subject_id = p.subject_id AND ({same}) AND e.known <= p.moment
  GROUP BY p.point
), expected AS (
  SELECT p.point, p.subject_id, p.moment, l.kind, l.happened AS visited,
         l.happened + CASE l.kind {after} END AS deadline
  FROM points p LEFT JOIN latest l ON l.point = p.point
)"""
    sql = f"""{visits}
SELECT p.point, p.deadline AS known,
       CASE WHEN p.deadline IS NULL OR p.deadline <= p.moment THEN NULL
            WHEN COUNT(CASE WHEN ({same}) AND e.happened >= p.moment THEN 1 END) > 0 THEN FALSE
            WHEN COUNT(CASE WHEN {ended} THEN 1 END) > 0 THEN NULL
            ELSE TRUE END AS label
FROM expected p LEFT JOIN events e
  ON e.subject_id = p.subject_id AND e.known > p.moment AND e.happened <= p.deadline AND (({same}) OR ({ended}))
GROUP BY p.point, p.moment, p.deadline"""

    def seen_until(until: int) -> str:
        return f"""{visits}
SELECT p.point, p.moment, p.visited, p.kind, p.deadline,
       MIN(CASE WHEN ({same}) AND e.happened >= p.moment THEN e.happened END) AS returned,
       MIN(CASE WHEN {ended} THEN e.happened END) AS ended
FROM expected p LEFT JOIN events e
  ON e.subject_id = p.subject_id AND e.known > p.moment AND e.known <= {until} AND (({same}) OR ({ended}))
GROUP BY p.point, p.moment, p.visited, p.kind, p.deadline"""

    return Question(sql, codes=(match["code"], *competing), seen_until=seen_until)
