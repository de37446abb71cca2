"""A population, part by part, in; by site and feature how many rows lie where, in bounded memory, out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from wellkept.catalogue import Feature
from wellkept.history.language import Aggregate
from wellkept.monitoring.distributions import SCALE, Bins, scale_medians, scale_places, shares

MEASURES = ("sum", "mean", "max", "min", "last", "first")


def is_measured(feature: Feature) -> bool:
    """Is it a number as it was recorded, so that it has a unit that can be wrong? Counts, shares and days have none."""
    return isinstance(feature.expression, Aggregate) and feature.expression.how in MEASURES


class Census:
    """Counts of rows: by site, feature and bin, and of measured features on a scale that medians are read from.

    It grows by sites, not by rows. Equal rows in any order and any parts give equal counts.
    """

    def __init__(self, features: Sequence[Feature], bins: Mapping[str, Bins]) -> None:
        self.features = [f for f in features if f.name in bins]
        self.bins = dict(bins)
        self.sites: dict[str, int] = {}
        self._counts: dict[str, np.ndarray] = {name: np.zeros((0, made.count)) for name, made in self.bins.items()}
        self._scale = {f.name: np.zeros((0, SCALE)) for f in self.features if is_measured(f)}
        self._rows = np.zeros(0)

    def add(self, sites: np.ndarray, table: pa.Table) -> None:
        """Count one part: the site of each row, and its features."""
        if len(sites) == 0:
            return
        levels, level = np.unique(sites.astype(str), return_inverse=True)
        for name in levels.tolist():
            self.sites.setdefault(name, len(self.sites))
        site = np.array([self.sites[name] for name in levels.tolist()])[level]
        self._rows = self._grown(self._rows) + np.bincount(site, minlength=len(self.sites))
        for feature in self.features:
            column = table[feature.name]
            self._add(self._counts, feature.name, site, self.bins[feature.name].places(column))
            if feature.name in self._scale:
                values = column.cast(pa.float32()).to_numpy()
                known = ~np.isnan(values)
                self._add(self._scale, feature.name, site[known], scale_places(values[known]))

    def rows(self, site: str | None = None) -> int:
        """Rows of a site, or of all."""
        return int(self._rows.sum() if site is None else self._rows[self.sites[site]])

    def shares(self, feature: str, site: str | None = None) -> np.ndarray:
        """Shares of the rows by bin."""
        counts = self._counts[feature]
        return shares(counts.sum(axis=0) if site is None else counts[self.sites[site]])

    def known(self, feature: str, site: str | None = None) -> float:
        """Share of the rows where the feature is known."""
        return float(1 - self.shares(feature, site)[-1])

    def median(self, feature: str, site: str) -> float:
        """Median of a measured feature, within 4.4 %; 0 for zero and below, NaN where none is known or none is kept."""
        counts = self._scale.get(feature)
        return np.nan if counts is None else float(scale_medians(counts[self.sites[site]]))

    def _grown(self, counts: np.ndarray) -> np.ndarray:
        missing = len(self.sites) - len(counts)
        return np.concatenate([counts, np.zeros((missing, *counts.shape[1:]))]) if missing else counts

    def _add(self, table: dict[str, np.ndarray], name: str, site: np.ndarray, place: np.ndarray) -> None:
        counts = self._grown(table[name])
        width = counts.shape[1]
        added = np.bincount(site * width + place, minlength=counts.size)
        table[name] = counts + added.reshape(counts.shape)
