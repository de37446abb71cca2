"""A trained model with all that is needed to score and explain, in one folder that can be carried anywhere.

::

    manifest.json     sha256 and size of every other file, and the runtime that it needs
    model.json        kind, calibrator, uncertainty, reference rate, facts of the training, digests of its own files
    trees-*.ubj (and start.json, the share that they start from)  or  logistic.json
    encoder.json      features (with their expressions) and vocabularies
    spec.json         the model definition as it was trained
    metrics.json      the report, with intervals
    card.json         what a person says of it, where its card was written (it changes no prediction)
    sketch.json       what its nights looked like at the end of the training data, where monitoring can go by it
    golden.json       made-up rows, no patient's, and the risks and intervals that they must give

No pickle anywhere. Every byte is hashed before it is parsed: a flipped bit in a booster can crash the process
or change predictions in silence. Anything that is not exactly what was written is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from wellkept.bundle_files import UNREADABLE, from_json, read_files, shown, to_json, without_nan, write_files
from wellkept.calibrating import sigmoid
from wellkept.encoding import Encoder
from wellkept.errors import BundleRefused, InputRefused
from wellkept.estimators import estimator_from
from wellkept.golden import GOLDEN_ROWS, alike, golden_matrix, golden_rows, listed
from wellkept.learning import Estimator, Explained
from wellkept.prose import Prose
from wellkept.spec import Spec
from wellkept.topics import topic_of
from wellkept.uncertainty import Uncertainty

ADDITIVE = 1e-5  # of a margin: contributions are float32
CONTRACT = ("encoder.json", "spec.json")  # a model means nothing with another's features


class Stated(NamedTuple):
    """What a bundle states of rows, each float64 of shape (rows,).

    `margin` is in calibrated log-odds, `risk` and the ends of its 95 % interval `low` and `high` are probabilities
    (wellkept.uncertainty says of what); `nps` is P(promoter) - P(detractor), None without a second head.
    """

    margin: np.ndarray
    risk: np.ndarray
    low: np.ndarray
    high: np.ndarray
    nps: np.ndarray | None


@dataclass(frozen=True)
class Bundle:
    """A model that can score and explain.

    Attributes
    ----------
    slope, intercept
        The calibrator: risk = sigmoid(slope * mean member margin + intercept).
    second
        Slope and intercept of the second head (answers up to `label.second_cut`), of the same margin; None without one.
    uncertainty
        What the interval of one patient's risk is made of.
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
    uncertainty: Uncertainty
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

    def stated(self, X: np.ndarray) -> Stated:
        """All that is stated of these rows."""
        return self.stated_of(self.estimator.margins(X))

    def stated_of(self, members: np.ndarray) -> Stated:
        """The same from the members' margins, rows x members, which `explained` gives too."""
        mean = np.add.reduce(members, axis=1) / members.shape[1]  # the bits of `mean`, which takes three times as long
        width = self.uncertainty.half_width_at(mean, members, self.slope)
        margin = self.slope * mean + self.intercept
        risk, low, high = sigmoid(margin), sigmoid(margin - width), sigmoid(margin + width)
        if self.second is None:
            return Stated(margin, risk, low, high, None)
        slope, intercept = self.second
        return Stated(margin, risk, low, high, 1 - np.maximum(sigmoid(slope * mean + intercept), risk) - risk)

    def margin(self, X: np.ndarray) -> np.ndarray:
        """Calibrated log-odds, float64, shape (rows,)."""
        return self.stated(X).margin

    def risk(self, X: np.ndarray) -> np.ndarray:
        """Calibrated probability, float64, shape (rows,)."""
        return self.stated(X).risk

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """What each feature adds to the calibrated log-odds; the last column is the bias."""
        return self.explained(X).contributions

    def explained(self, X: np.ndarray) -> Explained:
        """What each feature adds to the calibrated log-odds, how far the members agree, and the members' margins.

        Columns of one category are added up: SHAP values are additive, so the sum is the category's.

        Returns
        -------
        Contributions, rows x (features + 1), float32, the bias in the last column: a row adds up to its margin.
        Agreement, rows x topics, float32: which share of the members gives the topic its sign. Margins, rows x members,
        as the estimator gives them: not calibrated.
        """
        starts, topic = self._layout
        told = self.estimator.explained(X, topic)
        total = np.add.reduceat(told.contributions, starts, axis=1)
        total *= total.dtype.type(self.slope)
        total[:, -1] += total.dtype.type(self.intercept)
        return told._replace(contributions=total.astype(np.float32, copy=False))

    @cached_property
    def _layout(self) -> tuple[np.ndarray, np.ndarray]:
        """At which columns a feature begins, the bias last, and each column's topic: once, not for each patient."""
        feature = self.encoder.feature_of_column
        starts = np.flatnonzero(np.diff(feature, prepend=-1, append=len(self.encoder.features)))
        return starts, topic_of(self.encoder.features)[feature].astype(np.int32)


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
        "uncertainty": bundle.uncertainty.to_json(),
        "reference_rate": bundle.reference_rate, "facts": dict(bundle.facts), "profile": dict(bundle.profile),
        "mode_effects": dict(bundle.mode_effects),
        "belongs_with": {name: _digest(content) for name, content in contract.items()},
    }  # fmt: skip
    rows = golden_rows(bundle.encoder)
    golden = {"rows": rows, **_golden_answers(bundle, rows, folder)}
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
        rows, expected = dict(golden.pop("rows")), {name: listed(answers) for name, answers in golden.items()}
    except UNREADABLE as error:
        raise BundleRefused("model", f"{shown(folder)} does not hold what a bundle holds") from error
    _check_contract(bundle, belongs_with, files, folder)
    if not alike(_golden_answers(bundle, rows, folder), expected):
        raise BundleRefused("golden_rows", f"{shown(folder)} does not give the risks that it gave when it was written")
    _check_explained(bundle, rows, folder)
    return bundle


