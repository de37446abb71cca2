"""Do nominal 95 % intervals hold the truth in 93 to 97 of 100 cases? AUROC, O/E, and the risk of one patient.

    python benchmarks/covering.py --seeds 20

Each seed is a SYNTHETIC system of `patients` and of twice `teachers` more. Models learn from the former alone, and
state risks of later visits.

- AUROC and O/E: `samples` times as many patients as `sampled` are drawn with their later visits, and labels from the
  true chances; `performance.metrics` gives intervals, which are held against the AUROC and O/E that are expected over
  all the patients who could be drawn.
- One patient's risk: E[true chance | the same features], as two regressions on the truth of all visits of the
  teachers, disjoint halves of them, find it. They differ by their own noise, which widens the interval; what is
  covered without that (`bare`) is a lower bound. Of detractors, the truth is that of those who would answer.
  Held against everybody, which it does not claim, the same interval is shown beside it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xgboost
from scipy.special import ndtr, ndtri

from measuring import described, machine, say, show
from wellkept import jobs
from wellkept.calibrating import logit, sigmoid
from wellkept.catalogue import query_of
from wellkept.ceiling import FITTED, expected_auroc
from wellkept.encoding import fit_encoder
from wellkept.examples import Examples, examples, fold_of
from wellkept.jobs.training import uncertainty_of
from wellkept.journeys import Snapshot
from wellkept.judging import TRUTH, true_points
from wellkept.performance import metrics
from wellkept.settings import Settings
from wellkept.simulator import simulate
from wellkept.simulator.worlds import World, jittered, named
from wellkept.spec import Spec, load_spec
from wellkept.training import train

MODELS = Path(__file__).resolve().parents[1] / "models"
FIGURES = ("auroc", "observed_expected")
NOT_CLAIMED = "the same held against everybody, which is not claimed"
PATIENT = {"patient": "one patient's risk", "anybody": NOT_CLAIMED}
ROUNDS = 400
FINE = {"min_child_weight": 5, "nthread": 1}
FINEST = 1_000_003
NORMAL = 1.959964
BAND = (0.93, 0.97)


@dataclass(frozen=True)
class Known:
    """Visits whose truth is known: who learned (0) and who teaches (1, 2), when, and the chances.

    `chance` is of everybody, `answering` of those who would answer, who count by `weight`; where labels are no
    answers, both are the same and all count alike.
    """

    part: np.ndarray
    later: np.ndarray
    subject: np.ndarray
    features: pa.Table
    chance: np.ndarray
    answering: np.ndarray
    weight: np.ndarray


def main() -> None:
    """Every seed, both targets; a table of how often intervals hold the truth."""
    chosen = _arguments()
    runs = [run for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds) for run in once(seed, chosen)]
    show(runs, _lines(runs, chosen), as_json=chosen.json)


def once(seed: int, chosen: argparse.Namespace) -> list[dict]:
    """One system: coverage of each interval for each target."""
    settings, total = Settings(subject_key="benchmark"), chosen.patients + 2 * chosen.teachers
    world = jittered(named(chosen.world), chosen.jitter, seed)
    with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
        export = Path(folder) / "export"
        simulate(export, patients=total, seed=seed, world=chosen.world, jitter=chosen.jitter)
        journeys = jobs.open_journeys(Path(folder) / "journeys", settings)
        jobs.land(journeys, jobs.read_batch("tables", export, now=datetime.now(UTC), settings=settings))
        snapshot, truth = journeys.snapshot(), pq.read_table(export / "truth" / "encounters.parquet")
        runs = []
        for target in chosen.targets:
            spec = load_spec(MODELS / f"{target}.toml")
            run = {"target": target, "seed": seed, **judged(snapshot, truth, spec, world, chosen)}
            say(json.dumps(run))
            runs.append(run)
        return runs


def judged(snapshot: Snapshot, truth: pa.Table, spec: Spec, world: World, chosen: argparse.Namespace) -> dict:
    """Train on the patients who learn, and hold every interval against the truth."""
    everything = examples(snapshot, spec.model_copy(update={"beside": ()}))
    data = of_patients(everything, part_of(everything.subject, chosen) == 0)
    trained = train(data, spec)
    known = known_visits(snapshot, truth, spec, world, everything, chosen)
    shipped, unsure = trained.shipped, uncertainty_of(trained, data)
    members = shipped.estimator.margins(trained.encoder.matrix(known.features.filter(pa.array(known.later))))
    margin, width = shipped.slope * members.mean(axis=1) + shipped.intercept, unsure.half_width(members, shipped.slope)
    mine = known.part[known.later] == 0
    told = {"ships": shipped.estimator.kind}
    if "figures" in chosen.what:
        told |= of_figures(sigmoid(margin), known, chosen)
    if "patient" in chosen.what:
        for name, (chance, weight) in truths_of(known, everything).items():
            told[name] = of_patient(margin[mine], width[mine], taught(known, everything, chance, weight))
    return told


def truths_of(known: Known, data: Examples) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What one patient's interval is held against: chances and weights of those who would answer, and of everybody."""
    truths = {"patient": (known.answering, known.weight)}
    return truths | ({"anybody": (known.chance, np.ones(len(known.chance)))} if data.is_answer else {})


