"""Exact contributions: ours from tables, beside XGBoost's, shap's and woodelf's, and beside prediction without reasons.

    python benchmarks/explain.py --newest .venv313/bin/python --woodelf .venvwoodelf/bin/python

Four models: 150 trees of depth 4, 400 of depth 6 (both learned from made-up rows of 60 columns), and our two champions,
learned from a SYNTHETIC system. Every contestant takes the same rows of the same boosters, already a float32 matrix in
memory, in turn, `--turns` times, each after a call that is not timed; seconds a row are medians over the turns.
`--newest` is a Python with the newest XGBoost (python3.13 -m venv .venv313 && .venv313/bin/pip install xgboost),
`--woodelf` one with woodelf-explainer (pip install woodelf-explainer xgboost==3.2.0): whatever is not given is left
out, and that is said.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from measuring import Failed, cost_of, described, machine, say, show, verdict

MADE_UP = {"150 x depth 4": (150, 4), "400 x depth 6": (400, 6)}
COLUMNS, ROWS = 60, 60_000
SLOW, FAST = 400, 60_000  # rows: of those who compute, and of those who look up or predict
WOODELF = 4000  # its seconds hardly depend on the rows
BARS = {"ours_vs_pred_contribs": 30.0, "ours_vs_predict": 2.0, "one_row_vs_predict": 10.0}


def main() -> None:
    """Make the models, let everybody have a turn, print."""
    chosen = _arguments()
    if chosen.role:
        ROLES[chosen.role](chosen)
        return
    with tempfile.TemporaryDirectory(prefix="wellkept-") as scratch:
        chosen.folder = chosen.folder or Path(scratch)
        if not (chosen.folder / "models").exists():
            say("learning four models; the champions take minutes")
            cost_of(_command(sys.executable, "make", chosen))
        turns = [_turn(chosen) for _ in range(chosen.turns)]
    result = {
        "machine": machine("wellkept", "xgboost", "shap", "numba", "numpy"), "turns": chosen.turns,
        "models": [_model(name, [turn[name] for turn in turns]) for name in turns[0]],
    }  # fmt: skip
    show(result, _lines(result), as_json=chosen.json)


def _turn(chosen: argparse.Namespace) -> dict[str, dict]:
    """Microseconds a row by model and contestant: (wall, CPU)."""
    found: dict[str, dict] = defaultdict(dict)
    for role, python in (("ours", sys.executable), ("newest", chosen.newest), ("woodelf", chosen.woodelf)):
        if not python:
            say(f"  SKIPPED: {role}, since --{role} names no Python")
            continue
        try:
            told = json.loads(cost_of(_command(python, role, chosen))[1])
        except Failed as failure:
            say(f"  SKIPPED: {role}: {failure}")
            continue
        for name, contestants in told.items():
            found[name] |= contestants
        say(f"  {role} had its turn")
    return found


def make(chosen: argparse.Namespace) -> None:
    """Boosters and float32 rows of each model; the champions as bundles, with the features of their points."""
    import numpy as np
    import pyarrow.parquet as pq
    import xgboost

    from champions import TARGETS, write_champions
    from wellkept.bundles import load_bundle

    if not (chosen.folder / TARGETS[0]).exists():
        write_champions(chosen.folder, chosen.patients)
    random = np.random.default_rng(1)
    X = np.where(random.random((ROWS, COLUMNS)) < 0.1, np.nan, random.normal(size=(ROWS, COLUMNS))).astype(np.float32)
    margin = np.nan_to_num(X) @ random.normal(0, 0.3, COLUMNS) + np.nan_to_num(X[:, 0] * X[:, 1])
    label = random.random(ROWS) < 1 / (1 + np.exp(-margin))
    for name, (rounds, depth) in MADE_UP.items():
        settings = {"max_depth": depth, "objective": "binary:logistic", "eta": 0.1, "nthread": 2}
        booster = xgboost.train(settings, xgboost.QuantileDMatrix(X, label), rounds)
        _keep(chosen.folder / "models" / name, [booster], X[:FAST])
    for target in TARGETS:
        bundle, table = load_bundle(chosen.folder / target), pq.read_table(chosen.folder / f"{target}.parquet")
        rows = bundle.encoder.matrix(table.take(np.resize(np.arange(table.num_rows), FAST)))
        _keep(chosen.folder / "models" / target, bundle.estimator.members, rows)


def _keep(folder: Path, boosters: list, rows: object) -> None:
    import numpy as np

    folder.mkdir(parents=True)
    np.save(folder / "rows.npy", rows)
    for i, booster in enumerate(boosters):
        (folder / f"trees-{i}.ubj").write_bytes(booster.save_raw("ubj"))


def ours(chosen: argparse.Namespace) -> None:
    """Tables, this XGBoost and this shap, on one thread and on two; then one row."""
    import numpy as np
    import shap
    import xgboost

    from wellkept.estimators import BoostedTrees

    found = {}
    for name, X, boosters in _models(chosen.folder):
        trees, few, none = BoostedTrees(tuple(boosters)), X[:SLOW], np.arange(X.shape[1])
        started = time.perf_counter()
        assert trees.program is not None
        told: dict = {"compiling, s": time.perf_counter() - started}
        for threads in (1, 2):
            os.environ["OMP_NUM_THREADS"] = str(threads)
            for booster in boosters:
                booster.set_param({"nthread": threads})
            told[f"predict, {threads}"] = _each(lambda: trees.margins(X), X)  # noqa: B023
            told[f"ours, {threads}"] = _each(lambda: trees.explained(X, none), X)  # noqa: B023
            told[f"pred_contribs, {threads}"] = _each(lambda: list(trees.member_contributions(few)), few)  # noqa: B023
        explainers = [shap.TreeExplainer(booster) for booster in boosters]
        told["shap, 2"] = _each(lambda: [e.shap_values(few, check_additivity=False) for e in explainers], few)  # noqa: B023
        expected = np.mean([b.predict(xgboost.DMatrix(few), pred_contribs=True) for b in boosters], axis=0)
        told["largest difference"] = float(np.abs(trees.explained(few, none).contributions - expected).max())
        for booster in boosters:
            booster.set_param({"nthread": 1})
        told |= _one_row(trees, X, chosen.folder / name)
        found[name] = told
    print(json.dumps(found))


def _one_row(trees: object, X: object, folder: Path) -> dict:
    """Microseconds of one row: bare prediction, ours, and from features to risk and reasons in words."""
    import numpy as np
    import pyarrow.parquet as pq

    from wellkept.bundles import load_bundle
    from wellkept.scoring import score

    none = np.arange(X.shape[1])
    calls = {"one row, predict": lambda i: trees.margins(X[i : i + 1]),
             "one row, ours": lambda i: trees.explained(X[i : i + 1], none)}  # fmt: skip
    if folder.is_dir():
        bundle, table = load_bundle(folder), pq.read_table(f"{folder}.parquet").slice(0, 300)
        points = table.select(["subject_id", "prediction_time"])
        calls["one row, in words"] = lambda i: score(bundle, points.slice(i, 1), table.slice(i, 1))
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for i in range(300):
        for name, call in calls.items():
            started = time.perf_counter()
            call(i)
            taken[name].append((time.perf_counter() - started) * 1e6)
    return {name: statistics.median(each) for name, each in taken.items()}


def newest(chosen: argparse.Namespace) -> None:
    """Another XGBoost's `pred_contribs`."""
    import xgboost

    found = {}
    for name, X, boosters in _models(chosen.folder):
        rows, told = X[: 5 * SLOW], {"newest": xgboost.__version__}
        for threads in (1, 2):
            for booster in boosters:
                booster.set_param({"nthread": threads})
            told[f"newest pred_contribs, {threads}"] = _each(
                lambda: [b.predict(xgboost.DMatrix(rows, nthread=threads), pred_contribs=True) for b in boosters],  # noqa: B023
                rows)  # fmt: skip
        found[name] = told
    print(json.dumps(found))


