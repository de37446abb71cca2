"""Features + bundle -> risks and reasons, and nothing else: no disk, no clock, no settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from wellkept.bundles import Bundle
from wellkept.contracts import SCORES
from wellkept.errors import Breach, InputHeld
from wellkept.explaining import TOP, reasons

ENOUGH_TO_JUDGE = 20
UNKNOWN_SHARE = 0.01


def score(
    bundle: Bundle, points: pa.Table, features: pa.Table, *, top: int = TOP
) -> tuple[pa.Table, pa.Table, np.ndarray]:
    """Risks, reasons and all contributions for the same rows.

    Parameters
    ----------
    points
        Fits POINTS.
    features
        What the bundle's features are at these points.

    Returns
    -------
    scores, reasons
        Tables that fit SCORES and REASONS.
    contributions
        Rows x (features + 1), float32, log-odds; a row adds up to the score's margin.
    """
    X = bundle.encoder.matrix(features)
    contributions, agreement, members = bundle.explained(X)
    rows, told = points.num_rows, bundle.stated_of(members)
    scores = SCORES.check(pa.table({
        **{name: points[name] for name in points.column_names},
        "target": pa.repeat(bundle.target, rows),
        "risk": pa.array(told.risk.astype(np.float32)),
        "risk_low": pa.array(told.low.astype(np.float32)),
        "risk_high": pa.array(told.high.astype(np.float32)),
        "reference_rate": pa.repeat(pa.scalar(bundle.reference_rate, pa.float32()), rows),
        "margin": pa.array(told.margin.astype(np.float32)),
        "expected_nps": pa.nulls(rows, pa.float32()) if told.nps is None else pa.array(told.nps.astype(np.float32)),
        "model_version": pa.repeat(bundle.version, rows),
    }))  # fmt: skip
    why = reasons(points, bundle.target, bundle.encoder.features, features, contributions,
                  agreement=agreement, top=top)  # fmt: skip
    return scores, why, contributions


Profile = Mapping[str, Mapping[str, float]]


def hold_if_odd(
    bundle: Bundle, profiles: Sequence[tuple[int, Profile]], accept: frozenset[str] = frozenset()
) -> None:
    """Hold a population whose features are not what the model was made for.

    Parameters
    ----------
    profiles
        (rows, the encoder's profile of them) for each part of the population.

    Raises
    ------
    InputHeld
        `null_rate`: a feature that was known in training is null in every row. `vocabulary`: a category's values
        are ones that have no column in more than 1 % more of the rows than in training.
    """
    rows = sum(n for n, _ in profiles)
    empty, unseen = [], []
    for name, before in bundle.profile.items():
        known, without = (sum(n * p[name][key] for n, p in profiles) / rows for key in ("known", "unseen"))
        if known == 0 and before["known"] * rows >= ENOUGH_TO_JUDGE:
            empty.append(name)
        if without > before["unseen"] + UNKNOWN_SHARE and without * rows >= ENOUGH_TO_JUDGE:
            unseen.append(name)
    for rule, names, message in (
        ("null_rate", empty, "features that were known in training are null for everybody"),
        ("vocabulary", unseen, f"categories have over {UNKNOWN_SHARE:.0%} more values without a column than before"),
    ):
        if names and rule not in accept:
            text = f"{bundle.target}: {len(names)} {message}; look at it, then --accept {rule} scores all the same"
            raise InputHeld(rule, text, [Breach("features", 0, rule, name) for name in names])