def part_of(subject: np.ndarray, chosen: argparse.Namespace) -> np.ndarray:
    """0: the product learns from this patient; 1, 2: the regressions on the truth do."""
    place = fold_of(subject, FINEST, 77) / FINEST * (chosen.patients + 2 * chosen.teachers)
    return np.digitize(place, [chosen.patients, chosen.patients + chosen.teachers])


def of_patients(data: Examples, kept: np.ndarray) -> Examples:
    """The same of some of the rows."""
    rows = pa.array(np.flatnonzero(kept))
    return replace(data, points=data.points.take(rows), features=data.features.take(rows),
                   groups=data.groups.take(rows), role=data.role[kept], fold=data.fold[kept])  # fmt: skip


def known_visits(
    snapshot: Snapshot, truth: pa.Table, spec: Spec, world: World, data: Examples, chosen: argparse.Namespace
) -> Known:
    """All visits of the teachers, and the later ones of those who learn."""
    points, truth, chance = true_points(snapshot, truth, spec)
    answering, weight = chance, np.ones(len(chance))
    if data.is_answer:  # the content answer a bit more: of one patient's moods and of patients
        weight = truth["response_probability"].to_numpy()
        shift = world.answer_satisfaction * (1 - weight) * world.mood
        answering = ndtr(ndtri(np.clip(chance, 1e-12, 1 - 1e-12)) - shift)
    starts = data.points["prediction_time"].to_numpy()[data.test_rows].min()
    later, subject = points["prediction_time"].to_numpy() >= starts, points["subject_id"].to_numpy()
    part = part_of(subject, chosen)
    kept = later | (part > 0)
    query = query_of(data.catalogue)
    features = query.run(snapshot, points.filter(pa.array(kept)))
    return Known(part[kept], later[kept], subject[kept], features, chance[kept], answering[kept], weight[kept])


def taught(known: Known, data: Examples, chance: np.ndarray, weight: np.ndarray) -> list[np.ndarray]:
    """E[chance | features] of the later visits of those who learn, by either half of the teachers."""
    X = fit_encoder(data.catalogue, known.features, np.flatnonzero(known.part > 0)).matrix(known.features)
    mine = X[(known.part == 0) & known.later]
    found = []
    for half in (1, 2):
        rows = known.part == half
        settings = {**FITTED, "base_score": float(np.average(chance[rows], weights=weight[rows])), **FINE}
        booster = xgboost.train(settings, xgboost.QuantileDMatrix(X[rows], chance[rows], weight=weight[rows]), ROUNDS)
        found.append(booster.inplace_predict(mine).astype(float))
    return found


