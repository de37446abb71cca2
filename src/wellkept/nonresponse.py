"""Risks, chances to answer and the answers of all who were asked in; the level of everybody, silent or not, out.

A risk that was learned from answers is that of patients who answer. Those who do not may differ where every feature is
the same, and no weighting of answers shows it: only asking a random sample of them does (pattern mixture, Little 1993,
doi:10.1080/01621459.1993.10594302). Their difference is told as a `shift` of the risk in log-odds.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np

from wellkept.calibrating import fit_logistic, logit, sigmoid
from wellkept.intervals import Estimate, estimate, members_of, multiplicities

SHIFTS = (0.2, 0.4, 0.6)  # what if the silent differed so much: odds 1.22, 1.49 and 1.82 times
MOST_WEIGHT = 20.0  # of one answer: a chance to answer below 1/20 counts as 1/20, so that no single patient decides
FEWEST = 100  # answers, and invitations without one, below which no level is stated
FEWEST_FOLLOWED, FEWEST_EVENTS = 50, 5  # follow-up answers, and those of them that are true
PRIOR_PRECISION = 0.25  # of the shift, N(0, 2^2): hardly felt by 50 answers, and finite where all are alike


@dataclass(frozen=True)
class Answers:
    """What is known of all who were asked, one row an invitation.

    Attributes
    ----------
    risk
        Shape (n,), probability: stated by a model of the answers that never saw the patient.
    chance
        Shape (n,), probability: to answer.
    answer
        Shape (n,): 1 came true, 0 did not, NaN no answer.
    follow_up
        Shape (n,): the same of a random sample of those who gave no answer; NaN where there is none.
    subject
        Shape (n,): whose row it is.
    asked_as, followed_as
        Shape (n,) or one number, log-odds: by how much the way of asking moves the answer, and the follow-up's (a
        telephone makes them kinder: below 0). Levels are those of the reference way, at 0, but for `respondents` and
        `weighted`, which are made of answers as they were given.
    """

    risk: np.ndarray
    chance: np.ndarray
    answer: np.ndarray
    follow_up: np.ndarray
    subject: np.ndarray
    asked_as: np.ndarray | float = 0.0
    followed_as: np.ndarray | float = 0.0

    @property
    def answered(self) -> np.ndarray:
        return np.isfinite(self.answer)

    @property
    def followed(self) -> np.ndarray:
        """Those whose follow-up answer stands for the silent."""
        return np.isfinite(self.follow_up) & ~self.answered

    @property
    def tells_shift(self) -> bool:
        """Are there enough follow-up answers to tell how the silent differ?"""
        heard = self.follow_up[self.followed]
        return len(heard) >= FEWEST_FOLLOWED and heard.sum() >= FEWEST_EVENTS


def enough(answered: np.ndarray) -> bool:
    """Did enough answer, and enough not, to state levels of both?"""
    return min(int(answered.sum()), int((~answered).sum())) >= FEWEST


def levels(answers: Answers, *, resamples: int = 200, seed: int = 0) -> dict[str, Estimate]:
    """How often it comes true among all who were asked, by what one is ready to believe of the silent.

    Intervals are 2.5 and 97.5 percentiles over resamples of whole patients; the two models (risk, chance to answer) are
    held as they are. There must be `enough` answers.

    Returns
    -------
    respondents
        Share among those who answered.
    stated
        Mean risk, as it was stated.
    anchor
        Log-odds by which the answers of this period differ from the stated risks. From here on the risk is
        sigmoid(logit(risk) + anchor), so that all that is left is how the silent differ from those who answered.
    missing_at_random
        Mean risk, as if the silent were like patients of the same features who answer: a shift of 0.
    weighted
        Share among those who answered, each weighted by 1 / chance (at most MOST_WEIGHT): the same belief.
    shifted_0.2, shifted_0.4, shifted_0.6
        Mean of `corrected` with such a shift.
    shift, followed_up
        Only where `answers.tells_shift`: by how much the silent who were followed up differ from those who answered, in
        log-odds at equal features, and the mean of `corrected` with it.
    """
    members = members_of(answers.subject)
    draws = islice(multiplicities(int(members.max()) + 1, seed), resamples)
    value = _levels(answers, np.ones(len(members)))
    drawn = [_levels(answers, times[members]) for times in draws]
    return {name: estimate(value[name], [d[name] for d in drawn]) for name in value}


def corrected(risk: np.ndarray, chance: np.ndarray, shift: float) -> np.ndarray:
    """The risk of anybody, answering or not: chance risk + (1 - chance) sigmoid(logit(risk) + shift)."""
    return chance * risk + (1 - chance) * moved(risk, shift)


def moved(risk: np.ndarray, shift: np.ndarray | float) -> np.ndarray:
    """sigmoid(logit(risk) + shift)."""
    return sigmoid(logit(risk) + shift)


def shift_of(
    label: np.ndarray, risk: np.ndarray, weight: np.ndarray | None = None, offset: np.ndarray | float = 0.0
) -> float:
    """The most probable shift where labels come true with sigmoid(logit(risk) + offset + shift); finite for any labels.

    Parameters
    ----------
    label, risk, weight
        Shape (n,): 1 or 0, the stated probability, and how much the row counts (default 1).
    offset
        Shape (n,) or one number, log-odds that are known beforehand.
    """
    weight = np.ones(len(label)) if weight is None else weight
    prior = np.zeros(1), np.full(1, PRIOR_PRECISION)
    return float(fit_logistic(np.ones((len(label), 1)), weight * label, weight, prior=prior,
                              offset=logit(risk) + offset)[0])  # fmt: skip


def _levels(answers: Answers, weight: np.ndarray) -> dict[str, float]:
    rows = answers.answered
    label, counts = answers.answer[rows], weight[rows]
    inverse = 1 / np.maximum(answers.chance[rows], 1 / MOST_WEIGHT)
    anchor = shift_of(label, answers.risk[rows], counts, np.broadcast_to(answers.asked_as, rows.shape)[rows])
    risk = moved(answers.risk, anchor)

    def level(shift: float) -> float:
        return float(np.average(corrected(risk, answers.chance, shift), weights=weight))

    told = {
        "respondents": float(np.average(label, weights=counts)),
        "stated": float(np.average(answers.risk, weights=weight)),
        "anchor": anchor,
        "missing_at_random": level(0.0),
        "weighted": float(np.average(label, weights=counts * inverse)),
        **{f"shifted_{shift:g}": level(shift) for shift in SHIFTS},
    }
    if not answers.tells_shift:
        return told
    rows = answers.followed
    offset = np.broadcast_to(answers.followed_as, rows.shape)[rows]
    shift = shift_of(answers.follow_up[rows], risk[rows], weight[rows], offset)
    return {**told, "shift": shift, "followed_up": level(shift)}
