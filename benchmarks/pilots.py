"""Do pilots' 95 % intervals hold the truth, and nothing where there is nothing? On SYNTHETIC health systems.

    python benchmarks/pilots.py --seeds 200 --kept pilots.jsonl

Each seed is a system of its own parameters, exported, landed and read by the product's own code (`jobs.read_pilot`).

- Arms: the simulator's pilot gives, to 12 % of visits from the second year on, nothing or one of the ten steps that
  make sense, by chance and with a logged propensity. An interval is held against the mean of the true effects on the
  very visits that were compared: of detractors, those who answered. `everybody` holds it against all that were drawn.
- Placebo (T14): a letter that does nothing goes to 5 % of visits, drawn by chance; read of every other patient.
- Regression to the mean (T15): a letter that does nothing goes to whoever answered 0 to 6. As it is in the export,
  everybody got it: the product gives no number. Beside it stands what a dashboard says: how many of them are no
  detractors in their next answer. With the product's own hashed holdout (half) it is a pilot, and is read.
- Drawn again: a system has one draw of each letter, and 200 draws say little (of 200 right intervals 186 or more hold
  zero in 92 of 100 runs of this script; of 50, 47 or more in 76). A letter that does nothing can be drawn as often as
  one likes on the same visits and their same outcomes, so both are, --redraws times a system: T14 by a generator, T15
  by the product's hash with other salts. Systems stay what is counted: the error beside the share is between them.

With --kept, seeds that the file holds are not made again. Exits with 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from measuring import say, show
from pilot_facts import lines, summary
from wellkept import jobs
from wellkept.contracts import ASSIGNMENTS, POINTS, TIME
from wellkept.errors import InputRefused
from wellkept.examples import fold_of
from wellkept.identities import subject_ids
from wellkept.jobs.piloting import features_at, outcomes_at
from wellkept.journeys import Journeys, Snapshot
from wellkept.pilots import estimating
from wellkept.pilots.holdouts import draw
from wellkept.pilots.plans import Pilot
from wellkept.pilots.reading import Reading, compared_of, read, refusal
from wellkept.settings import Settings
from wellkept.simulator import simulate
from wellkept.simulator.helping import ARMS

KEY, SALT = "benchmark", "the salt of a benchmark is no secret"
ANSWER = "SURVEY//NPS <= 6 within 42d in the same encounter"
NEXT_ANSWER = "SURVEY//NPS <= 6 within 1095d as it comes"
RETURN = ("no event of VISIT//COMPLETED by preventive: 637d, chronic: 270d, procedure: 135d after the last "
          "unless VITAL//DIED, ADDRESS//MOVED_AWAY")  # fmt: skip
ADJUST = ("last_nps", "age", "lobby_wait", "instructions_given", "days_since_visit", "visits_365d", "no_show_share",
          "distance_km", "answers", "detractor_answers", "chronic_conditions")  # fmt: skip
TRUTH = {"detractor_risk": "p_detractor", "no_return": "p_no_return"}
LONG_AGO, ENDS = datetime(2000, 1, 1, tzinfo=UTC), datetime(2025, 12, 29, tzinfo=UTC)  # exports are of 2026-01-01
SENT = 0.05  # of the visits get the placebo


def main() -> None:
    """All seeds; how often intervals hold what they should."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--patients", type=int, default=40_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=101)
    parser.add_argument("--world", default="interacting")
    parser.add_argument("--jitter", type=float, default=0.3)
    parser.add_argument("--redraws", type=int, default=50, help="of each letter, in each system")
    parser.add_argument("--kept", type=Path, help="a file that each seed adds its readings to")
    chosen = parser.parse_args()
    rows: list[dict] = []
    refused = 0
    for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds):
        found = once(seed, chosen)
        rows, refused = rows + found, refused + (not found)
        say(f"{chosen.world} {seed} is done")
    facts = summary(rows) | {"exports that were refused": {"told": 0, "readings": refused}}
    systems = f"SYNTHETIC, world {chosen.world}, {chosen.seeds} seeds of {chosen.patients} patients"
    show(facts, [systems, *lines(facts)], as_json=chosen.json)
    sys.exit(0 if all(told["met"] for told in facts.values() if "met" in told) else 1)


def once(seed: int, chosen: argparse.Namespace) -> list[dict]:
    """One system's readings, out of the kept ones if they are there."""
    made_of = [chosen.world, seed, chosen.patients, chosen.jitter, chosen.redraws]
    kept = chosen.kept.read_text().splitlines() if chosen.kept and chosen.kept.exists() else []
    for run in map(json.loads, kept):
        if run["run"] == made_of:
            return run["rows"]
    with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
        try:
            rows = of_system(Path(folder), seed, chosen)
        except InputRefused as error:  # a few exports hold two versions of a patient at one moment: they are counted
            say(f"{chosen.world} {seed} was not read: {error.code}")
            rows = []
    if chosen.kept:
        with chosen.kept.open("a") as file:
            file.write(json.dumps({"run": made_of, "rows": rows}) + "\n")
    return rows


