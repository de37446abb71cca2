"""What arrived lately and tonight's census beside the sketch in; sites whose data are not what they were, out: layer 0.

A site's scores are blocked where its numbers left their usual size by more than a factor of two, both by its own
reference and beside what the other sites do now (a telephone vendor changes all of them; a unit changes one), and where
chance would not do so once in two years of nights. A factor of two because pounds for kilograms are 2.2; minutes for
seconds, cents for dollars and mmol for mg are far beyond. What is not on record as a site is never blocked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
from scipy.stats import binom, norm, poisson

from wellkept.catalogue import Feature
from wellkept.grouping import UNKNOWN
from wellkept.monitoring.census import Census, is_measured
from wellkept.monitoring.findings import BLOCK, Finding

FACTOR = 2.0
NIGHTS = 730  # among which chance may block one site once
WINDOWS = (1.0, 7.0)  # days: last night's delivery, and the last week's, which shows smaller factors
FEWEST = 50  # rows of a site tonight, to look at its features
FEWEST_DAYS = 4.0  # of silence: a long weekend is none


def units_of_arrivals(arrived: pa.Table, reference: Mapping) -> Iterator[Finding]:
    """Numbers as they were recorded in the last day and week, site by site.

    Parameters
    ----------
    arrived
        `code`, `site`, `value` > 0 and `age_days`, at most the longest of WINDOWS.
    reference
        As `sketching.plain_arrivals` made it.
    """
    code, site = (np.array(arrived[name].to_pylist(), object) for name in ("code", "site"))
    value, age = (arrived[name].to_numpy().astype(float) for name in ("value", "age_days"))
    tests = sum(2 * len(s["tails"]) for kept in reference.values() for s in kept["sites"].values()) * len(WINDOWS)
    for name, kept in reference.items():
        of_code = np.isin(site, list(kept["sites"])) & (code == name)
        usual = np.array([kept["sites"][s]["median"] for s in site[of_code]])
        ratio = np.log(value[of_code] / usual)
        found: set[str] = set()
        for days in WINDOWS:
            recent = age[of_code] < days
            for place, own, beside in _odd_sites(site[of_code][recent], ratio[recent], kept, 1 / (NIGHTS * tests)):
                if place not in found:
                    found.add(place)
                    yield _unit(place, name, own, beside, f"in the last {'day' if days == 1 else 'week'}")


def units_of_features(census: Census, features: Sequence[Feature], sketch: Mapping) -> Iterator[Finding]:
    """Medians of measured features, and how often each feature is known, among tonight's patients of each site."""
    sites = [s for s in sketch["sites"] if s in census.sites and s != UNKNOWN and census.rows(s) >= FEWEST]
    bar = float(norm.isf(0.5 / (NIGHTS * max(len(sites) * len(features), 1))))
    for feature in features:
        known = {s: (census.known(feature.name, s), 1 - _then(sketch, s, feature)[-1]) for s in sites}
        for site in _left(known):
            if -_distance(census, sketch, site, feature, last_only=True) > bar and known[site][0] < known[site][1]:
                yield _known(site, feature.name, *known[site])
        if is_measured(feature):
            kept = {s: sketch["sites"][s]["features"][feature.name].get("median", 0) for s in sites}
            medians = {s: (census.median(feature.name, s), then) for s, then in kept.items()}
            for site, (own, beside) in _left(medians).items():
                if abs(_distance(census, sketch, site, feature)) > bar:
                    yield _unit(site, feature.name, own, beside, "among tonight's patients")


def quiet_sites(visits: Mapping[str, tuple[int, float]], reference: Mapping) -> Iterator[Finding]:
    """Sites of which little or nothing came lately, beside their own past and the other sites.

    Parameters
    ----------
    visits
        Site -> events that points follow in the last seven days, and days since the latest of them.
    reference
        Site -> such events a day.
    """
    week = {s: (float(visits.get(s, (0, 0))[0]), 7 * kept["per_day"]) for s, kept in reference.items() if s != UNKNOWN}
    usual = _median([now / then for now, then in week.values() if then > 0])
    chance = 1 / (NIGHTS * max(2 * len(week), 1))
    for site, (now, then) in week.items():
        silence = visits.get(site, (0, np.inf))[1]
        bar = max(FEWEST_DAYS, -np.log(chance) / max(then / 7, 1e-9))
        if silence > bar:
            since = f"for {silence:.0f} days" if np.isfinite(silence) else "since training"
            yield Finding(0, "freshness", f"{site} has sent no visit {since}: its patients' scores are stale", site,
                          value=round(float(silence), 1) if np.isfinite(silence) else None, bar=f"<= {bar:.1f} days",
                          alarm=True, calls_for=BLOCK)  # fmt: skip
        elif now < usual * then / FACTOR and poisson.cdf(now, usual * then / FACTOR) < chance:
            yield Finding(0, "volume", f"{site} sent {now:.0f} visits in a week, {usual * then:.0f} are usual: part of "
                          "its data is missing", site, value=round(now / (usual * then), 3), bar=f">= {1 / FACTOR}",
                          alarm=True, calls_for=BLOCK)  # fmt: skip


