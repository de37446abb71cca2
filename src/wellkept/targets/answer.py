"""The first answer to a question after the point: ``SURVEY//NPS <= 6 within 42d``.

True or false by the first event of the code in the window that carries a number (or, compared with text, a
category). No answer means not known, never false. With ``in the same encounter`` only answers of the encounter of the
point count. The label is known once the whole window is over, since who answers early is happier; where everybody gets
an answer, as with the outcome of an appointment, ``as it comes`` makes it known at once. Where a number is compared,
the number itself goes along as the grade: there is more to learn from it than from the cut.
"""

from __future__ import annotations

import re

from wellkept.durations import microseconds
from wellkept.labelling import SAME_ENCOUNTER, Question, sql_text

SAYS = "compares the first answer that comes in the window"
EXAMPLE = "SURVEY//NPS <= 6 within 42d"
GRAMMAR = re.compile(
    r"(?P<code>\S+) (?P<compare><=|>=|==|!=|<|>|in) (?P<constant>\S+|\"[^\"]*\"|\[[^\]]*\]) "
    r"within (?P<window>\d+[hd])(?P<same> in the same encounter)?(?P<at_once> as it comes)?"
)

GRADED = {"<": 1, "<=": 1, ">": -1, ">=": -1}  # the sign by which smaller numbers are nearer to true


def parse(sentence: str) -> Question | None:
    """Read a sentence of this grammar; None when it is another's."""
    match = GRAMMAR.fullmatch(sentence)
    if not match or match["code"] in ("event", "no", "of"):
        return None
    column, condition = _condition(match["compare"], match["constant"])
    # an answer of this very encounter is the one asked for even where its date is coarser than the point's
    same = SAME_ENCOUNTER if match["same"] else "AND e.happened >= p.moment"
    end = f"p.moment + {microseconds(match['window'])}"
    answered = "MIN_BY(e.known, e.sequence)"  # it may be entered after the window is over
    known = answered if match["at_once"] else f"GREATEST({end}, COALESCE({answered}, {end}))"
    graded = GRADED.get(match["compare"], 0) if column == "value" else 0
    grade = f", MIN_BY({graded} * e.value, e.sequence) AS grade" if graded else ""
    sql = f"""
SELECT p.point, MIN_BY({condition}, e.sequence) AS label, {known} AS known{grade}
FROM points p LEFT JOIN events e
  ON e.subject_id = p.subject_id AND e.code = {sql_text(match["code"])} AND e.{column} IS NOT NULL
 AND e.known > p.moment AND e.happened <= {end} {same}
GROUP BY p.point, p.moment"""
    return Question(sql, codes=(match["code"],), is_answer=True, graded=graded)


def _condition(compare: str, constant: str) -> tuple[str, str]:
    """The column that is compared, and the comparison in SQL."""
    if compare == "in":
        texts = re.findall(r"\"([^\"]*)\"", constant)
        return "text", f"e.text IN ({', '.join(map(sql_text, texts))})"
    operator = {"==": "=", "!=": "<>"}.get(compare, compare)
    if constant.startswith('"'):
        return "text", f"e.text {operator} {sql_text(constant.strip(chr(34)))}"
    return "value", f"e.value {operator} CAST({float(constant)!r} AS DOUBLE)"
