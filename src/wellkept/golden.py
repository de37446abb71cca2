"""Made-up rows that a bundle carries, no patient's, with what it must give for them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from wellkept.encoding import UNKNOWN, Encoder

GOLDEN_ROWS = 16
TOLERANCE = 1e-6


def golden_rows(encoder: Encoder) -> dict[str, list]:
    """Made-up feature rows: numbers drawn from a fixed spread of sizes, categories in turn, some unknown."""
    random = np.random.default_rng(20260101)
    rows: dict[str, list] = {}
    for i, feature in enumerate(encoder.features):
        if feature.expression.is_text:
            levels = [*encoder.levels[feature.name], UNKNOWN]
            rows[feature.name] = [levels[(i + j) % len(levels)] for j in range(GOLDEN_ROWS)]
        else:
            sizes = np.round(random.choice([0.0, 1.0, 10.0, 100.0], GOLDEN_ROWS) * random.random(GOLDEN_ROWS), 3)
            rows[feature.name] = [None if random.random() < 0.2 else float(s) for s in sizes]
    return rows


def golden_matrix(encoder: Encoder, rows: Mapping[str, list]) -> np.ndarray:
    """The rows as the model takes them; ValueError where they are of other features."""
    if rows.keys() != {f.name for f in encoder.features}:
        raise ValueError("other features")
    types = {f.name: pa.string() if f.expression.is_text else pa.float32() for f in encoder.features}
    return encoder.matrix(pa.table({name: pa.array(rows[name], type_) for name, type_ in types.items()}))


def listed(answers: list | None) -> list[float] | None:
    """Answers as they were read, as numbers; what is no list of numbers raises."""
    return None if answers is None else np.array(answers, float).tolist()


def alike(now: Mapping[str, list | None], then: Mapping[str, list | None]) -> bool:
    """Are the same answers there, and the same numbers within TOLERANCE?"""
    if now.keys() != then.keys():
        return False
    return all(_near(now[name], then[name]) for name in now)


def _near(now: list | None, then: list | None) -> bool:
    if now is None or then is None:
        return now is then
    return len(now) == len(then) and bool(np.allclose(now, then, rtol=0, atol=TOLERANCE))