def woodelf(chosen: argparse.Namespace) -> None:
    """The same idea in numpy; it takes data frames."""
    import pandas as pd
    from woodelf import WoodelfExplainer

    found = {}
    for name, X, boosters in _models(chosen.folder):
        rows = pd.DataFrame(X[:WOODELF], columns=[f"f{i}" for i in range(X.shape[1])])
        for booster in boosters:
            booster.feature_names = list(rows.columns)
        found[name] = {"woodelf, 2": _each(
            lambda: [WoodelfExplainer(b).shap_values(rows, verbose=False) for b in boosters[:1]], rows)}  # noqa: B023  # fmt: skip
        found[name]["woodelf, 2"] = [each * len(boosters) for each in found[name]["woodelf, 2"]]
    print(json.dumps(found))


def _models(folder: Path) -> list:
    import numpy as np
    import xgboost

    return [
        (path.name, np.load(path / "rows.npy"),
         [xgboost.Booster({"nthread": 2}, model_file=file) for file in sorted(path.glob("trees-*.ubj"))])
        for path in sorted((folder / "models").iterdir())
    ]  # fmt: skip


def _each(call: Callable, rows: object) -> list[float]:
    """Microseconds a row, (wall, CPU), of the second call: the first pays for memory and threads."""
    call()
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return [(time.perf_counter() - wall) / len(rows) * 1e6, (time.process_time() - cpu) / len(rows) * 1e6]


