"""Is what a plan promises true? On SYNTHETIC health systems, where what a move does can be computed.

    python benchmarks/planning.py --patients 20000 --seeds 3

Each system is simulated, a model is trained as `wellkept train` does, and a plan is made for half of all that the model
says is within reach. Then the same moves are made to the simulator's causes: at each site of the plan, each cause (hold
time, lobby wait, lead time, what was missed) takes the values of the better sites' visits of the same rank, and the
state of each patient follows by the simulator's own equations. `truth` is of a service that has been so for as long as
the patient has come (a state is carried over to the next visit in part), as the model's yearly features have it;
`this visit only` leaves the past as it was. Not moved there: calls given up, disputes and overdue steps, which have no
effect of their own in the simulator, so that a plan which moves them promises too much.

Beside it: the same plan where sites are ranked and measured by the same visits (luck is moved too), and the effort of
taking the largest gains first.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from scipy.special import ndtr

from measuring import described, machine, say, show
from wellkept import factors, jobs
from wellkept.bundles import Bundle
from wellkept.evaluating import evaluate
from wellkept.examples import examples
from wellkept.factors import Visits, quarters, ranked_alike
from wellkept.jobs.planning import recent_visits
from wellkept.journeys import Snapshot
from wellkept.planning import Plan, Planner
from wellkept.settings import Settings
from wellkept.simulator import simulate
from wellkept.simulator.feeling import _failures
from wellkept.simulator.hospital import Hospital, open_hospital
from wellkept.simulator.lives import RUN_OUT_DAYS, live
from wellkept.simulator.population import draw_clinics, draw_patients
from wellkept.simulator.returning import stay_logit
from wellkept.simulator.worlds import World, jittered, named
from wellkept.spec import load_spec
from wellkept.training import train

MODELS = Path(__file__).resolve().parents[1] / "models"
DAYS, FIRST_DAY = 1461, np.datetime64("2022-01-01", "s")
CAUSES = {
    "lead_days": "lead_days", "hold_seconds": "hold_seconds", "lobby_wait": "lobby_minutes",
    "transfers_last": "transfers", "reschedules_365d": "reschedules", "verification_failed": "verification_failed",
    "interpreter_missed": "interpreter_missed", "accommodation_missed": "access_failed",
    "instructions_given": "instructions_missed", "contacted_48h": "no_follow_up", "response_hours": "response_hours",
    "surprise_bills_365d": "surprise_bill", "denials_365d": "denied_claim",
}  # fmt: skip
SHARES = ("SITE//DETRACTOR_SHARE", "CLINICIAN//DETRACTOR_SHARE")
ALIKE = "alike"
NO_SITES = dict.fromkeys(("site_quality", "site_waiting", "site_lead", "site_calling", "interpreters_spread"), 0.0)
RARE = {"interpreter_missed": "limited_english", "access_failed": "disability"}  # a cause that only these can have


def main() -> None:
    """Every target and seed; planned beside true."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--patients", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=301)
    parser.add_argument("--world", default="interacting", help=f"or {ALIKE}: no site differs from another")
    parser.add_argument("--jitter", type=float, default=0.3)
    parser.add_argument("--targets", nargs="+", default=["detractor_risk", "no_return"])
    parser.add_argument("--estimator", default="best", choices=["best", "trees", "logistic"])
    parser.add_argument("--direct", action="store_true", help="a model without what follows from bad service: earlier "
                        "answers, complaints, what others answered of the site and the clinician")  # fmt: skip
    chosen = parser.parse_args()
    facts = []
    for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds):
        facts += of_system(seed, chosen)
        say(f"{seed} done")
    lines = [described(machine("wellkept", "xgboost")), f"SYNTHETIC, {chosen.patients} patients a system"]
    for told in facts:
        lines += _lines(told)
    show(facts, lines, as_json=chosen.json)


def of_system(seed: int, chosen: argparse.Namespace) -> list[dict]:
    """One system's plans, a target each."""
    settings, base = Settings(subject_key="benchmark"), named("interacting" if chosen.world == ALIKE else chosen.world)
    world = dataclasses.replace(base, **NO_SITES) if chosen.world == ALIKE else base
    with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
        export = Path(folder) / "export"
        simulate(export, patients=chosen.patients, seed=seed, world=world, jitter=chosen.jitter, days=DAYS)
        journeys = jobs.open_journeys(Path(folder) / "journeys", settings)
        jobs.land(journeys, jobs.read_batch("tables", export, now=datetime.now(UTC), settings=settings))
        hospital = lived(jittered(world, chosen.jitter, seed), seed, chosen.patients)
        return [{"seed": seed, "target": target, **judged(journeys.snapshot(), target, hospital, chosen)}
                for target in chosen.targets]  # fmt: skip


