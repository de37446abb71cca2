"""How good a trained model is, beside what it must beat: every figure with its interval, on rows it never saw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from wellkept.durations import DAY
from wellkept.encoding import fit_encoder
from wellkept.errors import NotEnoughData, SpecRefused
from wellkept.examples import Examples, fold_of
from wellkept.hazard_control import control_risk
from wellkept.intervals import Estimate, mean_over
from wellkept.measures import curves
from wellkept.performance import compared, metrics
from wellkept.return_rules import fit_bg_nbd, hiatus
from wellkept.spec import Spec
from wellkept.subgroups import by_group
from wellkept.tallying import tally
from wellkept.training import Contestant, Trained, logistic_contestant
from wellkept.visiting import gaps, rhythm

RESAMPLES = 200
FEWEST_ROWS = 200  # of a kind of care, to hold two means of it beside each other

Report = dict[str, dict[str, Estimate]]
Track = Callable[[Sequence[str], str], Iterable[str]]


def untold(items: Sequence[str], _what: str) -> Iterable[str]:
    """Go through the items and tell nobody."""
    return items


def evaluate(
    trained: Trained, data: Examples, spec: Spec, rows: np.ndarray | None = None, *,
    risk: Mapping[str, np.ndarray] | None = None, track: Track = untold,
) -> Report:  # fmt: skip
    """Contestant -> metric -> estimate, on the test rows or on other rows that no contestant learned from.

    Beside both contestants stand `baseline`, when the model's TOML names one: a logistic regression on the one
    feature that people go by today; and what it names in `beside`. With the hazard, both it and the shipped contestant
    have `came_true_<kind>` and `stated_<kind>` of each kind of care: means over its rows, where there are enough.
    With a second head, contestants have `nps_stated` and `nps_answered`, the net promoter score, from -1 to 1.
    `risk` is what `contestants_risk` gives, where it is known already; `track` tells a person how far it is.
    """
    rows = data.test_rows if rows is None else rows
    risk = contestants_risk(trained, data, spec) if risk is None else risk
    report = {
        name: metrics(data.label[rows], risk[name][rows], data.subject[rows], resamples=RESAMPLES)
        for name in track([*risk], "figures of each contestant")
    }
    for name, contestant in trained.contestants.items():
        report[name] |= _net_promoter(contestant, data, spec, rows)
    if data.control is not None:
        for name in {trained.shipped.estimator.kind, "hazard"} & set(report):
            report[name] |= _by_kind(data, data.control.rows["kind"].to_numpy(), risk[name], rows)
    return report


def contestants_risk(trained: Trained, data: Examples, spec: Spec) -> dict[str, np.ndarray]:
    """What each contestant, the baseline and the rules of `beside` state of every row, shape (rows,)."""
    risk = {name: contestant.risk for name, contestant in trained.contestants.items()}
    if spec.baseline:
        risk["baseline"] = _baseline(data, spec)
    return risk | {name: RULES[name](data, spec) for name in spec.beside}


def paired(
    risk: Mapping[str, np.ndarray], shipped: str, data: Examples, *, track: Track = untold
) -> dict[str, dict[str, list[float]]]:
    """What ships minus each other contestant on the same test rows and draws, as plain data (performance.compared)."""
    rows = data.test_rows
    label, subject, ours = data.label[rows], data.subject[rows], risk[shipped][rows]
    return {
        name: plain_of(compared(label, ours, risk[name][rows], subject, resamples=RESAMPLES))
        for name in track([name for name in risk if name != shipped], "each beside what ships")
    }


def breakdown(
    risk: np.ndarray, data: Examples, rows: np.ndarray | None = None, *, track: Track = untold
) -> dict:
    """One risk's figures by site, kind of care and group, and its curves, as plain data (`groups`, `curves`)."""
    rows = data.test_rows if rows is None else rows
    groups = {}
    for name in track(data.groups.column_names, "groups"):
        column = data.groups.select([name]).take(pa.array(rows))
        found = by_group(data.label[rows], risk[rows], data.subject[rows], column, resamples=RESAMPLES)[name]
        groups[name] = {level: group.plain for level, group in found.items()}
    return {
        "groups": groups,
        "curves": curves(tally(data.label[rows], risk[rows])),
    }


