"""Labels, risks and whose they are in; how good the risks are, with intervals over patients, out.

Every measure is a function of a `Tally` (`wellkept.tallying`): the distinct risks with the weight of the events and
of the non-events at each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np

from wellkept.calibrating import CLIP, clipped, fit_logistic, logit
from wellkept.checks import labels, risks, same_length
from wellkept.intervals import Estimate, estimate, mean_over, members_of, multiplicities
from wellkept.tallying import (
    NARROWEST,
    RIDGE,
    ROUNDING,
    Tally,
    check_enough,
    positions_at,
    smooth_calibration,
    tallier,
)


def metrics(
    label: np.ndarray,
    risk: np.ndarray,
    subject: np.ndarray,
    *,
    capacity: float = 0.10,
    thresholds: Sequence[float] = (0.1, 0.2),
    resamples: int = 200,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Judge risks against what came true: discrimination, calibration and usefulness.

    Intervals are 2.5 and 97.5 percentiles over resamples of whole patients, each with all its rows (Field and
    Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x). Resampling adds noise that `ici` and `e90` count as
    miscalibration; of well-calibrated risks, their interval lies high and can miss the value.

    Parameters
    ----------
    label
        Shape (n,): did it come true.
    risk
        Shape (n,), probability: what was stated.
    subject
        Shape (n,): whose row it is.
    capacity
        Share of the rows that can be acted on. It is not rounded to whole rows, and rows that tie at the
        cut-off share what is left of it equally: the expectation over ties broken at random.
    thresholds
        Risks from which one would act, for net benefit.
    resamples, seed
        How often to draw patients, and from which start.

    Returns
    -------
    base_rate
        Share of rows that came true.
    auroc
        Chance that an event's risk is above a non-event's, ties counting half.
    auprc
        Average precision: sum of (R_i - R_(i-1)) P_i over distinct risks, as scikit-learn has it.
    brier, log_loss
        Means of (label - risk)^2 and of -log(chance given to what happened), in nats.
    brier_skill
        1 - brier / (base_rate (1 - base_rate)); 0 is as good as stating the base rate.
    calibration_intercept
        Log-odds a in sigmoid(a + logit(risk)); 0 is right on average (Van Calster 2019,
        doi:10.1186/s12916-019-1466-7).
    calibration_slope
        b in sigmoid(a + b logit(risk)); below 1 the risks are too extreme; nan where all risks are equal.
    observed_expected
        Sum of labels / sum of risks.
    ici, e90
        Mean and 90th percentile of |smooth_calibration - risk| (Austin and Steyerberg 2019,
        doi:10.1002/sim.8281).
    recall_at_capacity, ppv_at_capacity, lift_at_capacity
        Of the top `capacity` of rows: share of all events, share that are events, and the latter / base_rate.
    net_benefit_0.10, ..., net_benefit_at_capacity
        (true positives - false positives t / (1 - t)) / n when acting from risk t up, the last at the
        risk where capacity ends (Vickers 2019, doi:10.1186/s41512-019-0064-7).

    References
    ----------
    Harrell 2015, Regression Modeling Strategies, second edition, for the spline.

    Raises
    ------
    ValueError
        Shapes differ, something is missing, or a risk, a threshold or the capacity lies outside its range.
    NotEnoughData
        Fewer than 10 patients with events or 10 with non-events, hence also when there are fewer such rows.
    """
    label, risk, subject = labels(label), risks(risk), np.asarray(subject)
    same_length(label=label, risk=risk, subject=subject)
    _usable(capacity, thresholds, resamples)
    check_enough(len(np.unique(subject[label])), len(np.unique(subject[~label])), "patients")
    members = members_of(subject)
    tallied = tallier(label, risk)

    value = _measures(tallied(np.ones(len(risk))), capacity, thresholds)
    weights = islice(_weights_drawn(label, members, seed), resamples)
    drawn = [_measures(tallied(weight), capacity, thresholds) for weight in weights]
    return {name: estimate(value[name], [d[name] for d in drawn]) for name in value}


