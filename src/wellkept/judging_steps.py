"""Recommended steps held against a SYNTHETIC system whose every true effect is known: what the minutes are worth.

Visits of the test period, .8 minutes of staff for each, every intervention that takes a person. What a policy is worth
is the sum of detractors and lost patients that it truly prevents, as a share of the *ceiling*: the same allocation by
the best estimate of the true effects that the product's own features allow. Whoever is entitled comes first, and their
minutes are counted like all others'. The truth is read here only; no code path of the product leads here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xgboost

from wellkept.allocating import Resource, allocate
from wellkept.bundles import Bundle
from wellkept.catalogue import query_of
from wellkept.effects import Effects, effects_of
from wellkept.evidence import Evidence
from wellkept.examples import fold_of
from wellkept.goals import Goal
from wellkept.history import FeatureQuery
from wellkept.jobs.piloting import kinds_at
from wellkept.journeys import Snapshot
from wellkept.labelling import first_points
from wellkept.offering import DETRACTOR, NO_RETURN, Intervention, interventions
from wellkept.programs import NOBODY
from wellkept.recommending import questions
from wellkept.threads import available_threads
from wellkept.what_if import what_if

TRUE = {DETRACTOR: "p_detractor", NO_RETURN: "p_no_return"}
MINUTES_EACH = 0.8
MOST_VISITS = 150_000  # of whole patients: more say little more
FIRST = 1e3  # worth more than anything else
CEILING = {"max_depth": 4, "eta": 0.08, "subsample": 0.8, "colsample_bytree": 0.5, "min_child_weight": 20}
ROUNDS = 150
OF_CEILING, OVER_TOP, HARMED = 0.88, 1.25, 0.02
ROUNDING = 1e-6  # of a probability that the simulator keeps in float32


@dataclass(frozen=True)
class Batch:
    """Visits: their features and triggers, and what is true of them; `rows` takes some."""

    catalogue: list[Intervention]
    bundles: dict[str, Bundle]
    X: dict[str, np.ndarray]
    triggered: np.ndarray
    kind: np.ndarray
    gains: dict[str, np.ndarray]
    answers: np.ndarray
    truth: dict[str, np.ndarray]

    def rows(self, which: np.ndarray) -> Batch:
        return replace(
            self, triggered=self.triggered[which], kind=self.kind[which], answers=self.answers[which],
            X={t: x[which] for t, x in self.X.items()}, gains={t: g[which] for t, g in self.gains.items()},
            truth={t: p[which] for t, p in self.truth.items()},
        )  # fmt: skip

    @cached_property
    def risk(self) -> dict[str, np.ndarray]:
        return {t: b.risk(self.X[t]) for t, b in self.bundles.items()}

    @cached_property
    def gone_well(self) -> dict[str, np.ndarray]:
        return {t: what_if(b, self.X[t], self.catalogue) for t, b in self.bundles.items()}

    @property
    def gain(self) -> np.ndarray:
        """Visits x interventions: what each truly prevents, detractors and lost patients together."""
        return np.add(*self.gains.values())

    def effects(self, evidence: Evidence | None = None) -> Effects:
        """As `wellkept recommend` has them."""
        return effects_of(self.catalogue, self.risk, self.triggered, self.gone_well, evidence, self.kind)


@dataclass(frozen=True)
class Worth:
    """What a policy truly prevents, the share of recipients whom it makes worse, recipients, and minutes not owed."""

    prevented: float
    harmed: float
    given: int
    minutes: float


def judge_steps(
    snapshot: Snapshot, truth: pa.Table, arms: pa.Table, bundles: dict[str, Bundle], begins: pa.Scalar
) -> Iterator[Goal]:
    """What `wellkept recommend` would do without any evidence, after visits from `begins` on."""
    batch, points, later = batch_of(snapshot, truth, arms, bundles, begins)
    now, catalogue = batch.rows(later), batch.catalogue
    topped = by_top_reason(bundles[DETRACTOR], now.X[DETRACTOR], catalogue)
    both = np.nan_to_num(now.risk[DETRACTOR]) + np.nan_to_num(now.risk[NO_RETURN])
    best = best_estimate(batch.X[DETRACTOR], batch.gain, points, later, bundles[DETRACTOR])
    ours = worth(owed_first(now.effects(), catalogue), now.gain, catalogue, by_list=False)
    top = worth(both[:, None] * topped, now.gain, catalogue, by_list=True)
    most = worth(best, now.gain, catalogue, by_list=False)
    told = {"prevented": ours.prevented, "by the best estimate": most.prevented, "top SHAP": top.prevented,
            "visits": len(now.kind), "recipients": ours.given, "minutes a visit": MINUTES_EACH}  # fmt: skip
    if most.prevented > 0 and top.prevented > 0:
        share, over = ours.prevented / most.prevented, ours.prevented / top.prevented
        yield Goal("G5", "steps: prevented over the best estimate's, no experiment", share, f">= {OF_CEILING}",
                   share >= OF_CEILING, told)  # fmt: skip
        yield Goal("G5", "steps: prevented over those of the top SHAP reason", over, f">= {OVER_TOP}",
                   over >= OVER_TOP, told)  # fmt: skip
    yield Goal("G6", "steps: share of recipients truly harmed", ours.harmed, f"<= {HARMED}", ours.harmed <= HARMED,
               {"top SHAP": top.harmed})  # fmt: skip


def batch_of(
    snapshot: Snapshot, truth: pa.Table, arms: pa.Table, bundles: dict[str, Bundle], begins: pa.Scalar
) -> tuple[Batch, pa.Table, np.ndarray]:
    """Visits with what models and truth say of them, their points, and whether each is not before `begins`."""
    catalogue = [i for i in interventions().values() if not i.is_automated]
    points = _some(first_points(snapshot, bundles[DETRACTOR].spec.points))
    place = pc.index_in(points["encounter_id"], truth["encounter_id"].combine_chunks())
    points, place = points.filter(place.is_valid()), place.drop_null()
    later = pc.greater_equal(points["prediction_time"], begins).to_numpy()
    X = {t: b.encoder.matrix(query_of(b.encoder.features).run(snapshot, points)) for t, b in bundles.items()}
    record = FeatureQuery(questions(catalogue)).run(snapshot, points)
    triggered = np.column_stack([np.nan_to_num(record[i.name].to_numpy()) > 0 for i in catalogue])
    batch = Batch(catalogue, bundles, X, triggered, kinds_at(snapshot, points),
                  true_gains(truth.take(place), arms.take(place), catalogue),
                  truth["response_probability"].take(place).to_numpy(),
                  {t: truth[TRUE[t]].take(place).to_numpy() for t in bundles})  # fmt: skip
    return batch, points, later


def true_gains(truth: pa.Table, arms: pa.Table, catalogue: Sequence[Intervention]) -> dict[str, np.ndarray]:
    """Detractors and lost patients that each intervention truly prevents, each visits x interventions."""
    return {
        target: np.column_stack([truth[p].to_numpy() - arms[f"{p}_{i.name}"].to_numpy() for i in catalogue])
        for target, p in TRUE.items()
    }


def owed_first(effects: Effects, catalogue: Sequence[Intervention], value: np.ndarray | None = None) -> np.ndarray:
    """Values, the effects' own if no others are given, with whoever is entitled before everybody."""
    owed = effects.offered & np.array([i.is_entitlement for i in catalogue])
    rest = effects.value if value is None else value
    return np.where(owed, FIRST, np.where(owed.any(axis=1)[:, None], 0.0, rest))


