"""A trained model with all that is needed to score and explain, in one folder that can be carried anywhere.

::

    manifest.json     sha256 and size of every other file, and the runtime that it needs
    model.json        kind, calibrator, reference rate, facts of the training
    trees-*.ubj  or  logistic.json
    encoder.json      features (with their expressions) and vocabularies
    spec.json         the model definition as it was trained
    metrics.json      the report, with intervals
    golden.json       made-up rows, no patient's, and the risks that they must give

No pickle anywhere. Every byte is hashed before it is parsed: a flipped bit in a booster can crash the process or
change predictions in silence. Anything that is not exactly what was written is refused.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import xgboost

from wellkept.encoding import UNKNOWN, Encoder
from wellkept.errors import BundleRefused
from wellkept.estimators import Estimator, estimator_from
from wellkept.files import sync
from wellkept.spec import Spec

FORMAT = 1
ALLOWED = {"model.json", "logistic.json", "encoder.json", "spec.json", "metrics.json", "golden.json"}
LARGEST_BUNDLE = 256 * 2**20
GOLDEN_ROWS = 16
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Bundle:
    """A model that can score and explain.

    Attributes
    ----------
    version
        The folder's name and the first digits of the manifest's sha256.
    profile
        By feature, how often it was known and how often its category had no column, in training.
    slope, intercept
        The calibrator: risk = sigmoid(slope * mean member margin + intercept).
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

    @property
    def target(self) -> str:
        return self.spec.target

    def margin(self, X: np.ndarray) -> np.ndarray:
        """Calibrated log-odds, float64, shape (rows,)."""
        return self.slope * self.estimator.margins(X).mean(axis=1) + self.intercept

    def risk(self, X: np.ndarray) -> np.ndarray:
        """Calibrated probability, float64, shape (rows,)."""
        return 1 / (1 + np.exp(-self.margin(X)))

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """Rows x (features + 1): what each feature adds to the calibrated log-odds; the last column is the bias.

        Columns of one category are added up: SHAP values are additive, so the sum is the category's.
        """
        by_column = self.estimator.contributions(X) * np.float32(self.slope)
        starts = np.flatnonzero(np.diff(self.encoder.feature_of_column, prepend=-1))
        by_feature = np.add.reduceat(by_column[:, :-1], starts, axis=1)
        return np.column_stack([by_feature, by_column[:, -1] + np.float32(self.intercept)])


