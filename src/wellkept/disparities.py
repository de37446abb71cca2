"""Several models of the same rows in; what each does for one group, and how they differ on the same draws, out.

A small change of the columns gives other trees everywhere, so that two fits differ although the columns mean nothing.
Each model therefore comes in several refits, and a draw takes patients and refits alike: what is left is the columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np

from wellkept.intervals import Estimate, estimate, members_of, multiplicities
from wellkept.tallying import acted_rows

FIGURES = ("auroc", "brier", "observed_expected", "recall_at_capacity", "attention", "need", "attention_over_need")

Figures = dict[str, Estimate]


def disparities(
    label: np.ndarray, risks: Sequence[Sequence[np.ndarray]], subject: np.ndarray, group: np.ndarray, *,
    capacity: float = 0.10, resamples: int = 200,
) -> list[tuple[Figures, Figures]]:  # fmt: skip
    """For each model the group's figures, and by how much they lie above those of the first model.

    Parameters
    ----------
    label, subject, group
        Shape (n,): did it come true, whose row it is, and whether the row belongs to the group.
    risks
        Models x refits, as many of each, each of shape (n,): probabilities of the same rows. The refits of all models
        are paired: the same folds.
    capacity
        Share of all the rows that can be acted on: the list is one, whatever the group.

    Returns
    -------
    auroc
        In the group. Its interval is that of the mean placement of events and of the others (DeLong, DeLong and
        Clarke-Pearson 1988, doi:10.2307/2531595), which are held fixed when patients are drawn.
    brier, observed_expected
        Mean of (label - risk)^2, and sum of labels / sum of risks, in the group.
    recall_at_capacity
        Share of the group's events that are on the list, which is held fixed when patients are drawn.
    attention, need, attention_over_need
        The group's share of the list, of all events, and their ratio.

    Values are means over refits; intervals are 2.5 and 97.5 percentiles over draws of whole patients and of refits,
    the same for every model. A figure that is not defined (a group without events) is nan.
    """
    members, refits = members_of(subject), len(risks[0])
    lists = [[acted_rows(risk, capacity) for risk in of_model] for of_model in risks]
    own = np.stack([
        np.stack([_by_patient(members, *_columns(label, risk, acted, group)) for risk, acted in zip(*of, strict=True)])
        for of in zip(risks, lists, strict=True)
    ])  # fmt: skip
    common = _by_patient(members, label, label & group, ~label & group)
    auroc = own.sum(axis=2)[..., -1] / (~label & group).sum()
    random = np.random.default_rng(1)
    draws = islice(multiplicities(len(common), seed=0), resamples)
    drawn = [_figures(times @ common, times @ own, auroc)[:, random.integers(0, refits, refits)].mean(axis=1)
             for times in draws]  # fmt: skip
    value = _figures(common.sum(axis=0), own.sum(axis=2), auroc).mean(axis=1)
    return [(_estimates(value[i], [d[i] for d in drawn]),
             _estimates(value[i] - value[0], [d[i] - d[0] for d in drawn])) for i in range(len(risks))]  # fmt: skip


def _columns(label: np.ndarray, risk: np.ndarray, acted: np.ndarray, group: np.ndarray) -> list[np.ndarray]:
    """By row: on the list; and, of the group's only, stated, listed, found, squared error, placement by label."""
    placed = _placement(label, risk, group)
    return [acted, risk * group, acted * group, acted * (label & group), (label - risk) ** 2 * group,
            placed * label, placed * ~label]  # fmt: skip


def _placement(label: np.ndarray, risk: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Of an event the share of the group's others that lie below it, of another the share of its events above."""
    placed, here, events = np.zeros(len(risk)), risk[group], label[group]
    if not 0 < events.sum() < len(events):
        return placed + np.nan  # there is no AUROC
    ranks = {kind: np.sort(here[events == kind]) for kind in (True, False)}
    below, above = _share_below(ranks[False], here), 1 - _share_below(ranks[True], here)
    placed[group] = np.where(events, below, above)
    return placed


def _share_below(ordered: np.ndarray, risk: np.ndarray) -> np.ndarray:
    """The share of `ordered` that lies below each risk, ties counting half."""
    return (np.searchsorted(ordered, risk, "left") + np.searchsorted(ordered, risk, "right")) / (2 * len(ordered))


def _by_patient(members: np.ndarray, *columns: np.ndarray) -> np.ndarray:
    return np.column_stack([np.bincount(members, weights=column) for column in columns])


def _figures(common: np.ndarray, own: np.ndarray, auroc: np.ndarray) -> np.ndarray:
    """Models x refits x FIGURES; `own` has the sums last, `auroc` is that of nobody drawn."""
    events, events_here, others_here = common
    listed, stated, listed_here, found_here, errors, placed_events, placed_others = np.moveaxis(own, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw without any is nan, and left out by `estimate`
        auroc = placed_events / events_here + placed_others / others_here - auroc
        attention, need = listed_here / listed, np.full(listed.shape, events_here / events)
        told = np.stack([auroc, errors / (events_here + others_here), events_here / stated, found_here / events_here,
                         attention, need, attention / need], axis=-1)  # fmt: skip
    return np.where(np.isfinite(told), told, np.nan)


def _estimates(value: np.ndarray, drawn: list[np.ndarray]) -> Figures:
    return {name: estimate(float(value[k]), [float(d[k]) for d in drawn]) for k, name in enumerate(FIGURES)}
