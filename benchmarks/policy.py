"""Who gets the minutes, by us and by usual practice, on SYNTHETIC patients whose every true effect is known.

    python benchmarks/policy.py --patients 40000 --seeds 10 --kept FILE

One batch: visits of the test period, .8 minutes of staff for each, nine interventions (no texts, as METHOD.md 7.1 has
it). What a policy is worth is the sum of detractors and lost patients that it truly prevents. It is told as a share of
the ceiling: the same allocation by the best estimate of the true effects that the product's own features allow. Ours is
what `wellkept recommend` goes by, whoever is entitled first, but their minutes are counted here like all others'.

It is tried without an experiment, and after trials, as `wellkept recommend --evidence` goes by them: of earlier visits
to which a list with twice the minutes gives a step, half got it by chance. Who became lost is known of all of them, who
is a detractor of those who answer. Where the visits are fewer than the touchpoints asked for, some are drawn again, and
chance decides anew. Beside it: chance, the risk list with recovery calls, the risk list with the step of the top SHAP
reason, the trigger by risk, and the ceiling where, as in ours, a step is for whoever has its trigger; the oracle knows
every patient's true effects. `harmed` is the share of those who got something whom it truly makes worse. Exits with 1
when a bar is missed anywhere. Seeds 201 to 204 (40,000 patients) were looked at while the way was chosen.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xgboost

from measuring import described, machine, say, show
from wellkept import jobs
from wellkept.allocating import Resource, allocate
from wellkept.bundles import Bundle
from wellkept.catalogue import query_of
from wellkept.effects import Effects, effects_of
from wellkept.evaluating import evaluate
from wellkept.evidence import Evidence, basis, effect_of_each, learned
from wellkept.examples import examples, fold_of
from wellkept.history import FeatureQuery
from wellkept.jobs.piloting import kinds_at
from wellkept.journeys import Snapshot
from wellkept.labelling import cohort
from wellkept.offering import DETRACTOR, NO_RETURN, Intervention, interventions
from wellkept.programs import NOBODY
from wellkept.recommending import questions
from wellkept.settings import Settings
from wellkept.simulator import simulate
from wellkept.spec import load_spec
from wellkept.threads import available_threads
from wellkept.training import train
from wellkept.what_if import what_if

MODELS = Path(__file__).resolve().parents[1] / "models"
MINUTES_EACH = 0.8
CEILING = {"max_depth": 4, "eta": 0.08, "subsample": 0.8, "colsample_bytree": 0.5, "min_child_weight": 20}
ROUNDS = 150
TRIALS = (10_000, 30_000)  # touchpoints that chance decided
FIRST = 1e3  # worth more than anything else
OURS, TOP, BEST = "ours, no experiment", "risk list, top SHAP reason's step", "ceiling: best estimate of true effects"
BARS = {OURS: (0.88, 1.25), f"ours, {TRIALS[-1]:,} by chance": (0.95, 1.35)}  # of the ceiling; over TOP
HARMED = 0.02
ROUNDING = 1e-6  # of a probability that the simulator keeps in float32
TRUE = {DETRACTOR: "p_detractor", NO_RETURN: "p_no_return"}


def main() -> None:
    """Every world and seed; a table of policies, worst to best."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--patients", type=int, default=40_000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=101)
    parser.add_argument("--kept", type=Path, help="a file that each system adds its figures to")
    parser.add_argument("--worlds", nargs="+",
                        default=["interacting", "additive", "strong-mnar", "wrong-triggers", "dead-interventions"])
    parser.add_argument("--jitter", type=float, default=0.3)
    chosen = parser.parse_args()
    facts = []
    for world in chosen.worlds:
        for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds):
            facts.append(once(world, seed, chosen))
            say(f"{world} {seed} done")
    lines = [described(machine("wellkept", "xgboost")), f"SYNTHETIC, {chosen.patients} patients a system"]
    for world in chosen.worlds:
        lines += ["", world, *_lines([told["policies"] for told in facts if told["world"] == world])]
    show(facts, lines, as_json=chosen.json)
    sys.exit(0 if all(_holds(told["policies"]) for told in facts) else 1)


