"""Scoring a population with reasons, beside the boosters' own explanations of the same rows.

Ours is all that a night needs: features from parquet, row group by row group, through `wellkept.scoring.score`, to
risks and five reasons a row in parquet. The opponent only computes: XGBoost's `pred_contribs` of the same boosters on
the same chunk of the same matrix, already in memory. Both run in one process, in turn, with the same threads.

Prints CPU and wall seconds, their ratio, the share of each stage of ours, and peak memory, which does not grow with the
rows. The bar: ours takes at most 1.3 times the opponent's seconds. Contributions are compared row by row, too.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from measuring import THREADS, as_plain, cost_of, described, machine, say, show, verdict

FEATURES, CHUNK, TRAINING = 60, 50_000, 60_000
FOLDS, ROUNDS, DEPTH = 5, 30, 4
BAR = 1.3


def main() -> None:
    """Fit and write a population, score it, print."""
    chosen = _arguments()
    if chosen.role:
        ROLES[chosen.role](chosen)
        return
    with tempfile.TemporaryDirectory(prefix="wellkept-") as scratch:
        chosen.folder = Path(scratch)
        say("fitting a model and writing a population")
        cost_of(_command("make", chosen))
        both, measured = cost_of(_command("race", chosen))
        say("ours alone, for its memory")
        alone, _ = cost_of(_command("ours", chosen))
    result = {
        "machine": machine("wellkept", "xgboost", "numpy", "pyarrow"), "rows": chosen.rows, "features": FEATURES,
        "trees": FOLDS * ROUNDS, "depth": DEPTH, "members": FOLDS, "threads": THREADS, **json.loads(measured),
        "ours_alone": as_plain(alone), "race": as_plain(both),
    }  # fmt: skip
    show(result, _lines(result), as_json=chosen.json)


def make(chosen: argparse.Namespace) -> None:
    """A bundle fitted on made-up rows, and a population's features and points in parquet."""
    import numpy as np
    import pyarrow.parquet as pq

    from wellkept.bundles import Bundle, write_bundle
    from wellkept.encoding import fit_encoder
    from wellkept.estimators import fit_trees
    from wellkept.examples import fold_of
    from wellkept.learning import Outcomes, own_margin
    from wellkept.uncertainty import fit_uncertainty

    random = np.random.default_rng(3)
    features = _features()
    table = _rows(random, TRAINING)
    encoder = fit_encoder(features, table, np.arange(TRAINING))
    X = encoder.matrix(table)
    weights = random.normal(0, 0.5, X.shape[1])
    label = random.random(TRAINING) < 1 / (1 + np.exp(2 - np.nan_to_num(X / np.nanstd(X, 0)) @ weights))
    spec = _spec()
    fold = fold_of(np.arange(TRAINING), FOLDS, spec.seed)
    trees = fit_trees(X, Outcomes(label, np.ones(TRAINING), fold), encoder.monotone, spec).estimator
    line, margin = (1.05, -0.02), own_margin(trees, X, fold)
    unsure = fit_uncertainty(trees.margins(X), label=label, margin=margin, subject=np.arange(TRAINING), line=line)
    bundle = Bundle(spec, encoder, trees, *line, unsure, reference_rate=float(label.mean()), facts={}, metrics={},
                    profile=encoder.profile(table))  # fmt: skip
    write_bundle(bundle, chosen.folder / "bundle")
    with pq.ParquetWriter(chosen.folder / "features.parquet", _population(random, 0, 1).schema) as writer:
        for start in range(0, chosen.rows, CHUNK):
            writer.write_table(_population(random, start, min(CHUNK, chosen.rows - start)), row_group_size=CHUNK)


def _spec() -> object:
    from wellkept.spec import Spec

    return Spec.model_validate({
        "target": "benchmark", "points": {"each": "VISIT//OFFICE"}, "split": {"folds": FOLDS},
        "label": {"true_when": "no VISIT//* within 365d"}, "trees": {"rounds": ROUNDS, "depth": DEPTH},
    })  # fmt: skip


def _population(random: object, start: int, rows: int) -> object:
    """Points and features of `rows` subjects."""
    import numpy as np
    import pyarrow as pa

    moment = pa.scalar(1_700_000_000_000_000, pa.timestamp("us", tz="UTC"))
    table = _rows(random, rows).add_column(0, "prediction_time", pa.repeat(moment, rows))
    return table.add_column(0, "subject_id", pa.array(np.arange(start, start + rows)))


def _features() -> list:
    """Sixty numbers with words for their reasons."""
    from wellkept.catalogue import Feature
    from wellkept.history import past

    return [
        Feature(name=f"f{i:02d}", expression=past.of(f"CODE//{i:02d}").sum(), says=f"figure {i} was {{value:.4g}}",
                docs="made up", unit="", touchpoint="other", dimension="patient", null="not known")
        for i in range(FEATURES)
    ]  # fmt: skip


def _rows(random: object, rows: int) -> object:
    """Twenty counts, twenty whole minutes, twenty days with fractions; a tenth of each is not known."""
    import numpy as np
    import pyarrow as pa

    kinds = (lambda: random.poisson(2, rows), lambda: random.exponential(40, rows).round(),
             lambda: random.exponential(90, rows))  # fmt: skip
    return pa.table({
        f"f{i:02d}": pa.array(kinds[i % 3]().astype(np.float32), mask=random.random(rows) < 0.1)
        for i in range(FEATURES)
    })


