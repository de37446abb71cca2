"""Examples and a model's definition in; what each feature about who somebody is does, and for whom, out.

The same kind of model is trained again on the same rows and folds with and without every such feature, several times
with other folds, and held beside the model as it is on the same draws of patients and refits. Calibration within groups
comes first, then how many of a group's events the list at capacity holds, then its share of the attention beside its
share of the need (METHOD.md, section 6). Nothing here changes what ships.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from wellkept.automatic import automatic_features, common_codes
from wellkept.catalogue import query_of
from wellkept.disparities import disparities
from wellkept.encoding import fit_encoder
from wellkept.errors import NotEnoughData, SpecRefused
from wellkept.evaluating import RESAMPLES, Track, plain_of, untold
from wellkept.examples import Examples, fold_of
from wellkept.journeys import Snapshot
from wellkept.spec import Spec, matches
from wellkept.subgroups import FEWEST_EVENTS, FEWEST_PATIENTS
from wellkept.training import logistic_contestant, trees_contestant
from wellkept.verdicts import of_group, of_variant

AS_IT_IS = "as it is"
CAPACITY = 0.10
REFITS = 5  # more cost more, and tell smaller changes from the noise of fitting again


@dataclass(frozen=True)
class Variant:
    """The model with other features: `without` are codes that it may not use, `added` those that it may use besides.

    `features` counts what it was made of; `risks` has one array a refit, of every row, by the member that never saw
    the patient.
    """

    name: str
    without: tuple[str, ...]
    added: tuple[str, ...]
    features: int
    risks: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Sensitive:
    """Codes about who somebody is: audited only, protected, and those by which performance is told."""

    audit: tuple[str, ...]
    protected: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def used(self) -> tuple[str, ...]:
        """Those that what ships has features of."""
        return (*self.protected, *self.groups)


def with_audited(snapshot: Snapshot, data: Examples, spec: Spec) -> Examples:
    """The same rows with features of the codes of `audit` besides, which what ships never sees."""
    bare = data.points.select(["subject_id", "prediction_time", "encounter_id"])
    everything = spec.automatic.model_copy(update={"exclude": (), "max_codes": 10**9})
    common = common_codes(snapshot, bare.take(pa.array(data.rows("train"))), everything)
    facts = [fact for fact in common if matches(fact.code, spec.audit)]
    made = automatic_features(facts, spec.automatic.windows, snapshot.codes)
    if not made:
        return replace(data, waiting=None)
    columns = query_of(made).run(snapshot, bare)
    features = pa.table({**dict(zip(data.features.column_names, data.features.columns, strict=True)),
                         **{f.name: columns[f.name] for f in made}})  # fmt: skip
    # points that still wait have no values of the features made here: all variants are compared without them
    return replace(data, features=features, catalogue=[*data.catalogue, *made], waiting=None)


def sensitive(data: Examples, spec: Spec) -> Sensitive:
    """The codes of `audit`, `protected` and `groups` that there are features of.

    Raises
    ------
    SpecRefused
        `nothing_sensitive`: not one.
    """
    # a clinician's share of detractors is protected, too, but says nothing of who the patient is
    codes = [c for c in dict.fromkeys(c for f in data.catalogue for c in f.codes) if not c.startswith("CLINICIAN//")]
    audit = tuple(c for c in codes if matches(c, spec.audit))
    protected = tuple(c for c in codes if matches(c, spec.protected) and c not in audit)
    groups = tuple(c for c in codes if matches(c, spec.groups) and c not in (*audit, *protected))
    if not (audit or protected or groups):
        raise SpecRefused("nothing_sensitive", "the model's TOML names no code in `protected`, `audit` or `groups` "
                          "that the journeys know: name the codes that tell who somebody is")  # fmt: skip
    return Sensitive(audit, protected, groups)


def variants(
    data: Examples, spec: Spec, kind: str, *, refits: int = REFITS, only: tuple[str, ...] = (), track: Track = untold
) -> list[Variant]:
    """The model as it is, with and without each sensitive feature, and several of them at once.

    `data` is what `with_audited` gives; `kind` is what ships, trees or logistic, and no variant is of the other. With
    `only`, variants of these names.
    """
    codes = sensitive(data, spec)
    plans = {AS_IT_IS: ((), ()), **{name: (without, added) for name, without, added in _plans(codes)}}
    plans = {name: plan for name, plan in plans.items() if not only or name in only}
    return [_retrained(data, spec, kind, name, *plans[name], codes=codes, refits=refits)
            for name in track([*plans], f"with and without, {refits} refits each")]  # fmt: skip


def audited(
    data: Examples, made: Sequence[Variant], rows: np.ndarray | None = None, *, track: Track = untold
) -> dict:
    """The variants held beside the first of them, overall and in each group, as plain data with verdicts in words."""
    rows = data.test_rows if rows is None else rows
    label, subject, risks = data.label[rows], data.subject[rows], [[r[rows] for r in v.risks] for v in made]

    def told(here: np.ndarray) -> list[dict]:
        found = disparities(label, risks, subject, here, capacity=CAPACITY, resamples=RESAMPLES)
        return [{"metrics": plain_of(own), "change": plain_of(apart)} for own, apart in found]

    overall, by_variant = told(np.ones(len(rows), bool)), [dict[str, dict]() for _ in made]
    groups: dict[str, dict[str, dict]] = {}
    for name, level, here in _levels(data, rows, track):
        counts = {"rows": int(here.sum()), "patients": len(np.unique(subject[here])), "events": int(label[here].sum())}
        few = min(counts["events"], counts["rows"] - counts["events"]) < FEWEST_EVENTS
        found = [] if few else told(here)
        metrics = found[0]["metrics"] if found else {}
        groups.setdefault(name, {})[level] = {**counts, "too_few": few, "metrics": metrics,
                                              "verdict": of_group(metrics, counts["events"])}  # fmt: skip
        for mine, figures in zip(by_variant, found, strict=False):
            mine.setdefault(name, {})[level] = figures
    return {
        "capacity": CAPACITY, "rows": len(rows), "refits": len(made[0].risks), "features": made[0].features,
        "overall": overall[0]["metrics"], "groups": groups,
        "variants": [_plain(v, *all_of_it) for v, *all_of_it in zip(made, overall, by_variant, strict=True)][1:],
    }  # fmt: skip


def _plans(codes: Sensitive) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    for code in codes.used:
        yield f"without {code}", (code,), ()
    for code in codes.audit:
        yield f"with {code}", (), (code,)
    several = [
        ("with all that is audited", (), codes.audit, codes.audit),
        ("without all that is protected", codes.protected, (), codes.protected),
        ("without all that tells groups", codes.groups, (), codes.groups),
        ("without all of them", codes.used, (), codes.protected and codes.groups),
    ]
    for name, without, added, counted in several:
        if len(counted) > 1 or (name == "without all of them" and counted):
            yield name, without, added


def _retrained(
    data: Examples, spec: Spec, kind: str, name: str, without: tuple[str, ...], added: tuple[str, ...], *,
    codes: Sensitive, refits: int,
) -> Variant:  # fmt: skip
    dropped = {*without, *codes.audit} - {*added}
    encoder = fit_encoder([f for f in data.catalogue if not dropped & {*f.codes}], data.features, data.rows("train"))
    if not encoder.features:
        raise NotEnoughData("no_features", f"{name}: no feature is left that varies over the training rows")
    X = encoder.matrix(data.features)
    risks = []
    for k in range(refits):
        again = spec.model_copy(update={"seed": spec.seed + k})
        folded = replace(data, fold=fold_of(data.subject, spec.split.folds, again.seed))
        fitted = (trees_contestant(X, folded, encoder, again) if kind == "trees"
                  else logistic_contestant(X, folded, again))  # fmt: skip
        risks.append(fitted.risk)
    return Variant(name, without, added, len(encoder.features), tuple(risks))


def _levels(data: Examples, rows: np.ndarray, track: Track) -> Iterator[tuple[str, str, np.ndarray]]:
    """(dimension, level, which of the rows belong to it), of levels whose patients cannot be guessed."""
    for name in track(data.groups.column_names, "groups"):
        words = np.array(data.groups[name].to_pylist(), str)[rows]
        for level in np.unique(words).tolist():
            if len(np.unique(data.subject[rows][words == level])) >= FEWEST_PATIENTS:
                yield name, level, words == level


def _plain(variant: Variant, overall: dict, groups: dict) -> dict:
    return {"name": variant.name, "without": list(variant.without), "with": list(variant.added),
            "features": variant.features, "overall": overall["metrics"], "change": overall["change"],
            "groups": groups, "verdict": of_variant(overall["change"], groups)}  # fmt: skip
