"""Labels as they became known, with what was stated, in; whether the level still holds, sequentially, out: layer 4.

Every label counts once, at the first of its model's moments, from the end of the training data on. O/E is held to
[0.85, 1.15] and the slope to [0.8, 1.2] (METHOD.md, section 8); the e-detectors of `sequential` tell when O/E has left
its band, with fewer than one false alarm in two years from all ways of asking together. A change in how patients are
asked is seen in the invitations themselves, long before their answers come.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from wellkept.calibrating import fit_logistic, logit, sigmoid
from wellkept.grouping import UNKNOWN
from wellkept.intervals import Estimate, members_of
from wellkept.monitoring.findings import Finding
from wellkept.monitoring.sequential import evidence, first_beyond, odds_band

RATIO, SLOPE = (0.85, 1.15), (0.8, 1.2)
ODDS_OF_ASKING = (2 / 3, 1.5)  # a way of asking whose odds moved by less is no other way of asking
STEPS_OF_ASKING = (1.5, 3.0)
FEWEST, FEWEST_EVENTS = 200, 50  # labels, and events among them, to state O/E and slope
ERRORS = 4.0  # standard errors beyond which a slope is out: every night looks at it
YEARS = 20  # the goal is two: an alarm calls for a recalibration, and a step in the evidence is soon ten times as much
FAMILIES = 2  # labels and invitations: fewer than one false alarm in so many years from both together
RAREST = 0.005  # of a way of asking: what training never met counts as so rare


@dataclass(frozen=True)
class Outcomes:
    """Labels in the order in which they became known.

    Attributes
    ----------
    label, risk, subject, known_at
        Shape (n,): did it come true, the risk as stated (in the reference way), whose it is, and since when it is
        known, microseconds since 1970.
    mode
        Shape (n,): how it was asked for; `grouping.UNKNOWN` where that is not recorded.
    """

    label: np.ndarray
    risk: np.ndarray
    subject: np.ndarray
    mode: np.ndarray
    known_at: np.ndarray


def labels_told(outcomes: Outcomes, effects: Mapping[str, float], per_year: float) -> Iterator[Finding]:
    """O/E over all and by way of asking, sequentially and with intervals; and the slope."""
    if len(outcomes.label) == 0:
        yield Finding(4, "observed_expected", "no label from after the training data is known yet")
        return
    asked_as = np.array([effects.get(mode, 0.0) for mode in outcomes.mode.tolist()])
    p = sigmoid(logit(outcomes.risk) + asked_as)
    modes = [m for m in sorted(set(outcomes.mode.tolist())) if m != UNKNOWN] if effects else []
    threshold = FAMILIES * (1 + len(modes)) * YEARS * max(per_year, 1.0)
    yield _level(outcomes, p, np.ones(len(p), bool), "", threshold, "recalibrate")
    for mode in modes:  # of a mode that nothing is added for, the level is the model's own
        calls_for = "recalibrate" if effects.get(mode, 0.0) == 0 else ""
        yield _level(outcomes, p, outcomes.mode == mode, mode, threshold, calls_for)
    yield from _slope(outcomes.label, p)


def asked_otherwise(
    mode: np.ndarray, at: np.ndarray, shares: Mapping[str, float], per_year: float
) -> Iterator[Finding]:
    """Ways of asking that became commoner or rarer among the invitations, in the order in which they went out."""
    modes = sorted({*shares, *mode.tolist()})
    threshold = FAMILIES * len(modes) * YEARS * max(per_year, 1.0)
    for name in modes:
        p = np.full(len(mode), np.clip(shares.get(name, 0.0), RAREST, 1 - RAREST))
        places = [first_beyond(e, threshold) for e in evidence(mode == name, p, ODDS_OF_ASKING, STEPS_OF_ASKING)]
        if found := [i for i in places if i is not None]:
            since, now = min(found), float(np.mean(mode[min(found) :] == name))
            says = (f"{name} is the way of asking in {now:.0%} of the invitations, {shares.get(name, 0):.0%} in "
                    f"training (found on {_day(at[since])}): what answers say moves with it; risks stay those of the "
                    "reference way")  # fmt: skip
            yield Finding(4, "asking", says, feature=name, value=round(now, 4), bar=f"evidence {threshold:.0f}",
                          alarm=True, on=_day(at[since]), after=since + 1)  # fmt: skip


def observed_expected(label: np.ndarray, p: np.ndarray, subject: np.ndarray) -> Estimate:
    """Sum of labels / sum of risks, with a 95 % interval over patients (linearised: Binder 1983)."""
    ratio = float(label.sum() / p.sum())
    of_patient = np.bincount(members_of(subject), weights=label - ratio * p)
    error = float(np.sqrt((of_patient**2).sum()) / p.sum())
    return Estimate(ratio, max(ratio - 1.96 * error, 0.0), ratio + 1.96 * error)


def _level(
    outcomes: Outcomes, p: np.ndarray, rows: np.ndarray, mode: str, threshold: float, calls_for: str
) -> Finding:
    label, p = outcomes.label[rows], p[rows]
    ratio = observed_expected(label, p, outcomes.subject[rows])
    high, low = evidence(label, p, odds_band(RATIO, float(p.mean())))
    places = [i for i in (first_beyond(high, threshold), first_beyond(low, threshold)) if i is not None]
    who = f"of answers by {mode}" if mode else "of all labels"
    says = f"O/E {who} {ratio.value:.2f} [{ratio.low:.2f}-{ratio.high:.2f}], {len(label)} since training"
    on = _day(outcomes.known_at[rows][min(places)]) if places else ""
    if places:
        says += f"; has left {RATIO[0]} to {RATIO[1]} after {min(places) + 1} of them, on {on}"
    return Finding(4, "observed_expected", says, feature=mode, value=round(ratio.value, 4),
                   bar=f"{RATIO[0]} to {RATIO[1]}, evidence {threshold:.0f}", alarm=bool(places),
                   calls_for=calls_for if places else "", on=on, after=min(places) + 1 if places else None)  # fmt: skip


def _slope(label: np.ndarray, p: np.ndarray) -> Iterator[Finding]:
    """Slope of the labels on the stated log-odds, with the standard error of maximum likelihood."""
    events = int(label.sum())
    if len(label) < FEWEST or min(events, len(label) - events) < FEWEST_EVENTS:
        words = f"{len(label)} labels with {events} events: too few to tell the slope"
        yield Finding(4, "slope", words, bar=f"{FEWEST_EVENTS} events")
        return
    slope, error = slope_of(label, p)
    out = slope - ERRORS * error > SLOPE[1] or slope + ERRORS * error < SLOPE[0]
    says = f"slope {slope:.2f} [{slope - 1.96 * error:.2f}-{slope + 1.96 * error:.2f}]"
    yield Finding(4, "slope", says, value=round(slope, 4), bar=f"{SLOPE[0]} to {SLOPE[1]} within {ERRORS:g} errors",
                  alarm=out, calls_for="recalibrate" if out else "")  # fmt: skip


def slope_of(label: np.ndarray, p: np.ndarray) -> tuple[float, float]:
    """b and its standard error in sigmoid(a + b logit(p))."""
    x = logit(p)
    design = np.column_stack([x, np.ones(len(x))])
    at = fit_logistic(design, label.astype(float), np.ones(len(x)), prior=(np.array([1.0, 0.0]), np.full(2, 1e-6)))
    chance = sigmoid(design @ at)
    information = (design * (chance * (1 - chance))[:, None]).T @ design
    return float(at[0]), float(np.sqrt(np.linalg.inv(information)[0, 0]))


def _day(micros: float) -> str:
    return f"{datetime.fromtimestamp(float(micros) / 1e6, UTC):%Y-%m-%d}"
