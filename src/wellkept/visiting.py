"""What the rules of `beside` (wellkept.return_rules) need: the features in a model's catalogue that count visits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from wellkept.catalogue import Feature, query_of
from wellkept.contracts import POINTS
from wellkept.errors import SpecRefused
from wellkept.journeys import Snapshot
from wellkept.spec import Spec

VISITING = ("visits", "days_since_visit", "usual_gap_days")


def refuse_rules(catalogue: Sequence[Feature], spec: Spec) -> None:
    """Refuse rules that these features cannot make, or that answer another question than the model's.

    Raises
    ------
    SpecRefused
        `beside`, with what is missing.
    """
    if not spec.beside:
        return
    rules, named = " and ".join(spec.beside), {f.name: f for f in catalogue}
    if missing := [name for name in VISITING if name not in named]:
        raise SpecRefused("beside", f"{rules} need features that this model lacks: {', '.join(missing)}; "
                          "add 'return_pattern' to `features`, or leave out `beside`")  # fmt: skip
    code = named["visits"].codes[0]
    if spec.points.each != code or not spec.label.true_when.startswith(f"no event of {code} "):
        raise SpecRefused("beside", f"{rules} say who stays away after a visit: [points] needs each = '{code}' and "
                          f"[label] 'no event of {code} ...'; or leave out `beside`")  # fmt: skip


def visiting_at(snapshot: Snapshot, subjects: pa.Array, moment: pa.Scalar, catalogue: Sequence[Feature]) -> pa.Table:
    """VISITING of these patients, all at one moment: one row each."""
    points = POINTS.check(pa.table({"subject_id": subjects, "prediction_time": pa.repeat(moment, len(subjects)),
                                    "encounter_id": pa.nulls(len(subjects), pa.string())}))  # fmt: skip
    return query_of(f for f in catalogue if f.name in VISITING).run(snapshot, points)


def gaps(features: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Days since the latest visit, and between visits (NaN with fewer than two), of each row."""
    away, gap = (features[name].to_numpy().astype(float) for name in VISITING[1:])
    return away, gap


def rhythm(features: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frequency, recency and age of each row, in the terms of `wellkept.return_rules.BgNbd`."""
    away, gap = gaps(features)
    frequency = features["visits"].to_numpy().astype(float) - 1
    recency = np.nan_to_num(gap) * frequency
    return frequency, recency, recency + away
