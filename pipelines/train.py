"""Journeys -> points, labels and features -> two contestants -> leak tests -> honest report -> gates -> MLflow.

    python pipelines/train.py models/detractor_risk.toml --journeys journeys/ --approve "A. Name"

A version that passes every gate goes into service when somebody signs. `pipelines/retrain.py` does the least that will
do for a model that is in service already.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from wellkept import jobs
from wellkept.listing import gate_lines, report_lines
from wellkept.progress import Narrator
from wellkept.settings import load_settings


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("spec", type=Path)
    arguments.add_argument("--journeys", type=Path, required=True)
    arguments.add_argument("--approve", default="", help="who signs")
    arguments.add_argument("--accept", action="append", default=[], help="a leak test that failed and was looked at")
    chosen = arguments.parse_args()

    asked = jobs.Asked(datetime.now(UTC), chosen.approve, accept=frozenset(chosen.accept))
    facts = jobs.train_model(chosen.spec, chosen.journeys, load_settings(), asked=asked, say=Narrator())

    print("\n".join([*(report_lines(facts) if "test" in facts else []), *gate_lines(facts)]))
    return int(any(gate["holds"] is False for gate in facts["gates"]))


if __name__ == "__main__":
    sys.exit(main())
