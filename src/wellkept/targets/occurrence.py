"""Whether something happens: ``no event of VISIT//COMPLETED within 365d``, ``event of ADMISSION* within 30d``.

Codes are separated by commas and may end in ``*``. Known only when the whole window has been observed, also where
the event came early: keeping early comers and dropping who is still out would bias the risk (METHOD.md, section 2.2).
"""

from __future__ import annotations

import re

from wellkept.durations import microseconds
from wellkept.labelling import SAME_ENCOUNTER, Question, sql_any_code

SAYS = "asks whether an event comes in the window, or does not"
EXAMPLE = "no event of VISIT//COMPLETED within 365d"
GRAMMAR = re.compile(
    r"(?P<no>no )?event of (?P<codes>[^\s,]+(?:, ?[^\s,]+)*) within (?P<window>\d+[hd])"
    r"(?P<same> in the same encounter)?"
)


def parse(sentence: str) -> Question | None:
    """Read a sentence of this grammar; None when it is another's."""
    match = GRAMMAR.fullmatch(sentence)
    if not match:
        return None
    codes = [code.strip() for code in match["codes"].split(",")]
    wanted = "COUNT(e.code) = 0" if match["no"] else "COUNT(e.code) > 0"
    end = f"p.moment + {microseconds(match['window'])}"
    sql = f"""
SELECT p.point, {wanted} AS label, {end} AS known
FROM points p LEFT JOIN events e
  ON e.subject_id = p.subject_id AND ({sql_any_code(codes)})
 AND e.known > p.moment AND e.happened >= p.moment AND e.happened <= {end}
 {SAME_ENCOUNTER if match["same"] else ""}
GROUP BY p.point, p.moment"""
    return Question(sql, codes=tuple(codes))
