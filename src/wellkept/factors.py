"""A model's features and visits in; service factors that a site could move, and the visits as its peers have them, out.

A factor is one topic: the features that ask for the same code first, as hold time in the latest call and in the calls
of 90 days. Only features that declare `modifiable` and a sign move. A step makes a site's visits like those of the next
better quarter of its peers: each value becomes the peers' value of the same rank among visits of the same kind (ties by
lot), so that nothing moves beyond what occurs at some site.

Which sites are better is read from one half of the patients, and how much from the other, for whoever ranks sites and
measures them by the same visits plans to move luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wellkept.catalogue import Feature

QUARTERS = 4
FEWEST = 30  # visits of a site in either half at which a factor is known, for the site to be ranked
FEWEST_ALIKE = 20  # visits of one kind at the peers, to be taken as an example
CLEAR = 1.96  # standard errors by which the better sites must be better where they were not chosen


@dataclass(frozen=True)
class Factor:
    """Something about the service that a site could do better.

    `columns` are the matrix's columns that move with it, the first of them the one that it is ranked and told by;
    `features` are theirs.
    """

    name: str
    code: str
    features: tuple[Feature, ...]
    columns: tuple[int, ...]

    @property
    def sign(self) -> int:
        """+1: more of it can only raise the risk, -1: only lower it."""
        return self.features[0].monotone


def factors_of(features: Sequence[Feature], columns: Sequence[tuple[int, str | None]], occasion: str) -> list[Factor]:
    """The factors of a model, in the order of its features.

    Parameters
    ----------
    columns
        (feature's position, category or None) of each column of the matrix, as the encoder has them.
    occasion
        The code that the model's points follow. How long ago that was is when a risk is asked for, and no service.
    """
    by_code: dict[str, list[int]] = {}
    for column, (place, level) in enumerate(columns):
        f = features[place]
        if f.modifiable and f.monotone and level is None and not f.protected and f.topic != occasion:
            by_code.setdefault(f.topic, []).append(column)
    named = {code: tuple(features[columns[c][0]] for c in moving) for code, moving in by_code.items()}
    return [Factor(named[code][0].name, code, named[code], tuple(moving)) for code, moving in by_code.items()]


@dataclass(frozen=True)
class Visits:
    """What a plan is made from, one row a visit.

    `X` is the encoder's matrix; `site` and `kind` are words; `ranks` is True in the half of the patients by which sites
    are ranked, and False where what they reach is read. `sites` are those that have enough visits in either half.
    """

    X: np.ndarray
    site: np.ndarray
    kind: np.ndarray
    ranks: np.ndarray
    sites: tuple[str, ...]
    seed: int = 1

    @cached_property
    def read(self) -> np.ndarray:
        """Positions of the rows that levels and gains are read from."""
        return np.flatnonzero(~self.ranks)

    @cached_property
    def place(self) -> np.ndarray:
        """The position of each row's site in `sites`; -1 for a site that is not among them."""
        names = {name: i for i, name in enumerate(self.sites)}
        return np.array([names.get(name, -1) for name in self.site.tolist()], int)


def quarters(visits: Visits, factor: Factor) -> np.ndarray:
    """The quarter of its peers that each site is in, shape (sites,): 0 is the best, -1 where too few visits tell.

    Sites are ordered by the mean rank of their visits among all visits of the same kind (ridits; Bross 1958, How to
    use ridit analysis, Biometrics 14), so that a site with more long-awaited kinds of care is no worse for it.
    """
    good, known = _good(visits, factor), ~np.isnan(visits.X[:, factor.columns[0]])
    halves = [_sums(visits, known & half) for half in (visits.ranks, ~visits.ranks)]
    enough = np.flatnonzero((halves[0] >= FEWEST) & (halves[1] >= FEWEST))
    placed = np.full(len(visits.sites), -1)
    if len(enough) < QUARTERS:
        return placed
    mean = _sums(visits, known & visits.ranks, good)[enough] / halves[0][enough]
    placed[enough[np.argsort(-mean, kind="stable")]] = QUARTERS * np.arange(len(enough)) // len(enough)
    return placed


def as_better(visits: Visits, factor: Factor, placed: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The visits that are read, had each site moved `steps` quarters up.

    Returns
    -------
    moved
        Rows of `visits.read` x the factor's columns, float32: as they are where a site does not move.
    moves
        Shape (sites,): does it move? Not where it would go beyond the best quarter, nor where the better sites are not
        clearly better in the half that is read.
    """
    rows = visits.read
    moved = visits.X[rows][:, list(factor.columns)]
    place, kind = visits.place[rows], visits.kind[rows]
    good = _good(visits, factor)[rows]
    lot = np.random.default_rng([visits.seed, *factor.code.encode()]).random(len(rows))
    moves = np.zeros(len(visits.sites), bool)
    original = moved.copy()
    for quarter in range(steps, QUARTERS):
        peers = np.isin(place, np.flatnonzero(placed == quarter - steps))
        for site in np.flatnonzero(placed == quarter).tolist():
            mine = place == site
            if _clearly_better(good[peers], good[mine]):
                moves[site] = True
                moved[mine] = ranked_alike(original[mine], original[peers], kind[mine], kind[peers], lot[mine])
    return moved, moves


def ranked_alike(
    own: np.ndarray, peers: np.ndarray, kind: np.ndarray, peers_kind: np.ndarray, lot: np.ndarray
) -> np.ndarray:
    """Each value replaced by the peers' of the same rank within its kind; kinds that peers rarely have stay.

    Ties go by lot, which makes it right for counts and yes or no too: the distributional transform (Rueschendorf 2009,
    On the distributional transform, Sklar's theorem, and the empirical copula process).
    """
    moved = own.copy()
    for name in np.unique(kind):
        for column in range(own.shape[1]):
            rows = np.flatnonzero((kind == name) & ~np.isnan(own[:, column]))
            there = peers[peers_kind == name, column]
            there = np.sort(there[~np.isnan(there)])
            if len(rows) and len(there) >= FEWEST_ALIKE:
                rank = np.empty(len(rows))
                rank[np.lexsort((lot[rows], own[rows, column]))] = (np.arange(len(rows)) + 0.5) / len(rows)
                moved[rows, column] = there[np.minimum((rank * len(there)).astype(int), len(there) - 1)]
    return moved


def _clearly_better(peers: np.ndarray, mine: np.ndarray) -> bool:
    """Is the mean of the peers beyond chance above one's own? Rows without a value do not count."""
    a, b = peers[~np.isnan(peers)], mine[~np.isnan(mine)]
    if min(len(a), len(b)) < FEWEST:
        return False
    error = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    return bool(a.mean() - b.mean() > CLEAR * error)


def _good(visits: Visits, factor: Factor) -> np.ndarray:
    """Mean rank of each row within its kind and half, 0 the worst and 1 the best; NaN where the factor is not known."""
    good = np.full(len(visits.X), np.nan)
    value = -factor.sign * visits.X[:, factor.columns[0]].astype(float)
    group = 2 * np.unique(visits.kind.astype(str), return_inverse=True)[1] + visits.ranks
    for one in range(group.max(initial=-1) + 1):
        rows = np.flatnonzero((group == one) & ~np.isnan(value))
        _, level, counts = np.unique(value[rows], return_inverse=True, return_counts=True)
        good[rows] = ((np.cumsum(counts) - counts / 2) / max(len(rows), 1))[level]
    return good


def _sums(visits: Visits, rows: np.ndarray, value: np.ndarray | None = None) -> np.ndarray:
    """Of the rows that are True, the count at each site, or the sum of a value."""
    rows = rows & (visits.place >= 0)
    weights = None if value is None else value[rows]
    return np.bincount(visits.place[rows], weights, minlength=len(visits.sites))
