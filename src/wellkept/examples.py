"""Journeys and a model's definition in; the rows that it is made of and judged by, out.

Evaluation is honest in two ways at once. In time: members train on what was known before the test period, and the
test rows lie after it. By patient: every row is judged by the member whose training left that patient out. Where all
rows have one date (`split.by = "subject"`), only the second applies, and the calibrator is fitted across folds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.asking import as_asked
from wellkept.automatic import automatic_features, common_codes
from wellkept.catalogue import Feature, features_of, query_of
from wellkept.clock import clock
from wellkept.errors import NotEnoughData, SpecRefused
from wellkept.grouping import groups_at
from wellkept.hazard_control import Control, followed_visits
from wellkept.journeys import Snapshot
from wellkept.labelling import Question, cohort, labels, question
from wellkept.parts import discover
from wellkept.spec import Spec, matches
from wellkept.visiting import refuse_rules, visiting_at
from wellkept.waiting import Waiting, still_waiting, waiting_at

FEWEST_EVENTS = 20  # of each kind, to train, to calibrate and to judge
FEWEST_FOLDS = 3  # with labels of each kind: a member leaves out one, and chooses its penalty on another
BARE = ["subject_id", "prediction_time", "encounter_id"]
ROLES = ("train", "calibrate", "test", "embargo")


@dataclass(frozen=True)
class Examples:
    """The rows that a model is made of and judged by.

    `points` fits LABELS, every label known, sorted by time; `features` has the same rows. `role` is one of
    ROLES by row; `fold` is the fold of the row's patient. `visiting` has, for the rules of `beside`, one row a training
    patient: the visits that were known when the test period began. `control` is what the hazard learns from, if named.
    `is_answer` says that labels are answers, and `modes` names the ways of asking for them, the reference first.
    `groups` has a column of words for each way to break performance down (wellkept.grouping). `waiting` has the points
    whose deadline was not over when the test period began, of a model that has a clock.
    """

    points: pa.Table
    features: pa.Table
    catalogue: list[Feature]
    role: np.ndarray
    fold: np.ndarray
    visiting: pa.Table | None = None
    control: Control | None = None
    is_answer: bool = False
    modes: tuple[str, ...] = ("",)
    groups: pa.Table = field(default_factory=lambda: pa.table({}))
    waiting: Waiting | None = None

    @property
    def label(self) -> np.ndarray:
        return self.points["label"].to_numpy().astype(bool)

    @property
    def subject(self) -> np.ndarray:
        return self.points["subject_id"].to_numpy()

    def rows(self, *roles: str) -> np.ndarray:
        """Positions of the rows with one of these roles."""
        return np.flatnonzero(np.isin(self.role, roles))

    @property
    def grade(self) -> np.ndarray | None:
        """The whole answers, the smaller the more they are true; None where the label is all there is."""
        grade = self.points["grade"]
        return None if grade.null_count else grade.to_numpy().astype(float)

    @property
    def mode(self) -> np.ndarray:
        """How each answer was asked for, as a place in `modes`; the reference where that is not recorded."""
        return pc.fill_null(pc.index_in(self.points["mode"], pa.array(self.modes)), 0).to_numpy().astype(int)

    @property
    def fitted_rows(self) -> np.ndarray:
        """Where contestants learn: all that was known before the test period (DECISIONS 12)."""
        return self.rows("train", "calibrate")

    @property
    def calibration_rows(self) -> np.ndarray:
        """Where probabilities are calibrated and contestants compared."""
        return self.rows("calibrate") if "calibrate" in self.role else self.rows("train")

    @property
    def test_rows(self) -> np.ndarray:
        """Where performance is stated; where all rows have one date, all of them."""
        return self.rows("test") if "test" in self.role else self.rows("train")


def examples(snapshot: Snapshot, spec: Spec) -> Examples:
    """Points with known labels, their roles and their features.

    Raises
    ------
    NotEnoughData
        Too few labels of either kind to train and judge.
    """
    asked = question(spec.label.true_when, discover("targets"))
    _refuse_odd_answers(asked, spec)
    points = cohort(snapshot, spec.points)
    if points.num_rows == 0:
        what = spec.points.each or "the time"
        raise NotEnoughData("no_points", f"[points] finds nobody: is {what} written as in the journeys, and does "
                            "anybody meet `where`?")  # fmt: skip
    everything = as_asked(snapshot, labels(snapshot, points, asked), spec.asked)
    points = everything.filter(everything["label"].is_valid())
    if points.num_rows == 0:
        raise NotEnoughData("too_few_labels", "not one point has a label that is known: is the code written as in the "
                            f"journeys, and is its window over for anybody? ({spec.label.true_when})")  # fmt: skip
    fold = fold_of(points["subject_id"].to_numpy(), spec.split.folds, spec.seed)
    role = _roles(points, spec)
    _enough(points, role, fold)
    training = points.filter(pa.array(role == "train")).select(BARE)
    catalogue = _catalogue(snapshot, training, spec)
    if spec.baseline and spec.baseline not in {f.name for f in catalogue}:
        raise SpecRefused("baseline", f"the baseline {spec.baseline!r} is none of the {len(catalogue)} features")
    refuse_rules(catalogue, spec)
    begins, control = _test_begins(points, role), None
    if "hazard" in spec.beside:
        control = followed_visits(snapshot, points, spec, asked, catalogue=catalogue, until=begins)
    # without a test period, the clock would have seen the returns of the rows that it is judged on
    rhythm = clock(snapshot, spec.points, asked, begins) if "test" in role else None
    catalogue += [rhythm] if rhythm else []
    waits = still_waiting(snapshot, everything, asked, begins) if rhythm else np.zeros(everything.num_rows, bool)
    table, of_waiting = _features(snapshot, everything, waits, catalogue)
    waiting = None
    if rhythm and waits.any():
        open_yet = everything.filter(pa.array(waits))
        their_fold = fold_of(open_yet["subject_id"].to_numpy(), spec.split.folds, spec.seed)
        over = everything.filter(pc.less_equal(everything["known_at"], begins))
        waiting = waiting_at(snapshot, open_yet, of_waiting, their_fold, over=over, asked=asked, clock=rhythm,
                             until=begins)  # fmt: skip
    visiting = _visiting(snapshot, points, role, catalogue) if spec.beside else None
    return Examples(points, table, catalogue, role, fold, visiting, control, asked.is_answer, _modes(points, spec),
                    groups_at(snapshot, spec, points.select(BARE), table), waiting)  # fmt: skip


def fold_of(subject_ids: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """A fold for each patient, the same in every run: SplitMix64 of the id and the seed."""
    with np.errstate(over="ignore"):
        x = subject_ids.astype(np.uint64) + np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) % np.uint64(folds)).astype(np.int64)


def _roles(points: pa.Table, spec: Spec) -> np.ndarray:
    """Train and calibrate on what was known when the test period began; what became known later is an embargo.

    What became known last calibrates: by the time of the points, no question of a long window would be among it.
    """
    if spec.split.by == "subject":
        return np.full(points.num_rows, "train", dtype=object)
    at = _micros(points["prediction_time"])
    if len(at) == 0:
        return np.full(0, "train", dtype=object)
    if at.min() == at.max():
        raise SpecRefused("split", "all points have one time: write [split] by = \"subject\"")
    test_from = np.quantile(at, 1 - spec.split.test_share, method="lower")
    known = _micros(points["known_at"])
    before = np.flatnonzero((at < test_from) & (known <= test_from))
    role = np.where(at >= test_from, "test", "embargo").astype(object)
    if len(before):
        calibrate_from = np.quantile(known[before], 1 - spec.split.calibration_share, method="lower")
        role[before] = np.where(known[before] < calibrate_from, "train", "calibrate")
    return role


def _features(
    snapshot: Snapshot, points: pa.Table, waits: np.ndarray, catalogue: list[Feature]
) -> tuple[pa.Table, pa.Table]:
    """The features of points with a label, and of those that wait; many are both, and asked for once."""
    labelled = points["label"].is_valid().to_numpy()
    used = labelled | waits
    query = query_of(catalogue)
    table = query.run(snapshot, points.select(BARE).filter(pa.array(used)))
    return table.filter(pa.array(labelled[used])), table.filter(pa.array(waits[used]))


def _visiting(snapshot: Snapshot, points: pa.Table, role: np.ndarray, catalogue: list[Feature]) -> pa.Table:
    """At one moment for all: points lie where visits were, and what is seen of visits there is no fair sample."""
    subjects = pc.unique(points["subject_id"].filter(pa.array(role == "train")))
    return visiting_at(snapshot, subjects, _test_begins(points, role), catalogue)


def _test_begins(points: pa.Table, role: np.ndarray) -> pa.Scalar:
    """When the test period begins; where all rows serve as test rows, their end."""
    at = points["prediction_time"]
    return pc.min(at.filter(pa.array(role == "test"))) if "test" in role else pc.max(at)


def _micros(times: pa.ChunkedArray) -> np.ndarray:
    return pc.cast(times, pa.int64()).to_numpy()


def _enough(points: pa.Table, role: np.ndarray, fold: np.ndarray) -> None:
    label = points["label"].to_numpy().astype(bool) if points.num_rows else np.zeros(0, bool)
    for name in dict.fromkeys([*(["train"] if len(label) == 0 else []), *role]):
        if name == "embargo":
            continue
        events, others = int(label[role == name].sum()), int((~label[role == name]).sum())
        if min(events, others) < FEWEST_EVENTS:
            raise NotEnoughData(
                "too_few_labels",
                f"{name} rows: {events} true and {others} false labels, at least {FEWEST_EVENTS} of each are needed; "
                "ingest more history, or ask a shorter question",
            )
    fitted = np.isin(role, ["train", "calibrate"])
    if min(len(np.unique(fold[fitted & (label == kind)])) for kind in (False, True)) < FEWEST_FOLDS:
        raise NotEnoughData("too_few_labels", "labels of one kind belong to a handful of patients: members that do not "
                            "see a fold of patients would have nothing to learn from")  # fmt: skip
    if "train" not in role:
        raise NotEnoughData("too_few_labels", "no label was known before the test period: a longer history is needed")


def _catalogue(snapshot: Snapshot, training: pa.Table, spec: Spec) -> list[Feature]:
    features = features_of(tuple(name for name in spec.families if name != "auto"))
    if "auto" in spec.families:
        facts = common_codes(snapshot, training, spec.automatic, spec.audit)
        features += automatic_features(facts, spec.automatic.windows, snapshot.codes)
    return [replace(f, protected=any(matches(code, spec.protected) for code in f.codes)) for f in features]


def _refuse_odd_answers(asked: Question, spec: Spec) -> None:
    """[asked] and `second_cut` are for answers about the encounter, and for numbers of which the smaller are true."""
    if spec.asked is not None and not (asked.is_answer and spec.label.true_when.endswith("in the same encounter")):
        raise SpecRefused("asked", "[asked] is for labels that are answers 'in the same encounter', "
                          f"not for {spec.label.true_when!r}")  # fmt: skip
    if spec.label.second_cut is not None and asked.graded != 1:
        raise SpecRefused("second_cut", "second_cut is for answers that are true up to a number, "
                          f"not for {spec.label.true_when!r}")  # fmt: skip


def _modes(points: pa.Table, spec: Spec) -> tuple[str, ...]:
    """The ways of asking, the reference first: the one that the model's TOML names, or else the commonest."""
    counts = {c["values"]: c["counts"] for c in pc.value_counts(points["mode"]).to_pylist() if c["values"] is not None}
    if spec.asked is None or not (counts or spec.asked.reference):
        return ("",)
    reference = spec.asked.reference or max(counts, key=lambda mode: (counts[mode], mode))
    if reference not in counts:
        raise SpecRefused("asked", f"[asked] reference = {reference!r} is no way in which an answer was asked for: "
                          f"there are {', '.join(sorted(counts)) or 'none, or no encounter ids'}")  # fmt: skip
    return (reference, *sorted(counts.keys() - {reference}))
