"""Labels, risks and whose they are in; how good the risks are, with intervals over patients, out.

Every measure is a function of a `Tally` (`wellkept.tallying`): the distinct risks with the weight of the events and
of the non-events at each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np

from wellkept.checks import labels, risks, same_length
from wellkept.intervals import Estimate, estimate, mean_over, members_of, multiplicities
from wellkept.measures import (
    accuracy,
    all_measures,
    benefit,
    brier_losses,
    discrimination,
    essential_measures,
    log_losses,
)
from wellkept.tallying import Tally, acted_on, check_enough, tallier


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
    _usable(capacity, thresholds, resamples)
    return _over_patients(label, (risk,), subject, lambda counted: all_measures(counted, capacity, thresholds),
                          resamples=resamples, seed=seed)  # fmt: skip


def essentials(
    label: np.ndarray, risk: np.ndarray, subject: np.ndarray, *, resamples: int = 200, seed: int = 0
) -> dict[str, Estimate]:
    """The few figures that a group of patients is judged by, named, measured and raised like those of `metrics`.

    `base_rate`, `auroc`, `brier`, `brier_skill`, `log_loss`, `observed_expected`, `calibration_slope`.
    """
    return _over_patients(label, (risk,), subject, essential_measures, resamples=resamples, seed=seed)


def compared(
    label: np.ndarray,
    risk_a: np.ndarray,
    risk_b: np.ndarray,
    subject: np.ndarray,
    *,
    capacity: float = 0.10,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Estimate]:
    """How much better a is than b on the same rows: the figures of a minus those of b.

    `auroc`, `brier`, `log_loss`, `net_benefit_at_capacity`; of losses, below zero a is better. The same resamples of
    whole patients judge both. Acting on as many rows, both are held to one exchange of true for
    false alarms: the risk at which b's capacity ends.

    Raises
    ------
    ValueError, NotEnoughData
        As in `metrics`.
    """
    _usable(capacity, (), resamples)

    def differences(a: Tally, b: Tally) -> dict[str, float]:
        ours, theirs = ({**discrimination(x), **accuracy(x)} for x in (a, b))
        (acted_a, _), (acted_b, cut_off) = (acted_on(x, capacity) for x in (a, b))
        gain = benefit(a, acted_a, cut_off) - benefit(b, acted_b, cut_off)
        return {**{name: ours[name] - theirs[name] for name in ("auroc", "brier", "log_loss")},
                "net_benefit_at_capacity": gain}  # fmt: skip

    return _over_patients(label, (risk_a, risk_b), subject, differences, resamples=resamples, seed=seed)


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
    losses = {"log_loss": log_losses, "brier": brier_losses}
    if loss not in losses:
        raise ValueError(f"loss is {loss!r}; it must be one of {', '.join(losses)}")
    label, a, b, subject = labels(label), risks(risk_a), risks(risk_b), np.asarray(subject)
    same_length(label=label, risk_a=a, risk_b=b, subject=subject)
    _usable(1.0, (), resamples)
    check_enough(len(np.unique(subject[label])), len(np.unique(subject[~label])), "patients")
    return mean_over(losses[loss](label, a) - losses[loss](label, b), subject, resamples=resamples, seed=seed)


def _over_patients(
    label: np.ndarray, stated: Sequence[np.ndarray], subject: np.ndarray, measure: Callable[..., dict[str, float]],
    *, resamples: int, seed: int,
) -> dict[str, Estimate]:  # fmt: skip
    """`measure` of the tally of each of the risks, with intervals over resamples of whole patients."""
    label, stated, subject = labels(label), [risks(risk) for risk in stated], np.asarray(subject)
    same_length(label=label, **dict(zip(("risk",) if len(stated) == 1 else ("risk_a", "risk_b"), stated, strict=True)),
                subject=subject)  # fmt: skip
    check_enough(len(np.unique(subject[label])), len(np.unique(subject[~label])), "patients")
    members, talliers = members_of(subject), [tallier(label, risk) for risk in stated]

    def measured(weight: np.ndarray) -> dict[str, float]:
        return measure(*(tallied(weight) for tallied in talliers))

    value = measured(np.ones(len(label)))
    drawn = [measured(weight) for weight in islice(_weights_drawn(label, members, seed), resamples)]
    return {name: estimate(value[name], [d[name] for d in drawn]) for name in value}


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