def lived(world: World, seed: int, patients: int) -> Hospital:
    """The hospital behind the export: the simulator's first steps again, with what it does not write down."""
    rng = np.random.default_rng(seed)
    clinics = draw_clinics(rng, world)
    people = draw_patients(rng, world, patients, days=DAYS, clinics=clinics)
    visits = live(rng, world, people, clinics, until=DAYS + RUN_OUT_DAYS)
    return open_hospital(rng, world, people, visits, export_day=DAYS, first_day=FIRST_DAY)


def judged(snapshot: Snapshot, target: str, hospital: Hospital, chosen: argparse.Namespace) -> dict:
    """A plan of half of what is within reach, by this target's model, and what it would truly do."""
    changes = {"estimator": chosen.estimator, "beside": ()}  # no control or rule of thumb plays a part
    spec = load_spec(MODELS / f"{target}.toml").model_copy(update=changes)
    if chosen.direct:
        kept = tuple(name for name in spec.features if name not in ("voice", "complaints"))
        spec = spec.model_copy(update={"features": kept, "audit": (*spec.audit, *SHARES), "baseline": ""})
    data = examples(snapshot, spec)
    model = train(data, spec)
    bundle = jobs.bundle_of(model, data, spec, evaluate(model, data, spec))
    seen = recent_visits(snapshot, bundle, days=91)
    planner = Planner(bundle, seen.visits)
    if chosen.world == ALIKE:
        return {"kind": bundle.estimator.kind, "visits": len(seen.visits.X), "reachable": planner.reachable.value,
                "same_visits": {"reachable": by_the_same_visits(bundle, seen.visits).reachable.value}}  # fmt: skip
    plan = planner.plan(planner.reachable.value / 2)
    rows = pc.index_in(seen.points["encounter_id"], hospital.appointment_ids).to_numpy()
    truth = Truth(hospital, rows, seen.visits, bundle)
    moves = [(m.site, m.factor.name, m.steps) for m in plan.moves]
    placed = {f.name: quarters(seen.visits, f) for f in planner.factors}
    each = [(m.gain.value, truth.gain([move], placed)[0]) for m, move in zip(plan.moves, moves, strict=True)]
    steady, once = truth.gain(moves, placed)
    luckily = by_the_same_visits(bundle, seen.visits)
    lucky = luckily.plan(luckily.reachable.value / 2)
    placed_alike = {f.name: quarters(luckily.visits, f) for f in luckily.factors}
    lucky_moves = [(m.site, m.factor.name, m.steps) for m in lucky.moves]
    return {
        "kind": bundle.estimator.kind, "visits": len(seen.visits.X), "sites": len(seen.visits.sites),
        "moves": len(moves), "effort": plan.effort, "sum": plan.summed, "planned": list(plan.joint), "truth": steady,
        "truth_this_visit_only": once, "each": each, "factors": sorted({name for _, name, _ in moves}),
        "reachable": planner.reachable.value, "largest_first_effort": largest_first(planner, plan),
        "same_visits": {"reachable": luckily.reachable.value, "planned": lucky.joint.value, "effort": lucky.effort,
                        "truth": truth.gain(lucky_moves, placed_alike)[0]},
    }  # fmt: skip


def by_the_same_visits(bundle: Bundle, visits: Visits) -> Planner:
    """A planner that ranks sites by the very visits that it then measures, and believes every difference."""
    twice = {name: np.concatenate([getattr(visits, name)[visits.read]] * 2) for name in ("X", "site", "kind")}
    ranks = np.arange(len(twice["X"])) < len(visits.read)
    planner = Planner(bundle, Visits(**twice, ranks=ranks, sites=visits.sites, seed=visits.seed))
    clear, factors.CLEAR = factors.CLEAR, -np.inf
    try:
        planner.options  # noqa: B018  # all tables are made now
    finally:
        factors.CLEAR = clear
    return planner


def largest_first(planner: Planner, plan: Plan) -> float | None:
    """The effort of the plan's gain where the largest gain of each site and factor is taken, from the top down."""
    options, taken, got, effort = planner.options, set(), 0.0, 0.0
    for i in np.argsort(-options.gain):
        if options.group[i] not in taken and got < plan.summed:
            taken.add(options.group[i])
            got, effort = got + options.gain[i], effort + options.effort[i]
    return effort


