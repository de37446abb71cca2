"""A bundle and what it was made of in; the bundle with all that its report and card tell, and both as text, out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wellkept.bundle_files import without_nan
from wellkept.bundles import Bundle
from wellkept.cards import card
from wellkept.examples import Examples
from wellkept.journeys import Snapshot
from wellkept.pages import card_page, report_page
from wellkept.prose import prose_beside
from wellkept.provenance import provenance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEWEST_PATIENTS = 11  # with fewer, a share could single somebody out, so that none is told


def documented(bundle: Bundle, data: Examples, snapshot: Snapshot, spec: Path, *, synthetic: bool = False) -> Bundle:
    """The bundle with where it comes from, who is in its data, and the prose beside its TOML.

    Parameters
    ----------
    spec
        The model's TOML; `<target>.card.toml` beside it is the prose.
    synthetic
        Was no real person in the journeys? Then the report and the card say so.
    """
    journeys = {"journeys_version": str(snapshot.version), "journeys_digest": snapshot.digest}
    facts = {**bundle.facts, **_numbers(data), **journeys, **provenance()} | ({"synthetic": "yes"} if synthetic else {})
    metrics = {**bundle.metrics, "represented": _represented(data)}
    return replace(bundle, facts=facts, metrics=metrics, prose=prose_beside(spec))


def report_facts(bundle: Bundle) -> dict:
    """What the report shows, as plain data."""
    named = {"target": bundle.target, "version": bundle.version, "says": bundle.spec.says, "facts": dict(bundle.facts)}
    return {**named, "asks": bundle.spec.label.true_when, **without_nan(bundle.metrics)}


def documents(bundle: Bundle, figures: Mapping[str, Figure] | None = None) -> dict[str, str]:
    """The report and the card, each as a page and as JSON, by file name."""
    facts, of_card = report_facts(bundle), card(bundle)
    return {
        "report.html": report_page(facts, figures or {}), "report.json": json.dumps(facts, indent=1),
        "card.html": card_page(of_card), "card.json": json.dumps(without_nan(of_card), indent=1),
    }  # fmt: skip


def _numbers(data: Examples) -> dict[str, str]:
    """Patients and events of each period."""
    told = {}
    for role in dict.fromkeys(data.role):
        rows = data.rows(role)
        told[f"{role}_patients"] = str(len(np.unique(data.subject[rows])))
        told[f"{role}_events"] = str(int(data.label[rows].sum()))
    return told


def _represented(data: Examples) -> dict:
    """Dimension -> level -> share of the points learned from and of the test points; None for too few patients."""
    return {
        dimension: {
            str(level): {"fitted": _share(data, words == level, data.fitted_rows),
                         "test": _share(data, words == level, data.test_rows)}
            for level in sorted(set(words))
        }
        for dimension, words in _words(data).items()
    }  # fmt: skip


def _words(data: Examples) -> dict[str, np.ndarray]:
    return {name: np.array(data.groups[name].to_pylist(), object) for name in data.groups.column_names}


def _share(data: Examples, there: np.ndarray, rows: np.ndarray) -> float | None:
    patients = len(np.unique(data.subject[rows][there[rows]]))
    return round(float(there[rows].mean()), 4) if patients >= FEWEST_PATIENTS else None
