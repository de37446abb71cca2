"""What pilots teach `recommend`: read from their logs and the journeys, kept as a small file without patients."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from wellkept.bundle_files import from_json, to_json
from wellkept.bundles import Bundle
from wellkept.contracts import POINTS
from wellkept.effects import effects_of
from wellkept.errors import InputRefused, SpecRefused
from wellkept.evidence import NO_MODEL, NOT_OVER, Evidence, Lesson, basis, effect_of_each, learned
from wellkept.files import written
from wellkept.jobs.piloting import kinds_at, outcomes_at, read_pilot
from wellkept.jobs.recommending import model_says
from wellkept.journeys import Snapshot
from wellkept.offering import Intervention, interventions
from wellkept.pilots.plans import Pilot
from wellkept.pilots.reading import compared_of

FORMAT = 1


@dataclass(frozen=True)
class Learned:
    """The evidence, what it goes back to, and up to when outcomes were known."""

    evidence: Evidence
    lessons: tuple[Lesson, ...]
    until: datetime

    @property
    def is_empty(self) -> bool:
        """Did no pilot teach anything?"""
        return not any(lesson.rows for lesson in self.lessons)


def learn(pilots: Sequence[tuple[Pilot, pa.Table]], snapshot: Snapshot, bundles: Sequence[Bundle]) -> Learned:
    """All pilots at once, each with its log: an outcome that is named like a model's target teaches that risk.

    Raises
    ------
    SpecRefused
        `twice`: two of the pilots have one name, so one log would count twice.
    """
    names = [pilot.name for pilot, _ in pilots]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SpecRefused("twice", f"{', '.join(twice)} is named more than once: each pilot's log counts once")
    catalogue = list(interventions().values())
    targets = tuple(sorted(b.target for b in bundles))
    kinds = tuple(sorted({kind for _, log in pilots for kind in kinds_at(snapshot, _points(log))} - {""}))
    lessons: list[Lesson] = []
    rows: dict[tuple[str, str], list[tuple[np.ndarray, np.ndarray]]] = {}
    for pilot, log in pilots:
        told = {(one.arm, one.outcome): one.refused for one in read_pilot(pilot, log, snapshot)}
        over = snapshot.observed_until >= pilot.ends
        refused = {key: why or ("" if over else NOT_OVER) if key[1] in targets else NO_MODEL
                   for key, why in told.items()}  # fmt: skip
        taught = _taught(pilot, log, snapshot, bundles, catalogue, kinds, [k for k, why in refused.items() if not why])
        lessons += [Lesson(pilot.name, *key, len(taught[key][1]) if key in taught else 0, why)
                    for key, why in refused.items()]  # fmt: skip
        for key, trial in taught.items():
            rows.setdefault(key, []).append(trial)
    trials = {key: (np.concatenate([by for by, _ in each]), np.concatenate([effect for _, effect in each]))
              for key, each in rows.items()}  # fmt: skip
    evidence = learned([i.name for i in catalogue], targets, kinds, trials)
    return Learned(evidence, tuple(lessons), snapshot.observed_until)


def _taught(
    pilot: Pilot, log: pa.Table, snapshot: Snapshot, bundles: Sequence[Bundle], catalogue: Sequence[Intervention],
    kinds: tuple[str, ...], keys: Sequence[tuple[str, str]],
) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:  # fmt: skip
    """(arm, target) -> its rows' basis and effect, by today's models as of the day of each draw."""
    if not keys:
        return {}
    points, place = _points(log), np.arange(log.num_rows)
    drawn = np.array(log["arm"].to_pylist(), str)[:, None] == np.array([i.name for i in catalogue])
    says = {b.target: model_says(snapshot, points, b, catalogue, np.ones(log.num_rows, bool)) for b in bundles}
    risk = {target: told[0] for target, told in says.items()}
    assumed = effects_of(catalogue, risk, drawn, {target: told[1] for target, told in says.items()}).change
    outcomes, kind = outcomes_at(snapshot, points, pilot), kinds_at(snapshot, points)
    taught = {}
    for arm, target in keys:
        k = [i.name for i in catalogue].index(arm)
        compared = compared_of(log, arm, outcomes[target], place[:, None].astype(float))
        known = compared.known
        at = known.covariates[:, 0].astype(int)
        by = basis(risk[target][at], assumed[target][at, k], kind[at], kinds)
        effect = effect_of_each(known.outcome, risk[target][at], known.treated.astype(float), known.propensity)
        taught[arm, target] = by, effect
    return taught


def write_evidence(found: Learned, path: Path) -> None:
    """The file that `recommend --evidence` goes by: whole or not at all; it holds no patient.

    Raises
    ------
    InputRefused
        `folder`: it cannot be written there.
    """
    e = found.evidence
    catalogue = interventions()
    facts = {
        "format": FORMAT, "until": found.until.isoformat(), "lessons": [asdict(one) for one in found.lessons],
        "steps": {step: _assumptions(catalogue[step]) for step in e.steps}, "order": list(e.steps),
        "targets": list(e.targets), "kinds": list(e.kinds), "mean": e.mean.tolist(),
        "covariance": e.covariance.tolist(), "rows": [[*key, rows] for key, rows in e.rows.items()],
    }  # fmt: skip
    try:
        with written(path) as temporary:
            temporary.write_bytes(to_json(facts))
    except OSError as error:
        raise InputRefused("folder", f"{path} cannot be written: {error.strerror}") from None


def load_evidence(path: Path) -> Evidence:
    """What `write_evidence` wrote, if it is of today's catalogue.

    Raises
    ------
    InputRefused
        `no_evidence`: there is no such file. `damaged_evidence`: it is not as it was written. `other_catalogue`: what
        is assumed of a step has changed since.
    """
    again = "`wellkept pilot learn` makes it anew"
    try:
        facts = from_json(path.read_bytes())
        evidence = _evidence(facts)
    except OSError as error:
        raise InputRefused("no_evidence", f"{path} cannot be read ({error.strerror}): {again}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputRefused("damaged_evidence", f"{path} is not as it was written: {again}") from error
    now = {name: _assumptions(i) for name, i in interventions().items()}
    if facts["steps"] != now:
        other = sorted(name for name in now.keys() | facts["steps"].keys() if now.get(name) != facts["steps"].get(name))
        message = f"{path} was learned before what is assumed of {', '.join(other)} changed: {again}"
        raise InputRefused("other_catalogue", message)
    return evidence


def _evidence(facts: Mapping) -> Evidence:
    mean, covariance = np.array(facts["mean"], float), np.array(facts["covariance"], float)
    steps, targets, kinds = (tuple(facts[name]) for name in ("order", "targets", "kinds"))
    width = 2 + len(kinds)
    shapes = (len(steps), len(targets), width), (len(steps), len(targets) * width, len(targets) * width)
    if facts["format"] != FORMAT or (mean.shape, covariance.shape) != shapes or set(steps) != facts["steps"].keys():
        raise ValueError("numbers do not fit the names")
    if not (np.linalg.eigvalsh(covariance) > 0).all():
        raise ValueError("no covariance: the doubt of something would be negative")
    rows = {(step, target): int(count) for step, target, count in facts["rows"]}
    return Evidence(steps, targets, kinds, mean, covariance, rows)


def _assumptions(intervention: Intervention) -> str:
    """A fingerprint of what a step is assumed to change, which is what trials correct."""
    beliefs = {target: [b.change, b.spread] for target, b in intervention.beliefs.items()}
    return hashlib.sha256(to_json([beliefs, dict(intervention.puts_right)])).hexdigest()[:16]


def _points(log: pa.Table) -> pa.Table:
    return POINTS.check(log.select(POINTS.schema.names))