def of_figures(risk: np.ndarray, known: Known, chosen: argparse.Namespace) -> dict:
    """How often the intervals of AUROC and O/E hold what is expected over all who could be drawn."""
    chance, subject = known.chance[known.later], known.subject[known.later]
    expected = {"auroc": expected_auroc(risk, chance), "observed_expected": float(chance.sum() / risk.sum())}
    # its own stream for each system: with one for all, their labels would come out alike
    random = np.random.default_rng([len(risk), int(subject.sum() % FINEST)])
    _, member, counts = np.unique(subject, return_inverse=True, return_counts=True)
    by_patient = np.split(np.argsort(member, kind="stable"), np.cumsum(counts)[:-1])
    held: dict[str, list[bool]] = {name: [] for name in FIGURES}
    for _ in range(chosen.samples):
        drawn = random.integers(0, len(counts), chosen.sampled)  # with replacement: each copy is a patient
        rows, copy = np.concatenate([by_patient[i] for i in drawn]), np.repeat(np.arange(chosen.sampled), counts[drawn])
        label = random.random(len(rows)) < chance[rows]
        found = metrics(label, risk[rows], copy, seed=int(random.integers(2**31)))
        for name in FIGURES:
            held[name].append(found[name].low <= expected[name] <= found[name].high)
    return {name: float(np.mean(held[name])) for name in FIGURES}


def of_patient(margin: np.ndarray, width: np.ndarray, taught_by: list[np.ndarray]) -> dict:
    """How often one patient's interval holds the true chance, over all and in thirds by risk."""
    first, second = (logit(half) for half in taught_by)
    target = logit(np.mean(taught_by, axis=0))
    noise = _smooth(target, (first - second) ** 2 / 4)
    apart = (margin - target) ** 2
    held = apart <= width**2 + NORMAL**2 * noise
    thirds = [float(held[rows].mean()) for rows in np.array_split(np.argsort(margin, kind="stable"), 3)]
    span = sigmoid(margin + width) - sigmoid(margin - width)
    return {"cover": float(held.mean()), "bare": float((apart <= width**2).mean()), "thirds": thirds,
            "width": float(np.median(span)), "noise": float(np.sqrt(noise.mean()))}  # fmt: skip


def _smooth(at: np.ndarray, values: np.ndarray, groups: int = 20) -> np.ndarray:
    """Means in twentieths by `at`, given back to each row."""
    smooth = np.empty(len(values))
    for rows in np.array_split(np.argsort(at, kind="stable"), groups):
        smooth[rows] = values[rows].mean()
    return smooth


def _lines(runs: list[dict], chosen: argparse.Namespace) -> list[str]:
    about = (f"SYNTHETIC, world {chosen.world}, parameters moved by up to {chosen.jitter:.0%}; learned from "
             f"{chosen.patients} patients; {chosen.samples} samples of {chosen.sampled} patients a seed")  # fmt: skip
    lines = [described(machine("wellkept", "xgboost", "numpy")), about]
    for target in chosen.targets:
        own = [run for run in runs if run["target"] == target]
        lines.append(f"{target}, seeds {chosen.first_seed} to {chosen.first_seed + chosen.seeds - 1}:")
        lines += [_line(name, [run[name] for run in own]) for name in FIGURES if name in own[0]]
        for name, title in PATIENT.items():
            if name in own[0]:
                lines += _of_patient_lines(title, [run[name] for run in own])
    return lines


def _of_patient_lines(title: str, runs: list[dict]) -> list[str]:
    thirds = np.mean([run["thirds"] for run in runs], axis=0)
    return [
        _line(title, [run["cover"] for run in runs]),
        "    in thirds by risk " + ", ".join(f"{share:.3f}" for share in thirds)
        + f"; without the noise of the truth's own regressions {np.mean([run['bare'] for run in runs]):.3f}"
        + f"; width of a middling interval {np.mean([run['width'] for run in runs]):.3f}",
    ]


def _line(name: str, shares: list[float]) -> str:
    mean = float(np.mean(shares))
    verdict = "      " if name == NOT_CLAIMED else "holds " if BAND[0] <= mean <= BAND[1] else "MISSED"
    return f"  {verdict} {name}: {mean:.3f} (seeds {min(shares):.3f} to {max(shares):.3f})"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=11)
    parser.add_argument("--world", default="interacting")
    parser.add_argument("--targets", nargs="+", default=list(TRUTH), choices=list(TRUTH))
    parser.add_argument("--what", nargs="+", default=["figures", "patient"], choices=["figures", "patient"])
    parser.add_argument("--patients", type=int, default=30_000, help="whom the product learns from")
    parser.add_argument("--teachers", type=int, default=40_000, help="in each of the two halves")
    parser.add_argument("--samples", type=int, default=25)
    parser.add_argument("--sampled", type=int, default=1500)
    parser.add_argument("--jitter", type=float, default=0.3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