def paired_difference(
    label: np.ndarray,
    risk_a: np.ndarray,
    risk_b: np.ndarray,
    subject: np.ndarray,
    *,
    loss: str = "log_loss",
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """Mean loss ("log_loss" or "brier") of risk_a minus that of risk_b; below zero, a is better.

    The same resamples of whole patients judge both. Raises like `metrics`.
    """
    losses = {"log_loss": _log_loss, "brier": _brier}
    if loss not in losses:
        raise ValueError(f"loss is {loss!r}; it must be one of {', '.join(losses)}")
    label, a, b, subject = labels(label), risks(risk_a), risks(risk_b), np.asarray(subject)
    same_length(label=label, risk_a=a, risk_b=b, subject=subject)
    _usable(1.0, (), resamples)
    check_enough(len(np.unique(subject[label])), len(np.unique(subject[~label])), "patients")
    return mean_over(losses[loss](label, a) - losses[loss](label, b), subject, resamples=resamples, seed=seed)


def net_benefit(counted: Tally, threshold: float) -> float:
    """(true positives - false positives t / (1 - t)) / n when acting on every risk of at least t."""
    return _benefit(counted, counted.risk >= threshold, threshold)


def _measures(counted: Tally, capacity: float, thresholds: Sequence[float]) -> dict[str, float]:
    return {
        "base_rate": counted.base_rate,
        **_discrimination(counted),
        **_accuracy(counted),
        **_calibration(counted),
        **_at_capacity(counted, capacity),
        **{f"net_benefit_{_written(t)}": net_benefit(counted, t) for t in thresholds},
    }


def _discrimination(counted: Tally) -> dict[str, float]:
    events, others = counted.events, counted.others
    below = np.cumsum(others) - others / 2
    true, false = counted.from_top()
    precision = true / (true + false)
    return {
        "auroc": float(events @ below / (events.sum() * others.sum())),
        "auprc": float(events[::-1] @ precision / events.sum()),
    }


def _accuracy(counted: Tally) -> dict[str, float]:
    yes, no = np.ones(len(counted.risk), bool), np.zeros(len(counted.risk), bool)
    n, rate = counted.total.sum(), counted.base_rate

    def mean(loss: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float:
        return float((counted.events @ loss(yes, counted.risk) + counted.others @ loss(no, counted.risk)) / n)

    brier = mean(_brier)
    return {"brier": brier, "brier_skill": 1 - brier / (rate * (1 - rate)), "log_loss": mean(_log_loss)}


def _calibration(counted: Tally) -> dict[str, float]:
    x, total = logit(counted.risk), counted.total
    ones = np.ones((len(x), 1))
    shift = fit_logistic(ones, counted.events, total, prior=(np.zeros(1), np.full(1, RIDGE)), offset=x)
    prior = np.array([0.0, 1.0]), np.full(2, RIDGE)
    line = fit_logistic(np.column_stack([ones, x]), counted.events, total, prior=prior)
    gap = np.abs(smooth_calibration(counted) - counted.risk)
    order = np.argsort(gap)
    return {
        "calibration_intercept": float(shift[0]),
        "calibration_slope": float(line[1]) if np.ptp(x) > NARROWEST else np.nan,
        "observed_expected": float(counted.events.sum() / max(total @ counted.risk, CLIP * total.sum())),
        "ici": float(total @ gap / total.sum()),
        "e90": float(gap[order][positions_at(total[order], (0.9,))][0]),
    }


def _at_capacity(counted: Tally, capacity: float) -> dict[str, float]:
    total = counted.total
    room = capacity * total.sum()
    above = total.sum() - np.cumsum(total)
    acted = np.clip((room - above) / total, 0, 1)
    cut_off = float(counted.risk[np.flatnonzero(acted > ROUNDING)[0]])
    found = float(acted @ counted.events)
    return {
        "recall_at_capacity": found / float(counted.events.sum()),
        "ppv_at_capacity": found / float(room),
        "lift_at_capacity": found / float(room) / counted.base_rate,
        "net_benefit_at_capacity": _benefit(counted, acted, cut_off),
    }


def _benefit(counted: Tally, acted: np.ndarray, threshold: float) -> float:
    odds = threshold / max(1 - threshold, CLIP)
    return float((acted @ counted.events - odds * (acted @ counted.others)) / counted.total.sum())


def _log_loss(label: np.ndarray, risk: np.ndarray) -> np.ndarray:
    return -np.log(clipped(np.where(label, risk, 1 - risk)))


def _brier(label: np.ndarray, risk: np.ndarray) -> np.ndarray:
    return (label - risk) ** 2


def _weights_drawn(label: np.ndarray, members: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """How often each row counts, draw after draw; draws without events or without non-events are left out."""
    for multiplicity in multiplicities(int(members.max()) + 1, seed):
        weight = multiplicity[members]
        if weight[label].any() and weight[~label].any():
            yield weight


def _usable(capacity: float, thresholds: Sequence[float], resamples: int) -> None:
    if not 0 < capacity <= 1:
        raise ValueError(f"capacity is {capacity}; it is a share of the rows, above 0 and at most 1")
    if not all(0 < t < 1 for t in thresholds):
        raise ValueError(f"thresholds are {tuple(thresholds)}; each must lie between 0 and 1")
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}; at least one is needed")


def _written(threshold: float) -> str:
    return f"{threshold:.2f}" if round(threshold, 2) == threshold else f"{threshold:g}"
