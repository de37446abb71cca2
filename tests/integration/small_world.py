"""A small synthetic health system whose few are at higher risk than any other feature tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from tests.conftest import batch_of, day
from wellkept.contracts import EVENTS
from wellkept.journeys import Journeys

TOML = """
target = "stays_away"
audit = ["PERSON//RACE"]
protected = ["PERSON//SEX"]
groups = ["PERSON//POVERTY"]
estimator = "trees"

[points]
at = "2025-02-01T00:00:00Z"

[label]
true_when = "event of LOST within 30d"

[split]
by = "subject"
folds = 3

[trees]
rounds = 20
"""
PEOPLE = 2500


def land(folder: Path) -> Path:
    """One row a person of each code before the point, LOST after it, and a last event when everything is known."""
    random = np.random.default_rng(8)
    few, poor = random.random(PEOPLE) < 0.3, random.random(PEOPLE)
    poor = poor < np.where(few, 0.6, 0.3)  # poverty stands in for race where that is not known
    visits = random.poisson(3, PEOPLE).astype(float)
    lost = random.random(PEOPLE) < 1 / (1 + np.exp(2 + 0.4 * (visits - 3) - 1.5 * few - 0.6 * poor))
    codes = {"PERSON//RACE": np.where(few, "few", "many"), "PERSON//POVERTY": np.where(poor, "poor", "not poor"),
             "PERSON//SEX": random.choice(["f", "m"], PEOPLE)}  # fmt: skip
    who = np.arange(PEOPLE)
    tables = [_events(who, 1, code, text=words) for code, words in codes.items()]
    tables += [_events(who, 2, "VISITS", number=visits), _events(who[lost], 50, "LOST"), _events(who, 90, "END")]
    Journeys(folder, shards=2, key="test").land(batch_of(pa.concat_tables(tables)))
    return folder


def _events(
    who: np.ndarray, at: float, code: str, *, number: np.ndarray | None = None, text: np.ndarray | None = None
) -> pa.Table:
    known = {
        "subject_id": pa.array(who + 1, pa.int64()), "time": pa.array([day(at)] * len(who)),
        "event_at": pa.array([day(at)] * len(who)), "code": pa.array([code] * len(who)),
        "numeric_value": None if number is None else pa.array(number),
        "text_value": None if text is None else pa.array(text.tolist()),
    }  # fmt: skip
    return pa.table({
        field.name: pa.nulls(len(who), field.type) if known.get(field.name) is None
        else known[field.name].cast(field.type)
        for field in EVENTS.schema
    })  # fmt: skip
