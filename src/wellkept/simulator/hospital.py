"""What the tables are written from: lives, identifiers and the day of the export."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from wellkept.simulator.booking import MINUTE
from wellkept.simulator.chance import Columns, opaque
from wellkept.simulator.worlds import World

INSTANT = pa.timestamp("s", "UTC")
Tables = dict[str, pa.Table]


@dataclass(frozen=True)
class Hospital:
    """Lives and the names by which the hospital calls them; times are days since `first_day`."""

    world: World
    people: Columns
    visits: Columns
    patient_ids: pa.Array  # one a patient
    appointment_ids: pa.Array  # one an appointment
    export_day: float
    first_day: np.datetime64

    @functools.cached_property
    def called_at(self) -> np.ndarray:
        """When each appointment's call began."""
        return self.visits["made_at"] - (self.visits["hold_seconds"] / 60 + 4) * MINUTE

    @functools.cached_property
    def registered_at(self) -> np.ndarray:
        """First contact of each patient; infinity without one."""
        first = np.full(len(self.patient_ids), np.inf)
        np.minimum.at(first, self.visits["patient"], self.called_at - self.visits["hung_up"] * 2 / 24)
        return first

    @functools.cached_property
    def site_names(self) -> list[str]:
        """Names of the sites by number."""
        return [f"site-{site + 1:02d}" for site in range(self.world.sites)]

    @functools.cached_property
    def clinician_names(self) -> list[str]:
        """Names of all clinicians, site by site."""
        return [f"clinician-{s + 1:02d}-{c + 1:02d}" for s in range(self.world.sites)
                for c in range(self.world.clinicians)]  # fmt: skip

    def links(self, rows: np.ndarray, *, visit: str) -> dict[str, pa.Array]:
        """`patient_id` and the appointment's identifier, under the name `visit`, of those appointments."""
        return {
            "patient_id": self.patient_ids.take(pa.array(self.visits["patient"][rows])),
            visit: self.appointment_ids.take(pa.array(rows)),
        }

    def places(self, rows: np.ndarray) -> dict[str, pa.Array]:
        """Site and clinician of those appointments."""
        site, clinician = self.visits["site"][rows], self.visits["clinician"][rows]
        return {
            "site": coded(self.site_names, site),
            "clinician": coded(self.clinician_names, site * self.world.clinicians + clinician),
        }

    def past(self, days: np.ndarray) -> np.ndarray:
        """The same days, those after the export not known."""
        return np.where(days <= self.export_day, days, np.nan)

    def record(self, known_at: np.ndarray, columns: Mapping[str, pa.Array | np.ndarray]) -> pa.Table:
        """A table in order of becoming known, without rows that only the future brings; `*_at` are days."""
        rows = np.flatnonzero(known_at <= self.export_day)
        rows = rows[np.argsort(known_at[rows], kind="stable")]
        return pa.table({name: self._column(name, column).take(pa.array(rows)) for name, column in columns.items()})

    def _column(self, name: str, column: pa.Array | np.ndarray) -> pa.Array:
        return self.instants(column) if name.endswith("_at") else pa.array(column)

    def instants(self, days: np.ndarray) -> pa.Array:
        """Days as instants; null where there is none."""
        there = np.isfinite(days)
        instants = self.first_day + np.round(np.where(there, days, 0) * 86_400).astype("timedelta64[s]")
        return pa.array(instants, pa.timestamp("s"), mask=~there).cast(INSTANT)


def open_hospital(
    rng: np.random.Generator, world: World, people: Columns, visits: Columns, *, export_day: float,
    first_day: np.datetime64
) -> Hospital:  # fmt: skip
    """Give identifiers to patients and appointments."""
    patients, appointments = opaque(rng, "P", len(people["age"])), opaque(rng, "A", len(visits["kept"]))
    return Hospital(world, people, visits, patients, appointments, export_day, first_day)


def coded(names: Sequence[str], numbers: np.ndarray, there: np.ndarray | None = None) -> pa.Array:
    """Texts by their number in `names`; null where `there` is false."""
    missing = None if there is None else ~there
    return pa.DictionaryArray.from_arrays(pa.array(numbers.astype(np.int16), mask=missing), pa.array(list(names)))


def where(values: np.ndarray, there: np.ndarray) -> pa.Array:
    """The values, null where `there` is false."""
    return pa.array(values, mask=~there)
