"""Labels, risks and whose they are in; how good the risks are, with intervals over patients, out.

Every measure is a function of a `Tally`: the distinct risks with the weight of the events and of the
non-events at each. So ties are ties everywhere, and a row that was drawn twice weighs two, never copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from scipy.special import expit

from wellkept.errors import NotEnoughData

CLIP = 1e-9  # logarithms see risks no nearer to 0 and 1 than this (log-odds of +-20.7)
FEWEST = 10  # events, and non-events, and patients with each, below which nothing is stated
RIDGE = 1e-6  # prior precision that keeps a fit finite where events and non-events separate
KNOT_QUANTILES = (0.05, 0.35, 0.65, 0.95)  # of four knots: Harrell 2015, section 2.4.6
NEWTON_STEPS = 50
HALVINGS = 30
ROUNDING = 1e-9  # weights nearer to each other than this share are equal
NARROWEST = 1e-6  # log-odds within which risks count as all equal


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        value, low, high = (f"{x:z.3f}" for x in (self.value, self.low, self.high))
        return f"{value} [{low}{' to ' if '-' in low else '-'}{high}]"


@dataclass(frozen=True)
class Tally:
    """Distinct risks, ascending, with the weight of the events and of the non-events that have each."""

    risk: np.ndarray
    events: np.ndarray
    others: np.ndarray

    @property
    def total(self) -> np.ndarray:
        return self.events + self.others

    @property
    def base_rate(self) -> float:
        return float(self.events.sum() / self.total.sum())

    def from_top(self) -> tuple[np.ndarray, np.ndarray]:
        """Events and non-events at each risk or above it, from the highest risk down."""
        return np.cumsum(self.events[::-1]), np.cumsum(self.others[::-1])


def sigmoid(margin: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-margin)) without overflow; beyond about +-37 and -745 it rounds to exactly 1 and 0."""
    return expit(np.asarray(margin, float))


def logit(risk: np.ndarray) -> np.ndarray:
    """log(risk / (1 - risk)) of risks clipped to [1e-9, 1 - 1e-9], so that 0 and 1 give -20.7 and 20.7."""
    clipped = _clipped(np.asarray(risk, float))
    return np.log(clipped) - np.log1p(-clipped)


def tally(label: np.ndarray, risk: np.ndarray, weight: np.ndarray | None = None) -> Tally:
    """Count events and non-events at each distinct risk; the other functions say what to do with them.

    Raises
    ------
    ValueError
        Shapes differ, something is missing, or a risk lies outside [0, 1].
    NotEnoughData
        Fewer than 10 events or 10 non-events.
    """
    label, risk = _labels(label), _risks(risk)
    weight = np.ones(len(risk)) if weight is None else _weights(weight)
    _same_length(label=label, risk=risk, weight=weight)
    _enough(int(label.sum()), int((~label).sum()), "rows")
    return _tallier(label, risk)(weight)


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
    label, risk, subject = _labels(label), _risks(risk), np.asarray(subject)
    _same_length(label=label, risk=risk, subject=subject)
    _usable(capacity, thresholds, resamples)
    members = _members(label, subject)
    tallied = _tallier(label, risk)

    value = _measures(tallied(np.ones(len(risk))), capacity, thresholds)
    weights = islice(_weights_drawn(label, members, seed), resamples)
    drawn = [_measures(tallied(weight), capacity, thresholds) for weight in weights]
    return {name: _estimate(value[name], [d[name] for d in drawn]) for name in value}


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
    label, a, b, subject = _labels(label), _risks(risk_a), _risks(risk_b), np.asarray(subject)
    _same_length(label=label, risk_a=a, risk_b=b, subject=subject)
    _usable(1.0, (), resamples)
    members = _members(label, subject)
    rows = np.bincount(members)
    sums = np.bincount(members, weights=losses[loss](label, a) - losses[loss](label, b))
    draws = islice(_multiplicities(len(rows), seed), resamples)
    drawn = [float(times @ sums / (times @ rows)) for times in draws]
    return _estimate(float(sums.sum() / len(label)), drawn)


