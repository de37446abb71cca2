"""The jobs of the command line and of pipelines/: the outer ring, where disk, clock and settings are."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wellkept import registry
from wellkept.bundles import Bundle, champions, load_bundle
from wellkept.contracts import POINTS, REASONS, SCORES, Batch, Limits
from wellkept.deriving import concerns, derived
from wellkept.errors import BundleRefused, InputRefused, NotEnoughData, SpecRefused
from wellkept.evaluating import Report, evaluate, plain
from wellkept.everybody import Everybody, everybody
from wellkept.examples import Examples, examples
from wellkept.explaining_figures import drivers_figure
from wellkept.files import digest_of, remove_unfinished, sole_writer, sync, write_text
from wellkept.history import FeatureQuery, engine
from wellkept.journeys import Journeys, Landing, Snapshot
from wellkept.labelling import scoring_points
from wellkept.leaks import Finding, check_leaks, facts_of, refuse_leaks
from wellkept.parts import discover
from wellkept.plotting import calibration_figure, decision_curve_figure, discrimination_figure
from wellkept.progress import Narrator
from wellkept.scoring import hold_if_odd, score
from wellkept.settings import Settings
from wellkept.snapshots import together
from wellkept.spec import Spec, load_spec
from wellkept.training import Trained, train

CHUNK = 50_000


def read_batch(
    source: str, path: Path, *, now: datetime, settings: Settings, mapping: Path | None = None,
    accept: frozenset[str] = frozenset(),
) -> Batch:  # fmt: skip
    """Read a batch through one of the sources."""
    sources = discover("sources")
    if source not in sources:
        raise SpecRefused("no_source", f"no source {source!r}: there are {', '.join(sources)}")
    limits = Limits(settings.max_table_bytes, settings.max_rejected_share, accept)
    return sources[source].read(path, now=now, mapping=mapping, limits=limits)


def open_journeys(folder: Path, settings: Settings) -> Journeys:
    """The journey store, with the key of this installation if it has one."""
    key = settings.subject_key.get_secret_value() if settings.subject_key else None
    return Journeys(folder, key=key)


def land(journeys: Journeys, batch: Batch, accept: frozenset[str] = frozenset()) -> Landing:
    """Land a batch, write down what was set aside, and land what follows from it (wellkept.deriving).

    A batch that landed before, but was stopped before what follows from it, is finished.
    """
    landing = journeys.land(batch, accept=accept)
    if batch.rejected and landing.new:
        journeys.quarantine(batch.digest, batch.rejected)
    more = derived(journeys.snapshot()) if concerns(batch.events) else None
    if more is None:
        return landing
    after = journeys.land(more)
    return replace(landing, version=after.version, digest=after.digest, added=landing.added + after.added)


def bundle_of(
    trained: Trained, data: Examples, spec: Spec, report: Report, of_everybody: Everybody | None = None
) -> Bundle:
    """Everything that scoring needs, as one bundle."""
    training = data.features.take(pa.array(data.rows("train")))
    return Bundle(
        spec=spec,
        encoder=trained.encoder,
        estimator=trained.shipped.estimator,
        slope=trained.shipped.slope,
        intercept=trained.shipped.intercept,
        second=trained.shipped.second,
        reference_rate=trained.reference_rate,
        facts=trained.facts,
        metrics=plain(trained, report) | ({"everybody": of_everybody.plain} if of_everybody else {}),
        profile=trained.encoder.profile(training),
    )


def register(trained: Trained, data: Examples, bundle: Bundle, snapshot: Snapshot, settings: Settings) -> int:
    """Track the run in MLflow and register its bundle."""
    reports = {**bundle.metrics["test"], "everybody": bundle.metrics.get("everybody", {}).get("levels", {})}
    metrics = {
        f"{name}.{metric}{end}": number for name, report in reports.items()
        for metric, triple in report.items() for end, number in zip(("", "_low", "_high"), triple, strict=True)
    }  # fmt: skip
    contexts = dict.fromkeys(("training", "evaluation"), snapshot.digest)
    figures = _figures(trained, data, bundle, data.test_rows)
    return registry.register(bundle, mlruns=settings.mlruns, data=contexts, metrics=metrics, figures=figures)


def _figures(trained: Trained, data: Examples, bundle: Bundle, rows: np.ndarray) -> dict:
    label, risk = data.label[rows], trained.shipped.risk[rows]
    table, features = data.features.take(pa.array(rows)), bundle.encoder.features
    values = np.column_stack([
        np.full(len(rows), np.nan) if f.expression.is_text else table[f.name].to_numpy() for f in features
    ])  # fmt: skip
    names = [f.name for f in features]
    return {
        "calibration": calibration_figure(label, risk),
        "discrimination": discrimination_figure(label, risk),
        "decision_curve": decision_curve_figure(label, risk),
        "drivers": drivers_figure(names, bundle.contributions(bundle.encoder.matrix(table)), values),
    }


def promote_version(target: str, version: int, settings: Settings) -> Path:
    """Put a registered version into service."""
    return registry.promote(target, version, models=settings.models, mlruns=settings.mlruns)


def find_leaks(spec_path: Path, journeys: Path, settings: Settings, *, say: Narrator) -> list[Finding]:
    """What the leak tests find of a model trained for the purpose; nothing is registered."""
    spec = load_spec(spec_path)
    snapshot = open_journeys(journeys, settings).snapshot()
    data = examples(snapshot, spec)
    return check_leaks(snapshot, spec, data, train(data, spec, say=say))


def without_leaks(
    trained: Trained, data: Examples, spec: Spec, snapshot: Snapshot, accept: frozenset[str] = frozenset()
) -> Trained:
    """The same model, its facts with what the leak tests found.

    Raises
    ------
    LeakFound
        A test failed that is not in `accept`.
    """
    findings = check_leaks(snapshot, spec, data, trained)
    refuse_leaks(findings, accept)
    return replace(trained, facts={**trained.facts, **facts_of(findings, accept)})


def train_model(
    spec_path: Path, journeys: Path, settings: Settings, *, promote: bool, say: Narrator,
    accept: frozenset[str] = frozenset(),
) -> dict:  # fmt: skip
    """From journeys to a registered model; it goes into service when asked to, or when none is yet.

    Raises
    ------
    LeakFound
        A leak test failed that is not in `accept`; nothing was registered.
    """
    spec = load_spec(spec_path)
    snapshot = open_journeys(journeys, settings).snapshot()
    say(f"{spec.target}: points, labels and features from version {snapshot.version} of the journeys")
    data = examples(snapshot, spec)
    trained = without_leaks(train(data, spec, say=say), data, spec, snapshot, accept)
    say(f"{spec.target}: no leak test failed{' that was not accepted' if accept else ''}")
    of_everybody = everybody(snapshot, spec, data, trained)
    bundle = bundle_of(trained, data, spec, evaluate(trained, data, spec), of_everybody)
    version = register(trained, data, bundle, snapshot, settings)
    promoted = promote or not has_champion(spec.target, settings)
    if promoted:
        promote_version(spec.target, version, settings)
    say(f"{spec.target}: version {version} registered{' and in service' if promoted else ' as challenger'}")
    return {"target": spec.target, "version": version, "promoted": promoted, "facts": bundle.facts, **bundle.metrics}


def has_champion(target: str, settings: Settings) -> bool:
    """Is a bundle of this target in service?"""
    return (settings.models / target / "champion").is_file()


def bundles_in_service(settings: Settings, targets: tuple[str, ...] = ()) -> list[Bundle]:
    """The champions of these targets, or of all."""
    there = champions(settings.models)
    if not there:
        raise BundleRefused("no_champion", f"no model is in service in {settings.models}: run `wellkept train` first")
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
    import json

    files = {p.name: {"sha256": digest_of(p), "rows": pq.read_metadata(p).num_rows} for p in folder.glob("*.parquet")}
    manifest = {
        "as_of": as_of.isoformat(), "journeys": snapshot.digest, "rows": rows, "files": files, "again": again,
        "models": {b.target: b.version for b in bundles},
    }  # fmt: skip
    write_text(folder / "manifest.json", json.dumps(manifest, indent=1, sort_keys=True))

