"""Who gets the minutes, by us and by usual practice, on SYNTHETIC patients whose every true effect is known.

    python benchmarks/policy.py --patients 40000 --seeds 3

One batch: visits of the test period, .8 minutes of staff for each, nine interventions (no texts, as METHOD.md 7.1 has
it). What a policy is worth is the sum of detractors and lost patients that it truly prevents. It is told as a share of
the ceiling: the same allocation by the best estimate of the true effects that the product's own features allow. Beside
ours (beliefs times room to move, no experiment): chance, the risk list with recovery calls, the risk list with the
intervention of the top SHAP reason, the trigger by risk; the oracle knows every patient's true effects. `harmed` is the
share of those who got something whom it truly makes worse.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xgboost

from measuring import described, machine, say, show
from wellkept import jobs
from wellkept.allocating import NOBODY, Resource, allocate
from wellkept.bundles import Bundle
from wellkept.effects import believed
from wellkept.evaluating import evaluate
from wellkept.examples import examples, fold_of
from wellkept.history import FeatureQuery
from wellkept.journeys import Snapshot
from wellkept.labelling import cohort
from wellkept.offering import DETRACTOR, NO_RETURN, Intervention, interventions
from wellkept.recommending import questions
from wellkept.settings import Settings
from wellkept.simulator import simulate
from wellkept.spec import load_spec
from wellkept.threads import available_threads
from wellkept.training import train

MODELS = Path(__file__).resolve().parents[1] / "models"
MINUTES_EACH = 0.8
CEILING = {"max_depth": 4, "eta": 0.08, "subsample": 0.8, "colsample_bytree": 0.5, "min_child_weight": 20}
ROUNDS = 150


def main() -> None:
    """Every world and seed; a table of policies, worst to best."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--patients", type=int, default=40_000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=101)
    parser.add_argument("--worlds", nargs="+", default=["interacting", "wrong-triggers"])
    parser.add_argument("--jitter", type=float, default=0.3)
    chosen = parser.parse_args()
    facts = []
    for world in chosen.worlds:
        for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds):
            facts.append({"world": world, "seed": seed, "policies": of_system(world, seed, chosen)})
            say(f"{world} {seed} done")
    lines = [described(machine("wellkept", "xgboost")), f"SYNTHETIC, {chosen.patients} patients a system"]
    for told in facts:
        lines.append(f"{told['world']} {told['seed']}")
        lines += [f"  {name:38} {p['of_ceiling']:7.3f} of the ceiling, harmed {p['harmed']:6.1%}"
                  for name, p in told["policies"].items()]  # fmt: skip
    show(facts, lines, as_json=chosen.json)


def of_system(world: str, seed: int, chosen: argparse.Namespace) -> dict[str, dict[str, float]]:
    """One system's policies."""
    settings = Settings(subject_key="benchmark")
    with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
        export = Path(folder) / "export"
        simulate(export, patients=chosen.patients, seed=seed, world=world, jitter=chosen.jitter)
        journeys = jobs.open_journeys(Path(folder) / "journeys", settings)
        jobs.land(journeys, jobs.read_batch("tables", export, now=datetime.now(UTC), settings=settings))
        return policies(journeys.snapshot(), pq.read_table(export / "truth" / "encounters.parquet"),
                        pq.read_table(export / "truth" / "arms.parquet"))  # fmt: skip


def policies(snapshot: Snapshot, truth: pa.Table, arms: pa.Table) -> dict[str, dict[str, float]]:
    """What each policy is worth on the visits of the test period."""
    catalogue = [i for i in interventions().values() if not i.is_automated]
    bundles, begins = trained(snapshot)
    points = cohort(snapshot, bundles[DETRACTOR].spec.points.model_copy(update={"after": ("24h",)}))
    place = pc.index_in(points["encounter_id"], truth["encounter_id"].combine_chunks())
    points, place = points.filter(place.is_valid()), place.drop_null()
    later = pc.greater_equal(points["prediction_time"], begins).to_numpy()
    gain = true_gain(truth.take(place), arms.take(place), catalogue)
    X = {t: b.encoder.matrix(_features(snapshot, points, b)) for t, b in bundles.items()}
    risk = {t: b.risk(X[t])[later] for t, b in bundles.items()}
    record = FeatureQuery(questions(catalogue)).run(snapshot, points.filter(pa.array(later)))
    triggered = np.column_stack([np.nan_to_num(record[i.name].to_numpy()) > 0 for i in catalogue])
    ours = believed(catalogue, risk, triggered).value
    both = np.nan_to_num(risk[DETRACTOR]) + np.nan_to_num(risk[NO_RETURN])
    topped = by_top_reason(bundles[DETRACTOR], X[DETRACTOR][later], catalogue)
    random = np.random.default_rng(0)
    values = {
        "chance": random.random((len(both), len(catalogue))),
        "risk list, recovery call": both[:, None] * np.array([i.name == "recovery_call" for i in catalogue]),
        "risk list, top SHAP reason's step": both[:, None] * topped,
        "trigger there, by risk": both[:, None] * triggered,
        "ours: beliefs, room, per minute": ours,
        "ceiling: best estimate of true effects": estimated(X[DETRACTOR], gain, points, later, bundles[DETRACTOR]),
        "oracle": gain[later],
    }
    found = {name: worth(value, gain[later], catalogue, by_list="list" in name or "by risk" in name)
             for name, value in values.items()}  # fmt: skip
    ceiling = found["ceiling: best estimate of true effects"]["prevented"]
    return {name: {**told, "of_ceiling": told["prevented"] / ceiling} for name, told in found.items()}


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


def true_gain(truth: pa.Table, arms: pa.Table, catalogue: list[Intervention]) -> np.ndarray:
    """Detractors and lost patients that each intervention truly prevents, visits x interventions."""
    before = {"p_detractor": truth["p_detractor"].to_numpy(), "p_no_return": truth["p_no_return"].to_numpy()}
    return np.column_stack([
        sum(before[p] - arms[f"{p}_{i.name}"].to_numpy() for p in before) for i in catalogue
    ])  # fmt: skip


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
    if by_list:
        choice = np.where(value.max(axis=1) > 0, value.argmax(axis=1), NOBODY)
        order = np.argsort(-value.max(axis=1), kind="stable")
        spent = np.cumsum(np.where(choice[order] != NOBODY, minutes[choice[order]], 0))
        choice[order[spent > budget]] = NOBODY
    else:
        choice = allocate(value, np.zeros(len(value), int), [Resource("minutes", budget, minutes[None])]).choice
    given = np.flatnonzero(choice != NOBODY)
    each = gain[given, choice[given]]
    return {"prevented": float(each.sum()), "harmed": float((each < 0).mean()), "given": len(given)}


def _features(snapshot: Snapshot, points: pa.Table, bundle: Bundle) -> pa.Table:
    return FeatureQuery({f.name: f.expression for f in bundle.encoder.features}).run(snapshot, points)


if __name__ == "__main__":
    main()