def plain(trained: Trained, report: Report) -> dict:
    """The evaluation as plain data: contestant -> metric -> [value, low, high]."""
    return {
        "shipped": trained.shipped.estimator.kind,
        "log_loss_trees_minus_logistic": triple(trained.trees_minus_logistic),
        "test": {name: plain_of(measured) for name, measured in report.items()},
    }


def _baseline(data: Examples, spec: Spec) -> np.ndarray:
    chosen = [f for f in data.catalogue if f.name == spec.baseline]
    if not chosen:
        raise SpecRefused("baseline", f"the baseline {spec.baseline!r} is none of the {len(data.catalogue)} features")
    encoder = fit_encoder(chosen, data.features, data.rows("train"))
    if not encoder.features:
        raise SpecRefused("baseline", f"the baseline {spec.baseline!r} never varies over the training rows")
    return logistic_contestant(encoder.matrix(data.features), data, spec).risk


def _net_promoter(contestant: Contestant, data: Examples, spec: Spec, rows: np.ndarray) -> dict[str, Estimate]:
    if contestant.second_risk is None or data.grade is None or spec.label.second_cut is None:
        return {}
    stated = 1 - contestant.second_risk - contestant.risk
    answered = (data.grade > spec.label.second_cut).astype(float) - data.label
    return {
        f"nps_{what}": mean_over(values[rows], data.subject[rows], resamples=RESAMPLES)
        for what, values in (("stated", stated), ("answered", answered))
    }


def _by_kind(data: Examples, kind: np.ndarray, risk: np.ndarray, rows: np.ndarray) -> dict[str, Estimate]:
    by_kind = {str(name): rows[kind[rows] == name] for name in np.unique(kind[rows])}
    return {
        f"{what}_{name}": mean_over(values[some], data.subject[some], resamples=RESAMPLES)
        for name, some in by_kind.items() if len(some) >= FEWEST_ROWS
        for what, values in (("came_true", data.label), ("stated", risk))
    }  # fmt: skip


def _hazard(data: Examples, spec: Spec) -> np.ndarray:
    """The chance of no return that discrete-time hazards state, of either half of the patients by the other."""
    if data.control is None:
        raise SpecRefused("beside", "these examples were made for a model that names no hazard in `beside`")
    half = spec.split.folds / 2
    of_visits = fold_of(data.control.subject, spec.split.folds, spec.seed) < half
    return control_risk(data.control, data.features, of_visits=of_visits, of_rows=data.fold < half, seed=spec.seed)


def _hiatus(data: Examples, spec: Spec) -> np.ndarray:
    """The risk by how many usual gaps a patient has been away: every k of the rule at once, calibrated."""
    away, gap = gaps(data.features)
    known = gap[data.rows("train")]
    known = known[known > 0]  # not NaN either
    if len(known) == 0:
        raise NotEnoughData("hiatus", "no patient of the training rows has come twice: there is no usual gap")
    times = np.log1p(hiatus(away, gap, known.mean()))  # the order is the same, and few are far out
    return logistic_contestant(times[:, None], data, spec).risk


def _bg_nbd(data: Examples, _: Spec) -> np.ndarray:
    """The chance of no visit until the label is known, as BG/NBD states it: nothing recalibrates it.

    The deadline, how far ahead it looks, is all that it knows of the kind of care.
    """
    if data.visiting is None:
        raise SpecRefused("beside", "these examples were made for a model that names no bg_nbd in `beside`")
    at, until = (data.points[name].cast(pa.int64()).to_numpy() for name in ("prediction_time", "known_at"))
    return fit_bg_nbd(*rhythm(data.visiting)).chance_of_none(*rhythm(data.features), (until - at) / DAY)


RULES = {"hazard": _hazard, "hiatus": _hiatus, "bg_nbd": _bg_nbd}


def plain_of(measured: Mapping[str, Estimate]) -> dict[str, list[float]]:
    """Figures as plain data: name -> [value, low, high]."""
    return {name: triple(estimate) for name, estimate in measured.items()}


def triple(estimate: Estimate) -> list[float]:
    """Value, low and high as plain numbers of six decimals."""
    return [round(number, 6) for number in (estimate.value, estimate.low, estimate.high)]
