"""Features of any code that is common enough, without a line of code: what is there -> how it is described."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import pyarrow as pa

from wellkept.catalogue import Feature
from wellkept.errors import SpecRefused
from wellkept.history import engine, past
from wellkept.history.language import Expression
from wellkept.journeys import Snapshot
from wellkept.spec import Automatic, matches

# the first part of a code tells the touchpoint, and whether it is about care itself (patient) or service (customer)
STAGES = {
    "APPOINTMENT": ("scheduling", "customer"), "INSURANCE": ("insurance", "customer"),
    "CALL": ("contact centre", "customer"), "ARRIVAL": ("arrival", "customer"), "VISIT": ("visit", "patient"),
    "DISCHARGE": ("discharge", "patient"), "FOLLOW_UP": ("follow-up", "patient"), "PORTAL": ("portal", "customer"),
    "BILLING": ("billing", "customer"), "COMPLAINT": ("complaint", "customer"), "SURVEY": ("survey", "customer"),
    "COMMENT": ("comment", "customer"), "PERSON": ("person", "patient"), "CLINICIAN": ("visit", "patient"),
    "SITE": ("visit", "customer"),
}  # fmt: skip
MANY_TEXTS = 1000  # a code with more different texts than this is free text, not a category


@dataclass(frozen=True)
class CodeFacts:
    """How common a code is in the past of the training points, and what it carries."""

    code: str
    subjects: int
    numbers: int
    texts: int


def common_codes(
    snapshot: Snapshot, points: pa.Table, automatic: Automatic, never: tuple[str, ...] = ()
) -> list[CodeFacts]:
    """Codes in the past of enough of the subjects of `points`, the most common first, ties by name.

    Raises
    ------
    SpecRefused
        `no_such_code`: what is to stay out is there under no such name. Mistyped, it would be a feature, race for one.
    """
    table = engine.totals(
        """SELECT e.code, COUNT(DISTINCT e.subject_id) AS subjects,
                  COUNT(DISTINCT CASE WHEN e.value IS NOT NULL THEN e.subject_id END) AS numbers,
                  CASE WHEN COUNT(DISTINCT e.text) > 0 THEN LEAST(COUNT(DISTINCT e.text), 1000000) ELSE 0 END AS texts
           FROM (SELECT subject_id, MAX(moment) AS latest FROM points GROUP BY subject_id) p
           JOIN events e ON e.subject_id = p.subject_id AND e.known <= p.latest GROUP BY e.code""",
        snapshot, points,
    )  # fmt: skip
    totals = table.group_by("code").aggregate([("subjects", "sum"), ("numbers", "sum"), ("texts", "max")])
    everybody = len(set(points["subject_id"].to_pylist()))
    facts = [CodeFacts(*row.values()) for row in totals.to_pylist()]
    _refuse_names_of_nothing(snapshot, (*automatic.exclude, *never), [f.code for f in facts])
    common = [
        f for f in facts
        if f.subjects >= automatic.min_share * everybody and not matches(f.code, (*automatic.exclude, *never))
    ]  # fmt: skip
    return sorted(common, key=lambda f: (-f.subjects, f.code))[: automatic.max_codes]


def _refuse_names_of_nothing(snapshot: Snapshot, patterns: tuple[str, ...], past: list[str]) -> None:
    """`past` are codes that are there for sure; all others are asked for where one of the patterns is none of them."""
    unmet = [pattern for pattern in patterns if not any(matches(code, (pattern,)) for code in past)]
    if not unmet:
        return
    codes = sorted(set(engine.totals("SELECT DISTINCT code FROM events", snapshot)["code"].to_pylist()))
    for pattern in unmet:
        if not any(matches(code, (pattern,)) for code in codes):
            near = " or ".join(map(repr, get_close_matches(pattern.rstrip("*"), codes, n=3)))
            raise SpecRefused(
                "no_such_code",
                f"`audit` or [automatic] `exclude` keeps {pattern!r} out, but the journeys hold no such "
                f"code{f'; there is {near}' if near else ''}: mend the name, or delete it",
            )


def automatic_features(
    facts: list[CodeFacts], windows: tuple[str, ...], words: Mapping[str, Mapping[str, str]]
) -> list[Feature]:
    """Count, last, mean, max, time since and category of each code, over the windows and all time."""
    return [f for fact in facts for f in _of_code(fact, windows, words.get(fact.code, {}))]


def _of_code(fact: CodeFacts, windows: tuple[str, ...], words: Mapping[str, str]) -> list[Feature]:
    code, events = fact.code, past.of(fact.code)
    name = words.get("says") or code.replace("//", " ").replace("_", " ").lower()
    unit = words.get("unit") or ""
    touchpoint, dimension = STAGES.get(code.partition("//")[0], ("other", "customer"))
    measure = f" {unit}" if unit else ""

    def made(
        suffix: str, expression: Expression, says: str, docs: str, *, unit: str = unit, otherwise: str = "",
        null: str = f"no {name} on record",
    ) -> Feature:  # fmt: skip
        return Feature(
            name=f"{code}.{suffix}", expression=expression, says=says.replace("<name>", _plain(name)), docs=docs,
            touchpoint=touchpoint, dimension=dimension, unit=unit, otherwise=otherwise, null=null,
        )  # fmt: skip

    features = []
    if fact.numbers:
        features.append(made("last", events.last(), f"<name>: {{value:.4g}}{measure}", f"Latest number of {code}."))
    if 0 < fact.texts <= MANY_TEXTS:
        features.append(made("category", events.last_text(), "<name>: {value}", f"Latest category of {code}."))
    features.append(made("since", events.since(), "<name>: last {value:.0f} days ago", f"Days since {code}.", unit="d"))
    for window in (*windows, ""):
        span = f"in the last {window[:-1]} {'days' if window.endswith('d') else 'hours'}" if window else "so far"
        chosen, tail = (events.within(window), f"_{window}") if window else (events, "")
        none = f"no {name} {span}"
        features.append(made(f"count{tail}", chosen.count(), f"<name>: {{value:.0f}} times {span}",
                             f"Events of {code} {span}.", otherwise=none, unit="events"))  # fmt: skip
        if fact.numbers:
            for how, average in (("mean", "on average"), ("max", "at most")):
                features.append(made(f"{how}{tail}", getattr(chosen, how)(),
                                     f"<name>: {{value:.4g}}{measure} {average} {span}",
                                     f"{how.capitalize()} of the numbers of {code} {span}.", null=none))  # fmt: skip
    return features


def _plain(name: str) -> str:
    return name.replace("{", "(").replace("}", ")")