def calibrate_logistic(
    label: np.ndarray,
    margin: np.ndarray,
    weight: np.ndarray | None = None,
    *,
    prior_precision: tuple[float, float] = (4.0, 0.01),
) -> tuple[float, float]:
    """Slope and intercept of risk = sigmoid(slope margin + intercept), drawn to 1 and 0 where labels are few.

    Platt (1999) scaling as a maximum a posteriori: slope ~ N(1, 0.5^2), intercept ~ N(0, 10^2) in log-odds.
    It refuses no number of labels: without any, it gives (1, 0).

    Parameters
    ----------
    label, margin, weight
        Shape (n,): did it come true, the model's log-odds, and how much the row counts (default 1).
    prior_precision
        1 / variance of the slope and of the intercept.

    Raises
    ------
    ValueError
        Shapes differ, something is missing or infinite, or a weight is negative.
    """
    label, margin = _labels(label), _finite("margin", margin)
    weight = np.ones(len(margin)) if weight is None else _weights(weight)
    _same_length(label=label, margin=margin, weight=weight)
    design = np.column_stack([margin, np.ones(len(margin))])
    prior = np.array([1.0, 0.0]), np.array(prior_precision, float)
    slope, intercept = _logistic(design, weight * label, weight, prior=prior)
    return float(slope), float(intercept)


