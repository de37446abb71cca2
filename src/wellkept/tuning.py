"""Examples and settings of trees in; how well they would do on patients that they never saw, fold by fold, out.

Only rows from before the test period are touched: a setting that was chosen by the test rows could not be judged by
them. (Where all rows have one date there is no test period, every row serves, and that must be said.) One trial is one
setting; where it is hopeless after some folds, the rest is not worth fitting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from wellkept.calibrating import calibrate_logistic, sigmoid
from wellkept.encoding import Encoder, fit_encoder
from wellkept.errors import NotEnoughData
from wellkept.estimators import fit_member
from wellkept.examples import Examples, fold_of
from wellkept.intervals import Estimate, mean_over
from wellkept.measures import log_losses
from wellkept.spec import Search, Spec, Trees
from wellkept.training import outcomes_of, start_of

Number = float | int


@dataclass(frozen=True)
class Ground:
    """What every trial is fitted and judged on: the rows from before the test period, one matrix, one set of folds."""

    data: Examples
    encoder: Encoder
    X: np.ndarray
    rows: np.ndarray

    @property
    def subject(self) -> np.ndarray:
        return self.data.subject[self.rows]


def ground(data: Examples) -> Ground:
    """Encode once, for all trials.

    Raises
    ------
    NotEnoughData
        `no_features`: none varies.
    """
    encoder = fit_encoder(data.catalogue, data.features, data.rows("train"))
    if not encoder.features:
        raise NotEnoughData("no_features", "no feature varies over the training rows: is the right data ingested?")
    rows = data.fitted_rows
    return Ground(data, encoder, encoder.matrix(data.features)[rows], rows)


def refolded(on: Ground, spec: Spec, seed: int) -> Ground:
    """The same patients in other folds."""
    return replace(on, data=replace(on.data, fold=fold_of(on.data.subject, spec.split.folds, seed)))


def losses(on: Ground, spec: Spec) -> Iterator[np.ndarray]:
    """After each fold, the log loss of every row, nan where its fold has not come yet.

    Risks are calibrated on the rows that were judged so far: two numbers, as what ships is calibrated.
    """
    outcomes, start = outcomes_of(on.data, on.rows), start_of(on.encoder)
    margin, mode = np.full(len(on.rows), np.nan), on.data.mode[on.rows]
    for k in np.unique(outcomes.fold):
        trees, effects = fit_member(int(k), on.X, outcomes, on.encoder.monotone, spec, start=start)
        here = outcomes.fold == k
        margin[here] = trees.margins(on.X[here])[:, 0] + effects[mode[here]]
        yield _calibrated_losses(outcomes.label, margin)


def improvement(on: Ground, spec: Spec, trees: Trees) -> Estimate:
    """Mean log loss with `trees` minus that with the definition's own; the interval is over patients."""
    *_, own = losses(on, spec)
    *_, other = losses(on, spec.model_copy(update={"trees": trees}))
    return mean_over(other - own, on.subject)


def trees_of(spec: Spec, chosen: dict[str, Number]) -> Trees:
    """The definition's trees with some settings replaced, to three digits: what is printed is what was tried."""
    written = {name: number if is_whole(name) else float(f"{number:.3g}") for name, number in chosen.items()}
    return Trees.model_validate(spec.trees.model_dump() | written)


def is_whole(name: str) -> bool:
    """Is this setting a whole number?"""
    return Trees.model_fields[name].annotation is int


def choices_of(name: str, search: Search) -> list[Number]:
    """The choices, whole where the setting is."""
    return [int(choice) if is_whole(name) else choice for choice in search.choices]


def _calibrated_losses(label: np.ndarray, margin: np.ndarray) -> np.ndarray:
    told, judged = np.full(len(label), np.nan), ~np.isnan(margin)
    slope, intercept = calibrate_logistic(label[judged], margin[judged])
    told[judged] = log_losses(label[judged], sigmoid(slope * margin[judged] + intercept))
    return told