class Truth:
    """What moves truly do to the visits that a plan was made from."""

    def __init__(self, hospital: Hospital, rows: np.ndarray, visits: Visits, bundle: Bundle) -> None:
        self.world, self.visits, self.nps = hospital.world, visits, bundle.second is not None
        self.scale = 1 / len(visits.read) if self.nps else len(visits.X) / len(visits.read)
        lived_, people = hospital.visits, hospital.people
        before = _kept_before(lived_)
        self.visit = {name: column[rows] for name, column in lived_.items()}
        self.visit |= {name: people[name][self.visit["patient"]] for name in people if name not in self.visit}
        self.visit |= {"visits_before": before[rows]}
        self.visit["uses_portal"] &= self.visit["portal_from"] <= self.visit["start_at"]

    def gain(self, moves: list[tuple[str, str, int]], placed: dict[str, np.ndarray]) -> tuple[float, float]:
        """The true gain of these moves together: of a service that has long been so, and at these visits only."""
        change = self.state_change(moves, placed)
        carried, n = self.world.carried_over, self.visit["visits_before"][self.visits.read]
        past = carried * (1 - carried**n) / (1 - carried)  # weight of the changes at the visits before
        place = self.visits.place[self.visits.read]
        usual = np.array([change[place == s].mean() if (place == s).any() else 0 for s in range(-1, place.max() + 1)])
        return tuple(float((self.worth(c) - self.worth(0 * c)).sum() * self.scale)
                     for c in (change + past * usual[place + 1], change))  # fmt: skip

    def state_change(self, moves: list[tuple[str, str, int]], placed: dict[str, np.ndarray]) -> np.ndarray:
        """By how much the state at each visit that is read changes."""
        read = self.visits.read
        visit = {name: column[read].copy() for name, column in self.visit.items()}
        place, kind = self.visits.place[read], self.visits.kind[read]
        lot = np.random.default_rng(0).random(len(read))
        original = {name: column.copy() for name, column in visit.items()}
        for site, factor, steps in moves:
            if (cause := CAUSES.get(factor)) is None:
                continue
            at = self.visits.sites.index(site)
            values = self._known(original, cause)
            mine = place == at
            peers = np.isin(place, np.flatnonzero(placed[factor] == placed[factor][at] - steps))
            moved = ranked_alike(values[mine, None], values[peers, None], kind[mine], kind[peers], lot[mine])[:, 0]
            kept = np.where(np.isnan(moved), original[cause][mine], moved)
            visit[cause][mine] = kept.astype(visit[cause].dtype)
        hurt = [self._hurt(v) for v in (original, visit)]
        return hurt[0] - hurt[1]

    def worth(self, change: np.ndarray) -> np.ndarray:
        """Expected NPS in points as if asked by the reference, or minus the chance not to return; of visits read."""
        visit = {name: column[self.visits.read] for name, column in self.visit.items()}
        state = visit["state_untreated"] + change
        if self.nps:
            leaning = visit["leaning"] - np.array(self.world.mode_shifts)[visit["mode"]]
            low, high = (ndtr((self.world.score_steps[cut] - leaning - state) / self.world.mood) for cut in (6, 8))
            return 100 * (1 - high - low)
        stays, was = (1 / (1 + np.exp(-stay_logit(self.world, visit, s))) for s in (state, visit["state_untreated"]))
        return stays / was * (1 - visit["p_no_return"])

    def _hurt(self, visit: dict[str, np.ndarray]) -> np.ndarray:
        failures = _failures(self.world, visit)
        return (self.world.losses * visit["sensitivity"] * np.stack(list(failures.values()), axis=1)).sum(axis=1)

    @staticmethod
    def _known(visit: dict[str, np.ndarray], cause: str) -> np.ndarray:
        """A cause as numbers; NaN where it cannot occur."""
        values = visit[cause].astype(float)
        return np.where(visit[RARE[cause]], values, np.nan) if cause in RARE else values


def _kept_before(visits: dict[str, np.ndarray]) -> np.ndarray:
    order = np.lexsort((visits["start_at"], visits["patient"]))
    kept = visits["kept"][order].astype(int)
    total = np.cumsum(kept) - kept
    first = np.r_[True, np.diff(visits["patient"][order]) > 0]
    before = np.empty(len(order), int)
    before[order] = total - np.maximum.accumulate(np.where(first, total, 0))
    return before


def _lines(told: dict) -> list[str]:
    same = told["same_visits"]
    if "planned" not in told:
        return [f"{told['target']} {told['seed']}: {told['kind']}, {told['visits']} visits, no site differs",
                f"  within reach {told['reachable']:.2f}; by the same visits {same['reachable']:.2f}"]  # fmt: skip
    value, low, high = told["planned"]
    unit = "points of NPS" if told["target"] == "detractor_risk" else "returns"
    right = sum(true > 0 for _, true in told["each"])
    return [
        f"{told['target']} {told['seed']}: {told['kind']}, {told['visits']} visits, {told['sites']} sites",
        f"  {told['moves']} moves of {', '.join(told['factors'])}",
        f"  planned {value:.2f} [{low:.2f} to {high:.2f}] (sum {told['sum']:.2f}) {unit}",
        f"  truth {told['truth']:.2f}, at these visits only {told['truth_this_visit_only']:.2f}",
        f"  truth / planned {told['truth'] / value:.2f}; moves that truly help: {right} of {told['moves']}",
        f"  effort {told['effort']:g}, largest gains first {told['largest_first_effort']:g}",
        f"  within reach {told['reachable']:.2f}; ranked and measured by the same visits {same['reachable']:.2f}",
        f"  whose plan is {same['planned']:.2f}, truth {same['truth']:.2f}: {same['truth'] / same['planned']:.2f}",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
