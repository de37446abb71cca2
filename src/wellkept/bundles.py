"""A trained model with all that is needed to score and explain, in one folder that can be carried anywhere.

::

    manifest.json     sha256 and size of every other file, and the runtime that it needs
    model.json        kind, calibrator, reference rate, facts of the training, digests of the files it belongs with
    trees-*.ubj (and start.json, the share that they start from)  or  logistic.json
    encoder.json      features (with their expressions) and vocabularies
    spec.json         the model definition as it was trained
    metrics.json      the report, with intervals
    card.json         what a person says of it, where its card was written (it changes no prediction)
    sketch.json       what its nights looked like at the end of the training data, where monitoring can go by it
    golden.json       made-up rows, no patient's, and the risks that they must give

No pickle anywhere. Every byte is hashed before it is parsed: a flipped bit in a booster can crash the process
or change predictions in silence. Anything that is not exactly what was written is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from wellkept.bundle_files import UNREADABLE, from_json, read_files, shown, to_json, without_nan, write_files
from wellkept.calibrating import sigmoid
from wellkept.encoding import UNKNOWN, Encoder
from wellkept.errors import BundleRefused, InputRefused
from wellkept.estimators import estimator_from
from wellkept.learning import Estimator
from wellkept.prose import Prose
from wellkept.spec import Spec

GOLDEN_ROWS = 16
TOLERANCE = 1e-6
LONGEST_POINTER = 100
CONTRACT = ("encoder.json", "spec.json")  # a model means nothing with another's features
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True)
class Bundle:
    """A model that can score and explain.

    Attributes
    ----------
    slope, intercept
        The calibrator: risk = sigmoid(slope * mean member margin + intercept).
    second
        Slope and intercept of the second head (answers up to `label.second_cut`), of the same margin; None without one.
    reference_rate
        How often it came true where the risk was calibrated.
    metrics
        The report as plain data; null where a figure could not be stated.
    profile
        By feature, how often it was known and how often its category had no column, in training.
    mode_effects
        What each way of asking adds to the calibrated log-odds; none for the reference, at which risks are stated.
    version
        The folder's name and the first digits of the manifest's sha256.
    prose
        What no run can know, for the model's card; None where nobody wrote it.
    sketch
        The reference that monitoring goes by (wellkept.monitoring.sketching), plain data; None without one.
    """

    spec: Spec
    encoder: Encoder
    estimator: Estimator
    slope: float
    intercept: float
    reference_rate: float
    facts: Mapping[str, str]
    metrics: Mapping
    profile: Mapping[str, Mapping[str, float]]
    version: str = "unsaved"
    second: tuple[float, float] | None = None
    mode_effects: Mapping[str, float] = field(default_factory=dict)
    prose: Prose | None = None
    sketch: Mapping | None = None

    @property
    def target(self) -> str:
        return self.spec.target

    def margin(self, X: np.ndarray) -> np.ndarray:
        """Calibrated log-odds, float64, shape (rows,)."""
        return self.slope * self.estimator.margins(X).mean(axis=1) + self.intercept

    def risk(self, X: np.ndarray) -> np.ndarray:
        """Calibrated probability, float64, shape (rows,)."""
        return sigmoid(self.margin(X))

    def expected_nps(self, X: np.ndarray) -> np.ndarray | None:
        """P(promoter) - P(detractor) of each row, between -1 and 1; None without a second head."""
        if self.second is None:
            return None
        margin = self.estimator.margins(X).mean(axis=1)
        detractor, (slope, intercept) = sigmoid(self.slope * margin + self.intercept), self.second
        return 1 - np.maximum(sigmoid(slope * margin + intercept), detractor) - detractor

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """What each feature adds to the calibrated log-odds; the last column is the bias.

        Columns of one category are added up: SHAP values are additive, so the sum is the category's.

        Returns
        -------
        Rows x (features + 1), float32; a row adds up to its margin.
        """
        feature = self.encoder.feature_of_column
        starts = np.flatnonzero(np.diff(feature, prepend=-1, append=len(self.encoder.features)))
        total = np.add.reduceat(self.estimator.contributions(X), starts, axis=1)
        total *= total.dtype.type(self.slope)
        total[:, -1] += total.dtype.type(self.intercept)
        return total.astype(np.float32, copy=False)


def write_bundle(bundle: Bundle, folder: Path) -> Path:
    """Write a bundle into a folder that does not exist yet; it is there whole or not at all.

    Raises
    ------
    BundleRefused
        `model_output`: the model gives something that is no probability; or as in `write_files`.
    """
    contract = {"encoder.json": to_json(bundle.encoder.to_json()),
                "spec.json": bundle.spec.model_dump_json(indent=1).encode()}  # fmt: skip
    model = {
        "kind": bundle.estimator.kind, "slope": bundle.slope, "intercept": bundle.intercept, "second": bundle.second,
        "reference_rate": bundle.reference_rate, "facts": dict(bundle.facts), "profile": dict(bundle.profile),
        "mode_effects": dict(bundle.mode_effects),
        "belongs_with": {name: _digest(content) for name, content in contract.items()},
    }  # fmt: skip
    rows = _golden_rows(bundle.encoder)
    golden = {"rows": rows, "risk": _golden_risk(bundle, rows, folder).tolist(), "nps": _golden_nps(bundle, rows)}
    write_files(folder, {
        **contract, **bundle.estimator.files(), "model.json": to_json(model), "golden.json": to_json(golden),
        "metrics.json": to_json(without_nan(bundle.metrics)),
        **({"card.json": bundle.prose.model_dump_json(indent=1).encode()} if bundle.prose else {}),
        **({"sketch.json": to_json(bundle.sketch)} if bundle.sketch else {}),
    })  # fmt: skip
    return folder


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle, verifying everything before anything is parsed.

    Raises
    ------
    BundleRefused
        With the rule as its code: as in `read_files`, or `model`, `feature_contract`, `model_output`, `golden_rows`.
    """
    folder = Path(folder)
    files, digest = read_files(folder)
    try:
        model = from_json(files["model.json"])
        belongs_with = dict(model["belongs_with"])
        bundle = _bundle(model, files, version=f"{folder.name}@{digest[:12]}")
        golden = from_json(files["golden.json"])
        rows, expected = dict(golden["rows"]), np.array(golden["risk"], float)
        nps = golden.get("nps")
    except UNREADABLE as error:
        raise BundleRefused("model", f"{shown(folder)} does not hold what a bundle holds") from error
    _check_contract(bundle, belongs_with, files, folder)
    risk = _golden_risk(bundle, rows, folder)
    same = risk.shape == expected.shape and np.abs(risk - expected).max() <= TOLERANCE
    if not (same and _alike(_golden_nps(bundle, rows), nps)):
        raise BundleRefused("golden_rows", f"{shown(folder)} does not give the risks that it gave when it was written")
    return bundle


