"""A trained model and the journeys in; the level of all who were asked in the test period, silent or not, out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from wellkept.asking import invited
from wellkept.calibrating import sigmoid
from wellkept.catalogue import query_of
from wellkept.evaluating import triple
from wellkept.examples import Examples, fold_of
from wellkept.intervals import Estimate
from wellkept.journeys import Snapshot
from wellkept.labelling import question
from wellkept.learning import Estimator, Outcomes, own_margin
from wellkept.logistic import fit_logistic
from wellkept.nonresponse import Answers, corrected, enough, levels, moved
from wellkept.parts import discover
from wellkept.spec import Spec
from wellkept.training import Trained


@dataclass(frozen=True)
class Everybody:
    """How many were asked and answered, the levels of all of them, and what corrects the risk of one.

    `levels` are those of `nonresponse.levels`, and `response` gives the margin of answering; without levels and None
    where too few answered, or too few did not.
    """

    counts: dict[str, int]
    levels: dict[str, Estimate]
    response: Estimator | None
    offset: float

    @property
    def plain(self) -> dict:
        """Plain data for a bundle: counts, the follow-up's offset, and level -> [value, low, high]."""
        told = {name: triple(level) for name, level in self.levels.items()}
        return {**self.counts, "offset": self.offset, "levels": told}

    def risk(self, risk: np.ndarray, X: np.ndarray, fold: np.ndarray) -> np.ndarray:
        """The stated risks of these rows, of the encoder's matrix X, as they are of anybody: answering or not.

        Raises
        ------
        ValueError
            No follow-up told how the silent differ: nothing can be corrected.
        """
        if self.response is None or "shift" not in self.levels:
            raise ValueError("how those who do not answer differ is not known: there is no follow-up that could tell")
        chance, of_answering = sigmoid(own_margin(self.response, X, fold)), moved(risk, self.levels["anchor"].value)
        return corrected(of_answering, chance, self.levels["shift"].value)


def everybody(snapshot: Snapshot, spec: Spec, data: Examples, trained: Trained) -> Everybody | None:
    """The levels of all who were asked since the test period began, in the reference way; None without [asked]."""
    if spec.asked is None:
        return None
    effects = dict(zip(data.modes, trained.shipped.mode_effects.tolist(), strict=True))
    offset = effects.get(spec.asked.follow_up_like, 0.0)
    since = pc.min(data.points["prediction_time"].take(data.test_rows)).as_py()
    who = invited(snapshot, spec, spec.asked, question(spec.label.true_when, discover("targets")), since)
    answered = np.isfinite(who.answer)
    heard = who.follow_up[np.isfinite(who.follow_up)]
    counts = {"asked": len(answered), "answered": int(answered.sum()), "called": int(who.called.sum()),
              "followed_up": len(heard), "followed_up_true": int(heard.sum())}  # fmt: skip
    if not enough(answered):
        return Everybody(counts, {}, None, offset)
    points = who.points.select(["subject_id", "prediction_time", "encounter_id"])
    query = query_of(trained.encoder.features)
    X = trained.encoder.matrix(query.run(snapshot, points))
    subject = points["subject_id"].to_numpy()
    fold = fold_of(subject, spec.split.folds, spec.seed)
    response = fit_logistic(X, Outcomes(answered, np.ones(len(X)), fold), spec.split.folds, spec.logistic).estimator
    chance = sigmoid(own_margin(response, X, fold))
    asked_as = np.array([effects.get(mode, 0.0) for mode in who.points["mode"].to_pylist()])
    answers = Answers(stated_risk(trained, X, fold), chance, who.answer, who.follow_up, subject, asked_as, offset)
    return Everybody(counts, levels(answers), response, offset)


def stated_risk(trained: Trained, X: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """The risk of each row by the member that never saw its patient."""
    shipped = trained.shipped
    return sigmoid(shipped.slope * own_margin(shipped.estimator, X, fold) + shipped.intercept)
