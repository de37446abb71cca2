"""Newer journeys + the model in service -> the least that will do: keep, recalibrate or refit -> gates -> MLflow.

    python pipelines/retrain.py models/detractor_risk.toml --journeys journeys/ --approve "A. Name"

Runs unattended: without --approve a version that passed every gate waits for `wellkept promote`. What a stop broke off
goes on when this is run again; the model in service is changed last and at once. Exits with 1 where a gate is closed.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from wellkept import jobs
from wellkept.listing import gate_lines
from wellkept.progress import Narrator
from wellkept.settings import load_settings


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("spec", type=Path)
    arguments.add_argument("--journeys", type=Path, required=True)
    arguments.add_argument("--approve", default="", help="who signs")
    chosen = arguments.parse_args()

    asked = jobs.Asked(datetime.now(UTC), chosen.approve)
    facts = jobs.train_model(chosen.spec, chosen.journeys, load_settings(), asked=asked, say=Narrator(), ladder=True)

    print("\n".join(gate_lines(facts)))
    return int(any(gate["holds"] is False for gate in facts["gates"]))


if __name__ == "__main__":
    sys.exit(main())
