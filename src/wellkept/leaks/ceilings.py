"""Features, identifiers and labels in; whether one column alone knows too much, out."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.estimators import BoostedTrees
from wellkept.leaks.evidence import Evidence, Finding, auroc, auroc_estimate
from wellkept.training import FEW_EVENTS

CEILING = 0.80
GAIN_SHARE, GAIN_FROM = 0.5, 0.70  # a share alone tells nothing: of a model that has found little, one column is all
BINS = 20
STRICT = 4.0  # standard errors: one clean test in 16,000 lies beyond
BLOCK = 30 * 86_400_000_000  # microseconds


def single_feature(evidence: Evidence) -> Finding:
    """No feature alone may separate the labels better than .80, nor carry half of the trees' gain and .70."""
    fit, judged, label = evidence.fit_rows, evidence.judged_rows, evidence.data.label
    chosen = [f for f in evidence.features if not evidence.expected(f)]
    if evidence.few(judged) or evidence.few(fit) or not chosen:
        return Finding("single_feature", None, None, CEILING, "", "too few labels to judge one feature")
    scores = {f.name: rates(evidence.data.features[f.name], label, fit)[judged] for f in chosen}
    alone = {name: auroc(label[judged], score) for name, score in scores.items()}
    best = sorted(alone, key=lambda name: (-alone[name], name))
    above = [name for name in best if alone[name] > CEILING and _surely(evidence, scores[name])]
    if above:
        says = f"{len(above)} of {len(alone)} features alone have an AUROC above the bar: {_to_do(above)}"
        return Finding("single_feature", False, alone[above[0]], CEILING, above[0], says)
    shares = {n: s for n, s in _gain_shares(evidence).items() if s > GAIN_SHARE and alone.get(n, 0) > GAIN_FROM}
    for name, share in shares.items():
        says = f"{share:.0%} of the trees' gain, AUROC {alone[name]:.3f} alone: {_to_do([name])}"
        return Finding("single_feature", False, share, GAIN_SHARE, name, says)
    says = f"the best of {len(alone)} features alone: {best[0]}"
    return Finding("single_feature", True, alone[best[0]], CEILING, "", says)


def _to_do(names: list[str]) -> str:
    listed = ", ".join(f'"{name}"' for name in names)
    return f"see when their events become known; if they really are that good: [leaks] expected = [{listed}]"


def identity_order(evidence: Evidence) -> Finding:
    """Neither the patient's number nor the order of rows of one moment may say anything about the label.

    Numbers are compared among patients whose first point lies in the same 30 days (numbers that count
    registrations tell the date, which is no leak), by the permutation variance of the rank sum.
    """
    data = evidence.data
    at = pc.cast(data.points["prediction_time"], pa.int64()).to_numpy()
    subjects, first, member = np.unique(data.subject, return_index=True, return_inverse=True)
    mean = np.bincount(member, weights=data.label) / np.bincount(member)
    tests = {
        "subject_id": _rank_test(subjects, mean, at[first] // BLOCK),
        "row order": _rank_test(np.arange(len(at)), data.label.astype(float), at),
    }
    if evidence.few(np.arange(len(at))):
        return Finding("identity_order", None, None, STRICT, "", "too few labels to tell")
    worst = max(tests, key=lambda name: abs(tests[name]))
    holds = abs(tests[worst]) < STRICT
    value = auroc(data.label, data.subject.astype(float))
    says = f"AUROC of subject_id {value:.3f}, {tests['subject_id']:+.1f} standard errors from chance; "
    says += f"order of rows of one moment {tests['row order']:+.1f}"
    if not holds:
        says += ": numbers were given, or rows sorted, when the outcome was known; land the export with other numbers"
    return Finding("identity_order", holds, abs(tests[worst]), STRICT, "" if holds else worst, says)


def rates(column: pa.ChunkedArray, label: np.ndarray, fit: np.ndarray) -> np.ndarray:
    """One feature as a score: the share of events among the `fit` rows of its level or twentieth, by row."""
    level = _levels(column, fit)
    base = label[fit].mean()
    events = np.bincount(level[fit], weights=label[fit], minlength=level.max() + 1)
    rows = np.bincount(level[fit], minlength=level.max() + 1)
    return ((events + base) / (rows + 1))[level]


def _levels(column: pa.ChunkedArray, fit: np.ndarray) -> np.ndarray:
    """The level of each row, counted from 0; what is missing is a level of its own."""
    if not pa.types.is_floating(column.type):
        return column.combine_chunks().dictionary_encode(null_encoding="encode").indices.to_numpy(zero_copy_only=False)
    numbers = column.to_numpy()
    known = numbers[fit][~np.isnan(numbers[fit])]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1), method="lower")) if len(known) else np.zeros(1)
    return np.where(np.isnan(numbers), 0, 1 + np.searchsorted(edges, numbers, side="right"))


def _surely(evidence: Evidence, score: np.ndarray) -> bool:
    """With fewer than 100 labels of a kind, the whole interval must lie above the ceiling."""
    label, judged = evidence.data.label, evidence.judged_rows
    events = int(label[judged].sum())
    if min(events, len(judged) - events) >= FEW_EVENTS:
        return True
    return auroc_estimate(label[judged], score, evidence.data.subject[judged]).low > CEILING


def _gain_shares(evidence: Evidence) -> dict[str, float]:
    """The share of all splits' gain that each feature has in the trees; nothing where other models ship."""
    trees = evidence.trained.shipped.estimator
    if not isinstance(trees, BoostedTrees):
        return {}
    columns = np.zeros(trees.columns)
    for member in trees.members:
        for name, gain in member.get_score(importance_type="total_gain").items():
            columns[int(name[1:])] += float(np.sum(gain))
    of = evidence.trained.encoder.feature_of_column
    shares = np.bincount(of, weights=columns / max(columns.sum(), 1e-12), minlength=len(evidence.features))
    return {feature.name: float(share) for feature, share in zip(evidence.features, shares, strict=True)}


def _rank_test(number: np.ndarray, outcome: np.ndarray, stratum: np.ndarray) -> float:
    """Standard errors by which the order of `number` goes with `outcome` within strata; 0 where nothing can vary."""
    order = np.lexsort((number, stratum))
    outcome = outcome[order]
    _, start, size = np.unique(stratum[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(start + (size - 1) / 2, size)
    off = outcome - np.repeat(np.add.reduceat(outcome, start) / size, size)
    spread = np.add.reduceat(place**2, start) * np.add.reduceat(off**2, start) / np.maximum(size - 1, 1)
    return float(place @ off / np.sqrt(spread.sum())) if spread.sum() > 0 else 0.0


