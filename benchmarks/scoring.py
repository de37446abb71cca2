"""Scoring a population with reasons by our two champions, and what each stage of it costs.

Ours is all that a night needs once there are features: from parquet, part by part, through `wellkept.scoring.score`,
to risks with intervals and five reasons a row in parquet, for `--rows` patients and both targets. The champions are
learned from a SYNTHETIC system, of whose points the population is drawn with replacement. Beside it, on the first
rows of each part, XGBoost's `pred_contribs` of the same boosters, which only computes: both in one process, in turn,
with the same threads. Then a whole night as `wellkept score` runs it, from the journeys of `--night` other SYNTHETIC
patients, of whom everybody who was ever seen is scored, however long ago: no night of a real system has more to do.

Prints CPU and wall seconds, the share of each stage, and peak memory, which does not grow with the rows. The bars: in
the night, explaining (the walk through the tables) is not the largest stage, and ours takes at most a thirtieth of
`pred_contribs`. Contributions are compared, too.
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
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import THREADS, as_plain, cost_of, described, machine, say, show, verdict

if TYPE_CHECKING:
    from wellkept.bundles import Bundle

CHUNK, COMPARED = 50_000, 500
BAR = 1 / 30
LANDED_AT_ONCE, EVER = 100_000, "1500d"
WALK = "walk: margins and contributions"


def main() -> None:
    """Learn the champions and write a population, score it, print."""
    chosen = _arguments()
    if chosen.role:
        ROLES[chosen.role](chosen)
        return
    with tempfile.TemporaryDirectory(prefix="wellkept-") as scratch:
        chosen.folder, chosen.out = chosen.folder or Path(scratch), Path(scratch)
        say("learning both champions and writing a population: minutes")
        cost_of(_command("make", chosen))
        say("ours and pred_contribs, in turn")
        both, measured = cost_of(_command("race", chosen))
        say("ours alone, for its memory")
        alone, _ = cost_of(_command("ours", chosen))
        say(f"the journeys of {chosen.night} patients: minutes")
        cost_of(_command("journeys", chosen))
        say("a night from journeys")
        nightly, of_night = cost_of(_command("night", chosen))
    result = {
        "machine": machine("wellkept", "xgboost", "numba", "numpy", "pyarrow"), "rows": chosen.rows, "threads": THREADS,
        "night_patients": chosen.night,
        **json.loads(measured), "ours_alone": as_plain(alone), "race": as_plain(both),
        "night": json.loads(of_night) | as_plain(nightly),
    }  # fmt: skip
    show(result, _lines(result), as_json=chosen.json)


def make(chosen: argparse.Namespace) -> None:
    """The champions, and for each a population: points of the system it was learned from, drawn with replacement."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from champions import TARGETS, write_champions

    if not (chosen.folder / TARGETS[0]).exists():
        write_champions(chosen.folder, chosen.patients)
    random = np.random.default_rng(3)
    for target in TARGETS:
        table = pq.read_table(chosen.folder / f"{target}.parquet").drop_columns("subject_id")
        with ExitStack() as stack:
            writer = None
            for start in range(0, chosen.rows, CHUNK):
                rows = min(CHUNK, chosen.rows - start)
                drawn = table.take(pa.array(random.integers(0, table.num_rows, rows)))
                drawn = drawn.add_column(0, "subject_id", pa.array(np.arange(start, start + rows)))
                path = chosen.out / f"population-{target}.parquet"
                writer = writer or stack.enter_context(pq.ParquetWriter(path, drawn.schema))
                writer.write_table(drawn, row_group_size=CHUNK)