def race(chosen: argparse.Namespace) -> None:
    """Both, chunk by chunk, in turn; prints seconds, stages and the largest difference of a contribution."""
    import numpy as np
    import xgboost

    from wellkept.bundles import load_bundle

    bundle = load_bundle(chosen.folder / "bundle")
    members = _boosters(chosen.folder / "bundle")
    mine, theirs, stages, worst = Counter(), Counter(), Counter(), 0.0
    with _output(chosen.folder) as write, _stopwatch(stages):
        for turn, read in enumerate(_chunks(chosen.folder)):
            with _timed(mine):
                table, contributions = _ours(bundle, read, write, stages)
            X = bundle.encoder.matrix.__wrapped__(bundle.encoder, table)
            with _timed(theirs):
                matrix = xgboost.DMatrix(X, nthread=THREADS)
                total = sum(member.predict(matrix, pred_contribs=True) for member in members)
            expected = total / FOLDS * bundle.slope
            worst = max(worst, float(np.abs(contributions[:, :-1] - expected[:, :-1]).max()))
            if turn % 4 == 0:
                say(f"  chunk {turn}: ours {mine['wall']:.1f} s, pred_contribs {theirs['wall']:.1f} s so far")
    print(json.dumps({
        "ours": dict(mine), "pred_contribs": dict(theirs), "cpu_ratio": mine["cpu"] / theirs["cpu"],
        "wall_ratio": mine["wall"] / theirs["wall"], "largest_difference": worst,
        "stages": {**stages, "rest": mine["wall"] - sum(stages.values())},
    }))  # fmt: skip


def alone(chosen: argparse.Namespace) -> None:
    """Ours without the opponent."""
    from wellkept.bundles import load_bundle

    bundle = load_bundle(chosen.folder / "bundle")
    with _output(chosen.folder) as write:
        for read in _chunks(chosen.folder):
            _ours(bundle, read, write, Counter())


def _ours(bundle: object, read: Callable, write: Callable, stages: Counter) -> tuple:
    from wellkept.scoring import score

    with _stage(stages, "read"):
        table = read()
        points = table.select(["subject_id", "prediction_time"])
    scores, reasons, contributions = score(bundle, points, table)
    with _stage(stages, "write"):
        write(scores, reasons)
    return table, contributions


def _chunks(folder: Path) -> Iterator[Callable]:
    """A function for each row group, which reads it."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(folder / "features.parquet")
    for group in range(file.metadata.num_row_groups):
        yield lambda group=group: file.read_row_group(group)


@contextmanager
def _output(folder: Path) -> Iterator[Callable]:
    """A function that writes scores and reasons as a nightly run writes them."""
    import pyarrow.parquet as pq

    from wellkept.contracts import REASONS, SCORES

    with ExitStack() as stack:
        files = [
            stack.enter_context(
                pq.ParquetWriter(folder / f"{t.name}.parquet", t.schema, compression="zstd", write_page_checksum=True)
            )
            for t in (SCORES, REASONS)
        ]

        def write(*tables: object) -> None:
            for file, table in zip(files, tables, strict=True):
                file.write_table(table)

        yield write


def _boosters(folder: Path) -> list:
    import xgboost

    return [xgboost.Booster({"nthread": THREADS}, model_file=path) for path in sorted(folder.glob("trees-*.ubj"))]


@contextmanager
def _stopwatch(stages: Counter) -> Iterator[None]:
    """Time the stages inside `score`, without a change to it."""
    from unittest.mock import patch

    from wellkept import scoring
    from wellkept.bundles import Bundle
    from wellkept.encoding import Encoder

    places = {"matrix": (Encoder, "matrix"), "contributions": (Bundle, "explained"), "margin": (Bundle, "stated"),
              "reasons": (scoring, "reasons")}  # fmt: skip
    with ExitStack() as stack:
        for stage, (owner, name) in places.items():
            stack.enter_context(patch.object(owner, name, _watched(getattr(owner, name), stages, stage)))
        yield


def _watched(function: Callable, stages: Counter, stage: str) -> Callable:
    import functools

    @functools.wraps(function)
    def watched(*args: object, **kwargs: object) -> object:
        with _stage(stages, stage):
            return function(*args, **kwargs)

    return watched


@contextmanager
def _stage(stages: Counter, stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    stages[stage] += time.perf_counter() - started


@contextmanager
def _timed(total: Counter) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    total["wall"] += time.perf_counter() - wall
    total["cpu"] += time.process_time() - cpu


ROLES = {"make": make, "race": race, "ours": alone}


def _command(role: str, chosen: argparse.Namespace) -> list[str]:
    return [sys.executable, __file__, "--role", role, "--folder", str(chosen.folder), "--rows", str(chosen.rows)]


def _lines(result: dict) -> list[str]:
    wall = result["ours"]["wall"]
    return [
        described(result["machine"]),
        "{rows} rows, {features} features, {trees} trees of depth {depth} in {members} members, {threads} threads"
        .format(**result),
        *(f"{name:16}{result[key]['cpu']:8.1f} CPU s {result[key]['wall']:8.1f} s"
          for name, key in (("ours, end to end", "ours"), ("pred_contribs", "pred_contribs"))),
        *(f"  {stage:16}{seconds:8.1f} s {seconds / wall:6.0%}" for stage, seconds in result["stages"].items()),
        "ours alone, with loading: {wall_s:.1f} s, peak {peak_mib:.0f} MiB".format(**result["ours_alone"]),
        f"largest difference of a contribution: {result['largest_difference']:.1e} log-odds",
        f"wall seconds, ours to pred_contribs: {result['wall_ratio']:.2f}",
        verdict("CPU seconds, ours to pred_contribs", result["cpu_ratio"], BAR),
    ]  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--role", choices=ROLES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