def by_top_reason(bundle: Bundle, X: np.ndarray, catalogue: Sequence[Intervention]) -> np.ndarray:
    """Visits x interventions: does it address the touchpoint of the feature that raises the risk most?"""
    features = bundle.encoder.features
    added = bundle.contributions(X)[:, : len(features)] * np.array([f.modifiable for f in features])
    touchpoint = np.array([f.touchpoint for f in features])[added.argmax(axis=1)]
    return np.column_stack([np.isin(touchpoint, i.touchpoints) for i in catalogue]).astype(float)


def best_estimate(X: np.ndarray, gain: np.ndarray, points: pa.Table, later: np.ndarray, bundle: Bundle) -> np.ndarray:
    """The true effects regressed on the product's own features, learned from earlier visits of other patients."""
    fold = fold_of(points["subject_id"].to_numpy(), 2, bundle.spec.seed)
    best = np.empty((int(later.sum()), gain.shape[1]))
    for k in (0, 1):
        rows, mine = ~later & (fold != k), later & (fold == k)
        for arm in range(gain.shape[1]):
            matrix = xgboost.QuantileDMatrix(X[rows], gain[rows, arm], nthread=available_threads())
            booster = xgboost.train({**CEILING, "nthread": available_threads()}, matrix, ROUNDS)
            best[(fold == k)[later], arm] = booster.inplace_predict(X[mine])
    return best


def worth(value: np.ndarray, gain: np.ndarray, catalogue: Sequence[Intervention], *, by_list: bool) -> Worth:
    """What is truly prevented where the minutes go by `value`; a list goes from the top down, whatever it costs."""
    minutes = np.array([i.minutes for i in catalogue])
    budget = MINUTES_EACH * len(value)
    choice = from_the_top(value, minutes, budget) if by_list else allotted(value, catalogue, MINUTES_EACH)
    given = np.flatnonzero(choice != NOBODY)
    each = gain[given, choice[given]]
    beside = given[value[given, choice[given]] < FIRST]
    return Worth(float(each.sum()), float((each < -ROUNDING).mean()) if len(each) else 0.0, len(given),
                 float(minutes[choice[beside]].sum()))  # fmt: skip


def from_the_top(value: np.ndarray, minutes: np.ndarray, budget: float) -> np.ndarray:
    """What each gets where a list goes from the top down until the minutes are spent."""
    choice = np.where(value.max(axis=1) > 0, value.argmax(axis=1), NOBODY)
    order = np.argsort(-value.max(axis=1), kind="stable")
    spent = np.cumsum(np.where(choice[order] != NOBODY, minutes[choice[order]], 0))
    choice[order[spent > budget]] = NOBODY
    return choice


def allotted(value: np.ndarray, catalogue: Sequence[Intervention], each: float) -> np.ndarray:
    """Each row's intervention, or NOBODY, where there are `each` minutes a row."""
    minutes = np.array([i.minutes for i in catalogue])
    return allocate(value, np.zeros(len(value), int), [Resource("minutes", each * len(value), minutes[None])]).choice


def _some(points: pa.Table) -> pa.Table:
    """About MOST_VISITS of the points, all of a patient or none."""
    drawn = fold_of(points["subject_id"].to_numpy(), 1000, seed=3)
    return points.filter(pa.array(drawn < 1000 * MOST_VISITS / max(points.num_rows, 1)))
