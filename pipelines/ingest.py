"""A batch of exports -> events -> the journey store.

    python pipelines/ingest.py tables exports/ --journeys journeys/
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from wellkept import jobs
from wellkept.settings import load_settings


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("source")
    arguments.add_argument("path", type=Path)
    arguments.add_argument("--journeys", type=Path, required=True)
    chosen = arguments.parse_args()
    settings = load_settings()

    batch = jobs.read_batch(chosen.source, chosen.path, now=datetime.now(UTC), settings=settings)
    landing = jobs.land(jobs.open_journeys(chosen.journeys, settings), batch)

    print(f"version {landing.version}: {landing.added} events added, {landing.rejected} rows in quarantine")


if __name__ == "__main__":
    main()