def _model(name: str, turns: list[dict]) -> dict:
    """Medians over the turns; ratios by CPU seconds, since neighbours take wall seconds from whoever has his turn."""
    keys = dict.fromkeys(key for turn in turns for key in turn if key != "newest")
    median = {key: _median([turn[key] for turn in turns if key in turn]) for key in keys}
    against = "newest pred_contribs" if "newest pred_contribs, 2" in median else "pred_contribs"
    ratios = {}
    for threads in (1, 2):
        for kind, at in (("wall", 0), ("CPU", 1)):
            own = median[f"ours, {threads}"][at]
            ratios[f"{kind}, {threads}"] = {"pred_contribs": median[f"{against}, {threads}"][at] / own,
                                            "predict": own / median[f"predict, {threads}"][at]}  # fmt: skip
    told = {
        "name": name, "newest": next((t["newest"] for t in turns if "newest" in t), None), "against": against,
        "ours_vs_pred_contribs": ratios["wall, 2"]["pred_contribs"], "ours_vs_predict": ratios["CPU, 1"]["predict"],
        "ratios": ratios, "us_a_row": median,
    }  # fmt: skip
    if "one row, in words" in median:
        told["one_row_vs_predict"] = median["one row, in words"] / median["one row, predict"]
    return told


def _median(values: list) -> float | list[float]:
    if isinstance(values[0], list):
        return [statistics.median(each) for each in zip(*values, strict=True)]
    return statistics.median(values)


def _command(python: str, role: str, chosen: argparse.Namespace) -> list[str]:
    return [str(python), __file__, "--role", role, "--folder", str(chosen.folder), "--patients", str(chosen.patients)]


def _lines(result: dict) -> list[str]:
    lines = [described(result["machine"]), f"medians of {result['turns']} turns; microseconds a row"]
    for model in result["models"]:
        lines += ["", f"{model['name']} ({model['us_a_row']['compiling, s']:.2f} s to compile into tables)"]
        for key, value in model["us_a_row"].items():
            if isinstance(value, list):
                wall, cpu = value
                lines.append(f"  {key:26}{wall:10.2f} wall {cpu:10.2f} CPU {1e6 / wall:12,.0f} rows a second")
            elif key.startswith("one row"):
                lines.append(f"  {key:26}{value:10.1f} p50")
        lines.append(f"  largest difference of a contribution {model['us_a_row']['largest difference']:.1e} log-odds")
        lines += [f"  {kind} thread(s): {each['pred_contribs']:.0f} x as fast as {model['against']} "
                  f"({model['newest'] or 'this XGBoost'}), {each['predict']:.2f} of the seconds of predict"
                  for kind, each in model["ratios"].items()]  # fmt: skip
        lines.append("  " + verdict("times as fast as pred_contribs, 2 threads, wall", model["ours_vs_pred_contribs"],
                                    BARS["ours_vs_pred_contribs"], at_least=True))  # fmt: skip
        for key in ("ours_vs_predict", "one_row_vs_predict"):
            if "one_row_vs_predict" in model:  # our champions
                lines.append("  " + verdict(key.replace("_", " "), model[key], BARS[key]))
    return lines


ROLES = {"make": make, "ours": ours, "newest": newest, "woodelf": woodelf}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--patients", type=int, default=12_000, help="whom the champions learn from")
    parser.add_argument("--newest", help="a Python with the newest XGBoost")
    parser.add_argument("--woodelf", help="a Python with woodelf-explainer")
    parser.add_argument("--folder", type=Path, help="keep the models here, and find them here again")
    parser.add_argument("--role", choices=ROLES, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
