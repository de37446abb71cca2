"""What a night looked like at the end of the training data in; the sketch that the bundle keeps of it, out.

It is written once, with the model, and never recomputed: a reference that follows the present finds nothing. It holds
shares, medians and quantiles of many: no site, level or value of fewer than FEWEST rows is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from wellkept.encoding import Encoder
from wellkept.monitoring.census import Census, is_measured
from wellkept.monitoring.distributions import Bins, plain_shares, quantile_bins, rounded, shares
from wellkept.monitoring.estimates import cbpe_auroc
from wellkept.tallying import acted_rows

FORMAT = 1
FEWEST = 50
CAPACITY = 0.10  # share of the population on the list whose composition is watched
TAILS = (0.0005, 0.002, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.998, 0.9995)
FEWEST_BEYOND = 5  # values beyond a quantile that is kept


@dataclass(frozen=True)
class Reference:
    """Who would have been scored on some nights of the past, and what was stated of them.

    Attributes
    ----------
    table, sites, risk, groups
        One row a scored patient and night: the bundle's features, the site, the risk, dimensions of `grouping`.
    sampled, contributions
        Rows of these whose SHAP values are at hand, and those values, log-odds, the bias last.
    arrivals, visits, asked, labels
        As `plain_arrivals`, `jobs.monitoring` and `answers` make and read them.
    """

    table: pa.Table
    sites: np.ndarray
    risk: np.ndarray
    groups: pa.Table
    sampled: np.ndarray
    contributions: np.ndarray
    nights: tuple[str, ...] = ()
    arrivals: Mapping = field(default_factory=dict)
    visits: Mapping = field(default_factory=dict)
    asked: Mapping = field(default_factory=dict)
    labels: Mapping = field(default_factory=dict)


def sketch_of(encoder: Encoder, reference: Reference) -> dict:
    """Plain data for `sketch.json`."""
    bins = {f.name: _bins(f.expression.is_text, reference.table[f.name], encoder.levels.get(f.name, ()))
            for f in encoder.features}  # fmt: skip
    census = Census(encoder.features, bins)
    census.add(reference.sites, reference.table)
    risk_bins = quantile_bins(reference.risk)
    return {
        "format": FORMAT,
        "nights": list(reference.nights),
        "rows": census.rows(),
        "features": {f.name: {**bins[f.name].plain, "shares": plain_shares(census.shares(f.name)),
                              "effect": _effects(reference, bins[f.name], i, f.name)}
                     for i, f in enumerate(encoder.features)},
        "sites": {site: _site(census, site, encoder) for site in sorted(census.sites) if census.rows(site) >= FEWEST},
        "risk": {**risk_bins.plain, "shares": plain_shares(_shares(risk_bins, reference.risk)),
                 "mean": round(float(reference.risk.mean()), 6), "auroc": round(cbpe_auroc(reference.risk), 6)},
        "list": list_shares(reference.risk, reference.groups),
        "arrivals": dict(reference.arrivals),
        "visits": dict(reference.visits),
        "asked": dict(reference.asked),
        "labels": dict(reference.labels),
    }  # fmt: skip


def list_shares(risk: np.ndarray, groups: pa.Table) -> dict[str, dict[str, float]]:
    """Dimension -> level -> its share of the CAPACITY of highest risks, without levels of fewer than FEWEST rows."""
    listed = acted_rows(risk, CAPACITY)
    found: dict[str, dict[str, float]] = {}
    for name in groups.column_names:
        level, at, counts = np.unique(np.array(groups[name].to_pylist(), str), return_inverse=True, return_counts=True)
        held = np.bincount(at, weights=listed, minlength=len(level)) / listed.sum()
        found[name] = {word: round(float(held[i]), 6) for i, word in enumerate(level.tolist()) if counts[i] >= FEWEST}
    return found


def plain_arrivals(values: pa.Table, days: float) -> dict:
    """Code -> how its numbers lie around their site's median (quantiles of ln(value / median)), and those medians.

    Parameters
    ----------
    values
        `code`, `site` and `value` > 0, as they were recorded in so many `days`.
    """
    code = np.array(values["code"].to_pylist(), str)
    site, value = np.array(values["site"].to_pylist(), str), values["value"].to_numpy().astype(float)
    found = {}
    for name in np.unique(code).tolist():
        rows = code == name
        if kept := _around_medians(site[rows], value[rows], days):
            found[name] = kept
    return found


def _around_medians(site: np.ndarray, value: np.ndarray, days: float) -> dict:
    """Each site by its own quantiles: whole numbers of days around one median are not those around another."""
    sites = {}
    for name in np.unique(site).tolist():
        of_site = value[site == name]
        if len(of_site) >= FEWEST:
            median = rounded(float(np.median(of_site)))
            tails = [q for q in TAILS if min(q, 1 - q) * len(of_site) >= FEWEST_BEYOND]
            around = np.quantile(np.log(of_site / median), tails).tolist()
            sites[name] = {"median": median, "per_day": rounded(len(of_site) / days), "tails": tails,
                           "quantiles": [rounded(x) for x in around]}  # fmt: skip
    return {"sites": sites} if sites else {}


def _bins(is_text: bool, column: pa.ChunkedArray, levels: tuple[str, ...]) -> Bins:
    if not is_text:
        return quantile_bins(column.cast(pa.float32()).to_numpy())
    counts = np.bincount(Bins(levels=levels).places(column), minlength=len(levels) + 2)
    return Bins(levels=tuple(level for level, count in zip(levels, counts, strict=False) if count >= FEWEST))


def _site(census: Census, site: str, encoder: Encoder) -> dict:
    features = {}
    for f in encoder.features:
        kept: dict = {"shares": plain_shares(census.shares(f.name, site))}
        if is_measured(f) and np.isfinite(median := census.median(f.name, site)):
            kept["median"] = rounded(median)
        features[f.name] = kept
    return {"rows": census.rows(site), "features": features}


def _effects(reference: Reference, bins: Bins, column: int, name: str) -> list[float]:
    """Mean contribution in each bin, log-odds; of a bin without rows, the mean of all: moving there is nothing."""
    place = bins.places(reference.table[name].take(pa.array(reference.sampled)))
    contribution = reference.contributions[:, column].astype(float)
    count = np.bincount(place, minlength=bins.count)
    total = np.bincount(place, weights=contribution, minlength=bins.count)
    mean = contribution.mean() if len(contribution) else 0.0
    return plain_shares(np.where(count > 0, total / np.maximum(count, 1), mean))


def _shares(bins: Bins, values: np.ndarray) -> np.ndarray:
    return shares(np.bincount(bins.of_numbers(values), minlength=bins.count))
