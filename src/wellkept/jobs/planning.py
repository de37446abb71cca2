"""What a manager could move: the model in service and the visits of the last days in, a plan of least effort out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.bundles import Bundle
from wellkept.catalogue import query_of
from wellkept.contracts import TIME
from wellkept.durations import microseconds
from wellkept.errors import InputRefused, NotEnoughData
from wellkept.examples import fold_of
from wellkept.factors import Visits
from wellkept.grouping import UNKNOWN, places_at
from wellkept.jobs.monitoring import census_of, units
from wellkept.journeys import Snapshot
from wellkept.labelling import cohort
from wellkept.monitoring.findings import blocked_sites
from wellkept.planning import Move, Plan, Planner, Terms

FEWEST_VISITS = 50  # of a site in either half of the patients: with fewer, nothing is said of it
TIMES, SHARES = ("s", "min", "h", "d"), ("yes/no", "share")  # units


@dataclass(frozen=True)
class Wanted:
    """What a manager asks for: a gain, from how many days of visits, of which kind of care (empty: all)."""

    gain: float
    days: int = 91
    setting: str = ""
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True)
class Planned:
    """A plan and what it was made from; `too_few` and `held` are sites that nothing is said of."""

    plan: Plan
    visits: int
    since: str
    until: str
    sites: tuple[str, ...]
    too_few: tuple[str, ...]
    held: dict[str, str]


def plan(snapshot: Snapshot, bundle: Bundle, wanted: Wanted) -> Planned:
    """The plan for the visits of the last days, as the model sees them.

    A model of answers is asked at the last of its moments after a visit, when most of what went wrong is known; any
    other at the first, for later only those are left who did not come back.

    Raises
    ------
    NotEnoughData
        `no_visits`, `no_sites`, `too_few_sites`, `no_factor`: nothing to compare.
    InputRefused
        `setting`, `factor`, `effort`, `gain`, `out_of_reach`.
    """
    seen = recent_visits(snapshot, bundle, days=wanted.days, setting=wanted.setting)
    times, visits = seen.points["prediction_time"], seen.visits
    return Planned(
        plan=Planner(bundle, visits, wanted.terms).plan(wanted.gain), visits=len(visits.X),
        since=f"{pc.min(times).as_py():%Y-%m-%d}", until=f"{pc.max(times).as_py():%Y-%m-%d}", sites=visits.sites,
        too_few=tuple(sorted(set(visits.site.tolist()) - set(visits.sites))), held=seen.held,
    )  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """The visits that a plan is made from, the point of each, and the sites that were left out, and why."""

    points: pa.Table
    visits: Visits
    held: dict[str, str]


def recent_visits(snapshot: Snapshot, bundle: Bundle, *, days: int, setting: str = "") -> Seen:
    """The visits of the last days, patients halved by lot; raises as `plan` does."""
    points = _recent(snapshot, bundle, days)
    features = query_of(bundle.encoder.features).run(snapshot, points)
    site, kind = places_at(snapshot, bundle.spec, points)
    held = _held(snapshot, bundle, site, features)
    stays = _of_setting(kind, setting) & (site != UNKNOWN) & ~np.isin(site, list(held))
    if not stays.any():
        raise NotEnoughData("no_sites", "no visit says at which site it was: nothing can be compared")
    points, site, kind = points.filter(pa.array(stays)), site[stays], kind[stays]
    ranks = fold_of(points["subject_id"].to_numpy(), 2, bundle.spec.seed) == 0
    X = bundle.encoder.matrix(features.filter(pa.array(stays)))
    return Seen(points, Visits(X, site, kind, ranks, _enough(site, ranks), bundle.spec.seed), held)


def _recent(snapshot: Snapshot, bundle: Bundle, days: int) -> pa.Table:
    spec = bundle.spec.points
    if spec.at is None:
        moment = (max if bundle.second is not None else min)(spec.after, key=microseconds)
        spec = spec.model_copy(update={"after": (moment,)})
    points = cohort(snapshot, spec)
    since = pa.scalar(snapshot.observed_until - timedelta(days=days), TIME)
    recent = points.filter(pc.greater_equal(points["prediction_time"], since))
    if recent.num_rows == 0:
        raise NotEnoughData("no_visits", f"{bundle.target}: no visit within {days} days of the end of the journeys, "
                            f"{snapshot.observed_until:%Y-%m-%d}; --days asks for more")  # fmt: skip
    return recent


def _of_setting(kind: np.ndarray, setting: str) -> np.ndarray:
    if setting and setting not in set(kind.tolist()):
        raise InputRefused("setting", f"no visit is of that kind of care: there are {', '.join(sorted(set(kind)))}")
    return (kind == setting) | (not setting)


def _held(snapshot: Snapshot, bundle: Bundle, site: np.ndarray, features: pa.Table) -> dict[str, str]:
    """Sites whose numbers changed their size, and why that is said: a unit is no improvement."""
    census = census_of(bundle)
    if census is None:
        return {}
    census.add(site.astype(str), features)
    return blocked_sites(units(snapshot, bundle, census, snapshot.observed_until))


def _enough(site: np.ndarray, ranks: np.ndarray) -> tuple[str, ...]:
    names = sorted(set(site.tolist()))
    return tuple(n for n in names if min((site[ranks] == n).sum(), (site[~ranks] == n).sum()) >= FEWEST_VISITS)


def plan_facts(planned: Planned, bundle: Bundle, wanted: Wanted) -> dict:
    """All that is told of a plan, as plain data."""
    plan, gain_of = planned.plan, "nps" if bundle.second is not None else "fewer"
    return {
        "target": bundle.target, "version": bundle.version, "says": bundle.spec.says,
        "synthetic": "synthetic" in bundle.facts, "model": bundle.estimator.kind,
        "gain_of": gain_of, "gain": wanted.gain, "setting": wanted.setting,
        "visits": planned.visits, "since": planned.since, "until": planned.until, "sites": list(planned.sites),
        "too_few": list(planned.too_few), "held": planned.held, "now": plan.now,
        "effort": plan.effort, "effort_of_all": plan.effort_of_all, "sum": plan.summed, "joint": list(plan.joint),
        "of_all": list(plan.of_all), "curve": [list(pair) for pair in plan.curve],
        "by_kind": {kind: {"visits": rows, "gain": list(gain)} for kind, (rows, gain) in plan.by_kind.items()},
        "still": dict(plan.still), "moves": [_told(move, gain_of) for move in plan.moves],
    }  # fmt: skip


def _told(move: Move, gain_of: str) -> dict:
    lead = move.factor.features[0]
    how, before, after = _levels(move, lead.unit)
    return {
        "site": move.site, "factor": move.factor.name, "code": move.factor.code, "touchpoint": lead.touchpoint,
        "moves_with_it": [f.name for f in move.factor.features[1:]], "says": lead.docs, "unit": lead.unit,
        "steps": move.steps, "effort": move.effort, "told_by": how, "from": before, "to": after,
        "gain": list(move.gain), "gain_of": gain_of, "at_site": move.at_site,
    }  # fmt: skip


def _levels(move: Move, unit: str) -> tuple[str, float, float]:
    """How a factor is told, and its level before and after: of times the median, where that moves at all."""
    before, after = (values[~np.isnan(values)].astype(float) for values in (move.before, move.after))
    medians = float(np.median(before)), float(np.median(after))
    if unit in TIMES and medians[0] != medians[1]:
        return "median", *medians
    return "share" if unit in SHARES else "mean", float(before.mean()), float(after.mean())
