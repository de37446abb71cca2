"""From journeys to a registered model, and into service."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from wellkept import registry
from wellkept.bundles import Bundle
from wellkept.drivers import drivers
from wellkept.evaluating import Report, breakdown, evaluate, plain
from wellkept.everybody import Everybody, everybody
from wellkept.examples import Examples, examples
from wellkept.explaining_figures import MOST_ROWS, bars_figure, dependence_figure, drivers_figure
from wellkept.jobs.ingesting import open_journeys
from wellkept.journeys import Snapshot
from wellkept.leaks import Finding, check_leaks, facts_of, refuse_leaks
from wellkept.learning import own_margin
from wellkept.plotting import calibration_figure, decision_curve_figure, discrimination_figure
from wellkept.progress import Narrator
from wellkept.settings import Settings
from wellkept.spec import Spec, load_spec
from wellkept.training import Trained, train
from wellkept.uncertainty import Uncertainty, fit_uncertainty

EXPLAINED = 5000  # test rows that drivers are told from: exact contributions are what takes time


def bundle_of(
    trained: Trained, data: Examples, spec: Spec, report: Report, of_everybody: Everybody | None = None
) -> Bundle:
    """Everything that scoring needs, as one bundle."""
    training = data.features.take(pa.array(data.rows("train")))
    told = plain(trained, report) | breakdown(trained.shipped.risk, data)
    bundle = Bundle(
        spec=spec,
        encoder=trained.encoder,
        estimator=trained.shipped.estimator,
        slope=trained.shipped.slope,
        intercept=trained.shipped.intercept,
        second=trained.shipped.second,
        uncertainty=uncertainty_of(trained, data),
        reference_rate=trained.reference_rate,
        facts=trained.facts,
        metrics=told | ({"everybody": of_everybody.plain} if of_everybody else {}),
        profile=trained.encoder.profile(training),
    )
    told_by = drivers(bundle.encoder.features, *_contributions(bundle, data, EXPLAINED))
    return replace(bundle, metrics={**bundle.metrics, "drivers": told_by})


def uncertainty_of(trained: Trained, data: Examples) -> Uncertainty:
    """How sure the shipped contestant is: members' spread on the test rows, and what its calibrator was fitted on."""
    shipped, rows = trained.shipped, data.calibration_rows
    X = trained.encoder.matrix(data.features)
    margin = own_margin(shipped.estimator, X[rows], data.fold[rows])
    return fit_uncertainty(
        shipped.estimator.margins(X[data.test_rows]), label=data.label[rows], subject=data.subject[rows],
        margin=margin + shipped.mode_effects[data.mode[rows]] / shipped.slope, line=(shipped.slope, shipped.intercept),
    )  # fmt: skip


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
    label, risk, told = data.label[rows], trained.shipped.risk[rows], bundle.metrics["drivers"]
    names = [f.name for f in bundle.encoder.features]
    contributions, values, _ = _contributions(bundle, data, MOST_ROWS)
    return {
        "calibration": calibration_figure(label, risk),
        "discrimination": discrimination_figure(label, risk),
        "decision_curve": decision_curve_figure(label, risk),
        "drivers": drivers_figure(names, contributions, values),
        **{f"drivers_by_{what[:-1]}": bars_figure(told[what], what[:-1])
           for what in ("features", "touchpoints", "dimensions")},
        "dependence": dependence_figure(names, contributions, values, told["signs"]),
    }  # fmt: skip


def _contributions(bundle: Bundle, data: Examples, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Contributions, values (NaN for categories) and patients of at most so many test rows, spread evenly."""
    rows = data.test_rows[np.unique(np.linspace(0, len(data.test_rows) - 1, most).astype(int))]
    table = data.features.take(pa.array(rows))
    values = np.column_stack([
        np.full(len(rows), np.nan) if f.expression.is_text else table[f.name].to_numpy()
        for f in bundle.encoder.features
    ])  # fmt: skip
    return bundle.contributions(bundle.encoder.matrix(table)), values, data.subject[rows]


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
