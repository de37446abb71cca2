"""How patients came so far in; two rules of thumb for who stays away out, for a model of no return to beat.

Neither knows an appointment or anything else about the patient (METHOD.md, section 2.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, digamma, expit, gammaln

from wellkept.checks import finite, same_length
from wellkept.errors import NotEnoughData

WIDEST = 10.0  # parameters stay between exp(-10) and exp(10) times their start: where all are alike, one runs away


@dataclass(frozen=True)
class BgNbd:
    """Patients who visit at a rate of their own and, after each visit, may leave for good, unseen.

    The beta-geometric / negative binomial model of Fader, Hardie and Lee (2005, doi:10.1287/mksc.1040.0098). Its
    terms of a patient, each of shape (n,): *frequency*, visits after the first; *recency*, days from the first visit
    to the latest; *age*, days from the first visit to now.

    Attributes
    ----------
    r, alpha
        Shape and rate (days) of the gamma distribution of visits a day.
    a, b
        The beta distribution of the chance to leave after a visit; the first visit is none of these.
    """

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, frequency: np.ndarray, recency: np.ndarray, age: np.ndarray) -> np.ndarray:
        """Shape (n,), in nats: of frequency and recency, given the age."""
        rate = gammaln(self.r + frequency) - gammaln(self.r) + self.r * np.log(self.alpha)
        stayed = betaln(self.a, self.b + frequency) - betaln(self.a, self.b)
        here = rate + stayed - (self.r + frequency) * np.log(self.alpha + age)
        return here + np.logaddexp(0, self._log_odds_gone(frequency, recency, age))

    def chance_of_none(
        self, frequency: np.ndarray, recency: np.ndarray, age: np.ndarray, ahead: np.ndarray
    ) -> np.ndarray:
        """Shape (n,): the chance of no visit in the next `ahead` days, whether left for good or only not coming.

        1 - P(alive) (1 - ((alpha + age) / (alpha + age + ahead))^(r + frequency)): whoever is alive has visits at a
        rate that is gamma distributed with shape r + frequency and rate alpha + age.
        """
        alive = expit(-self._log_odds_gone(frequency, recency, age))
        none_of_alive = (self.r + frequency) * -np.log1p(ahead / (self.alpha + age))
        return 1 + alive * np.expm1(none_of_alive)

    def gradient(self, frequency: np.ndarray, recency: np.ndarray, age: np.ndarray) -> np.ndarray:
        """Shape (4, n): of the log likelihood, by r, alpha, a and b."""
        gone = expit(self._log_odds_gone(frequency, recency, age))
        r, both = self.r + frequency, digamma(self.a + self.b) - digamma(self.a + self.b + frequency)
        now, latest = self.alpha + age, self.alpha + recency
        left = gone / (self.b + np.maximum(frequency, 1) - 1)
        return np.stack([
            digamma(r) - digamma(self.r) + np.log(self.alpha) - (1 - gone) * np.log(now) - gone * np.log(latest),
            self.r / self.alpha - r * ((1 - gone) / now + gone / latest),
            both + gone / self.a,
            both + digamma(self.b + frequency) - digamma(self.b) - left,
        ])  # fmt: skip

    def _log_odds_gone(self, frequency: np.ndarray, recency: np.ndarray, age: np.ndarray) -> np.ndarray:
        """Log-odds of having left; nobody has who never came again, since only a visit after the first can be last."""
        again = np.maximum(frequency, 1)
        since = np.log1p((age - recency) / (self.alpha + recency))
        odds = np.log(self.a) - np.log(self.b + again - 1) + (self.r + again) * since
        return np.where(frequency > 0, odds, -np.inf)


def fit_bg_nbd(frequency: np.ndarray, recency: np.ndarray, age: np.ndarray) -> BgNbd:
    """The most likely parameters; one row a patient, in the terms of `BgNbd`.

    Raises
    ------
    ValueError
        Shapes differ, something is missing or negative, or a recency is above its age.
    NotEnoughData
        Nobody has come twice, or the most likely parameters were not found.
    """
    frequency, recency, age = finite("frequency", frequency), finite("recency", recency), finite("age", age)
    same_length(frequency=frequency, recency=recency, age=age)
    if (frequency < 0).any() or (recency < 0).any() or (recency > age).any():
        raise ValueError("frequency and recency are at least 0, and recency is at most age")
    if not ((frequency > 0) & (age > 0)).any():
        raise NotEnoughData("bg_nbd", "no patient has come twice: there is no rhythm of visits to learn")
    unit = age.mean()  # with ages around 1, all four parameters start near where they end

    def loss(logs: np.ndarray) -> tuple[float, np.ndarray]:
        model = BgNbd(*np.exp(logs))
        rows = frequency, recency / unit, age / unit
        return -model.log_likelihood(*rows).mean(), -model.gradient(*rows).mean(axis=1) * np.exp(logs)

    found = minimize(loss, np.zeros(4), jac=True, method="L-BFGS-B", bounds=[(-WIDEST, WIDEST)] * 4,
                     options={"ftol": 1e-10, "maxiter": 1000})  # fmt: skip
    if not found.success:
        raise NotEnoughData("bg_nbd", f"the most likely parameters were not found over {len(age)} patients")
    r, alpha, a, b = np.exp(found.x)
    return BgNbd(float(r), float(alpha * unit), float(a), float(b))


def hiatus(away: np.ndarray, usual_gap: np.ndarray, typical_gap: float) -> np.ndarray:
    """How many times as long as usual a patient has been away: the k that the rule "lost after k gaps" cuts.

    Parameters
    ----------
    away
        Shape (n,), days since the latest visit.
    usual_gap
        Shape (n,), days between visits of the same patient; NaN with fewer than two visits.
    typical_gap
        Days, stands in where a patient has no gap of their own or one of 0.
    """
    own = np.nan_to_num(usual_gap)
    return away / np.where(own > 0, own, typical_gap)
