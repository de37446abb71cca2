"""A whole evaluation of 100,000 rows with 200 resamples of patients, and how long each part of it takes.

    python benchmarks/evaluating.py --rows 100000

Five contestants' figures, each compared with what ships, and the groups of ten dimensions, as `wellkept train` makes
them; risks and labels are SYNTHETIC. Beside it: scikit-learn's roc_auc_score, average_precision_score and
brier_score_loss of one contestant on as many resamples, the usual way to three of our figures' intervals.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pyarrow as pa

from measuring import described, machine, say, show
from wellkept.evaluating import RESAMPLES
from wellkept.performance import compared, metrics
from wellkept.subgroups import by_group

CONTESTANTS, DIMENSIONS, LEVELS = 5, 10, 5


def main() -> None:
    """Print the seconds of each part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rows", type=int, default=100_000)
    chosen = parser.parse_args()
    label, risks, subject, groups = made_up(chosen.rows)
    parts = {  # each is run once
        "figures of five contestants": lambda: [metrics(label, r, subject, resamples=RESAMPLES) for r in risks],
        "each beside what ships": lambda: [compared(label, risks[0], r, subject, resamples=RESAMPLES)
                                           for r in risks[1:]],
        "groups of ten dimensions": lambda: by_group(label, risks[0], subject, groups, resamples=RESAMPLES),
        "scikit-learn, three figures of one contestant": lambda: usual(label, risks[0], subject),
    }  # fmt: skip
    seconds = {}
    for name, part in parts.items():
        started = time.process_time()
        part()
        seconds[name] = time.process_time() - started
        say(f"{name}: {seconds[name]:.1f} CPU s")
    ours = sum(list(seconds.values())[:3])
    lines = [described(machine("wellkept", "numpy", "scikit-learn")), f"{chosen.rows} rows, {RESAMPLES} resamples",
             *(f"{name:48}{value:8.1f} CPU s" for name, value in seconds.items()),
             f"{'the whole evaluation':48}{ours:8.1f} CPU s"]  # fmt: skip
    show({"rows": chosen.rows, "resamples": RESAMPLES, "cpu_seconds": seconds, "whole": ours}, lines,
         as_json=chosen.json)


def made_up(rows: int) -> tuple[np.ndarray, list[np.ndarray], np.ndarray, pa.Table]:
    """Labels, risks of contestants that see more and less, three rows a patient, and groups."""
    random = np.random.default_rng(1)
    true = random.beta(1, 5, rows)
    risks = [np.clip(true + random.normal(0, 0.02 * (k + 1), rows), 0.001, 0.999) for k in range(CONTESTANTS)]
    levels = random.integers(0, LEVELS, (DIMENSIONS, rows))
    groups = pa.table({f"dimension {d}": [f"level {level}" for level in levels[d]] for d in range(DIMENSIONS)})
    return random.random(rows) < true, risks, np.arange(rows) // 3, groups


def usual(label: np.ndarray, risk: np.ndarray, subject: np.ndarray) -> None:
    """Copies of whole patients, drawn with replacement, handed to scikit-learn."""
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

    random = np.random.default_rng(0)
    starts = np.searchsorted(subject, np.arange(subject.max() + 2))
    for _ in range(RESAMPLES):
        drawn = random.integers(0, subject.max() + 1, subject.max() + 1)
        rows = np.concatenate([np.arange(starts[s], starts[s + 1]) for s in drawn])
        for figure in (roc_auc_score, average_precision_score, brier_score_loss):
            figure(label[rows], risk[rows])


if __name__ == "__main__":
    main()
