"""Contributions and values of many patients in; what drives a model over all of them, as plain data, out.

Figures and pages are drawn from this. A contribution says what the score is associated with, never what would help.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
from scipy.stats import rankdata

from wellkept.catalogue import Feature
from wellkept.intervals import Estimate, estimate, members_of, multiplicities

STRONGEST = 10
FEWEST = 20  # known values, to say which way a feature works
RESAMPLES = 200


def drivers(
    features: tuple[Feature, ...], contributions: np.ndarray, values: np.ndarray, subject: np.ndarray
) -> dict[str, Any]:
    """Mean size of contributions, by feature, touchpoint and dimension, and the signs of the strongest features.

    Parameters
    ----------
    features
        Those that the model has, in order.
    contributions
        Rows x (features + 1), log-odds; the last column is the bias.
    values
        Rows x features; NaN where nothing is known, and for categories.
    subject
        Shape (rows,): whose row it is; intervals draw whole patients.

    Returns
    -------
    `features`, `touchpoints`, `dimensions`: name -> [mean |contribution|, low, high], log-odds, the largest first; of a
    touchpoint or a dimension, contributions are added up in each row before their size is taken.
    `rows`: how many. Of the STRONGEST features, `described`: touchpoint, dimension and words; and `signs`: whether the
    rank `correlation` of values and contributions `agrees` with the `declared` sign, null where there is none, the
    feature is a category, or too few values are known.
    """
    own = contributions[:, :-1].astype(float)
    grouped = {
        "features": {f.name: own[:, [i]] for i, f in enumerate(features)},
        "touchpoints": _grouped(features, own, lambda f: f.touchpoint),
        "dimensions": _grouped(features, own, lambda f: f.dimension),
    }
    sizes = {what: _mean_sizes(columns, subject) for what, columns in grouped.items()}
    told: dict[str, Any] = {what: {name: _triple(e) for name, e in found.items()} for what, found in sizes.items()}
    position = {f.name: i for i, f in enumerate(features)}
    strongest = [position[name] for name in list(told["features"])[:STRONGEST]]
    return told | {
        "rows": len(own),
        "signs": {features[i].name: _sign(features[i], values[:, i], own[:, i]) for i in strongest},
        "described": {features[i].name: _described(features[i]) for i in strongest},
    }  # fmt: skip


def _described(feature: Feature) -> dict[str, str]:
    """What a page says of it: the first sentence of its documentation, and where it belongs."""
    says = feature.docs.partition("\n")[0]
    return {"touchpoint": feature.touchpoint, "dimension": feature.dimension, "says": says}


def _grouped(
    features: tuple[Feature, ...], own: np.ndarray, of: Callable[[Feature], str]
) -> dict[str, np.ndarray]:
    """The contributions of each group's features."""
    names = dict.fromkeys(of(f) for f in features)
    return {name: own[:, [i for i, f in enumerate(features) if of(f) == name]] for name in names}


def _mean_sizes(columns: dict[str, np.ndarray], subject: np.ndarray) -> dict[str, Estimate]:
    """Mean over rows of the size of each group's sum, with its interval over patients; the largest first."""
    sizes = np.column_stack([np.abs(column.sum(axis=1)) for column in columns.values()])
    members = members_of(subject)
    rows, sums = np.bincount(members), np.column_stack([np.bincount(members, weights=size) for size in sizes.T])
    draws = islice(multiplicities(len(rows), seed=0), RESAMPLES)
    drawn = np.array([times @ sums / (times @ rows) for times in draws])
    found = {
        name: estimate(float(sizes[:, i].mean()), drawn[:, i].tolist()) for i, name in enumerate(columns)
    }
    return dict(sorted(found.items(), key=lambda item: -item[1].value))


def _sign(feature: Feature, value: np.ndarray, contribution: np.ndarray) -> dict:
    known = ~np.isnan(value)
    correlation = _rank_correlation(value[known], contribution[known]) if known.sum() >= FEWEST else None
    agrees = None if correlation is None or not feature.monotone else bool(correlation * feature.monotone >= 0)
    return {"declared": feature.monotone, "agrees": agrees, "correlation": correlation}


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Spearman's; None where one of them does not vary."""
    a, b = rankdata(a), rankdata(b)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return round(float(np.corrcoef(a, b)[0, 1]), 6)


def _triple(estimate: Estimate) -> list[float]:
    return [round(number, 6) for number in (estimate.value, estimate.low, estimate.high)]
