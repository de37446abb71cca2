"""Real studies end to end: real people's files -> journeys -> training -> how good it is, beside what is reachable.

Prints, for each study, the AUC [95 %] of the contestant that ships (named), of logistic regression, of boosted trees
and of the one feature that people go by; calibration slope and base rate; and the figures that a competent person gets
by hand (shared/DATA.md). All are measured on rows that the judging member never saw; where time splits them, on every
outcome that came after the last one trained on, whenever it was predicted: of the latest bookings only those with a
short wait have an outcome yet, and these alone would flatter. A study below the quoted interval is marked. Then how
each group of people is served, and, for MEPS and HINTS, the facts about groups that shared/DATA.md states, with and
without the columns that they speak of (facts.py).

The data folder is WELLKEPT_DATA, or ../shared/data beside the repository. Without it every study is skipped, in words
and with exit code 0. Nothing is written into the repository.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from facts import FACTS, held  # noqa: E402 - a script finds its neighbours by path
from facts import lines as fact_lines  # noqa: E402

from measuring import described, machine, say, show  # noqa: E402

DATA = Path(os.environ.get("WELLKEPT_DATA") or HERE.parents[2] / "shared" / "data")
PACKAGES = ("wellkept", "duckdb", "numpy", "scikit-learn", "xgboost")
KEY = "benchmark"  # fixes the pseudonyms, and with them the folds: every run gives the same figures


@dataclass(frozen=True)
class Study:
    """A mapping, a file of the data folder, and what shared/DATA.md says that a competent person gets."""

    mapping: str
    file: str
    auc: str
    logistic: str
    note: str
    lowest: float


STUDIES = {
    "meps": Study("meps", "meps_2021_to_2022.parquet", ".894 [.879-.906]", ".889",
                  "5-fold; visits alone about .79", 0.879),
    "hints_without": Study("hints", "hints6_care_experience.parquet", ".759 [.734-.784]", ".739",
                           "5-fold by household", 0.734),
    "hints_with": Study("hints", "hints6_care_experience.parquet", ".858 [.839-.876]", ".848",
                        "5-fold by household; perceptions of the same questionnaire", 0.839),
    "appointments": Study("appointments", "appointments_vitoria.parquet", ".732", ".662",
                          "last quarter by date, own history as known at booking; .723 without history", 0.72),
}  # fmt: skip


def main() -> None:
    """Run the studies that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--study", choices=STUDIES, action="append", help="only this study (may be repeated)")
    chosen = parser.parse_args()
    measured = [run(name, STUDIES[name]) for name in chosen.study or STUDIES if _is_there(name)]
    lines = [described(machine(*PACKAGES)), *(line for study in measured for line in _lines(study))]
    show([{k: v for k, v in study.items() if k != "report"} for study in measured], lines, as_json=chosen.json)


def run(name: str, study: Study) -> dict:
    """One study from file to figures, in a temporary folder."""
    from wellkept import jobs
    from wellkept.evaluating import breakdown, evaluate, plain
    from wellkept.examples import examples
    from wellkept.settings import Settings
    from wellkept.spec import load_spec
    from wellkept.training import train

    started = time.perf_counter()
    settings = Settings(subject_key=KEY)
    spec = load_spec(HERE / "models" / f"{name}.toml")
    mapping = HERE / "mappings" / f"{study.mapping}.toml"
    with tempfile.TemporaryDirectory(prefix="wellkept-") as folder:
        batch = jobs.read_batch("tables", DATA, now=datetime.now(UTC), settings=settings, mapping=mapping)
        journeys = jobs.open_journeys(Path(folder), settings)
        landing = jobs.land(journeys, batch)
        say(f"{name}: {landing.added} events landed, {landing.rejected} rows set aside")
        data = examples(journeys.snapshot(), spec)
        trained = train(data, spec, say=lambda line: say(f"{name}: {line}"))
        rows = data.rows("test", "embargo") if "test" in data.role else data.test_rows
        report = plain(trained, evaluate(trained, data, spec, rows)) | breakdown(trained.shipped.risk, data, rows)
        say(f"{name}: groups, with and without")
        kind = trained.shipped.estimator.kind
        found = held(name, journeys.snapshot(), data, spec, kind) if name in FACTS else {}
    say(f"{name}: {time.perf_counter() - started:.0f} s")
    return _figures(name, report, len(rows)) | {"groups": report["groups"], "held": found}


def _figures(name: str, report: dict, rows: int) -> dict:
    ships, test = report["shipped"], report["test"]
    auc, low, high = test[ships]["auroc"]
    return {
        "study": name, "auc": auc, "auc_low": low, "auc_high": high, "logistic_auc": test["logistic"]["auroc"][0],
        "slope": test[ships]["calibration_slope"][0], "base_rate": test[ships]["base_rate"][0], "n": rows,
        "ships": ships, "trees_auc": test["trees"]["auroc"][0], "report": report,
    }  # fmt: skip


def _lines(figures: dict) -> list[str]:
    from wellkept.listing_groups import group_lines

    known, test = STUDIES[figures["study"]], figures["report"]["test"]
    below = "  BELOW WHAT IS REACHABLE" if figures["auc"] < known.lowest else ""
    names = {"ours": f"ours, ships {figures['ships']}", "logistic": "logistic regression", "trees": "trees",
             "baseline": "one feature"}  # fmt: skip
    rows = {"ours": test[figures["ships"]], **{key: test[key] for key in ("logistic", "trees", "baseline")}}
    return [
        "",
        f"{figures['study']}: {figures['n']} test rows, base rate {figures['base_rate']:.3f}{below}",
        *(
            f"  {names[key]:24} AUC {_triple(row['auroc'])}  AP {row['auprc'][0]:.3f}  log loss "
            f"{row['log_loss'][0]:.4f}  slope {_triple(row['calibration_slope'])}"
            for key, row in rows.items()
        ),
        f"  {'by hand (DATA.md)':24} AUC {known.auc}, logistic {known.logistic} ({known.note})",
        *(f"  {line}" for line in group_lines(figures["groups"])),
        *(fact_lines(figures["held"]) if figures["held"] else []),
    ]


def _triple(triple: list[float]) -> str:
    value, low, high = triple
    return f"{value:.3f} [{low:.3f}-{high:.3f}]"


def _is_there(name: str) -> bool:
    path = DATA / STUDIES[name].file
    if not path.is_file():
        say(f"SKIPPED {name}: there is no {path}; set WELLKEPT_DATA to the folder that holds it")
    return path.is_file()


if __name__ == "__main__":
    main()
