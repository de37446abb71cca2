"""The night: everybody's risks and reasons as of one moment, complete or absent.

A site whose numbers changed their size (monitoring's layer 0) is left out, and the run manifest says so: the others are
published as they would have been without it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wellkept.bundles import Bundle, load_bundle
from wellkept.catalogue import query_of
from wellkept.contracts import POINTS, REASONS, SCORES
from wellkept.errors import Breach, BundleRefused, InputHeld, NotEnoughData
from wellkept.files import digest_of, write_text
from wellkept.grouping import sites_at
from wellkept.history import engine
from wellkept.jobs.monitoring import census_of, units
from wellkept.journeys import Snapshot
from wellkept.labelling import scoring_points
from wellkept.monitoring.census import Census
from wellkept.monitoring.findings import blocked_sites
from wellkept.pointers import champions
from wellkept.progress import Narrator
from wellkept.published import MANIFEST, name_of, publishing
from wellkept.scoring import hold_if_odd, score
from wellkept.settings import Settings
from wellkept.snapshots import together

CHUNK = 50_000
KEY = ("target", "subject_id", "encounter_id")  # of one moment
SITE_UNITS = "site_units"


def bundles_in_service(settings: Settings, targets: tuple[str, ...] = ()) -> list[Bundle]:
    """The champions of these targets, or of all."""
    there = champions(settings.models)
    if not there:
        raise BundleRefused("no_champion", f"no model is in service in {settings.models}: `wellkept train` one first")
    if unknown := [target for target in targets if target not in there]:
        raise BundleRefused("no_champion", f"no model of {unknown[0]!r} is in service: there are {', '.join(there)}")
    return [load_bundle(there[target]) for target in targets or there]


@dataclass(frozen=True)
class ScoringRun:
    """A published run; `held` has, by target, the sites whose numbers changed their size, and why that is said."""

    folder: Path
    rows: dict[str, int]
    held: dict[str, dict[str, str]]


@dataclass
class _Written:
    """One model's share of a night: rows by part, in the order of the files' row groups, with the site of each."""

    sites: list[np.ndarray]
    names: dict[str, int]
    held: dict[str, str]

    def kept(self) -> list[np.ndarray]:
        """By part, which rows stay."""
        out = [place for name, place in self.names.items() if name in self.held]
        return [~np.isin(part, out) for part in self.sites]


def score_population(
    snapshot: Snapshot, bundles: list[Bundle], as_of: datetime, out: Path, *, narrate: Narrator,
    accept: frozenset[str] = frozenset(), again: str = "", settings: Settings | None = None,
) -> ScoringRun:  # fmt: skip
    """Score everybody as of one moment into `out/<moment>/`, complete or absent.

    Raises
    ------
    InputRefused
        `already_published`: there is a run of this moment, and no reason was given to score again.
    NotEnoughData
        Nobody is to be scored: an empty night is an alert, never an empty publication.
    """
    limits = _limits(settings or Settings())
    name = name_of(as_of)
    with publishing(out, name, again=again) as waiting:
        written = _write_scores(snapshot, bundles, as_of, waiting, narrate, accept, limits)
        rows = _left(written, waiting, narrate, accept)
        held = {target: told.held for target, told in written.items() if told.held}
        sites = {"held": held, "accepted": SITE_UNITS in accept}
        _write_run_manifest(waiting, snapshot, bundles, as_of, rows, again, sites)
    return ScoringRun(out / name, rows, held)


def _write_scores(
    snapshot: Snapshot, bundles: list[Bundle], as_of: datetime, folder: Path, narrate: Narrator,
    accept: frozenset[str], limits: engine.Limits,
) -> dict[str, _Written]:  # fmt: skip
    written = {}
    with (
        _writer(folder / "scores.parquet", SCORES.schema) as scores,
        _writer(folder / "reasons.parquet", REASONS.schema) as reasons,
    ):
        for bundle in bundles:
            points = scoring_points(snapshot, bundle.spec.points, as_of)
            if points.num_rows == 0:
                raise NotEnoughData("nobody_to_score", f"{bundle.target}: nobody is to be scored as of {as_of}; "
                                    f"the journeys end on {snapshot.observed_until:%Y-%m-%d}")  # fmt: skip
            profiles, census, told = [], census_of(bundle), _Written([], {}, {})
            for part in narrate.track(_parts(snapshot, points), bundle.target):
                features = _features(bundle, snapshot, part, limits)
                risk, why, _ = score(bundle, part, features)
                scores.write_table(risk)
                if why.num_rows:
                    reasons.write_table(why)
                profiles.append((part.num_rows, bundle.encoder.profile(features)))
                told.sites.append(_counted(census, told.names, snapshot, bundle, part, features))
            hold_if_odd(bundle, profiles, accept)
            told.held.update(blocked_sites(units(snapshot, bundle, census, as_of)))
            written[bundle.target] = told
    return written


def _counted(
    census: Census | None, names: dict[str, int], snapshot: Snapshot, bundle: Bundle, part: pa.Table, features: pa.Table
) -> np.ndarray:
    """Count a part in the census; the site of each row, as a place in `names`, which grows."""
    if census is None:
        return np.zeros(part.num_rows, np.int32)
    sites = sites_at(snapshot, bundle.spec, part).astype(str)
    census.add(sites, features)
    levels, level = np.unique(sites, return_inverse=True)
    return np.array([names.setdefault(name, len(names)) for name in levels.tolist()], np.int32)[level]


def _left(written: dict[str, _Written], folder: Path, narrate: Narrator, accept: frozenset[str]) -> dict[str, int]:
    """Take the rows of held sites out of the files, unless somebody accepts them; rows by target."""
    keep = {target: told.kept() for target, told in written.items()}
    for target, told in written.items():
        for says in told.held.values():
            narrate(f"{target}: {'scored all the same' if SITE_UNITS in accept else 'not scored'}: {says}")
    if SITE_UNITS in accept or not any(told.held for told in written.values()):
        return {target: sum(map(len, parts)) for target, parts in keep.items()}
    if not any(part.any() for parts in keep.values() for part in parts):
        breaches = [Breach(site, 0, SITE_UNITS) for told in written.values() for site in told.held]
        text = f"numbers of every site changed their size; look at it, then --accept {SITE_UNITS} scores all the same"
        raise InputHeld(SITE_UNITS, text, breaches)
    masks = [part for parts in keep.values() for part in parts]
    left_out = _keys_left_out(folder / "scores.parquet", masks)
    _filter(folder / "scores.parquet", SCORES.schema, left_out)
    _filter(folder / "reasons.parquet", REASONS.schema, left_out)
    return {target: int(sum(part.sum() for part in parts)) for target, parts in keep.items()}


def _keys_left_out(scores: Path, kept: list[np.ndarray]) -> pa.Array:
    """The keys of the rows that no mask keeps; a row group was written for each part, in order."""
    with pq.ParquetFile(scores) as file:
        groups = [file.read_row_group(i, columns=list(KEY)).filter(pa.array(~mask)) for i, mask in enumerate(kept)]
    return pa.concat_arrays([_keys(group) for group in groups])


def _filter(path: Path, schema: pa.Schema, left_out: pa.Array) -> None:
    """Write a file again without the rows of these keys, one row group at a time; a patient may have any reasons."""
    whole = path.rename(path.with_suffix(".whole"))
    with pq.ParquetFile(whole) as file, _writer(path, schema) as writer:
        for i in range(file.num_row_groups):
            table = file.read_row_group(i)
            stays = pc.invert(pc.is_in(_keys(table), left_out))
            if pc.any(stays).as_py():
                writer.write_table(table.filter(stays))
    whole.unlink()


def _keys(table: pa.Table) -> pa.Array:
    """Whose risk a row is about: KEY as one text, shape (n,)."""
    columns = [pc.fill_null(table[name].cast(pa.string()), "") for name in KEY]
    return pc.binary_join_element_wise(*columns, "\x1f").combine_chunks()


def _parts(snapshot: Snapshot, points: pa.Table) -> list[pa.Table]:
    """A bounded number of points at a time, those of one shard together, so that memory is bounded too."""
    shard_of = snapshot.shard_of(points["subject_id"].to_numpy())
    sizes = dict(zip(*(a.tolist() for a in np.unique(shard_of, return_counts=True)), strict=True))
    groups = [points.take(pa.array(np.flatnonzero(np.isin(shard_of, shards)))) for shards in together(sizes, CHUNK)]
    return [part.slice(start, CHUNK) for part in groups for start in range(0, part.num_rows, CHUNK)]


def _features(bundle: Bundle, snapshot: Snapshot, points: pa.Table, limits: engine.Limits) -> pa.Table:
    query = query_of(bundle.encoder.features)
    return query.run(snapshot, POINTS.check(points), **limits)


def _limits(settings: Settings) -> engine.Limits:
    return {"threads": settings.threads, "memory_limit": settings.memory_limit}


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    path.touch(mode=0o600)  # risks are read by whoever runs this, as the journeys are
    return pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True)


def _write_run_manifest(
    folder: Path, snapshot: Snapshot, bundles: list[Bundle], as_of: datetime, rows: dict[str, int], again: str,
    sites: dict[str, object],
) -> None:  # fmt: skip
    files = {p.name: {"sha256": digest_of(p), "rows": pq.read_metadata(p).num_rows} for p in folder.glob("*.parquet")}
    manifest = {
        "as_of": as_of.isoformat(), "journeys": snapshot.digest, "rows": rows, "files": files, "again": again,
        "sites": sites,
        "models": {b.target: b.version for b in bundles},
    }  # fmt: skip
    write_text(folder / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True))
