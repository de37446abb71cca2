"""Who is served how well: the same figures for each site, kind of care and group of patients.

Calibration within groups comes first, then what the list at capacity does for each: how many of a group's events it
holds, and whether the group's share of the attention is its share of the need (METHOD.md, section 6). A group of fewer
than 100 events, or as few others, is named and counted, and no figure of it is stated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import pyarrow as pa

from wellkept.intervals import Estimate, estimate, members_of, multiplicities
from wellkept.performance import essentials
from wellkept.tallying import acted_rows

FEWEST_EVENTS = 100
FEWEST_PATIENTS = 10  # a smaller group is not even counted: its patients could be guessed


@dataclass(frozen=True)
class Group:
    """One level of one dimension; `figures` is empty where there is too little to tell, and says so."""

    rows: int
    patients: int
    events: int
    figures: Mapping[str, Estimate] = field(default_factory=dict)

    @property
    def plain(self) -> dict:
        """Plain data for a bundle and a page: metric -> [value, low, high]."""
        told = {name: [round(x, 6) for x in (e.value, e.low, e.high)] for name, e in self.figures.items()}
        return {"rows": self.rows, "patients": self.patients, "events": self.events, "metrics": told,
                "too_few": not told}  # fmt: skip


def by_group(
    label: np.ndarray, risk: np.ndarray, subject: np.ndarray, groups: pa.Table, *, capacity: float = 0.10,
    resamples: int = 200,
) -> dict[str, dict[str, Group]]:  # fmt: skip
    """Dimension -> level -> figures with 95 % intervals over patients.

    Parameters
    ----------
    label, risk, subject
        Shape (n,): as in `performance.metrics`.
    groups
        n rows; a column of words a dimension.
    capacity
        Share of all the rows that can be acted on: the list is one, whatever the group.

    Returns
    -------
    Besides `performance.essentials`: `recall_at_capacity`, the share of the group's events that are on the list;
    `attention` and `need`, its share of the list and of all events. The list is held fixed when patients are drawn.
    """
    acted = acted_rows(risk, capacity)
    return {
        name: {
            level: _group(label, risk, subject, words == level, acted, resamples)
            for level in np.unique(words).tolist()
            if len(np.unique(subject[words == level])) >= FEWEST_PATIENTS
        }
        for name, words in ((n, np.array(groups[n].to_pylist(), str)) for n in groups.column_names)
    }


def _group(
    label: np.ndarray, risk: np.ndarray, subject: np.ndarray, rows: np.ndarray, acted: np.ndarray, resamples: int
) -> Group:
    events, patients = int(label[rows].sum()), len(np.unique(subject[rows]))
    if min(events, int(rows.sum()) - events) < FEWEST_EVENTS:
        return Group(int(rows.sum()), patients, events)
    figures = essentials(label[rows], risk[rows], subject[rows], resamples=resamples)
    return Group(int(rows.sum()), patients, events, figures | _shares(label, subject, rows, acted, resamples))


def _shares(
    label: np.ndarray, subject: np.ndarray, rows: np.ndarray, acted: np.ndarray, resamples: int
) -> dict[str, Estimate]:
    """What the list does for the group: sums by patient, and their ratios when patients are drawn."""
    members = members_of(subject)
    sums = np.column_stack([
        np.bincount(members, weights=w) for w in (acted, acted * rows, label, label * rows, acted * label * rows)
    ])  # fmt: skip

    def ratios(times: np.ndarray) -> dict[str, float]:
        listed, listed_here, events, events_here, found_here = times @ sums
        with np.errstate(invalid="ignore", divide="ignore"):  # a draw without any is left out by `estimate`
            return {"recall_at_capacity": found_here / events_here, "attention": listed_here / listed,
                    "need": events_here / events}  # fmt: skip

    value = ratios(np.ones(len(sums)))
    drawn = [ratios(times) for times in islice(multiplicities(len(sums), seed=0), resamples)]
    return {name: estimate(float(value[name]), [d[name] for d in drawn]) for name in value}
