"""The models in service, kept up to date: a new champion is verified, tried out in a probe, and only then swapped in.

Whatever is wrong with a new one, the one that serves goes on serving, and `troubles` says why it was not replaced.
"""

from __future__ import annotations

import logging
import math
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from wellkept.bundles import Bundle, load_bundle
from wellkept.contracts import POINTS, TIME
from wellkept.errors import BundleRefused
from wellkept.history import FeatureQuery, PreparedFeatures
from wellkept.history.one_journey import Row, TooLarge
from wellkept.labelling import conditions_of, holding, scoring_sql
from wellkept.pointers import champion_of
from wellkept.serving.agreeing import MOMENT, drawn, told_alone, told_together
from wellkept.serving.alone import Alone
from wellkept.serving.journey import columns_of
from wellkept.serving.quick import Quick

LOG = logging.getLogger(__name__)
PROBE_SECONDS = 120


@dataclass(frozen=True)
class Served:
    """A bundle and its feature query, planned once; `alone` needs no query, and is there where it has the same bits."""

    bundle: Bundle
    features: PreparedFeatures
    conditions: tuple[str, ...]
    quick: Quick
    alone: Alone | None = None
    each: float = math.inf  # seconds of CPU that an event of a journey takes

    def seconds(self, events: int | None) -> float:
        """What one patient's answer takes of CPU, by so many events (0 is a journey, too); None is by features."""
        return self.quick.seconds + (0.0 if events is None else max(events, 1) * self.each)

    def at(self, moment: int, events: list[list]) -> tuple[pa.Table, pa.Table]:
        """Points (who is to be scored at this moment, of those whose events these are) and their features."""
        points, computed = self.features.at(moment, events)
        held = pa.array(holding(computed, self.conditions))
        return _points(points.filter(held)), computed.drop_columns(list(self.conditions)).filter(held)


def serve(bundle: Bundle) -> Served:
    """Plan a bundle's feature query, and hold what is computed without it against it."""
    conditions = conditions_of(bundle.spec.points)
    query = FeatureQuery({**{f.name: f.expression for f in bundle.encoder.features}, **conditions})
    sql = scoring_sql(bundle.spec.points, "(SELECT MAX(moment) FROM asked)")
    served = Served(bundle, PreparedFeatures(query, sql), tuple(conditions), Quick(bundle))
    return held_against(served, Alone(bundle), drawn(bundle))


def held_against(served: Served, alone: Alone, journeys: Sequence[Sequence[Row]]) -> Served:
    """Without the query from here on, unless anything else is said without it of these journeys."""
    rows = [row for journey in journeys for row in journey]
    asked = told_together(*served.features.at(MOMENT, columns_of(rows)))
    began = time.thread_time()
    try:
        agrees = told_alone(alone, journeys) == asked
    except TooLarge:
        agrees = False
    if agrees:
        return replace(served, alone=alone, each=(time.thread_time() - began) / len(rows))
    LOG.warning("%s: by events the query is asked each time: without it there are other bits", served.bundle.target)
    return served


def probe(folder: Path) -> str:
    """Load a bundle in a process of its own, which it may crash; gives the version that was loaded there.

    Raises
    ------
    BundleRefused
        `probe`: the process did not end well; or the rule that the bundle broke.
    """
    command = [sys.executable, "-m", "wellkept.serving.probing", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise BundleRefused("probe", f"{folder.name} did not load within {PROBE_SECONDS} seconds") from None
    if done.returncode == BundleRefused.exit_code:
        raise BundleRefused(done.stdout.strip() or "probe", f"{folder.name} is no sound bundle")
    if done.returncode:
        raise BundleRefused("probe", f"{folder.name} ended the process that tried it out")
    return done.stdout.strip()


class InService:
    """The champions of a models folder.

    Parameters
    ----------
    try_out
        Loads a bundle where it can do no harm; gives its version.
    """

    def __init__(self, models: Path, try_out: Callable[[Path], str] = probe) -> None:
        self._models, self._try_out = models, try_out
        self._seen: dict[str, tuple] = {}
        self.served: Mapping[str, Served] = {}
        self.troubles: Mapping[str, str] = {}

    def poll(self) -> bool:
        """Look at the pointers, and take in what they name; True where a model was swapped."""
        served, troubles, swapped = dict(self.served), dict(self.troubles), False
        for target in sorted(p.parent.name for p in self._models.glob("*/champion")):
            try:
                folder = champion_of(self._models, target)
                if self._seen.get(target) == (mark := _mark(folder)):
                    continue
                self._seen[target] = mark
                served[target] = self._load(folder, target)
                swapped = True
                troubles.pop(target, None)
            except BundleRefused as error:
                troubles[target] = error.code
                if error.code == "probe":  # a busy machine is no fault of the bundle: try again
                    self._seen.pop(target, None)
            except OSError:
                troubles[target] = "unreadable"
        self.served, self.troubles = served, troubles  # each in one step: a request sees the old or the new
        return swapped

    def _load(self, folder: Path, target: str) -> Served:
        tried = self._try_out(folder)
        bundle = load_bundle(folder)
        if bundle.version != tried:
            raise BundleRefused("digest_mismatch", f"{folder.name} changed while it was tried out")
        if bundle.target != target:
            raise BundleRefused("target", f"{folder.name} predicts another target")
        return serve(bundle)


def _mark(folder: Path) -> tuple:
    """What changes when somebody touches a bundle's folder or moves the pointer."""
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    return (str(folder), *((p.name, p.lstat().st_size, p.lstat().st_mtime_ns) for p in there))


def _points(table: pa.Table) -> pa.Table:
    moments = table["moment"].to_numpy().astype("datetime64[us]") if table.num_rows else np.array([], "datetime64[us]")
    times = pa.array(moments, pa.timestamp("us")).cast(TIME)
    return POINTS.check(pa.table({"subject_id": table["subject_id"], "prediction_time": times,
                                  "encounter_id": table["encounter_id"]}))  # fmt: skip
