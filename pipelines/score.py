"""Journeys + the models in service -> everybody's risks and reasons, complete or absent.

    python pipelines/score.py --journeys journeys/ --as-of 2026-01-31T02:00:00Z --out scores/
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from wellkept import jobs
from wellkept.progress import Narrator
from wellkept.settings import load_settings


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--journeys", type=Path, required=True)
    arguments.add_argument("--as-of", required=True)
    arguments.add_argument("--out", type=Path, required=True)
    chosen = arguments.parse_args()
    settings = load_settings()

    as_of = datetime.fromisoformat(chosen.as_of).astimezone(UTC)
    snapshot = jobs.open_journeys(chosen.journeys, settings).snapshot()
    bundles = jobs.bundles_in_service(settings)
    run = jobs.score_population(snapshot, bundles, as_of, chosen.out, narrate=Narrator(), settings=settings)

    print(f"{run.rows} in {run.folder}")


if __name__ == "__main__":
    main()
