"""The watch over what is in service: each champion's layers 0 to 5 as of one moment, and what is to be done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import pyarrow as pa

from wellkept import nights
from wellkept.bundles import Bundle
from wellkept.journeys import Snapshot
from wellkept.monitoring.answers import asked_otherwise, labels_told
from wellkept.monitoring.census import Census
from wellkept.monitoring.distributions import Bins
from wellkept.monitoring.estimates import without_labels
from wellkept.monitoring.findings import Finding, Monitored, recommend
from wellkept.monitoring.shifts import moved_inputs, moved_scores
from wellkept.monitoring.sites import quiet_sites, units_of_arrivals, units_of_features
from wellkept.monitoring.sketching import list_shares

PART = 20_000


def monitor(snapshot: Snapshot, bundles: Sequence[Bundle], as_of: datetime | None = None) -> list[Monitored]:
    """What is to be done about each model, as of a moment or as of all that is known."""
    moment = min(as_of or snapshot.observed_until, snapshot.observed_until)
    seen = snapshot.as_of(moment)
    return [recommend(bundle.target, list(findings(seen, bundle))) for bundle in bundles]


def findings(seen: Snapshot, bundle: Bundle) -> Iterator[Finding]:
    """All layers of one model, as of the end of what was seen."""
    if bundle.sketch is None:
        yield Finding(0, "sketch", "this model was trained without a sketch of its nights: layers 0 to 3 cannot be "
                      "told; train it again")  # fmt: skip
    else:
        yield from _sites(seen, bundle)
        yield from _night(seen, bundle, bundle.sketch)
    yield from _labels(seen, bundle)
    yield Finding(5, "decisions", "no outcomes of outreach are recorded yet: nothing is known of acceptance, "
                  "completion, overrides or harm")  # fmt: skip


def census_of(bundle: Bundle) -> Census | None:
    """An empty census of a bundle's features; None for a bundle without a sketch."""
    if bundle.sketch is None:
        return None
    return Census(bundle.encoder.features, {name: Bins.of(kept) for name, kept in bundle.sketch["features"].items()})


def units(seen: Snapshot, bundle: Bundle, census: Census | None, as_of: datetime) -> list[Finding]:
    """Layer 0, what can be wrong with a site's numbers: those that arrived, and those of tonight's patients."""
    if bundle.sketch is None or census is None:
        return []
    arrived = units_of_arrivals(nights.arrivals(seen, bundle, as_of), bundle.sketch["arrivals"])
    return [*arrived, *units_of_features(census, bundle.encoder.features, bundle.sketch)]


def _sites(seen: Snapshot, bundle: Bundle) -> Iterator[Finding]:
    """Sites that fell silent."""
    rates = {site: {"per_day": rate} for site, rate in (bundle.sketch or {})["visits"].items()}
    if rates:
        yield from quiet_sites(nights.visits(seen, bundle, seen.observed_until), rates)


def _night(seen: Snapshot, bundle: Bundle, sketch: Mapping) -> Iterator[Finding]:
    """Layers 0 to 3 of whoever would be scored."""
    night, census = nights.tonight(seen, bundle, seen.observed_until), census_of(bundle)
    if night is None or census is None:
        yield Finding(0, "volume", f"nobody is to be scored as of {seen.observed_until:%Y-%m-%d}", value=0, bar="> 0",
                      alarm=True)  # fmt: skip
        return
    for sites, table in nights.parts(night, PART):
        census.add(sites, table)
    yield from units(seen, bundle, census, seen.observed_until)
    yield from moved_inputs(census, sketch)
    yield from moved_scores(night.risk, list_shares(night.risk, _common(night.groups, sketch)), sketch)
    yield from without_labels(night.risk, sketch["risk"])


def _common(groups: pa.Table, sketch: Mapping) -> pa.Table:
    return groups.select([name for name in groups.column_names if name in sketch["list"]])


def _labels(seen: Snapshot, bundle: Bundle) -> Iterator[Finding]:
    """Layer 4: what came true since training, and how it was asked for."""
    kept = bundle.sketch["labels"] if bundle.sketch else _without_sketch(seen, bundle)
    if kept is None:
        yield Finding(4, "observed_expected", "when this model was trained is not on record: train it again")
        return
    known = nights.outcomes(seen, bundle, kept["until"])
    effects = dict(bundle.mode_effects) if bundle.spec.asked else {}
    yield from labels_told(known, effects, kept["per_year"])
    if bundle.sketch and (asked := bundle.sketch["asked"]):
        mode, at = nights.invitations(seen, bundle, kept["until"], seen.observed_until)
        yield from asked_otherwise(mode, at, asked["shares"], asked["per_year"])


def _without_sketch(seen: Snapshot, bundle: Bundle) -> dict | None:
    """From when on labels count of a model that kept no sketch: after the last of its rows."""
    ends = [datetime.fromisoformat(value) for key, value in bundle.facts.items() if key.endswith("_until")]
    if not ends:
        return None
    until = max(ends)
    return {"until": until.timestamp() * 1e6, "per_year": nights.labels_a_year(seen, bundle, until)}
