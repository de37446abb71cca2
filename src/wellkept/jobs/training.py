"""From journeys to a registered model that was held against the champion, and into service if somebody signs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from wellkept import registry
from wellkept.bundles import Bundle
from wellkept.candidates import Child, Facts, discard, folder_of, key_of, read_candidate, remove_others, write_candidate
from wellkept.decisions import Decision, record
from wellkept.drivers import drivers
from wellkept.evaluating import Report, Track, breakdown, contestants_risk, evaluate, paired, plain, plain_of, untold
from wellkept.everybody import Everybody, everybody
from wellkept.examples import Examples, examples
from wellkept.explaining_figures import MOST_ROWS, bars_figure, dependence_figure, drivers_figure
from wellkept.files import sole_writer
from wellkept.gates import Gate, closed
from wellkept.jobs.contesting import KEEP, REFIT, Champion, champion_at, lower_rungs, refit_rung, restated
from wellkept.jobs.documenting import documented, documents
from wellkept.jobs.ingesting import open_journeys
from wellkept.jobs.promoting import champion_version, promote, settle
from wellkept.journeys import Snapshot
from wellkept.ladder import Rung, lowest_enough
from wellkept.leaks import Finding, check_leaks, facts_of, refuse_leaks
from wellkept.learning import own_margin
from wellkept.nights import sketched
from wellkept.plotting import calibration_figure, decision_curve_figure, discrimination_figure
from wellkept.progress import Narrator
from wellkept.prose import prose_beside
from wellkept.settings import Settings
from wellkept.spec import Spec, load_spec
from wellkept.stability import stability
from wellkept.training import Trained, train
from wellkept.uncertainty import Uncertainty, fit_uncertainty

EXPLAINED = 5000  # test rows that drivers are told from: exact contributions are what takes time


@dataclass(frozen=True)
class Asked:
    """What whoever starts a training says: who signs, why the list may change, which leak tests were looked at.

    `refits` on resampled patients tell how stable the list is; each costs another training. `synthetic` says that no
    real person is in the journeys: so do the report and the card.
    """

    now: datetime
    approve: str = ""
    explained: str = ""
    accept: frozenset[str] = frozenset()
    refits: int = 0
    synthetic: bool = False


def train_model(
    spec_path: Path, journeys: Path, settings: Settings, *, asked: Asked, say: Narrator, ladder: bool = False
) -> dict:
    """From journeys to a registered model held against the gates; into service if they hold and somebody signs.

    With `ladder`, the least is done that will do: keep the champion, recalibrate it, or refit. What a stop interrupted
    goes on from the candidate that is there. What is in service changes last, and at once.

    Raises
    ------
    LeakFound
        A leak test failed that is not in `asked.accept`; nothing was registered.
    """
    spec = load_spec(spec_path)
    snapshot = open_journeys(journeys, settings).snapshot()
    with sole_writer(settings.models / spec.target):
        settle(spec.target, settings)
        key = key_of(snapshot.digest, spec.digest, champion_version(spec.target, settings), str(ladder),
                     asked.explained, str(asked.refits), str(asked.synthetic), repr(prose_beside(spec_path)),
                     *sorted(asked.accept))  # fmt: skip
        folder = folder_of(settings.models, spec.target, key)
        remove_others(folder)
        if folder.exists():
            say(f"{spec.target}: goes on with the candidate that was made before")
        else:
            _make_candidate(folder, key, spec_path, snapshot, settings, asked=asked, say=say, ladder=ladder)
        facts, bundle = read_candidate(folder)
        version = registry.register(folder, mlruns=settings.mlruns)
        if not version:
            kept = Decision(asked.now.isoformat(), "keep", facts.against, facts.against, asked.approve, facts.decision)
            record(settings.models / spec.target, kept)
    told = _finished(spec, facts, bundle, version, settings, asked=asked, say=say)
    discard(folder)
    return told


def _finished(
    spec: Spec, facts: Facts, bundle: Bundle | None, version: str, settings: Settings, *, asked: Asked, say: Narrator
) -> dict:
    shut = closed(facts.gates)
    promoted = bool(version and asked.approve and not shut)
    if promoted:
        promote(spec.target, version, settings, approve=asked.approve, explained=asked.explained, now=asked.now)
    outcome = _outcome(spec.target, version, promoted=promoted, shut=shut)
    say(f"{spec.target}: {facts.decision}; {outcome}")
    metrics = bundle.metrics if bundle else {}
    return {"target": spec.target, "version": version, "promoted": promoted, "decision": facts.decision,
            "outcome": outcome, "gates": [asdict(g) for g in facts.gates], "facts": bundle.facts if bundle else {},
            **metrics}  # fmt: skip


def _outcome(target: str, version: str, *, promoted: bool, shut: Sequence[Gate]) -> str:
    if not version:
        return "what is in service stays"
    if promoted:
        return f"version {version} is in service"
    if shut:
        return f"version {version} is registered and stays out of service: {', '.join(g.gate for g in shut)} not passed"
    return f"version {version} passed every gate: `wellkept promote {target} {version} --approve NAME`"


def _make_candidate(
    folder: Path, key: str, spec_path: Path, snapshot: Snapshot, settings: Settings, *, asked: Asked, say: Narrator,
    ladder: bool,
) -> None:  # fmt: skip
    spec = load_spec(spec_path)
    say(f"{spec.target}: points, labels and features from version {snapshot.version} of the journeys")
    data = examples(snapshot, spec)
    trained = without_leaks(train(data, spec, say=say), data, spec, snapshot, asked.accept)
    say(f"{spec.target}: no leak test failed{' that was not accepted' if asked.accept else ''}")
    champion = champion_at(settings.models, spec.target, snapshot, data)
    risk = contestants_risk(trained, data, spec) | ({"champion": champion.risk} if champion else {})
    report = evaluate(trained, data, spec, risk=risk, track=say.track)
    bundle = bundle_of(trained, data, spec, report, everybody(snapshot, spec, data, trained), track=say.track)
    more: dict = {"paired": paired(risk, trained.shipped.estimator.kind, data, track=say.track)}
    if asked.refits:
        say(f"{spec.target}: {asked.refits} refits on resampled patients")
        more["stability"] = {"refits": asked.refits, **plain_of(stability(data, trained, spec, asked.refits))}
    bundle = replace(bundle, metrics={**bundle.metrics, **more})
    bundle = documented(bundle, data, snapshot, spec_path, synthetic=asked.synthetic)
    bundle = replace(bundle, sketch=sketched(snapshot, bundle))
    rungs = [refit_rung(trained, data, bundle, champion, asked.explained)]
    if ladder and champion is not None and champion.bundle.spec.digest == spec.digest:
        rungs = [*lower_rungs(trained, data, champion, asked.explained), *rungs]
    chosen = lowest_enough(rungs, data.label[data.test_rows], data.subject[data.test_rows]) or rungs[-1]
    if chosen.name not in (KEEP, REFIT):
        chosen = replace(chosen, bundle=restated(chosen, data))
    candidate, figures = _candidate(key, trained, data, snapshot, champion, rungs, chosen)
    made = None if chosen.name == KEEP else chosen.bundle
    written = {"decision.json": json.dumps(asdict(candidate), indent=1), **documents(made or bundle, figures)}
    write_candidate(folder, candidate, made, figures=figures, documents=written)


def _candidate(
    key: str, trained: Trained, data: Examples, snapshot: Snapshot, champion: Champion | None, rungs: Sequence[Rung],
    chosen: Rung,
) -> tuple[Facts, dict]:  # fmt: skip
    bundle = rungs[-1].bundle
    facts = Facts(
        target=bundle.target, key=key, against=champion.version if champion else "", decision=chosen.name,
        metrics=_logged(bundle), data=dict.fromkeys(("training", "evaluation"), snapshot.digest),
        tags={"rung": chosen.name, "ships": trained.shipped.estimator.kind}, gates=chosen.gates,
        children=[_child(rung) for rung in rungs] if len(rungs) > 1 else [],
    )  # fmt: skip
    return facts, _figures(trained, data, bundle, data.test_rows)


def _child(rung: Rung) -> Child:
    tags = {f"gate.{gate.gate}": f"{gate.holds}: {gate.says}"[:500] for gate in rung.gates}
    return Child(rung.name, {g.gate: g.value for g in rung.gates if g.value is not None}, tags)


def _logged(bundle: Bundle) -> dict[str, float]:
    reports = {**bundle.metrics["test"], "everybody": bundle.metrics.get("everybody", {}).get("levels", {})}
    return {
        f"{name}.{metric}{end}": number for name, report in reports.items()
        for metric, triple in report.items() for end, number in zip(("", "_low", "_high"), triple, strict=True)
        if np.isfinite(number)
    }  # fmt: skip


def bundle_of(
    trained: Trained, data: Examples, spec: Spec, report: Report, of_everybody: Everybody | None = None, *,
    track: Track = untold,
) -> Bundle:  # fmt: skip
    """Everything that scoring needs, as one bundle."""
    training = data.features.take(pa.array(data.rows("train")))
    told = plain(trained, report) | breakdown(trained.shipped.risk, data, track=track)
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
        mode_effects=dict(zip(data.modes[1:], trained.shipped.mode_effects[1:].tolist(), strict=True)),
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