def write_bundle(bundle: Bundle, folder: Path) -> Path:
    """Write a bundle into a folder that does not exist yet; it is there whole or not at all."""
    files = {
        **bundle.estimator.files(),
        "model.json": _json({"kind": bundle.estimator.kind, "slope": bundle.slope, "intercept": bundle.intercept,
                             "reference_rate": bundle.reference_rate, "facts": dict(bundle.facts),
                             "profile": dict(bundle.profile)}),
        "encoder.json": _json(bundle.encoder.to_json()),
        "spec.json": bundle.spec.model_dump_json(indent=1).encode(),
        "metrics.json": _json(bundle.metrics),
        "golden.json": _json(_golden(bundle)),
    }  # fmt: skip
    listed = {name: {"sha256": hashlib.sha256(c).hexdigest(), "bytes": len(c)} for name, c in sorted(files.items())}
    files["manifest.json"] = _json({"format": FORMAT, "files": listed, "runtime": _runtime()})
    folder.parent.mkdir(parents=True, exist_ok=True)
    waiting = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unfinished-"))
    try:
        for name, content in files.items():
            (waiting / name).write_bytes(content)
            sync(waiting / name)
        waiting.chmod(0o755)
        waiting.rename(folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(waiting, ignore_errors=True)
    return folder


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle, verifying everything before anything is parsed.

    Raises
    ------
    BundleRefused
        With the rule as its code: manifest, symlink, extra_file, missing_file, pickle_refused, too_large,
        digest_mismatch, runtime, model, feature_contract, golden_rows, model_output.
    """
    files, manifest, digest = _verified(Path(folder))
    _check_runtime(manifest)
    try:
        model = json.loads(files["model.json"])
        bundle = Bundle(
            spec=Spec.model_validate_json(files["spec.json"]),
            encoder=Encoder.from_json(json.loads(files["encoder.json"])),
            estimator=estimator_from({n: c for n, c in files.items() if n.endswith(".ubj") or n == "logistic.json"}),
            slope=model["slope"],
            intercept=model["intercept"],
            reference_rate=model["reference_rate"],
            facts=model["facts"],
            metrics=json.loads(files["metrics.json"]),
            profile=model["profile"],
            version=f"{Path(folder).name}@{digest[:12]}",
        )
        golden = json.loads(files["golden.json"])
    except (KeyError, ValueError, TypeError) as error:
        raise BundleRefused("model", f"{folder} does not hold what a bundle holds") from error
    _check_contract(bundle, folder)
    _check_golden(bundle, golden, folder)
    return bundle


def champion_of(models: Path, target: str) -> Path:
    """The folder of the bundle in service.

    Raises
    ------
    BundleRefused
        None is in service.
    """
    pointer = models / target / "champion"
    if not pointer.is_file():
        raise BundleRefused("no_champion", f"{models / target} has no champion: run `wellkept train` first")
    return models / target / pointer.read_text(encoding="utf-8").strip()


def champions(models: Path) -> dict[str, Path]:
    """Every target that has a bundle in service."""
    return {p.parent.name: champion_of(models, p.parent.name) for p in sorted(models.glob("*/champion"))}


def _json(data: object) -> bytes:
    return json.dumps(data, indent=1, sort_keys=True, allow_nan=False).encode()


def _runtime() -> dict[str, str]:
    major = int(xgboost.__version__.split(".")[0])
    return {"written_by_xgboost": xgboost.__version__, "xgboost_at_least": f"{major}.0", "xgboost_below": f"{major + 1}"}


def _verified(folder: Path) -> tuple[dict[str, bytes], dict, str]:
    """Every file's bytes, read once and compared with the manifest; the manifest; its digest."""
    if folder.is_symlink() or any(p.is_symlink() for p in folder.rglob("*")):
        raise BundleRefused("symlink", f"{folder} holds a link: a bundle consists of plain files")
    if not (folder / "manifest.json").is_file():
        raise BundleRefused("manifest", f"{folder} is no bundle: it has no manifest.json")
    content = _bounded(folder / "manifest.json", 2**20)
    try:
        manifest = json.loads(content)
        listed = {str(n): (str(f["sha256"]), int(f["bytes"])) for n, f in manifest["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleRefused("manifest", f"{folder}/manifest.json is not what a bundle's manifest looks like") from error
    _check_names(folder, set(listed))
    if sum(size for _, size in listed.values()) > LARGEST_BUNDLE:
        raise BundleRefused("too_large", f"{folder} says it is larger than {LARGEST_BUNDLE} bytes")
    files = {}
    for name, (sha256, size) in listed.items():
        files[name] = _bounded(folder / name, size)
        if hashlib.sha256(files[name]).hexdigest() != sha256:
            raise BundleRefused("digest_mismatch", f"{folder / name} is not what was written: export it again")
    return files, manifest, hashlib.sha256(content).hexdigest()


def _check_names(folder: Path, listed: set[str]) -> None:
    there = {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()} - {"manifest.json"}
    for name in sorted(there | listed):
        if Path(name).suffix in (".pkl", ".pickle", ".joblib", ".skops"):
            raise BundleRefused("pickle_refused", f"{folder} holds {name}: code can hide in it")
    if there - listed:
        raise BundleRefused("extra_file", f"{folder} holds {min(there - listed)}, which its manifest does not list")
    if listed - there:
        raise BundleRefused("missing_file", f"{folder} lacks {min(listed - there)}")
    if wrong := {n for n in listed if n not in ALLOWED and not (n.startswith("trees-") and n.endswith(".ubj"))}:
        raise BundleRefused("extra_file", f"{folder} lists {min(wrong)}, which no bundle has")


def _bounded(path: Path, size: int) -> bytes:
    with path.open("rb") as stream:
        content = stream.read(size + 1)
    if len(content) > size:
        raise BundleRefused("too_large" if path.name == "manifest.json" else "digest_mismatch",
                            f"{path} is larger than it may be")
    return content


def _check_runtime(manifest: Mapping) -> None:
    needs = manifest.get("runtime", {})
    try:
        low, high = _version(needs["xgboost_at_least"]), _version(needs["xgboost_below"])
        formats = manifest["format"]
    except (KeyError, ValueError, AttributeError) as error:
        raise BundleRefused("manifest", "the manifest does not say which runtime the bundle needs") from error
    if formats != FORMAT or not low <= _version(xgboost.__version__) < high:
        raise BundleRefused("runtime", f"the bundle needs format {FORMAT} and xgboost >= {needs['xgboost_at_least']}, "
                            f"< {needs['xgboost_below']}; this is format {formats} and {xgboost.__version__}")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:3] if part.isdigit())


def _check_contract(bundle: Bundle, folder: Path) -> None:
    if bundle.estimator.columns != len(bundle.encoder.columns):
        raise BundleRefused("feature_contract", f"{folder}: the model has {bundle.estimator.columns} columns, the "
                            f"features and vocabularies give {len(bundle.encoder.columns)}")


def _golden(bundle: Bundle) -> dict:
    """Made-up feature rows: numbers drawn from a fixed spread of sizes, categories in turn, some unknown."""
    random = np.random.default_rng(20260101)
    rows: dict[str, list] = {}
    for i, feature in enumerate(bundle.encoder.features):
        if feature.expression.is_text:
            levels = [*bundle.encoder.levels[feature.name], UNKNOWN]
            rows[feature.name] = [levels[(i + j) % len(levels)] for j in range(GOLDEN_ROWS)]
        else:
            sizes = np.round(random.choice([0.0, 1.0, 10.0, 100.0], GOLDEN_ROWS) * random.random(GOLDEN_ROWS), 3)
            rows[feature.name] = [None if random.random() < 0.2 else float(s) for s in sizes]
    return {"rows": rows, "risk": bundle.risk(bundle.encoder.matrix(_golden_table(bundle, rows))).tolist()}


def _golden_table(bundle: Bundle, rows: Mapping[str, list]) -> pa.Table:
    types = {f.name: pa.string() if f.expression.is_text else pa.float32() for f in bundle.encoder.features}
    return pa.table({name: pa.array(rows[name], type_) for name, type_ in types.items()})


def _check_golden(bundle: Bundle, golden: Mapping, folder: Path) -> None:
    try:
        risk = bundle.risk(bundle.encoder.matrix(_golden_table(bundle, golden["rows"])))
        expected = np.array(golden["risk"], float)
    except (KeyError, pa.ArrowException, xgboost.core.XGBoostError, ValueError, TypeError) as error:
        raise BundleRefused("feature_contract", f"{folder}: its golden rows do not fit its features") from error
    if not (np.isfinite(risk).all() and (risk >= 0).all() and (risk <= 1).all()):
        raise BundleRefused("model_output", f"{folder} gives something that is no probability on its golden rows")
    if len(risk) != len(expected) or np.abs(risk - expected).max() > TOLERANCE:
        raise BundleRefused("golden_rows", f"{folder} does not give the risks that it gave when it was written")
