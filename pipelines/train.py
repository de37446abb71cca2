"""Journeys -> points, labels and features -> two contestants -> leak tests -> honest report -> MLflow -> in service.

    python pipelines/train.py models/detractor_risk.toml --journeys journeys/
"""

import argparse
from pathlib import Path

from wellkept import jobs
from wellkept.evaluating import evaluate
from wellkept.everybody import everybody
from wellkept.examples import examples
from wellkept.listing import report_lines
from wellkept.settings import load_settings
from wellkept.spec import load_spec
from wellkept.training import train


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("spec", type=Path)
    arguments.add_argument("--journeys", type=Path, required=True)
    arguments.add_argument("--accept", action="append", default=[], help="a leak test that failed and was looked at")
    chosen = arguments.parse_args()
    settings = load_settings()

    spec = load_spec(chosen.spec)
    snapshot = jobs.open_journeys(chosen.journeys, settings).snapshot()
    data = examples(snapshot, spec)
    trained = jobs.without_leaks(train(data, spec), data, spec, snapshot, frozenset(chosen.accept))
    report = evaluate(trained, data, spec)
    bundle = jobs.bundle_of(trained, data, spec, report, everybody(snapshot, spec, data, trained))
    bundle = jobs.documented(bundle, data, snapshot, chosen.spec)
    version = jobs.register(trained, data, bundle, snapshot, settings)
    folder = jobs.promote_version(spec.target, version, settings)

    print("\n".join(report_lines({"target": spec.target, "version": version, **bundle.metrics})))
    print(f"in service: {folder}")


if __name__ == "__main__":
    main()