def once(world: str, seed: int, chosen: argparse.Namespace) -> dict:
    """One system's policies, out of the kept ones if they are there."""
    made_of = {"world": world, "seed": seed, "patients": chosen.patients, "jitter": chosen.jitter}
    return kept(made_of, chosen.kept, lambda: {"policies": of_system(world, seed, chosen)})


def kept(made_of: dict, file: Path | None, make: Callable[[], dict]) -> dict:
    """What is made of this, out of the file if it is there, and added to it if not."""
    lines = file.read_text().splitlines() if file and file.exists() else []
    for told in map(json.loads, lines):
        if made_of.items() <= told.items():
            return told
    told = {**made_of, **make()}
    if file:
        with file.open("a") as opened:
            opened.write(json.dumps(told) + "\n")
    return told


def _holds(policies: Mapping[str, Mapping[str, float]]) -> bool:
    return all(
        policies[name]["of_ceiling"] >= share and policies[name]["over_top"] >= over
        and policies[name]["harmed"] <= HARMED for name, (share, over) in BARS.items()
    )  # fmt: skip


def _lines(systems: list[Mapping[str, Mapping[str, float]]]) -> list[str]:
    """A policy a line: median and worst."""
    lines = []
    for name in systems[0]:
        each = {key: sorted(system[name][key] for system in systems) for key in ("of_ceiling", "over_top", "harmed")}
        share, over, harmed = (values[len(values) // 2] for values in each.values())
        lines.append(f"  {name:38} {share:6.3f} of the ceiling (worst {each['of_ceiling'][0]:.3f}), {over:5.2f} x top "
                     f"SHAP (worst {each['over_top'][0]:.2f}), harmed {harmed:.1%} (worst {each['harmed'][-1]:.1%})")
    return lines


def of_system(world: str, seed: int, chosen: argparse.Namespace) -> dict[str, dict[str, float]]:
    """One system's policies."""
    with system(world, seed, chosen) as (snapshot, truth, arms):
        return judged(*batch_of(snapshot, truth, arms))


@contextmanager
def system(world: str, seed: int, chosen: argparse.Namespace) -> Iterator[tuple[Snapshot, pa.Table, pa.Table]]:
    """A simulated system while it is there: its journeys, and what is true of its visits, and with each arm."""
    settings = Settings(subject_key="benchmark")
    with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
        export = Path(folder) / "export"
        simulate(export, patients=chosen.patients, seed=seed, world=world, jitter=chosen.jitter)
        journeys = jobs.open_journeys(Path(folder) / "journeys", settings)
        jobs.land(journeys, jobs.read_batch("tables", export, now=datetime.now(UTC), settings=settings))
        yield (journeys.snapshot(), pq.read_table(export / "truth" / "encounters.parquet"),
               pq.read_table(export / "truth" / "arms.parquet"))  # fmt: skip


def batch_of(snapshot: Snapshot, truth: pa.Table, arms: pa.Table) -> tuple[Batch, pa.Table, np.ndarray]:
    """Every visit with what models and truth say of it, its point, and whether it is of the test period."""
    catalogue = [i for i in interventions().values() if not i.is_automated]
    bundles, begins = trained(snapshot)
    points = cohort(snapshot, bundles[DETRACTOR].spec.points.model_copy(update={"after": ("24h",)}))
    place = pc.index_in(points["encounter_id"], truth["encounter_id"].combine_chunks())
    points, place = points.filter(place.is_valid()), place.drop_null()
    later = pc.greater_equal(points["prediction_time"], begins).to_numpy()
    true = true_gains(truth.take(place), arms.take(place), catalogue)
    X = {t: b.encoder.matrix(_features(snapshot, points, b)) for t, b in bundles.items()}
    record = FeatureQuery(questions(catalogue)).run(snapshot, points)
    triggered = np.column_stack([np.nan_to_num(record[i.name].to_numpy()) > 0 for i in catalogue])
    batch = Batch(catalogue, bundles, X, triggered, kinds_at(snapshot, points), true,
                  truth["response_probability"].take(place).to_numpy(),
                  {t: truth[TRUE[t]].take(place).to_numpy() for t in bundles})
    return batch, points, later


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
        return sum(self.gains.values())

    @property
    def averaged(self) -> np.ndarray:
        """Worth by METHOD.md 7.1: what is believed and what the model says had it gone well, half and half."""
        said = -sum(np.nan_to_num(each) for each in self.gone_well.values())
        return (effects_of(self.catalogue, self.risk, self.triggered).value + said * self.triggered) / 2

    def effects(self, evidence: Evidence | None = None) -> Effects:
        """As `wellkept recommend` has them."""
        return effects_of(self.catalogue, self.risk, self.triggered, self.gone_well, evidence, self.kind)


def judged(batch: Batch, points: pa.Table, later: np.ndarray) -> dict[str, dict[str, float]]:
    """Each policy on the later visits; trials are run on the earlier ones."""
    now, before, catalogue = batch.rows(later), batch.rows(~later), batch.catalogue
    both, random = np.nan_to_num(now.risk[DETRACTOR]) + np.nan_to_num(now.risk[NO_RETURN]), np.random.default_rng(0)
    recovery = np.array([i.name == "recovery_call" for i in catalogue])
    topped = by_top_reason(batch.bundles[DETRACTOR], now.X[DETRACTOR], catalogue)
    best = estimated(batch.X[DETRACTOR], batch.gain, points, later, batch.bundles[DETRACTOR])
    values = {
        "chance": random.random(now.triggered.shape),
        "risk list, recovery call": both[:, None] * recovery,
        TOP: both[:, None] * topped,
        "trigger there, by risk": both[:, None] * now.triggered,
        "beliefs and room alone": _first(effects_of(catalogue, now.risk, now.triggered), catalogue),
        "beliefs averaged with the what-if": _first(now.effects(), catalogue, now.averaged),
        OURS: _first(now.effects(), catalogue),
        **{f"ours, {n:,} by chance": _first(now.effects(trial(before, n)), catalogue) for n in TRIALS},
        BEST: best,
        "ceiling where the trigger is there": best * now.triggered,
        "oracle": now.gain,
    }
    found = {name: worth(value, now.gain, catalogue, by_list="list" in name or "by risk" in name)
             for name, value in values.items()}  # fmt: skip
    most, top = found[BEST]["prevented"], found[TOP]["prevented"]
    return {name: {**told, "of_ceiling": _share(told["prevented"], most), "over_top": _share(told["prevented"], top)}
            for name, told in found.items()}  # fmt: skip


def trial(before: Batch, touchpoints: int, seed: int = 1) -> Evidence:
    """So many touchpoints that would get a step, had the staff twice the minutes: half of them got it by chance.

    Whoever is entitled is never held out: what is owed is not tried.
    """
    random, catalogue, effects = np.random.default_rng(seed), before.catalogue, before.effects()
    value = np.where(_first(effects, catalogue) == FIRST, 0.0, _first(effects, catalogue))
    arm = allotted(value, catalogue, 2 * MINUTES_EACH)
    rows = random.choice(np.flatnonzero(arm != NOBODY), touchpoints)  # with replacement: there may be too few
    given, kinds, trials = random.random(touchpoints) < 0.5, tuple(np.unique(before.kind)), {}
    for target, risk in before.risk.items():
        came_true = before.truth[target][rows] - given * before.gains[target][rows, arm[rows]]
        outcome = random.random(touchpoints) < came_true
        known = random.random(touchpoints) < before.answers[rows] if target == DETRACTOR else ~np.isnan(risk[rows])
        effect = effect_of_each(outcome, risk[rows], given, np.full(touchpoints, 0.5))
        for k in np.unique(arm[rows]):
            mine = known & (arm[rows] == k)
            of = rows[mine]
            by = basis(risk[of], effects.change[target][of, k], before.kind[of], kinds)
            trials[catalogue[k].name, target] = by, effect[mine]
    return learned([i.name for i in catalogue], list(before.risk), kinds, trials)


def _first(effects: Effects, catalogue: list[Intervention], value: np.ndarray | None = None) -> np.ndarray:
    """Values, the effects' own if no others are given, with whoever is entitled before everybody."""
    owed = effects.offered & np.array([i.is_entitlement for i in catalogue])
    rest = effects.value if value is None else value
    return np.where(owed, FIRST, np.where(owed.any(axis=1)[:, None], 0.0, rest))


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float(part == whole)


def trained(snapshot: Snapshot) -> tuple[dict[str, Bundle], pa.Scalar]:
    """Both models, and when the later of the two test periods begins."""
    bundles, begins = {}, []
    for target in (DETRACTOR, NO_RETURN):
        spec = load_spec(MODELS / f"{target}.toml")
        data = examples(snapshot, spec)
        model = train(data, spec)
        bundles[target] = jobs.bundle_of(model, data, spec, evaluate(model, data, spec))
        begins.append(pc.min(data.points["prediction_time"].take(pa.array(data.rows("test")))))
    return bundles, max(begins, key=lambda at: at.value)


def true_gains(truth: pa.Table, arms: pa.Table, catalogue: list[Intervention]) -> dict[str, np.ndarray]:
    """Detractors and lost patients that each intervention truly prevents, each visits x interventions."""
    return {
        target: np.column_stack([truth[p].to_numpy() - arms[f"{p}_{i.name}"].to_numpy() for i in catalogue])
        for target, p in TRUE.items()
    }


def estimated(X: np.ndarray, gain: np.ndarray, points: pa.Table, later: np.ndarray, bundle: Bundle) -> np.ndarray:
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


def by_top_reason(bundle: Bundle, X: np.ndarray, catalogue: list[Intervention]) -> np.ndarray:
    """Visits x interventions: does it address the touchpoint of the feature that raises the risk most?"""
    features = bundle.encoder.features
    added = bundle.contributions(X)[:, : len(features)] * np.array([f.modifiable for f in features])
    touchpoint = np.array([f.touchpoint for f in features])[added.argmax(axis=1)]
    return np.column_stack([np.isin(touchpoint, i.touchpoints) for i in catalogue]).astype(float)


def worth(value: np.ndarray, gain: np.ndarray, catalogue: list[Intervention], *, by_list: bool) -> Mapping[str, float]:
    """What is truly prevented where the minutes go by `value`; a list goes from the top down, whatever it costs."""
    minutes = np.array([i.minutes for i in catalogue])
    budget = MINUTES_EACH * len(value)
    choice = from_the_top(value, minutes, budget) if by_list else allotted(value, catalogue, MINUTES_EACH)
    given = np.flatnonzero(choice != NOBODY)
    each = gain[given, choice[given]]
    return {"prevented": float(each.sum()), "harmed": float((each < -ROUNDING).mean()) if len(each) else 0.0,
            "given": len(given)}  # fmt: skip


def from_the_top(value: np.ndarray, minutes: np.ndarray, budget: float) -> np.ndarray:
    """What each gets where a list goes from the top down until the minutes are spent."""
    choice = np.where(value.max(axis=1) > 0, value.argmax(axis=1), NOBODY)
    order = np.argsort(-value.max(axis=1), kind="stable")
    spent = np.cumsum(np.where(choice[order] != NOBODY, minutes[choice[order]], 0))
    choice[order[spent > budget]] = NOBODY
    return choice


def allotted(value: np.ndarray, catalogue: list[Intervention], each: float) -> np.ndarray:
    """Each row's intervention, or NOBODY, where there are `each` minutes a row."""
    minutes = np.array([i.minutes for i in catalogue])
    return allocate(value, np.zeros(len(value), int), [Resource("minutes", each * len(value), minutes[None])]).choice


def _features(snapshot: Snapshot, points: pa.Table, bundle: Bundle) -> pa.Table:
    return query_of(bundle.encoder.features).run(snapshot, points)


if __name__ == "__main__":
    main()