def of_system(folder: Path, seed: int, chosen: argparse.Namespace) -> list[dict]:
    """Simulate and land one system, and read all its pilots."""
    export = folder / "export"
    simulate(export, patients=chosen.patients, seed=seed, world=chosen.world, jitter=chosen.jitter,
             traps=("courtesy-letter", "apology-letter"))  # fmt: skip
    journeys = Journeys(folder / "journeys", shards=2, key=KEY)  # few patients: fewer files, sooner
    jobs.land(journeys, jobs.read_batch("tables", export, now=datetime.now(UTC), settings=Settings()))
    tables = {name: pq.read_table(export / f"{name}.parquet") for name in ("interventions", "surveys")}
    truth = {name: pq.read_table(export / "truth" / f"{name}.parquet") for name in ("encounters", "arms")}
    snapshot = journeys.snapshot()
    return [*arms(snapshot, tables["interventions"], truth),
            *placebo(snapshot, tables["interventions"], truth, redraws=chosen.redraws),
            *unhappy(snapshot, tables["surveys"], redraws=chosen.redraws)]  # fmt: skip


def arms(snapshot: Snapshot, done: pa.Table, truth: Mapping[str, pa.Table]) -> list[dict]:
    """Each arm of the simulator's pilot by both outcomes, beside the truth."""
    pilot = _pilot(ARMS, {"detractor_risk": ANSWER, "no_return": RETURN})
    drawn = done.filter(pc.equal(done["pilot"], True))
    place = pc.index_in(drawn["visit_id"], truth["encounters"]["encounter_id"].combine_chunks())
    drawn, place = drawn.filter(place.is_valid()), place.drop_null()
    before, after = truth["encounters"].take(place), truth["arms"].take(place)
    eligible = np.column_stack([after[f"eligible_{arm}"].to_numpy() for arm in ARMS])
    got = np.array(drawn["arm"].cast(pa.string()).to_pylist(), str)
    logged, control = drawn["propensity"].to_numpy(), got == "control"
    # the chance to get any one arm that makes sense: all are as likely
    each = np.where(control, (1 - logged) / np.maximum(eligible.sum(1), 1), logged)
    none = 1 - each * eligible.sum(1)
    found = []
    points = _points(drawn["patient_id"], drawn["assigned_at"], drawn["visit_id"])
    outcomes = outcomes_at(snapshot, points, pilot)
    X = features_at(snapshot, points, ADJUST)
    for k, arm in enumerate(ARMS):
        rows = np.flatnonzero(eligible[:, k] & (control | (got == arm)))
        log = _log(points.take(pa.array(rows)), arm, control[rows], (each / (each + none))[rows])
        told = {name: label[rows] for name, label in outcomes.items()}
        for reading in read(_pilot((arm,), pilot.outcomes), log, told, X[rows], ENDS):
            p = TRUTH[reading.outcome]
            gain = after[f"{p}_{arm}"].to_numpy()[rows] - before[p].to_numpy()[rows]
            known = ~np.isnan(told[reading.outcome])
            found.append(_row("arm", reading, float(gain[known].mean()), float(gain.mean())))
    return found


def placebo(snapshot: Snapshot, done: pa.Table, truth: Mapping[str, pa.Table], *, redraws: int) -> list[dict]:
    """T14: who got the letter against all whom chance passed over, from the end of the visit on; and drawn again."""
    visits = truth["encounters"]
    points = _points(visits["patient_id"], visits["end_at"], visits["encounter_id"])
    sent = done.filter(pc.equal(done["type"].cast(pa.string()), "courtesy_letter"))
    held = pc.invert(pc.is_in(visits["encounter_id"], sent["visit_id"].combine_chunks())).to_numpy()
    # the letter goes out up to 36 hours later: who was there on the last days had no chance to get one in the export
    early = pc.less(visits["end_at"], pa.scalar(ENDS, visits["end_at"].type)).to_numpy()
    pilot = _pilot(("courtesy_letter",), {"detractor_risk": ANSWER, "no_return": RETURN})
    some = fold_of(points["subject_id"].to_numpy(), 2, 0) == 0  # enough to tell, in half the time
    log = _log(points, "courtesy_letter", held, np.full(len(held), SENT)).filter(pa.array(early & some))
    outcomes, X = _told(pilot, log, snapshot)
    others = (np.random.default_rng(k).random(log.num_rows) >= SENT for k in range(redraws))
    return [*(_row("placebo", reading, 0.0) for reading in read(pilot, log, outcomes, X, snapshot.observed_until)),
            *_again("placebo", log, outcomes, X, others)]  # fmt: skip


