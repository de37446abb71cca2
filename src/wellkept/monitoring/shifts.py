"""Tonight's census and risks beside the sketch in; which inputs moved so that risks move, and where scores went, out.

Layers 1 and 2. An input is held by its *impact*: how much the mean contribution moves, |sum over bins of (share now -
share then) mean SHAP of the bin|, times the PSI (up to 1). The bar is a PSI of .2, which is what people call a large
shift, times ln 1.15, the log-odds at which O/E leaves its tolerance: a vendor who makes all telephone calls longer
moves the PSI alone. Inputs never call for a new model by themselves: no label from after the change could teach it
anything yet; and once labels come, layer 4 tells whether the model was wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from wellkept.monitoring.census import Census
from wellkept.monitoring.distributions import Bins, psi, psi_by_chance, shares
from wellkept.monitoring.findings import Finding
from wellkept.monitoring.sketching import CAPACITY

LARGE_PSI = 0.2
MOST_PSI = 1.0  # beyond it, two distributions are simply others: a feature that is one number a site has a PSI of 5
TOLERATED = float(np.log(1.15))
BAR = LARGE_PSI * TOLERATED
FEWEST = 50
LISTED = 0.10  # of the list, that moved from one group to others
ERRORS = 4.0  # standard errors of a share of tonight's list, which every night looks at
NEW_LEVELS = 0.01  # share of the rows whose category had no bin, beyond training's


def moved_inputs(census: Census, sketch: Mapping) -> Iterator[Finding]:
    """Inputs of all, and by site, whose impact is beyond the bar; and those that only moved."""
    for name, reference in sketch["features"].items():
        then, now = np.array(reference["shares"]), census.shares(name)
        yield from _moved(name, "", now, then, reference["effect"], census.rows(), sketch["rows"])
        yield from _new_levels(name, reference, now)
        for site, kept in sketch["sites"].items():
            if site in census.sites and census.rows(site) >= FEWEST:
                of_site = np.array(kept["features"][name]["shares"])
                yield from _moved(name, site, census.shares(name, site), of_site, reference["effect"],
                                  census.rows(site), kept["rows"])  # fmt: skip


def moved_scores(risk: np.ndarray, listed: Mapping, sketch: Mapping) -> Iterator[Finding]:
    """The distribution of the risk, and who is on the list."""
    bins = Bins.of(sketch["risk"])
    now = shares(np.bincount(bins.of_numbers(risk), minlength=bins.count))
    moved = float(psi(now, np.array(sketch["risk"]["shares"])))
    yield Finding(2, "scores", f"PSI of the risks {moved:.3f}", value=round(moved, 4), bar=f"<= {LARGE_PSI}",
                  alarm=moved > LARGE_PSI)  # fmt: skip
    for dimension, levels in sketch["list"].items():
        for level, then in levels.items():
            share = listed.get(dimension, {}).get(level, 0.0)
            chance = ERRORS * np.sqrt(then * (1 - then) / max(CAPACITY * len(risk), 1))
            if abs(share - then) > max(LISTED, chance):
                words = f"{dimension} {level}: {share:.0%} of the list, {then:.0%} in training"
                yield Finding(2, "list", words, feature=dimension, value=round(share - then, 4),
                              bar=f"within {LISTED:.0%}", alarm=True)  # fmt: skip


def _moved(
    name: str, site: str, now: np.ndarray, then: np.ndarray, effect: list[float], rows: int, rows_then: int
) -> Iterator[Finding]:
    used = int(((now > 0) | (then > 0)).sum())
    index = max(float(psi(now, then)) - psi_by_chance(used, rows, rows_then), 0.0)
    shift = float((now - then) @ np.array(effect))
    impact = abs(shift) * min(index, MOST_PSI)
    if index <= LARGE_PSI:
        return
    what = f"{name}{f' at {site}' if site else ''}: PSI {index:.2f} moves the mean risk by {shift:+.3f} log-odds"
    verdict = "watch O/E as labels come" if impact > BAR else "harmless"
    yield Finding(1, "inputs", f"{what}: {verdict}", site, name, round(impact, 5), f"impact <= {BAR:.3f}", impact > BAR)


def _new_levels(name: str, reference: Mapping, now: np.ndarray) -> Iterator[Finding]:
    """A category that training did not know: there is no column for it."""
    if "levels" not in reference:
        return
    more = float(now[-2] - reference["shares"][-2])
    if more > NEW_LEVELS:
        says = f"{name}: {more:.1%} more of the patients than in training have a category that the model does not know"
        yield Finding(1, "vocabulary", says, feature=name, value=round(more, 4), bar=f"<= {NEW_LEVELS:.0%}", alarm=True,
                      calls_for="refit")  # fmt: skip
