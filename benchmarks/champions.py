"""Our two champions, trained on a SYNTHETIC system, with the features of its points: what benchmarks of scoring use."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import say

if TYPE_CHECKING:
    import pyarrow as pa

    from wellkept.examples import Examples
    from wellkept.spec import Spec

MODELS = Path(__file__).resolve().parents[1] / "models"
TARGETS = ("detractor_risk", "no_return")


def write_champions(folder: Path, patients: int, seed: int = 7) -> None:
    """`<target>/`, a bundle of trees whether or not they beat the logistic; `<target>.parquet`; `journeys/`."""
    import pyarrow.parquet as pq

    from wellkept import jobs
    from wellkept.bundles import write_bundle
    from wellkept.examples import examples
    from wellkept.settings import Settings
    from wellkept.simulator import simulate
    from wellkept.spec import load_spec

    settings = Settings(subject_key="benchmark")
    simulate(folder / "export", patients=patients, seed=seed)
    journeys = jobs.open_journeys(folder / "journeys", settings)
    jobs.land(journeys, jobs.read_batch("tables", folder / "export", now=datetime.now(UTC), settings=settings))
    for target in TARGETS:
        spec = load_spec(MODELS / f"{target}.toml")
        data = examples(journeys.snapshot(), spec.model_copy(update={"beside": ()}))
        write_bundle(_bundle(data, spec), folder / target)
        pq.write_table(_with_points(data), folder / f"{target}.parquet", row_group_size=50_000)
        say(f"  {target}: trees from {len(data.label)} points of {patients} SYNTHETIC patients")


def _bundle(data: Examples, spec: Spec) -> object:
    from wellkept.bundles import Bundle
    from wellkept.encoding import fit_encoder
    from wellkept.learning import own_margin
    from wellkept.training import trees_contestant
    from wellkept.uncertainty import fit_uncertainty

    encoder = fit_encoder(data.catalogue, data.features, data.rows("train"))
    X = encoder.matrix(data.features)
    trees = trees_contestant(X, data, encoder, spec)
    rows, line = data.calibration_rows, (trees.slope, trees.intercept)
    unsure = fit_uncertainty(
        trees.estimator.margins(X[rows]), label=data.label[rows], subject=data.subject[rows], line=line,
        margin=own_margin(trees.estimator, X[rows], data.fold[rows]),
    )  # fmt: skip
    return Bundle(spec, encoder, trees.estimator, *line, unsure, reference_rate=float(data.label.mean()), facts={},
                  metrics={}, profile=encoder.profile(data.features), second=trees.second)  # fmt: skip


def _with_points(data: Examples) -> pa.Table:
    table = data.features
    for name in ("prediction_time", "subject_id"):
        table = table.add_column(0, name, data.points[name])
    return table