def race(chosen: argparse.Namespace) -> None:
    """Both, part by part, in turn; prints seconds, stages and the largest difference of a contribution."""
    import numpy as np

    mine, theirs, stages, worst, compared = Counter(), Counter(), (Counter(), Counter()), 0.0, 0
    parts = list(_parts(chosen))  # bundles are loaded, and warm, before the clock runs
    with _output(chosen.out) as write, _stopwatch(stages):
        for bundle, read in parts:
            with _timed(mine):
                table, contributions = _ours(bundle, read, write, stages)
            X = bundle.encoder.matrix.__wrapped__(bundle.encoder, table.slice(0, COMPARED))
            with _timed(theirs):
                members = list(bundle.estimator.member_contributions(X))
            total, feature = np.mean(members, axis=0) * bundle.slope, bundle.encoder.feature_of_column
            expected = np.add.reduceat(total[:, :-1], np.flatnonzero(np.diff(feature, prepend=-1)), axis=1)
            worst = max(worst, float(np.abs(contributions[:COMPARED, :-1] - expected).max()))
            compared += len(X)
    say(f"  ours {mine['wall']:.1f} s for both targets, pred_contribs {theirs['wall']:.1f} s for {compared} rows")
    scale = 2 * chosen.rows / compared
    print(json.dumps({
        "ours": dict(mine), "pred_contribs": {kind: seconds * scale for kind, seconds in theirs.items()},
        "cpu_ratio": mine["cpu"] / theirs["cpu"] / scale, "wall_ratio": mine["wall"] / theirs["wall"] / scale,
        "largest_difference": worst, "stages": _shares(mine, stages),
    }))  # fmt: skip


def _shares(total: Counter, stages: tuple[Counter, Counter]) -> dict[str, dict[str, float]]:
    """Wall and CPU seconds of each stage, and of what is in none."""
    named = {name: {"wall": stages[0][name], "cpu": stages[1][name]} for name in stages[0]}
    rest = {kind: total[kind] - sum(each[kind] for each in named.values()) for kind in ("wall", "cpu")}
    return {**named, "rest": rest}


def alone(chosen: argparse.Namespace) -> None:
    """Ours without the opponent."""
    with _output(chosen.out) as write:
        for bundle, read in _parts(chosen):
            _ours(bundle, read, write, (Counter(), Counter()))


def journeys(chosen: argparse.Namespace) -> None:
    """Other patients than the champions learned from, landed in parts, as exports of several hospitals would be."""
    from wellkept import jobs
    from wellkept.settings import Settings
    from wellkept.simulator import simulate

    settings, landed = Settings(subject_key="benchmark"), 0
    store = jobs.open_journeys(chosen.out / "journeys", settings)
    while landed < chosen.night:
        patients = min(LANDED_AT_ONCE, chosen.night - landed)
        with tempfile.TemporaryDirectory(dir=chosen.out) as export:
            simulate(Path(export), patients=patients, seed=1000 + landed)
            jobs.land(store, jobs.read_batch("tables", Path(export), now=datetime.now(UTC), settings=settings))
        landed += patients


def night(chosen: argparse.Namespace) -> None:
    """`wellkept score` on these journeys, of everybody who was ever seen: features from journeys too."""
    from champions import TARGETS
    from wellkept import jobs
    from wellkept.bundles import load_bundle
    from wellkept.demo import AS_OF
    from wellkept.progress import Narrator
    from wellkept.settings import Settings

    snapshot = jobs.open_journeys(chosen.out / "journeys", Settings(subject_key="benchmark")).snapshot()
    bundles = [_of_everybody(load_bundle(chosen.folder / target)) for target in TARGETS]
    total, stages = Counter(), (Counter(), Counter())
    with _stopwatch(stages), _timed(total):
        run = jobs.score_population(snapshot, bundles, AS_OF, chosen.out / "scores", narrate=Narrator(quiet=True),
                                    accept=frozenset({"null_rate", "vocabulary", "site_units"}),
                                    settings=Settings())  # fmt: skip
    print(json.dumps({"rows": run.rows, "total": dict(total), "stages": _shares(total, stages)}))


def _of_everybody(bundle: Bundle) -> Bundle:
    """The same model, asked about each patient's last visit however long ago."""
    points = bundle.spec.points.model_copy(update={"active": EVER, "unless": ()})
    return replace(bundle, spec=bundle.spec.model_copy(update={"points": points}))


def _ours(bundle: object, read: Callable, write: Callable, stages: tuple[Counter, Counter]) -> tuple:
    from wellkept.scoring import score

    with _stage(stages, "read"):
        table = read()
        points = table.select(["subject_id", "prediction_time"])
    scores, reasons, contributions = score(bundle, points, table)
    with _stage(stages, "write"):
        write(scores, reasons)
    return table, contributions


def _parts(chosen: argparse.Namespace) -> Iterator[tuple[object, Callable]]:
    """A bundle, and a function for each row group, which reads it."""
    import pyarrow.parquet as pq

    from champions import TARGETS
    from wellkept.bundles import load_bundle

    for target in TARGETS:
        bundle, file = load_bundle(chosen.folder / target), pq.ParquetFile(chosen.out / f"population-{target}.parquet")
        for group in range(file.metadata.num_row_groups):
            yield bundle, lambda group=group, file=file: file.read_row_group(group)


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