def champion_of(models: Path, target: str) -> Path:
    """The folder of the bundle in service.

    Raises
    ------
    BundleRefused
        None is in service (`no_champion`), or the pointer does not name a version (`pointer`).
    """
    pointer = models / target / "champion"
    if not pointer.is_file():
        raise BundleRefused("no_champion", f"{shown(pointer.parent)} has no champion: `wellkept train`, then `promote`")
    with pointer.open("rb") as stream:
        version = stream.read(LONGEST_POINTER).decode("ascii", "replace").strip()
    if not VERSION.fullmatch(version):
        raise BundleRefused("pointer", f"{shown(pointer)} does not name a version: promote one")
    return models / target / version


def champions(models: Path) -> dict[str, Path]:
    """Every target that has a bundle in service."""
    return {p.parent.name: champion_of(models, p.parent.name) for p in sorted(models.glob("*/champion"))}


def _bundle(model: Mapping, files: Mapping[str, bytes], version: str) -> Bundle:
    return Bundle(
        spec=Spec.model_validate_json(files["spec.json"]),
        encoder=Encoder.from_json(from_json(files["encoder.json"])),
        estimator=estimator_from(files, model["kind"]),
        slope=float(model["slope"]),
        intercept=float(model["intercept"]),
        second=_line(model.get("second")),
        reference_rate=_probability(model["reference_rate"]),
        facts=dict(model["facts"]),
        metrics=dict(from_json(files["metrics.json"])),
        profile={name: {key: float(p[key]) for key in ("known", "unseen")} for name, p in model["profile"].items()},
        mode_effects={mode: float(effect) for mode, effect in model.get("mode_effects", {}).items()},
        version=version,
        prose=Prose.model_validate_json(files["card.json"]) if "card.json" in files else None,
        sketch=dict(from_json(files["sketch.json"])) if "sketch.json" in files else None,
    )


