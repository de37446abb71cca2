"""Small bundles of made-up patients, for the tests of what reads, scores and registers them."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tests.conftest import points_table
from wellkept.bundles import Bundle
from wellkept.candidates import Child, Facts, write_candidate
from wellkept.catalogue import Feature
from wellkept.encoding import NUMBER, Encoder, fit_encoder
from wellkept.estimators import fit_trees
from wellkept.gates import Gate
from wellkept.history import past
from wellkept.learning import Outcomes, own_margin
from wellkept.logistic import fit_logistic
from wellkept.registry import register
from wellkept.spec import Label, Points, Spec, Trees
from wellkept.uncertainty import fit_uncertainty

ROWS, FOLDS = 600, 3


def number(name: str, *, monotone: int = 0, otherwise: str = "") -> Feature:
    """A feature that is a number."""
    return Feature(
        name, past.of(f"VISIT//{name.upper()}").within("90d").mean(), f"{name} was {{value:.1f}}", f"Mean {name}.",
        "min", "visit", "customer", f"{name} is not known", otherwise=otherwise, monotone=monotone,
    )  # fmt: skip


def category(name: str) -> Feature:
    """A feature that is a category."""
    return Feature(
        name, past.of(f"VISIT//{name.upper()}").last_text(), "came by {value}", f"Latest {name}.", "",
        "scheduling", "customer", f"{name} is not known",
    )  # fmt: skip


FEATURES = (
    number("wait", monotone=+1, otherwise="did not wait"),
    category("channel"),
    number("age"),
    number("calls", monotone=-1),
    category("clinic"),
)


def values(rows: int = ROWS, seed: int = 1) -> pa.Table:
    """Features of made-up patients: some numbers missing, some categories missing, some rare."""
    random = np.random.default_rng(seed)
    wait = random.gamma(2, 15, rows)
    return pa.table({
        "wait": pa.array(wait, pa.float32(), mask=random.random(rows) < 0.15),
        "channel": pa.array(random.choice(["phone", "web", "desk", "fax", None], rows, p=[0.4, 0.3, 0.2, 0.01, 0.09])),
        "age": pa.array(random.integers(18, 95, rows), pa.float32()),
        "calls": pa.array(random.poisson(1.5, rows), pa.float32(), mask=random.random(rows) < 0.05),
        "clinic": pa.array(random.choice(["north", "south", "west"], rows)),
    })  # fmt: skip


def labels(table: pa.Table, seed: int = 2) -> np.ndarray:
    """Labels that long waits, the phone and few calls make more likely."""
    wait = np.nan_to_num(table["wait"].to_numpy(), nan=25)
    phone = np.array(table["channel"].to_pylist()) == "phone"
    calls = np.nan_to_num(table["calls"].to_numpy())
    margin = 0.05 * (wait - 30) + 0.8 * phone - 0.4 * calls
    return np.random.default_rng(seed).random(len(wait)) < 1 / (1 + np.exp(-margin))


def spec(target: str = "detractor_risk", seed: int = 1, each: str = "VISIT//DONE") -> Spec:
    """A definition with small trees."""
    return Spec(
        target=target, points=Points(each=each), label=Label(true_when="SURVEY//NPS <= 6 within 30d"),
        split={"folds": FOLDS}, trees=Trees(rounds=12), seed=seed,
    )  # fmt: skip


def write_card(spec: Path) -> None:
    """Beside a model's TOML, a card that lacks nothing: a shipped model's own."""
    shipped = Path(__file__).parents[1] / "models" / "detractor_risk.card.toml"
    spec.with_suffix(".card.toml").write_text(shipped.read_text())


@functools.cache
def bundle(
    kind: str = "trees", *, target: str = "detractor_risk", seed: int = 1, features: tuple[Feature, ...] = FEATURES,
    each: str = "VISIT//DONE",
) -> Bundle:  # fmt: skip
    """A bundle trained on `values()`; a feature that is not among them is made up of 0 to 6."""
    table, defined = values(), spec(target, seed, each)
    for k, feature in enumerate(features):
        if feature.name not in table.column_names:
            numbers = [i // (k + 1) % 7 for i in range(ROWS)]
            made = pa.array([f"is {n}" for n in numbers]) if feature.expression.is_text else pa.array(numbers, NUMBER)
            table = table.append_column(feature.name, made)
    encoder: Encoder = fit_encoder(list(features), table, np.arange(ROWS))
    X, label, weight = encoder.matrix(table), labels(table), np.ones(ROWS)
    outcomes = Outcomes(label, weight, np.arange(ROWS) % FOLDS)
    fitted = (
        fit_trees(X, outcomes, encoder.monotone, defined)
        if kind == "trees"
        else fit_logistic(X, outcomes, FOLDS, defined.logistic)
    )
    line, margin = (1.1, -0.2), own_margin(fitted.estimator, X, outcomes.fold)
    members = fitted.estimator.margins(X)
    unsure = fit_uncertainty(members, label=label, margin=margin, subject=np.arange(ROWS), line=line)
    return Bundle(
        spec=defined, encoder=encoder, estimator=fitted.estimator, slope=line[0], intercept=line[1], uncertainty=unsure,
        reference_rate=float(label.mean()), second=(0.9, 0.4) if kind == "trees" else None,
        facts={"train_rows": str(ROWS)}, metrics={"shipped": kind, "test": {"trees": {"auroc": [0.7, 0.6, 0.8]}}},
        profile=encoder.profile(table),
    )  # fmt: skip


METRICS = {"trees.auroc": 0.75, "trees.calibration_slope": 0.98, "unit 5/south: AUC (18-44)": 0.7}


def candidate(
    house: Path, made: Bundle | None, *, key: str, target: str = "detractor_risk", against: str = "",
    gates: Sequence[Gate] = (), children: Sequence[Child] = (), figures: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] = METRICS,
) -> Path:  # fmt: skip
    """A candidate that waits to be registered."""
    target = made.target if made else target
    facts = Facts(target, key, against, "refit" if made else "keep", metrics,
                  {"training": "a" * 64, "evaluation": "b" * 64}, {"rung": "refit"}, gates, children)  # fmt: skip
    folder = house / "candidates" / key
    return write_candidate(folder, facts, made, figures=figures or {}, documents={"decision.json": "{}"})


def registered(house: Path, made: Bundle | None, *, key: str, **more: Any) -> str:
    """The version of a candidate in the MLflow of this house."""
    return register(candidate(house, made, key=key, **more), mlruns=house / "mlruns")


def points(rows: int) -> pa.Table:
    """One prediction point each for this many patients."""
    return points_table(*((i + 1, 10.0, f"e{i}") for i in range(rows)))


def rehash(folder: Path) -> None:
    """Rewrite a bundle's manifest to what is in the folder now, as a careful stranger would."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"] = {
        p.name: {"sha256": hashlib.sha256(p.read_bytes()).hexdigest(), "bytes": p.stat().st_size}
        for p in folder.iterdir() if p.name != "manifest.json"
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