@contextmanager
def _stopwatch(stages: tuple[Counter, Counter]) -> Iterator[None]:
    """Time the stages inside `score`, without a change to it."""
    from unittest.mock import patch

    from wellkept import scoring
    from wellkept.bundles import Bundle
    from wellkept.encoding import Encoder
    from wellkept.history import FeatureQuery

    places = {
        "features from journeys": (FeatureQuery, "run"), "encode": (Encoder, "matrix"), WALK: (Bundle, "explained"),
        "risks and intervals": (Bundle, "stated_of"), "reasons in words": (scoring, "reasons"),
    }  # fmt: skip
    with ExitStack() as stack:
        for stage, (owner, name) in places.items():
            stack.enter_context(patch.object(owner, name, _watched(getattr(owner, name), stages, stage)))
        yield


def _watched(function: Callable, stages: tuple[Counter, Counter], stage: str) -> Callable:
    import functools

    @functools.wraps(function)
    def watched(*args: object, **kwargs: object) -> object:
        with _stage(stages, stage):
            return function(*args, **kwargs)

    return watched


@contextmanager
def _stage(stages: tuple[Counter, Counter], stage: str) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    stages[0][stage] += time.perf_counter() - wall
    stages[1][stage] += time.process_time() - cpu


@contextmanager
def _timed(total: Counter) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    total["wall"] += time.perf_counter() - wall
    total["cpu"] += time.process_time() - cpu


ROLES = {"make": make, "race": race, "ours": alone, "journeys": journeys, "night": night}


def _command(role: str, chosen: argparse.Namespace) -> list[str]:
    return [sys.executable, __file__, "--role", role, "--folder", str(chosen.folder), "--out", str(chosen.out),
            "--rows", str(chosen.rows), "--patients", str(chosen.patients), "--night", str(chosen.night)]  # fmt: skip


def _stage_lines(stages: dict) -> list[str]:
    total = {kind: sum(each[kind] for each in stages.values()) for kind in ("wall", "cpu")}
    return [f"  {stage:34}{each['wall']:8.1f} s {each['wall'] / total['wall']:6.0%} {each['cpu']:8.1f} CPU s "
            f"{each['cpu'] / total['cpu']:6.0%}" for stage, each in stages.items()]  # fmt: skip


def _lines(result: dict) -> list[str]:
    stages, nightly = result["stages"], result["night"]
    return [
        described(result["machine"]),
        "{rows} rows for each of two targets, {threads} threads; champions of a SYNTHETIC system".format(**result),
        *(f"{name:34}{result[key]['cpu']:10.1f} CPU s {result[key]['wall']:8.1f} s"
          for name, key in (("ours, features to reasons", "ours"), ("pred_contribs, from a sample", "pred_contribs"))),
        *_stage_lines(stages),
        "ours alone, with loading: {wall_s:.1f} s, peak {peak_mib:.0f} MiB".format(**result["ours_alone"]),
        f"largest difference of a contribution: {result['largest_difference']:.1e} log-odds",
        "a night from the journeys of {0} patients, {rows} rows, {wall_s:.0f} s, peak {peak_mib:.0f} MiB:".format(
            result["night_patients"], **nightly),
        *_stage_lines(nightly["stages"]),
        f"wall seconds, ours to pred_contribs: {result['wall_ratio']:.4f}",
        verdict("CPU seconds, ours to pred_contribs", result["cpu_ratio"], BAR),
        verdict("the night: share of explaining less that of the largest other stage, wall", _ahead(nightly["stages"]),
                0.0),
    ]  # fmt: skip


def _ahead(stages: dict) -> float:
    total = sum(each["wall"] for each in stages.values())
    return (stages[WALK]["wall"] - max(each["wall"] for name, each in stages.items() if name != WALK)) / total


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--patients", type=int, default=12_000, help="whom the champions learn from")
    parser.add_argument("--night", type=int, default=1_000_000, help="whose journeys the night starts from")
    parser.add_argument("--folder", type=Path, help="keep the champions here, and find them here again")
    parser.add_argument("--role", choices=ROLES, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