def smooth_calibration(counted: Tally) -> np.ndarray:
    """How often it came true at each risk of the tally: logistic regression on a restricted cubic spline.

    The spline is of logit(risk), with up to four knots at its weighted 5, 35, 65 and 95 % quantiles, rounded
    to 0.001. Where fewer than three differ, it is a straight line; where all risks are equal, the base rate.
    """
    x = logit(counted.risk)
    columns = [x] if np.ptp(x) > NARROWEST else []
    knots = np.unique(np.round(x[_quantiles(counted.total, KNOT_QUANTILES)], 3))
    if len(knots) > 2:
        columns += _spline(x, knots)
    design = np.column_stack([np.ones(len(x)), *(_standardised(column, counted.total) for column in columns)])
    prior = np.zeros(design.shape[1]), np.full(design.shape[1], RIDGE)
    return sigmoid(design @ _logistic(design, counted.events, counted.total, prior=prior))


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
    shift = _logistic(ones, counted.events, total, prior=(np.zeros(1), np.full(1, RIDGE)), offset=x)
    prior = np.array([0.0, 1.0]), np.full(2, RIDGE)
    line = _logistic(np.column_stack([ones, x]), counted.events, total, prior=prior)
    gap = np.abs(smooth_calibration(counted) - counted.risk)
    order = np.argsort(gap)
    return {
        "calibration_intercept": float(shift[0]),
        "calibration_slope": float(line[1]) if np.ptp(x) > NARROWEST else np.nan,
        "observed_expected": float(counted.events.sum() / max(total @ counted.risk, CLIP * total.sum())),
        "ici": float(total @ gap / total.sum()),
        "e90": float(gap[order][_quantiles(total[order], (0.9,))][0]),
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
    return -np.log(_clipped(np.where(label, risk, 1 - risk)))


def _brier(label: np.ndarray, risk: np.ndarray) -> np.ndarray:
    return (label - risk) ** 2


def _clipped(risk: np.ndarray) -> np.ndarray:
    return np.clip(risk, CLIP, 1 - CLIP)


def _logistic(
    design: np.ndarray,
    events: np.ndarray,
    total: np.ndarray,
    *,
    prior: tuple[np.ndarray, np.ndarray],
    offset: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Most probable coefficients under a Gaussian prior (center, precision), by Newton's method."""
    center, precision = prior

    def loss(at: np.ndarray) -> float:
        margin = offset + design @ at
        return total @ np.logaddexp(0, margin) - events @ margin + precision @ (at - center) ** 2 / 2

    at, now = center, loss(center)
    for _ in range(NEWTON_STEPS):
        chance = expit(offset + design @ at)
        gradient = design.T @ (total * chance - events) + precision * (at - center)
        curvature = (design * (total * chance * (1 - chance))[:, None]).T @ design + np.diag(precision)
        step = np.linalg.solve(curvature, gradient)
        if gradient @ step < 1e-12 * (1 + abs(now)):
            break
        at, now = _descended(loss, at, now, step)
    return at


def _descended(
    loss: Callable[[np.ndarray], float], at: np.ndarray, now: float, step: np.ndarray
) -> tuple[np.ndarray, float]:
    """Take the step, halved until the loss does not rise."""
    for _ in range(HALVINGS):
        then = loss(at - step)
        if then <= now:
            return at - step, then
        step = step / 2
    return at, now


def _spline(x: np.ndarray, knots: np.ndarray) -> list[np.ndarray]:
    """The non-linear terms of a restricted cubic spline (Harrell 2015, section 2.4.5)."""
    *_, before_last, last = knots

    def cubed(knot: float) -> np.ndarray:
        return np.maximum(x - knot, 0) ** 3

    return [
        cubed(k)
        - cubed(before_last) * (last - k) / (last - before_last)
        + cubed(last) * (before_last - k) / (last - before_last)
        for k in knots[:-2]
    ]


def _standardised(column: np.ndarray, weight: np.ndarray) -> np.ndarray:
    centered = column - np.average(column, weights=weight)
    spread = np.sqrt(np.average(centered**2, weights=weight))
    return centered / spread if spread > 0 else centered


def _quantiles(weight: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """Positions at which the sum of the weights first reaches these shares of it."""
    reached = np.cumsum(weight)
    return np.searchsorted(reached, np.array(shares) * reached[-1] * (1 - ROUNDING))


def _tallier(label: np.ndarray, risk: np.ndarray) -> Callable[[np.ndarray], Tally]:
    """Sort once; what comes back tallies the rows by their weights and leaves out risks without any."""
    levels, level = np.unique(risk, return_inverse=True)

    def tallied(weight: np.ndarray) -> Tally:
        events = np.bincount(level, weights=weight * label, minlength=len(levels))
        others = np.bincount(level, weights=weight * ~label, minlength=len(levels))
        kept = events + others > 0
        return Tally(levels[kept], events[kept], others[kept])

    return tallied


def _members(label: np.ndarray, subject: np.ndarray) -> np.ndarray:
    """Each row's patient, counted from 0."""
    if subject.dtype.kind == "f":
        _finite("subject", subject)
    _enough(len(np.unique(subject[label])), len(np.unique(subject[~label])), "patients")
    return np.unique(subject, return_inverse=True)[1]


def _weights_drawn(label: np.ndarray, members: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """How often each row counts, draw after draw; draws without events or without non-events are left out."""
    for multiplicity in _multiplicities(int(members.max()) + 1, seed):
        weight = multiplicity[members]
        if weight[label].any() and weight[~label].any():
            yield weight


def _multiplicities(patients: int, seed: int) -> Iterator[np.ndarray]:
    """How often each patient is drawn when as many are drawn as there are, with replacement; without end."""
    random = np.random.default_rng(seed)
    while True:
        yield np.bincount(random.integers(0, patients, patients), minlength=patients).astype(float)


def _estimate(value: float, drawn: Sequence[float]) -> Estimate:
    finite = np.array(drawn)[np.isfinite(drawn)]
    low, high = np.quantile(finite, (0.025, 0.975)) if len(finite) else (np.nan, np.nan)
    return Estimate(value, float(low), float(high))


def _labels(label: np.ndarray) -> np.ndarray:
    known = np.asarray(label)
    if known.dtype != bool and not np.isin(known, (0, 1)).all():
        raise ValueError("label must be true or false on every row; leave out rows where it is not known")
    return known.astype(bool)


def _risks(risk: np.ndarray) -> np.ndarray:
    stated = _finite("risk", risk)
    outside = int(((stated < 0) | (stated > 1)).sum())
    if outside:
        raise ValueError(f"risk lies outside [0, 1] on {outside} of {len(stated)} rows; are these log-odds?")
    return stated


def _weights(weight: np.ndarray) -> np.ndarray:
    stated = _finite("weight", weight)
    if (stated < 0).any():
        raise ValueError(f"weight is negative on {int((stated < 0).sum())} of {len(stated)} rows")
    return stated


def _finite(name: str, values: np.ndarray) -> np.ndarray:
    numbers = np.asarray(values, float)
    unknown = int((~np.isfinite(numbers)).sum())
    if unknown:
        raise ValueError(f"{name} is missing or infinite on {unknown} of {numbers.size} rows")
    return numbers


def _same_length(**arrays: np.ndarray) -> None:
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"all must have one axis and one length; found {found}")


def _usable(capacity: float, thresholds: Sequence[float], resamples: int) -> None:
    if not 0 < capacity <= 1:
        raise ValueError(f"capacity is {capacity}; it is a share of the rows, above 0 and at most 1")
    if not all(0 < t < 1 for t in thresholds):
        raise ValueError(f"thresholds are {tuple(thresholds)}; each must lie between 0 and 1")
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}; at least one is needed")


def _enough(events: int, others: int, unit: str) -> None:
    if min(events, others) < FEWEST:
        raise NotEnoughData(
            "too_few_labels",
            f"{events} {unit} with events and {others} with non-events; at least {FEWEST} of each are needed "
            "to state how good the risks are: wait for more labels",
        )


def _written(threshold: float) -> str:
    return f"{threshold:.2f}" if round(threshold, 2) == threshold else f"{threshold:g}"
