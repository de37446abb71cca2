"""Points and features -> what the service answers: risks in words and numbers, reasons, contributions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from wellkept.bundles import Bundle
from wellkept.contracts import POINTS
from wellkept.scoring import score

BANDS = ((0.5, "low"), (1.5, "usual"), (3.0, "raised"))  # times the reference rate; beyond the last: high
REASON = ("sentence", "touchpoint", "dimension", "contribution", "feature", "modifiable")
NOT_STATED = "this model states no risk of this patient at this moment"


def answers(
    bundle: Bundle, points: pa.Table, features: pa.Table, *, explain: str, top: int
) -> list[dict[str, Any]]:
    """One answer for each point: risk with its band, and as many reasons as were asked for."""
    scores, reasons, contributions = score(bundle, points, features, top=top if explain != "none" else 1)
    told = [answer_of({**row, "as_of": stamp(row["prediction_time"])}) for row in scores.to_pylist()]
    if explain != "none":
        by_point: dict[tuple, list[dict[str, Any]]] = {}
        for key, reason in zip(_points_of(reasons), reasons.select(REASON).to_pylist(), strict=True):
            by_point.setdefault(key, []).append(reason)
        for answer, key in zip(told, _points_of(points), strict=True):
            answer["reasons"] = by_point.get(key, [])
    if explain == "full":
        for answer, row in zip(told, contributions, strict=True):
            answer.update(whole(bundle, row))
    return told


def band(risk: float, reference_rate: float) -> str:
    """In a word, how a risk lies beside what is usual."""
    times = risk / reference_rate if reference_rate else np.inf
    return next((name for below, name in BANDS if times < below), "high")


def not_stated(bundle: Bundle, as_of: str) -> dict[str, Any]:
    """The answer for who is outside the model's points: nobody is expected back, or the last visit is too old."""
    return {"target": bundle.target, "risk": None, "says": NOT_STATED, "model_version": bundle.version, "as_of": as_of}


def answer_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of scores, with its `as_of` written out, as the service tells it."""
    risk, usual = row["risk"], row["reference_rate"]
    answer = {"target": row["target"], "risk": risk, "interval": {"low": row["risk_low"], "high": row["risk_high"]},
              "band": band(risk, usual), "reference_rate": usual,
              "says": f"{round(risk * 100)} in 100 patients like this one; {round(usual * 100)} in 100 are usual",
              "model_version": row["model_version"], "as_of": row["as_of"]}  # fmt: skip
    if row["expected_nps"] is not None:
        answer["expected_nps"] = row["expected_nps"]
    return answer


def _points_of(table: pa.Table) -> Iterator[tuple]:
    """Which point each row is about."""
    return zip(*(table[name].to_pylist() for name in POINTS.schema.names), strict=True)


def whole(bundle: Bundle, contributions: np.ndarray) -> dict[str, Any]:
    """Every feature's contribution, and the bias: they add up to the log-odds."""
    names = [f.name for f in bundle.encoder.features]
    return {"contributions": dict(zip(names, contributions[:-1].tolist(), strict=True)),
            "bias": float(contributions[-1])}  # fmt: skip


def stamp(moment: Any) -> str:
    """A moment as the service writes it."""
    return moment.isoformat().replace("+00:00", "Z")