def _line(pair: Sequence | None) -> tuple[float, float] | None:
    if pair is None:
        return None
    slope, intercept = pair
    return float(slope), float(intercept)


def _probability(number: float) -> float:
    if not 0 <= number <= 1:
        raise ValueError("no probability")
    return float(number)


def _check_contract(bundle: Bundle, belongs_with: Mapping, files: Mapping[str, bytes], folder: Path) -> None:
    """The model was made for exactly these features and vocabularies, and for this definition."""
    for name in CONTRACT:
        if belongs_with.get(name) != _digest(files[name]):
            raise BundleRefused("feature_contract", f"{shown(folder / name)} was not written with this model")
    if bundle.estimator.columns != len(bundle.encoder.columns):
        raise BundleRefused("feature_contract", f"{shown(folder)}: the model has {bundle.estimator.columns} columns, "
                            f"its features and vocabularies give {len(bundle.encoder.columns)}")  # fmt: skip
    if set(bundle.profile) != {f.name for f in bundle.encoder.features}:
        raise BundleRefused("feature_contract", f"{shown(folder / 'model.json')} profiles other features")


def _golden_rows(encoder: Encoder) -> dict[str, list]:
    """Made-up feature rows: numbers drawn from a fixed spread of sizes, categories in turn, some unknown."""
    random = np.random.default_rng(20260101)
    rows: dict[str, list] = {}
    for i, feature in enumerate(encoder.features):
        if feature.expression.is_text:
            levels = [*encoder.levels[feature.name], UNKNOWN]
            rows[feature.name] = [levels[(i + j) % len(levels)] for j in range(GOLDEN_ROWS)]
        else:
            sizes = np.round(random.choice([0.0, 1.0, 10.0, 100.0], GOLDEN_ROWS) * random.random(GOLDEN_ROWS), 3)
            rows[feature.name] = [None if random.random() < 0.2 else float(s) for s in sizes]
    return rows


def _golden_nps(bundle: Bundle, rows: Mapping[str, list]) -> list[float] | None:
    nps = bundle.expected_nps(bundle.encoder.matrix(_golden_table(bundle, rows)))
    return None if nps is None else nps.tolist()


def _alike(now: list[float] | None, then: list[float] | None) -> bool:
    return now == then if now is None or then is None else bool(np.allclose(now, then, rtol=0, atol=TOLERANCE))


def _golden_table(bundle: Bundle, rows: Mapping[str, list]) -> pa.Table:
    types = {f.name: pa.string() if f.expression.is_text else pa.float32() for f in bundle.encoder.features}
    return pa.table({name: pa.array(rows[name], type_) for name, type_ in types.items()})


def _golden_risk(bundle: Bundle, rows: Mapping[str, list], folder: Path) -> np.ndarray:
    """What the bundle gives on its golden rows: one probability each."""
    try:
        if rows.keys() != {f.name for f in bundle.encoder.features}:
            raise ValueError("other features")
        table = _golden_table(bundle, rows)
        with np.errstate(all="ignore"):  # what is not finite is refused below
            risk = bundle.risk(bundle.encoder.matrix(table))
    except (*UNREADABLE, InputRefused, pa.ArrowException) as error:
        raise BundleRefused("feature_contract", f"{shown(folder)}: its golden rows do not fit its features") from error
    if risk.shape != (GOLDEN_ROWS,) or not ((risk >= 0) & (risk <= 1)).all():
        raise BundleRefused("model_output", f"{shown(folder)} gives something that is no probability for a golden row")
    return risk


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
