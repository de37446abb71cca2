"""Who gets what for 1,000,000 patients and ten interventions, beside the whole linear program where HiGHS can solve it.

    python benchmarks/allocating.py

Prints, for each size, CPU seconds, peak memory and certified gap of ours; up to --exact patients also the seconds of
the whole program by HiGHS (linprog) and how far ours falls short of it. Values are SYNTHETIC; minutes, an arm's
capacities, a second language and a floor for a tenth of the patients are the resources.
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

MINUTES = np.array([25, 15, 10, 12, 30, 20, 12, 8, 0.5, 60.0])
TEXT, NURSES = 8, (0, 1, 9)


def main() -> None:
    """Every size, ours and, where it can be done, the whole program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--patients", type=int, nargs="+", default=[2_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--exact", type=int, default=10_000)
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


def whole_program(value: np.ndarray, kind: np.ndarray, resources: list[Resource]) -> float:
    """The value of the linear program with a row for each patient."""
    patient, arm = np.nonzero(value > 0)
    once = coo_matrix((np.ones(len(patient)), (patient, np.arange(len(patient)))), shape=(len(value), len(patient)))
    taken = coo_matrix(np.stack([r.use[kind[patient], arm] for r in resources]))
    limits = np.concatenate([[r.capacity for r in resources], np.ones(len(value))])
    return -linprog(-value[patient, arm], A_ub=vstack([taken, once]).tocsr(), b_ub=limits, method="highs").fun


def _line(facts: dict) -> str:
    line = "{patients:9,} patients {cpu_seconds:7.2f} CPU s {peak_mib:6.0f} MiB, gap {gap:.3%}".format(**facts)
    exact = "; the whole program {exact_cpu_seconds:.2f} CPU s, ours falls {short_of_exact:.3%} short of it"
    return line + (exact.format(**facts) if "exact_cpu_seconds" in facts else "")


if __name__ == "__main__":
    main()
