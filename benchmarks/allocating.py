"""Who gets what for 1,000,000 patients and ten interventions, beside the whole linear program where HiGHS can solve it.

    python benchmarks/allocating.py

Prints, for each size, CPU seconds, peak memory and certified gap of ours; up to --exact patients also the seconds of
the whole program by HiGHS (linprog) and how far ours falls short of it. Values are SYNTHETIC; minutes, an arm's
capacities, a second language and a floor for a tenth of the patients are the resources. With --teams, as many patients
by a staff file of three teams and two languages, without floors and with one for four payers, each group's shortfall
beside it. The peak is that of the process so far.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix, vstack

from measuring import described, machine, say, show
from wellkept.allocating import Resource, allocate, floor
from wellkept.effects import Effects
from wellkept.offering import interventions
from wellkept.sharing import People, shared
from wellkept.staff import Staff

MINUTES = np.array([25, 15, 10, 12, 30, 20, 12, 8, 0.5, 60.0])
TEXT, NURSES = 8, (0, 1, 9)
PAYERS = [0.5, 0.2, 0.25, 0.05]


def main() -> None:
    """Every size, ours and, where it can be done, the whole program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--patients", type=int, nargs="+", default=[2_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--exact", type=int, default=10_000)
    parser.add_argument("--teams", type=int, nargs="*", default=[1_000_000])
    chosen = parser.parse_args()
    facts = []
    for patients in chosen.patients:
        value, kind, resources = made_up(patients)
        started = time.process_time()
        found = allocate(value, kind, resources)
        facts.append({"patients": patients, "cpu_seconds": time.process_time() - started, "gap": found.gap,
                      "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024})  # fmt: skip
        if patients <= chosen.exact:
            started = time.process_time()
            best = whole_program(value, kind, resources)
            facts[-1] |= {"exact_cpu_seconds": time.process_time() - started, "short_of_exact": 1 - found.value / best}
        say(f"{patients} done")
    for patients in chosen.teams:
        facts += [by_teams(patients, floors=floors) for floors in (False, True)]
        say(f"{patients} by teams done")
    lines = [described(machine("wellkept", "numpy", "scipy")), *map(_line, facts)]
    show(facts, lines, as_json=chosen.json)


def made_up(patients: int) -> tuple[np.ndarray, np.ndarray, list[Resource]]:
    """Values where a third of the interventions make sense, and what there is to do them with."""
    random = np.random.default_rng(1)
    need = random.beta(2, 5, patients)[:, None]
    sense = random.random((patients, len(MINUTES))) < 0.35
    value = (random.gamma(0.5, 0.06, (patients, len(MINUTES))) * need * 4 * sense).astype(np.float32)
    arm = np.arange(len(MINUTES))
    staff = np.where(arm == TEXT, 0, MINUTES)
    nurse = staff * np.isin(arm, NURSES)
    both = np.array([[1.0], [1.0]])
    resources = [
        Resource("minutes", 0.8 * patients, both * staff), Resource("nurses", 0.3 * patients, both * nurse),
        Resource("nurses in Spanish", 0.01 * patients, np.array([[0.0], [1.0]]) * nurse),
        Resource("texts", 0.1 * patients, both * (arm == TEXT)),
        *(Resource(f"capacity of arm {k}", 0.01 * patients, both * (arm == k)) for k in (2, 5, 9)),
        floor("share of those who speak Spanish", staff, np.array([False, True]), 0.1),
    ]  # fmt: skip
    return value, (random.random(patients) < 0.1).astype(int), resources


def by_teams(patients: int, *, floors: bool) -> dict:
    """What `sharing.shared` takes for three teams and two languages."""
    random, value = np.random.default_rng(1), made_up(patients)[0]
    catalogue = list(interventions().values())
    effects = Effects({"risk": -value}, {"risk": value}, value > 0, ("assumed",) * len(catalogue))
    effects.offered[:, [i.is_entitlement for i in catalogue]] = False
    payer = random.choice(np.array(["commercial", "medicaid", "medicare", "self pay"], object), patients, p=PAYERS)
    language = random.choice(np.array(["english", "spanish"], object), patients, p=[0.9, 0.1])
    people = People(language, {"PERSON//payer": payer}, np.zeros((patients, 0)), random.beta(2, 5, patients))
    staff = Staff.model_validate({
        "texts": 0.1 * patients,
        "team": [
            {"name": "nurses", "minutes": 0.3 * patients, "roles": ["nurse", "coordinator"], "languages": ["english"]},
            {"name": "desk", "minutes": 0.4 * patients, "roles": ["coordinator", "scheduler", "billing"],
             "languages": ["english", "spanish"]},
            {"name": "others", "minutes": 0.1 * patients, "roles": ["navigator", "social work", "coordinator"],
             "languages": ["english"], "interpreter": True},
        ],
        "floor": [{"code": "PERSON//payer"}] if floors else [],
    })  # fmt: skip
    started = time.process_time()
    found = shared(effects, catalogue, staff, people)
    return {"patients": patients, "by_teams": True, "floors": floors, "gap": found.allocation.gap,
            "cpu_seconds": time.process_time() - started, "short": {k.group.name: k.short for k in found.floors},
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}  # fmt: skip


def whole_program(value: np.ndarray, kind: np.ndarray, resources: list[Resource]) -> float:
    """The value of the linear program with a row for each patient."""
    patient, arm = np.nonzero(value > 0)
    once = coo_matrix((np.ones(len(patient)), (patient, np.arange(len(patient)))), shape=(len(value), len(patient)))
    taken = coo_matrix(np.stack([r.use[kind[patient], arm] for r in resources]))
    limits = np.concatenate([[r.capacity for r in resources], np.ones(len(value))])
    return -linprog(-value[patient, arm], A_ub=vstack([taken, once]).tocsr(), b_ub=limits, method="highs").fun


def _line(facts: dict) -> str:
    line = "{patients:9,} patients {cpu_seconds:7.2f} CPU s {peak_mib:6.0f} MiB, gap {gap:.3%}".format(**facts)
    if "by_teams" in facts:
        short = ", ".join(f"{group} {minutes:.1f}" for group, minutes in facts["short"].items())
        return f"{line}, by teams" + (f" with floors; minutes short: {short}" if facts["floors"] else "")
    exact = "; the whole program {exact_cpu_seconds:.2f} CPU s, ours falls {short_of_exact:.3%} short of it"
    return line + (exact.format(**facts) if "exact_cpu_seconds" in facts else "")


if __name__ == "__main__":
    main()
