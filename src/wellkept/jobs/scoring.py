"""The night: everybody's risks and reasons as of one moment, complete or absent."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wellkept.bundles import Bundle, champions, load_bundle
from wellkept.contracts import POINTS, REASONS, SCORES
from wellkept.errors import BundleRefused, InputRefused, NotEnoughData
from wellkept.files import digest_of, remove_unfinished, sole_writer, sync, write_text
from wellkept.history import FeatureQuery, engine
from wellkept.journeys import Snapshot
from wellkept.labelling import scoring_points
from wellkept.progress import Narrator
from wellkept.scoring import hold_if_odd, score
from wellkept.settings import Settings
from wellkept.snapshots import together

CHUNK = 50_000


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
    """A published run."""

    folder: Path
    rows: dict[str, int]


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
    name = as_of.strftime("%Y-%m-%dT%H%M%SZ")
    with sole_writer(out):
        if (out / name).exists() and not again:
            raise InputRefused("already_published", f"{out / name} is there; --again REASON scores it once more")
        remove_unfinished(out)
        with tempfile.TemporaryDirectory(dir=out, prefix=".unfinished-") as scratch:
            waiting = Path(scratch) / name
            waiting.mkdir()
            rows = _write_scores(snapshot, bundles, as_of, waiting, narrate, accept, limits)
            _write_run_manifest(waiting, snapshot, bundles, as_of, rows, again)
            if (out / name).exists():
                (out / name).rename(Path(scratch) / "replaced")
            waiting.rename(out / name)
            sync(out)
        write_text(out / "latest", f"{name}\n")
    return ScoringRun(out / name, rows)


def _write_scores(
    snapshot: Snapshot, bundles: list[Bundle], as_of: datetime, folder: Path, narrate: Narrator,
    accept: frozenset[str], limits: engine.Limits,
) -> dict[str, int]:  # fmt: skip
    rows = {}
    with (
        _writer(folder / "scores.parquet", SCORES.schema) as scores,
        _writer(folder / "reasons.parquet", REASONS.schema) as reasons,
    ):
        for bundle in bundles:
            points = scoring_points(snapshot, bundle.spec.points, as_of)
            if points.num_rows == 0:
                raise NotEnoughData("nobody_to_score", f"{bundle.target}: nobody is to be scored as of {as_of}; "
                                    f"the journeys end on {snapshot.observed_until:%Y-%m-%d}")  # fmt: skip
            profiles = []
            for part in narrate.track(_parts(snapshot, points), bundle.target):
                features = _features(bundle, snapshot, part, limits)
                risk, why, _ = score(bundle, part, features)
                scores.write_table(risk)
                reasons.write_table(why)
                profiles.append((part.num_rows, bundle.encoder.profile(features)))
            hold_if_odd(bundle, profiles, accept)
            rows[bundle.target] = points.num_rows
    return rows


def _parts(snapshot: Snapshot, points: pa.Table) -> list[pa.Table]:
    """A bounded number of points at a time, those of one shard together, so that memory is bounded too."""
    shard_of = snapshot.shard_of(points["subject_id"].to_numpy())
    sizes = dict(zip(*(a.tolist() for a in np.unique(shard_of, return_counts=True)), strict=True))
    groups = [points.take(pa.array(np.flatnonzero(np.isin(shard_of, shards)))) for shards in together(sizes, CHUNK)]
    return [part.slice(start, CHUNK) for part in groups for start in range(0, part.num_rows, CHUNK)]


def _features(bundle: Bundle, snapshot: Snapshot, points: pa.Table, limits: engine.Limits) -> pa.Table:
    query = FeatureQuery({f.name: f.expression for f in bundle.encoder.features})
    return query.run(snapshot, POINTS.check(points), **limits)


def _limits(settings: Settings) -> engine.Limits:
    return {"threads": settings.threads, "memory_limit": settings.memory_limit}


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    path.touch(mode=0o600)  # risks are read by whoever runs this, as the journeys are
    return pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True)


def _write_run_manifest(
    folder: Path, snapshot: Snapshot, bundles: list[Bundle], as_of: datetime, rows: dict[str, int], again: str
) -> None:
    files = {p.name: {"sha256": digest_of(p), "rows": pq.read_metadata(p).num_rows} for p in folder.glob("*.parquet")}
    manifest = {
        "as_of": as_of.isoformat(), "journeys": snapshot.digest, "rows": rows, "files": files, "again": again,
        "models": {b.target: b.version for b in bundles},
    }  # fmt: skip
    write_text(folder / "manifest.json", json.dumps(manifest, indent=1, sort_keys=True))