def unhappy(snapshot: Snapshot, surveys: pa.Table, *, redraws: int) -> list[dict]:
    """T15: as it is in the export, and with the product's own holdout, once and again; what a dashboard would say."""
    low = surveys.filter(pc.fill_null(pc.less_equal(surveys["nps"], 6), False))
    low = low.filter(pc.less(low["available_at"], pa.scalar(ENDS, low["available_at"].type)))
    points = _points(low["patient_id"], low["available_at"], low["visit_id"])
    pilot = _pilot(("apology_letter",), {"detractor_risk": NEXT_ANSWER, "no_return": RETURN})
    everybody = _log(points, "apology_letter", np.zeros(points.num_rows, bool), np.full(points.num_rows, np.nan))
    held = _held(pilot, points, SALT)
    log = _log(points, "apology_letter", held, np.full(points.num_rows, 1 - pilot.share))
    outcomes, X = _told(pilot, log, snapshot)
    recovered = 1 - float(np.nanmean(outcomes["detractor_risk"]))
    others = (_held(pilot, points, f"{SALT} ({k})") for k in range(redraws))
    return [
        *(_row("everybody got it", reading, 0.0) for reading in jobs.read_pilot(pilot, everybody, snapshot)),
        *(_row("regression to the mean", reading, 0.0) | {"recovered": recovered}
          for reading in read(pilot, log, outcomes, X, snapshot.observed_until)),
        *_again("regression to the mean", log, outcomes, X, others),
    ]  # fmt: skip


def _told(pilot: Pilot, log: pa.Table, snapshot: Snapshot) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Outcomes and covariates of a log's rows."""
    points = POINTS.check(log.select(POINTS.schema.names))
    return outcomes_at(snapshot, points, pilot), features_at(snapshot, points, pilot.adjust)


def _held(pilot: Pilot, points: pa.Table, salt: str) -> np.ndarray:
    """The product's draw of each visit by itself: the pilot is of answers, and a patient may give a low one twice."""
    arm, subject = np.array(pilot.arms), points["subject_id"].to_numpy()
    times = points["prediction_time"].to_pylist()
    return np.array([draw(pilot, salt, subject[[i]], arm, at).holdout[0] for i, at in enumerate(times)])


def _again(
    kind: str, log: pa.Table, outcomes: Mapping[str, np.ndarray], X: np.ndarray, others: Iterable[np.ndarray]
) -> list[dict]:
    """How many intervals hold zero where others are held out, and how many lie below and above it."""
    found = []
    draws = list(others)
    for name, label in outcomes.items():
        compared = compared_of(log, log["arm"][0].as_py(), label, X)
        pilots = [replace(compared, treated=~held) for held in draws]
        told = [estimating.effect(each.known) for each in pilots if not refusal(each)]
        found.append({"kind": f"{kind}, drawn again", "outcome": name, "draws": len(draws), "told": len(told),
                      "below": sum(e.high < 0 for e in told), "above": sum(e.low > 0 for e in told)})  # fmt: skip
    return found


def _pilot(names: tuple[str, ...], outcomes: Mapping[str, str]) -> Pilot:
    return Pilot(name="benchmark", arms=names, begins=LONG_AGO, ends=ENDS, epoch="1d",
                 outcomes=outcomes, adjust=ADJUST)  # fmt: skip


def _points(patient: pa.ChunkedArray, at: pa.ChunkedArray, visit: pa.ChunkedArray) -> pa.Table:
    return pa.table({"subject_id": subject_ids(patient.to_pylist(), KEY.encode()), "prediction_time": at.cast(TIME),
                     "encounter_id": visit.cast(pa.string())})  # fmt: skip


def _log(points: pa.Table, arm: str, held: np.ndarray, propensity: np.ndarray) -> pa.Table:
    return ASSIGNMENTS.check(pa.table({
        **{name: points[name] for name in points.column_names},
        "arm": pa.repeat(arm, points.num_rows), "epoch": points["prediction_time"], "holdout": pa.array(held),
        "propensity": pa.array(propensity, from_pandas=True),
    }))  # fmt: skip


def _row(kind: str, reading: Reading, true: float, everybody: float | None = None) -> dict:
    told = {name: None if e is None else [e.value, e.low, e.high]
            for name in ("effect", "answering", "targeting") for e in [getattr(reading, name)]}
    return {"kind": kind, "arm": reading.arm, "outcome": reading.outcome, "refused": reading.refused,
            "effective": reading.effective, "true": true, "everybody": true if everybody is None else everybody,
            **told}  # fmt: skip


if __name__ == "__main__":
    main()
