"""A synthetic health system over which a change comes, in; how monitoring did, night by night, out: goal G11.

The model is trained on what was known just before the change, as if the months after it had not come yet. A unit error
must be found in the night after its first day, at its site and nowhere else; a change of the telephone vendor must call
for nothing; another way of asking must be found within 1,000 answers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import SecretStr

from wellkept import jobs, nights
from wellkept.bundles import Bundle
from wellkept.evaluating import evaluate
from wellkept.examples import examples
from wellkept.grouping import UNKNOWN
from wellkept.history import engine
from wellkept.jobs.monitoring import monitor
from wellkept.journeys import Snapshot
from wellkept.labelling import sql_any_code
from wellkept.monitoring.answers import RATIO, labels_told
from wellkept.monitoring.findings import NOTHING, RECALIBRATE, Finding, Monitored, blocked_sites
from wellkept.settings import Settings
from wellkept.simulator.access_tables import UNIT_ERROR_SITE
from wellkept.simulator.drifting import FROM_DAY
from wellkept.spec import Spec
from wellkept.training import train

START = datetime(2022, 1, 1, tzinfo=UTC)
CHANGE = START + timedelta(days=FROM_DAY)
FIRST_NIGHT = START + timedelta(days=int(FROM_DAY) + 1, hours=10)  # the first day is over, and clinics lie west of UTC
NIGHTS = (0, 7, 28, 91, 182, 364)  # days after the first night that are looked at as well
ANSWERS = "SURVEY//NPS"
SITE = f"site-{UNIT_ERROR_SITE + 1:02d}"


@dataclass(frozen=True)
class Watched:
    """A system with its model of before the change."""

    snapshot: Snapshot
    bundle: Bundle

    def at(self, moment: datetime) -> Monitored:
        """What monitoring says as of a moment."""
        return monitor(self.snapshot, [self.bundle], moment)[0]

    def answers_until(self, day: str) -> int:
        """Answers that came between the change and the end of a day."""
        end = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=1)
        found = engine.totals(
            f"""SELECT COUNT(*) AS answers FROM events e WHERE ({sql_any_code([ANSWERS])})
                AND known > {_micros(CHANGE)} AND known <= {_micros(end)}""", self.snapshot)  # fmt: skip
        return int(np.sum(found["answers"].to_numpy()))


def watched(system: Path, spec: Spec, settings: Settings, folder: Path) -> Watched:
    """Ingest an export, whatever its own checks hold, and train on what was known before the change."""
    keyed = settings.model_copy(update={"subject_key": SecretStr("watch")})
    journeys = jobs.open_journeys(folder, keyed)
    accept = frozenset({"distribution"})  # the ingest's own check of units, which looks at declared columns, is let go
    jobs.land(journeys, jobs.read_batch("tables", system, now=datetime.now(UTC), settings=keyed, accept=accept))
    snapshot = journeys.snapshot()
    before = snapshot.as_of(CHANGE)
    data = examples(before, spec)
    trained = train(data, spec)
    bundle = jobs.bundle_of(trained, data, spec, evaluate(trained, data, spec))
    return Watched(snapshot, replace(bundle, sketch=nights.sketched(before, bundle)))


def watch(system: Path, spec: Spec, settings: Settings, drift: Sequence[str]) -> dict[str, Any]:
    """How monitoring did on one system, as plain data; the measures are those of its drift."""
    with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
        seen = watched(system, spec, settings, Path(folder))
        if "unit-error" in drift:
            return unit_error(seen)
        if "survey-mode" in drift:
            return another_mode(seen)
        return undisturbed(seen)


def unit_error(seen: Watched) -> dict[str, Any]:
    """The night before and the night after the first day: which sites are blocked?"""
    before, after = (sorted(blocked_sites(seen.at(moment).findings)) for moment in (CHANGE, FIRST_NIGHT))
    return {"before": before, "same_night": after, "holds": before == [] and after == [SITE]}


def undisturbed(seen: Watched) -> dict[str, Any]:
    """Nothing, or nothing that matters, has changed: what is recommended, and what sounded in labels and invitations?

    A model that was trained on few answers can be off by more than the band without any change: then its alarm, and to
    call for a recalibration, is right. Either is false where O/E over all the time lies in the band.
    """
    moments = [FIRST_NIGHT + timedelta(days=days) for days in NIGHTS]
    told = [seen.at(moment) for moment in moments if moment <= seen.snapshot.observed_until]
    wrong = [m.says for m in told if m.recommendation != NOTHING and not _is_off(m)]
    last = seen.at(seen.snapshot.observed_until)
    sounded = [f for f in last.findings if f.layer == 4 and f.on]
    falsely = [f.says for f in sounded if f.what == "asking" or RATIO[0] <= (f.value or 0) <= RATIO[1]]
    return {"recommended": [m.recommendation for m in told], "wrong": wrong, "sounded": [f.says for f in sounded],
            "falsely": falsely,
            "years": (seen.snapshot.observed_until - CHANGE).days / 365.25,
            "inputs": max((f.value or 0 for m in told for f in m.findings if f.what == "inputs"), default=0),
            "holds": not wrong}  # fmt: skip


def _is_off(told: Monitored) -> bool:
    """Is a recalibration called for because, and while, O/E over all the time is outside the band?"""
    calls = [f for f in told.findings if f.calls_for]
    return bool(calls) and all(
        f.calls_for == RECALIBRATE and f.what == "observed_expected" and not RATIO[0] <= (f.value or 0) <= RATIO[1]
        for f in calls
    )


def another_mode(seen: Watched) -> dict[str, Any]:
    """After how many answers is it found that patients are asked otherwise; and from the answers alone?"""
    findings = seen.at(seen.snapshot.observed_until).findings
    days = sorted(f.on for f in findings if f.what == "asking" and f.on)
    answers = seen.answers_until(days[0]) if days else None
    alone = _from_labels_alone(seen)
    return {"on": days[0] if days else "", "answers": answers, "labels_alone": alone.after, "ratio_alone": alone.value,
            "holds": bool(days) and days[0] >= f"{CHANGE:%Y-%m-%d}"}  # fmt: skip


def _from_labels_alone(seen: Watched) -> Finding:
    """The same where nobody records how patients are asked: O/E, and after how many labels it has left its band."""
    kept = (seen.bundle.sketch or {})["labels"]
    known = nights.outcomes(seen.snapshot, seen.bundle, kept["until"])
    blind = replace(known, mode=np.full(len(known.label), UNKNOWN, object))
    return next(labels_told(blind, {}, kept["per_year"]))


def _micros(moment: datetime) -> int:
    return int(moment.timestamp() * 1e6)
