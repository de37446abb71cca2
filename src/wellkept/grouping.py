"""Points in; to which site, kind of care and group of patients each belongs, out: what performance is broken down by.

Levels are words for people. Numbers of few values stay as they are; ages come in bands, other numbers in thirds.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.history import Expression, FeatureQuery, engine, past
from wellkept.journeys import Snapshot
from wellkept.labelling import sql_any_code
from wellkept.spec import Spec

UNKNOWN = "not on record"
MOST_LEVELS = 20  # a number with more values is cut into thirds; a category with more keeps the commonest
OTHERS = "others"
AGES = {"under 18": 18, "18 to 39": 40, "40 to 64": 65, "65 and over": np.inf}  # the band ends below the number
PRIOR = "prior"


def groups_at(snapshot: Snapshot, spec: Spec, points: pa.Table, features: pa.Table) -> pa.Table:
    """One column of words a dimension, never null, rows as `points`.

    `site` and `kind` are those of the event that the point belongs to, where the journeys know them. One more for each
    code of `audit`, `protected` and `groups`, named by the code's last part. `prior` tells whether the feature that
    people go by today (`baseline`) is known.
    """
    columns = dict(zip(("site", "kind"), places_at(snapshot, spec, points), strict=True))
    codes = dict.fromkeys(code for code in (*spec.audit, *spec.protected, *spec.groups) if code.startswith("PERSON//"))
    columns |= {code.rpartition("//")[2]: words for code, words in words_at(snapshot, points, list(codes)).items()}
    if spec.baseline:
        has = features[spec.baseline].is_valid().to_numpy()
        columns[PRIOR] = np.where(has, f"{spec.baseline} known", f"{spec.baseline} not known").astype(object)
    return pa.table({name: pa.array(_commonest(c), pa.string()) for name, c in columns.items() if _tells(c)})


def words_at(snapshot: Snapshot, points: pa.Table, codes: Collection[str]) -> dict[str, np.ndarray]:
    """Code of a person -> its level at each point in words, shape (n,); UNKNOWN where it is not on record.

    A code that has neither a number nor a category is "yes" where it is on record, and "no" elsewhere.
    """
    asked = {f"{code} {how}": question for code in codes for how, question in _questions(code).items()}
    known = FeatureQuery(asked).run(snapshot, points) if asked else pa.table({})
    return {code: _words(code, known) for code in codes}


def sites_at(snapshot: Snapshot, spec: Spec, points: pa.Table) -> np.ndarray:
    """The site of each point, shape (n,), strings; UNKNOWN where the journeys do not say."""
    return places_at(snapshot, spec, points)[0]


def places_at(snapshot: Snapshot, spec: Spec, points: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Site and category of the latest of the model's occasions that is known; of any event, where there is none."""
    occasion = f"({sql_any_code([spec.points.each])})" if spec.points.each else "TRUE"
    found = engine.at_points(
        f"""SELECT p.point, MAX_BY(e.site, e.sequence) FILTER (WHERE e.site IS NOT NULL) AS site,
                   MAX_BY(e.text, e.sequence) FILTER (WHERE e.text IS NOT NULL) AS kind
            FROM points p LEFT JOIN events e ON e.subject_id = p.subject_id AND e.known <= p.moment AND {occasion}
              AND (p.encounter_id IS NULL OR e.encounter_id = p.encounter_id)
            GROUP BY p.point""",
        snapshot, points.select(["subject_id", "prediction_time", "encounter_id"]),
    )  # fmt: skip
    kind = found["kind"] if spec.points.each else pa.nulls(points.num_rows, pa.string())
    return _strings(found["site"]), _strings(kind)


def _questions(code: str) -> dict[str, Expression]:
    events = past.of(code)
    number = past.year() - events.last() if code.endswith("birth_year") else events.last()
    return {"text": events.last_text(), "number": number, "times": events.count()}


def _words(code: str, known: pa.Table) -> np.ndarray:
    words, number = _strings(known[f"{code} text"]), known[f"{code} number"].to_numpy().astype(float)
    if np.isnan(number).all():
        there = known[f"{code} times"].to_numpy() > 0
        return words if (words != UNKNOWN).any() else np.where(there, "yes", "no").astype(object)
    if code.lower().endswith(("birth_year", "age")):
        bands = np.array([*AGES, UNKNOWN], object)
        in_words = bands[np.where(np.isnan(number), len(AGES), np.searchsorted([*AGES.values()], number, side="right"))]
    elif len(np.unique(number[~np.isnan(number)])) <= MOST_LEVELS:
        in_words = np.array([UNKNOWN if np.isnan(value) else f"{value:g}" for value in number], object)
    else:
        in_words = _thirds(number)
    return np.where(words == UNKNOWN, in_words, words)


def _thirds(number: np.ndarray) -> np.ndarray:
    low, high = np.nanquantile(number, (1 / 3, 2 / 3))
    named = np.where(number <= low, f"up to {low:g}", np.where(number <= high, f"up to {high:g}", f"over {high:g}"))
    return np.where(np.isnan(number), UNKNOWN, named).astype(object)


def _strings(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    return np.array(pc.fill_null(column.cast(pa.string()), UNKNOWN).to_pylist(), object)


def _commonest(words: np.ndarray) -> np.ndarray:
    """With at most MOST_LEVELS levels: the rarer ones are `others`."""
    level, counts = np.unique(words.astype(str), return_counts=True)
    kept = level[np.argsort(-counts, kind="stable")][:MOST_LEVELS]
    return words if len(level) <= MOST_LEVELS else np.where(np.isin(words.astype(str), kept), words, OTHERS)


def _tells(words: np.ndarray) -> bool:
    """Does it tell patients apart at all?"""
    return len(set(words.tolist())) > 1