def _bundle(model: Mapping, files: Mapping[str, bytes], version: str) -> Bundle:
    return Bundle(
        spec=Spec.model_validate_json(files["spec.json"]),
        encoder=Encoder.from_json(from_json(files["encoder.json"])),
        estimator=estimator_from(files, model["kind"]),
        slope=float(model["slope"]),
        intercept=float(model["intercept"]),
        uncertainty=Uncertainty.from_json(model["uncertainty"]),
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


def _check_explained(bundle: Bundle, rows: Mapping[str, list], folder: Path) -> None:
    """Reasons are of the risk that is stated; and whatever they need is ready before anybody asks for them."""
    X = golden_matrix(bundle.encoder, rows)
    told, margin = bundle.explained(X), bundle.margin(X)
    others = np.array([bundle.stated_of(told.margins).margin, told.contributions.sum(axis=1)])
    if not (np.abs(others - margin) <= ADDITIVE * (1 + np.abs(margin))).all():
        raise BundleRefused("golden_rows", f"{shown(folder)} gives contributions that do not add up to its risks")


def _golden_answers(bundle: Bundle, rows: Mapping[str, list], folder: Path) -> dict[str, list | None]:
    """What the bundle states of its golden rows: probabilities within their intervals."""
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused below
            told = bundle.stated(golden_matrix(bundle.encoder, rows))
    except (*UNREADABLE, InputRefused, pa.ArrowException) as error:
        raise BundleRefused("feature_contract", f"{shown(folder)}: its golden rows do not fit its features") from error
    within = (told.low >= 0) & (told.low <= told.risk) & (told.risk <= told.high) & (told.high <= 1)
    if told.risk.shape != (GOLDEN_ROWS,) or not within.all():
        raise BundleRefused("model_output", f"{shown(folder)} gives something that is no probability for a golden row")
    answers = {"risk": told.risk, "low": told.low, "high": told.high, "nps": told.nps}
    return {name: None if numbers is None else numbers.tolist() for name, numbers in answers.items()}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