def _odd_sites(
    site: np.ndarray, ratio: np.ndarray, kept: Mapping, chance: float
) -> Iterator[tuple[str, float, float]]:
    """Site, and its median over its own and beside the others', where both are beyond the factor and chance."""
    for name in sorted(set(site.tolist())):
        if name == UNKNOWN:
            continue
        mine, others = ratio[site == name], ratio[site != name]
        own = float(np.median(mine))
        beside = own - (float(np.median(others)) if len(others) else 0.0)
        if min(abs(own), abs(beside)) > np.log(FACTOR) and own * beside > 0 and (
            max(_by_chance(mine - shift, kept["sites"][name]) for shift in (0.0, own - beside)) < chance
        ):
            yield name, float(np.exp(own)), float(np.exp(beside))


def _by_chance(ratio: np.ndarray, kept: Mapping) -> float:
    """The least chance, over the reference's quantiles, to find so many values beyond one of them."""
    ratio = np.round(ratio, 3)  # no finer than the quantiles were kept: equal numbers must count as equal
    n, tails, quantiles = len(ratio), np.array(kept["tails"]), np.round(kept["quantiles"], 3)
    below = (ratio[:, None] < quantiles).sum(axis=0)
    above = (ratio[:, None] > quantiles).sum(axis=0)
    return float(min(binom.sf(below - 1, n, tails).min(), binom.sf(above - 1, n, 1 - tails).min()))


def _left(pairs: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Sites whose (now, then) differ by more than the factor: by how much, and by how much more than elsewhere."""
    ratio = {s: now / then for s, (now, then) in pairs.items() if then > 0 and np.isfinite(now)}
    found = {}
    for site, own in ratio.items():
        elsewhere = _median([r for s, r in ratio.items() if s != site])
        beside = own / elsewhere if elsewhere > 0 else own
        if (own > FACTOR and beside > FACTOR) or (own < 1 / FACTOR and beside < 1 / FACTOR):
            found[site] = (own, beside)
    return found


def _distance(census: Census, sketch: Mapping, site: str, feature: Feature, *, last_only: bool = False) -> float:
    """The largest difference of cumulative shares to the site's own reference, in standard errors; or that of null."""
    now, then = census.shares(feature.name, site), _then(sketch, site, feature)
    at = np.array([1 - then[-1]]) if last_only else np.cumsum(then)[:-1]
    difference = (np.array([1 - now[-1]]) if last_only else np.cumsum(now)[:-1]) - at
    rows = 1 / census.rows(site) + 1 / sketch["sites"][site]["rows"]
    spread = np.sqrt(np.maximum(at * (1 - at), 1 / sketch["sites"][site]["rows"]) * rows)
    z = difference / spread
    return float(z[np.abs(z).argmax()])


def _then(sketch: Mapping, site: str, feature: Feature) -> np.ndarray:
    return np.array(sketch["sites"][site]["features"][feature.name]["shares"])


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if len(values) else 1.0


def _unit(site: str, what: str, own: float, beside: float, when: str) -> Finding:
    says = (f"{site}: the median of {what} {when} is {own:.3g} times what it was, {beside:.3g} times beside the other "
            "sites: is it written in another unit? Have the source corrected")  # fmt: skip
    return Finding(0, "units", says, site, what, round(own, 5), f"{1 / FACTOR} to {FACTOR}", alarm=True,
                   calls_for=BLOCK)  # fmt: skip


def _known(site: str, feature: str, now: float, then: float) -> Finding:
    says = f"{site}: {feature} is known of {now:.0%} of tonight's patients, {then:.0%} in training: is a feed missing?"
    return Finding(0, "known", says, site, feature, round(now / then, 4), f">= {1 / FACTOR}", alarm=True,
                   calls_for=BLOCK)  # fmt: skip
