"""Assignments with the chance that they had, and what came of them, in; the effect with its interval out.

Doubly robust (augmented inverse propensity weighting; Robins, Rotnitzky & Zhao 1994), with nuisance models that never
saw the patient (Chernozhukov et al. 2018, Econometrics Journal 21). With the logged propensity it is right on average
whatever those models are worth; they only make the interval shorter. By intention to treat: who was to get a step
counts as treated whether or not somebody came to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import chdtrc, stdtrit
from scipy.stats import rankdata

from wellkept.checks import finite
from wellkept.examples import fold_of
from wellkept.intervals import Estimate, members_of

FOLDS = 5
RIDGE = 10.0  # times the columns: as if all covariates together told a tenth of the outcome's variance, all alike
LEVEL = 0.95
SPLITS = 11


@dataclass(frozen=True)
class Compared:
    """One arm against nothing, a row an assignment.

    Attributes
    ----------
    outcome
        Shape (n,): 1 it came true, 0 it did not; NaN not known.
    treated
        Shape (n,): not held out.
    propensity
        Shape (n,): chance to get the step, as it was logged before; between 0 and 1, both excluded.
    subject
        Shape (n,): whose row it is; the interval counts patients.
    covariates
        Shape (n, columns), known before the draw; NaN where missing.
    """

    outcome: np.ndarray
    treated: np.ndarray
    propensity: np.ndarray
    subject: np.ndarray
    covariates: np.ndarray

    def __post_init__(self) -> None:
        finite("propensity", self.propensity)
        if not ((self.propensity > 0) & (self.propensity < 1)).all():
            raise ValueError("a propensity of 0 or 1 is no chance: such rows are not compared")

    @property
    def known(self) -> Compared:
        """The rows whose outcome is known."""
        rows = ~np.isnan(self.outcome)
        return Compared(self.outcome[rows], self.treated[rows], self.propensity[rows], self.subject[rows],
                        self.covariates[rows])  # fmt: skip

    @property
    def weight(self) -> np.ndarray:
        """Shape (n,): one over the chance of what each row got."""
        return 1 / np.where(self.treated, self.propensity, 1 - self.propensity)


def effective_size(compared: Compared) -> float:
    """How many patients of one weight would tell as much: (sum w)^2 / sum w^2 (Kish 1965), w summed by patient."""
    if not len(compared.subject):
        return 0.0
    weight = np.bincount(members_of(compared.subject), weights=compared.weight)
    return float(weight.sum() ** 2 / (weight**2).sum())


def effect(compared: Compared, *, level: float = LEVEL) -> Estimate:
    """Average change of the outcome where the step is given, in probability; every outcome is known."""
    return clustered_mean(scores(compared), compared.subject, level=level)


def scores(compared: Compared) -> np.ndarray:
    """Shape (n,): each row's share in the effect, noisy and right on average also within any group known before."""
    without, given = _scores(compared)
    return given - without


def rates(compared: Compared) -> tuple[float, float]:
    """How often it would come true without and with the step, of all who were drawn; they differ by the effect."""
    without, given = _scores(compared)
    return float(without.mean()), float(given.mean())


def _scores(compared: Compared) -> tuple[np.ndarray, np.ndarray]:
    """Without the step mu0(x) + (1 - T) (y - mu0(x)) / (1 - e), with it mu1(x) + T (y - mu1(x)) / e."""
    without, given = expected(compared)
    weight, T, y = compared.weight, compared.treated, compared.outcome
    return without + np.where(T, 0, weight) * (y - without), given + np.where(T, weight, 0) * (y - given)


def expected(compared: Compared) -> tuple[np.ndarray, np.ndarray]:
    """Shape (n,) twice: the outcome expected without and with the step, by models of other patients' rows."""
    fold = fold_of(compared.subject, FOLDS, 0)
    design = _design(compared.covariates)
    told = np.empty((2, len(fold)))
    for k in np.unique(fold):
        told[:, fold == k] = _models(compared, design, fold != k) @ design[fold == k].T
    return told[0], told[1]


