"""From journeys to better settings of the trees, if there are any; nothing is registered and no TOML is written.

Optuna (the extra `wellkept[tune]`) chooses what to try, and keeps what was tried in `tuning.db` beside MLflow's
database: a search that was stopped goes on where it was, as long as data, definition and search are the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from wellkept import registry
from wellkept.errors import SpecRefused
from wellkept.evaluating import triple
from wellkept.examples import examples
from wellkept.files import sole_writer
from wellkept.jobs.ingesting import open_journeys
from wellkept.journeys import Snapshot
from wellkept.progress import Narrator
from wellkept.settings import Settings
from wellkept.spec import Spec, Trees, load_spec
from wellkept.training import is_better
from wellkept.tuning import Ground, choices_of, ground, improvement, is_whole, losses, refolded, trees_of

AS_IT_IS = "as the TOML says"


def tune(spec_path: Path, journeys: Path, settings: Settings, *, trials: int, say: Narrator) -> dict:
    """Try settings within [tune] until there are `trials` of them, and hold the best beside what the TOML says.

    The best of many trials flatters itself, so both are fitted and judged again on other folds of the patients. Rows of
    the test period are never touched; where all rows have one date there is none, and every row serves.

    Raises
    ------
    SpecRefused
        `no_search`: the TOML has no [tune]. `no_optuna`: Optuna is not installed.
    Busy
        Another process tunes here.
    """
    spec, optuna = load_spec(spec_path), _optuna()
    if not spec.tune:
        raise SpecRefused("no_search", f"{spec_path} has no [tune]: write what may be tried, for example\n"
                          "[tune]\ndepth = { low = 2, high = 5 }")  # fmt: skip
    snapshot = open_journeys(journeys, settings).snapshot()
    say(f"{spec.target}: points, labels and features from version {snapshot.version} of the journeys")
    on, key = ground(examples(snapshot, spec)), _key(spec, snapshot)
    tags = {"spec_digest": spec.digest, "journeys": snapshot.digest}
    with (
        sole_writer(settings.mlruns / "tuning"),
        _searched(optuna, settings.mlruns / "tuning.db", f"{spec.target}-{key}", spec) as search,
        registry.study(spec.target, key, mlruns=settings.mlruns, tags=tags) as run,
    ):
        run.log(AS_IT_IS, params=_own(spec), course=(own := [_mean(told) for told in losses(on, spec)]), tags={})
        _log(search, run)
        for _ in say.track(range(trials - len(_done(search))), "trials"):
            _try(search, optuna, on, spec)
            _log(search, run)
        facts = {"target": spec.target, "study": key, "rows": len(on.rows), "test_period": "test" in on.data.role,
                 **_concluded(search, on, spec, own[-1])}  # fmt: skip
        run.conclude({"log_loss_own": own[-1], "log_loss_best": facts["best"], "improvement": facts["improvement"][0]},
                     facts["changed"])  # fmt: skip
    return facts


def _concluded(search: Any, on: Ground, spec: Spec, own: float) -> dict:
    """The best trial, and whether it is better than what the TOML says on folds that chose nothing."""
    trees = trees_of(spec, search.best_trial.params)
    found = improvement(refolded(on, spec, spec.seed + 1), spec, trees)
    return {
        "trials": len(_done(search)), "pruned": sum(trial.state.name == "PRUNED" for trial in search.trials),
        "own": own, "best": search.best_value, "improvement": triple(found), "better": is_better(found),
        "changed": {name: getattr(trees, name) for name in spec.tune}, "trees": trees.model_dump(),
    }  # fmt: skip


def _try(search: Any, optuna: ModuleType, on: Ground, spec: Spec) -> None:
    """One trial: fold by fold, until it is through or hopeless beside the earlier ones."""
    trial = search.ask()
    trees = _suggested(trial, spec)
    for k, told in enumerate(losses(on, spec.model_copy(update={"trees": trees}))):
        trial.report(_mean(told), k)
        if k < spec.split.folds - 1 and trial.should_prune():
            search.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return
    search.tell(trial, _mean(told))


def _suggested(trial: Any, spec: Spec) -> Trees:
    chosen = {}
    for name, search in spec.tune.items():
        if search.choices:
            chosen[name] = trial.suggest_categorical(name, choices_of(name, search))
        elif is_whole(name):
            chosen[name] = trial.suggest_int(name, int(search.reach[0]), int(search.reach[1]), log=search.log)
        else:
            chosen[name] = trial.suggest_float(name, *search.reach, log=search.log)
    return trees_of(spec, chosen)


@contextmanager
def _searched(optuna: ModuleType, database: Path, name: str, spec: Spec) -> Iterator[Any]:
    """The study in the database; what a stop cut off there has failed."""
    storage = optuna.storages.RDBStorage(f"sqlite:///{database.resolve()}")
    search = optuna.create_study(study_name=name, storage=storage, load_if_exists=True,
                                 pruner=optuna.pruners.MedianPruner())  # fmt: skip
    for trial in search.trials:
        if trial.state.name == "RUNNING":
            search.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    # a sampler that began with the same seed again would try again what was tried
    search.sampler = optuna.samplers.TPESampler(seed=spec.seed + len(search.trials))
    try:
        yield search
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _done(search: Any) -> list[Any]:
    return [trial for trial in search.trials if trial.state.name in ("COMPLETE", "PRUNED")]


def _log(search: Any, run: registry.Study) -> None:
    for trial in _done(search):
        course = [loss for _, loss in sorted(trial.intermediate_values.items())]
        run.log(f"trial {trial.number}", params=trial.params, course=course, tags={"state": trial.state.name.lower()})


def _own(spec: Spec) -> dict[str, Any]:
    return {name: getattr(spec.trees, name) for name in spec.tune}


def _mean(told: np.ndarray) -> float:
    return float(np.nanmean(told))


def _key(spec: Spec, snapshot: Snapshot) -> str:
    """The same data, definition and search are the same study."""
    asked = json.dumps({name: search.model_dump() for name, search in spec.tune.items()}, sort_keys=True)
    return hashlib.sha256(f"{spec.digest} {snapshot.digest} {asked}".encode()).hexdigest()[:12]


def _optuna() -> ModuleType:
    try:
        import optuna
    except ImportError:
        raise SpecRefused("no_optuna", "tuning needs Optuna, which is not installed: pip install 'wellkept[tune]'"
                          ) from None  # fmt: skip
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
