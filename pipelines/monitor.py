"""Journeys + the models in service -> what is to be done about each, and why; exit code 0 nothing, 10 something.

    python pipelines/monitor.py --journeys journeys/
"""

import argparse
import sys
from pathlib import Path

from wellkept import jobs
from wellkept.commands.nightly import SOMETHING_TO_DO
from wellkept.monitoring.findings import NOTHING, lines_of
from wellkept.settings import load_settings


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--journeys", type=Path, required=True)
    chosen = arguments.parse_args()
    settings = load_settings()

    snapshot = jobs.open_journeys(chosen.journeys, settings).snapshot()
    told = jobs.monitor(snapshot, jobs.bundles_in_service(settings))

    for monitored in told:
        print("\n".join(lines_of(monitored)))
    if any(monitored.recommendation != NOTHING for monitored in told):
        sys.exit(SOMETHING_TO_DO)


if __name__ == "__main__":
    main()