def targeting_gain(compared: Compared) -> Estimate:
    """What it gains to treat first those of whom most is expected, beside treating as many by chance; above 0 is gain.

    The area between the uplift curve and its diagonal (Radcliffe 2007), in probability; outcomes are harms, an effect
    below 0 is help. One half of the patients learns the order, the other is judged by it; the medians of `SPLITS` such
    halvings, at half the error (Chernozhukov, Demirer, Duflo & Fernandez-Val 2018). Averages over folds that learn from
    each other would hang on each other, and their interval would be too short.
    """
    design, each = _design(compared.covariates), scores(compared)
    found = []
    for split in range(SPLITS):
        learns = fold_of(compared.subject, 2, 1 + split) == 0
        if _both(compared.treated[learns]) and _both(compared.treated[~learns]):
            without, given = _models(compared, design, learns) @ design[~learns].T
            place, judged = rankdata(given - without) / (len(given) + 1) - 0.5, each[~learns]
            gain = clustered_mean(place * (judged - judged.mean()), compared.subject[~learns], level=0.975)
            found.append((gain.value, gain.low, gain.high))
    return Estimate(*(float(median) for median in np.median(found, axis=0)))


def clustered_mean(values: np.ndarray, subject: np.ndarray, *, level: float = LEVEL) -> Estimate:
    """Mean over rows; its interval takes patients, with all their rows, as what was drawn.

    Student's t, its degrees of freedom those of a variance to which few patients add much (Satterthwaite 1946, from the
    patients' own squares): a group of which few were drawn, each with a large weight, is told with a wider interval.
    """
    members = members_of(subject)
    patients = int(members.max()) + 1
    square = np.bincount(members, weights=values - values.mean()) ** 2
    spread = np.sqrt(patients / (patients - 1) * square.sum()) / len(values)
    if spread == 0:
        return Estimate(float(values.mean()), float(values.mean()), float(values.mean()))
    reach = float(stdtrit(square.sum() ** 2 / (square**2).sum(), 0.5 + level / 2) * spread)
    return Estimate(float(values.mean()), float(values.mean()) - reach, float(values.mean()) + reach)


def split_p_value(treated: np.ndarray, propensity: np.ndarray) -> float:
    """Chance of a split at least as far from the logged propensities, had they been kept (chi-square, 1 degree).

    A sample-ratio mismatch (Fabijan et al. 2019, KDD): below .001 the log is not what it says it is.
    """
    variance = (propensity * (1 - propensity)).sum()
    return float(chdtrc(1, (treated.sum() - propensity.sum()) ** 2 / variance)) if variance > 0 else np.nan


def answering(compared: Compared, *, level: float = LEVEL) -> Estimate:
    """How the step changes the share of patients whose outcome is known: far from 0, those who are known differ."""
    known = ~np.isnan(compared.outcome)
    if known.all():
        return Estimate(0.0, 0.0, 0.0)
    return effect(replace(compared, outcome=known.astype(float)), level=level)


def _both(treated: np.ndarray) -> bool:
    return bool(treated.any() and not treated.all())


def _models(compared: Compared, design: np.ndarray, learns: np.ndarray) -> np.ndarray:
    """Shape (2, columns): weights of a linear model of who got nothing, and of who got the step, of these rows."""
    return np.stack([
        _ridge(design[rows], compared.outcome[rows], compared.weight[rows])
        for rows in (learns & ~compared.treated, learns & compared.treated)
    ])  # fmt: skip


def _ridge(design: np.ndarray, outcome: np.ndarray, weight: np.ndarray) -> np.ndarray:
    penalty = np.full(design.shape[1], RIDGE * (design.shape[1] - 1))
    penalty[0] = 1e-9
    scale = weight / weight.mean() if len(weight) else weight
    return np.linalg.solve(design.T @ (design * scale[:, None]) + np.diag(penalty), design.T @ (outcome * scale))


def _design(X: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(X)), _standardised(X)])


def _standardised(X: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and spread 1, missing values at the mean, with a column that says where they were."""
    missing = np.isnan(X)
    count = np.maximum((~missing).sum(0), 1)
    center = np.where(missing, 0, X).sum(0) / count
    apart = np.where(missing, 0, X - center)
    scale = np.sqrt((apart**2).sum(0) / count)
    some = missing.any(0) & ~missing.all(0)
    return np.column_stack([apart / np.where(scale > 0, scale, 1), missing[:, some].astype(float)])
