"""A trained model with what it was made of in; samples, paired AUROCs and the shape of a finding out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from wellkept.catalogue import Feature
from wellkept.encoding import Encoder
from wellkept.examples import Examples
from wellkept.history import engine
from wellkept.intervals import Estimate
from wellkept.journeys import Snapshot
from wellkept.labelling import Question, question
from wellkept.learning import own_margin
from wellkept.parts import discover
from wellkept.spec import Spec, matches
from wellkept.training import Trained

FEWEST = 50  # of each kind of label: below this an AUROC has a standard error of .04 and more
AS_STORED = f"""e.subject_id,
    CASE WHEN e.known = {engine.SINCE_EVER} THEN NULL ELSE make_timestamp(e.known) END AS "time", e.code,
    e.value AS numeric_value, e.text AS text_value, make_timestamp(e.happened) AS event_at, e.encounter_id,
    e.site, e.clinician, e.sequence"""


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    holds
        True: passed; False: a leak; None: it cannot be told, which blocks nothing.
    value, bar
        The figure, and what it must not pass.
    feature
        The feature or the code to look at; empty where nothing was found.
    says
        What was measured and, where it failed, what to do.
    """

    check: str
    holds: bool | None
    value: float | None
    bar: float
    feature: str
    says: str


@dataclass(frozen=True)
class Evidence:
    """Everything that a check may look at."""

    snapshot: Snapshot
    spec: Spec
    data: Examples
    trained: Trained

    @property
    def asked(self) -> Question:
        return question(self.spec.label.true_when, discover("targets"))

    @property
    def features(self) -> tuple[Feature, ...]:
        return self.trained.encoder.features

    @property
    def points(self) -> pa.Table:
        return self.data.points.select(["subject_id", "prediction_time", "encounter_id"])

    @property
    def fit_rows(self) -> np.ndarray:
        """Where a check may learn; where all rows have one date, the folds with an even number."""
        rows = self.data.rows("train")
        return rows if self._by_time else rows[self.data.fold[rows] % 2 == 0]

    @property
    def judged_rows(self) -> np.ndarray:
        """Where a check judges: calibration and test rows, or the folds with an odd number."""
        rows = self.data.rows("train")
        return self.data.rows("calibrate", "test") if self._by_time else rows[self.data.fold[rows] % 2 == 1]

    @property
    def _by_time(self) -> bool:
        return "test" in self.data.role

    def few(self, rows: np.ndarray) -> bool:
        """Are there too few labels of either kind to tell?"""
        events = int(self.data.label[rows].sum())
        return min(events, len(rows) - events) < FEWEST

    def sample(self, rows: np.ndarray, most: int) -> np.ndarray:
        """At most `most` of these rows, one a patient, the same in every run."""
        shuffled = np.random.default_rng(self.spec.seed).permutation(rows)
        first = np.unique(self.data.subject[shuffled], return_index=True)[1]
        return np.sort(shuffled[np.sort(first)[:most]])

    def events_of(self, points: pa.Table, where: str = "TRUE", occasion: str = "NULL") -> pa.Table:
        """The events of the patients of `points` (one point a patient) that fit `where`, as the store keeps them.

        `where` may speak of ``e`` (event), ``p`` (point) and ``o.occasion``, the MAX over the patient's events
        of the SQL given as `occasion`.
        """
        sql = f"""WITH o AS (SELECT p.subject_id, MAX({occasion}) AS occasion
                             FROM points p JOIN events e ON e.subject_id = p.subject_id GROUP BY p.subject_id)
                  SELECT {AS_STORED} FROM points p JOIN events e ON e.subject_id = p.subject_id
                  JOIN o ON o.subject_id = p.subject_id WHERE {where}"""
        return engine.totals(sql, self.snapshot, points).sort_by(
            [("subject_id", "ascending"), ("sequence", "ascending")]
        )

    def margins(self, features: pa.Table, rows: np.ndarray) -> np.ndarray:
        """What the shipped model says of these rows, by the members that never saw the patient."""
        X = self.trained.encoder.matrix(features)
        return own_margin(self.trained.shipped.estimator, X, self.data.fold[rows])

    def expected(self, feature: Feature) -> bool:
        """Does the model's TOML say that this feature may be as good as it is?"""
        return matches(feature.name, self.spec.leaks.expected) or matches(feature.topic, self.spec.leaks.expected)

    def asks_label(self, feature: Feature) -> bool:
        """Does the feature read a code by which the label is answered?"""
        return any(
            matches(code, self.asked.codes) or matches(asked, (code,))
            for code in feature.codes for asked in self.asked.codes
        )  # fmt: skip


def costliest(
    encoder: Encoder, score: Callable[[pa.Table], np.ndarray], label: np.ndarray, full: pa.Table, cut: pa.Table
) -> str:
    """The topic whose features, taken from `cut` instead of `full`, cost the most AUROC."""
    topics: dict[str, list[str]] = {}
    for feature in encoder.features:
        topics.setdefault(feature.topic, []).append(feature.name)

    def left(names: list[str]) -> float:
        mixed = full
        for name in names:
            mixed = mixed.set_column(mixed.column_names.index(name), name, cut[name])
        return auroc(label, score(mixed))

    changed = {t: [n for n in names if not full[n].equals(cut[n])] for t, names in topics.items()}
    return min((t for t in changed if changed[t]), key=lambda t: left(changed[t]), default="")


def without(encoder: Encoder, leave: Callable[[Feature], bool]) -> Encoder:
    """The encoder without some of its features."""
    return replace(encoder, features=tuple(f for f in encoder.features if not leave(f)))


def auroc(label: np.ndarray, score: np.ndarray) -> float:
    """Chance that an event scores above a non-event, ties counting half."""
    return float(_placements(label, score)[label].mean())


def auroc_difference(label: np.ndarray, a: np.ndarray, b: np.ndarray, subject: np.ndarray) -> Estimate:
    """AUROC of `a` minus that of `b` on the same rows, with a 95 % interval over patients.

    The variance is that of the placements, summed by patient (DeLong 1988, doi:10.2307/2531595; Obuchowski 1997,
    doi:10.2307/2533958): closed form, nothing is drawn.
    """
    (first, of_first), (second, of_second) = _influence(label, a, subject), _influence(label, b, subject)
    value, error = first - second, 1.96 * float(np.sqrt(((of_first - of_second) ** 2).sum()))
    return Estimate(value, value - error, value + error)


def auroc_estimate(label: np.ndarray, score: np.ndarray, subject: np.ndarray) -> Estimate:
    """AUROC with a 95 % interval over patients."""
    beside_chance = auroc_difference(label, score, np.zeros(len(label)), subject)
    return Estimate(beside_chance.value + 0.5, beside_chance.low + 0.5, beside_chance.high + 0.5)


def _influence(label: np.ndarray, score: np.ndarray, subject: np.ndarray) -> tuple[float, np.ndarray]:
    place = _placements(label, score)
    value = place[label].mean()
    share = np.where(label, 1 / label.sum(), 1 / (~label).sum())
    member = np.unique(subject, return_inverse=True)[1]
    return float(value), np.bincount(member, weights=(place - value) * share)


def _placements(label: np.ndarray, score: np.ndarray) -> np.ndarray:
    """By event the share of non-events below it, by non-event the share of events above it; ties count half."""
    place = np.empty(len(label))
    for kind, sign in ((label, 1), (~label, -1)):
        others = np.sort(sign * score[~kind])
        mine = sign * score[kind]
        ranks = np.searchsorted(others, mine, "left") + np.searchsorted(others, mine, "right")
        place[kind] = ranks / (2 * len(others))
    return place
