"""A trained model and the journeys that it was made of in; one finding a leak test out (METHOD.md, section 3).

A check fails only where its figure lies beyond its bar surely; where there is too little to tell, it says so and
blocks nothing. docs/leaks.md says what each catches and what none can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from wellkept.errors import LeakFound, SpecRefused
from wellkept.examples import Examples
from wellkept.journeys import Snapshot
from wellkept.leaks.ceilings import identity_order, single_feature
from wellkept.leaks.evidence import Evidence, Finding
from wellkept.leaks.hindsight import hindsight
from wellkept.leaks.lineage import label_source_lineage
from wellkept.leaks.replay import future_shuffle, time_travel_replay
from wellkept.leaks.standing import current_state
from wellkept.leaks.timing import day_later, decay
from wellkept.spec import Spec
from wellkept.training import Trained

__all__ = ["CHECKS", "Evidence", "Finding", "check_leaks", "facts_of", "lines_of", "refuse_leaks"]

CHECKS: dict[str, Callable[[Evidence], Finding]] = {
    check.__name__: check
    for check in (time_travel_replay, future_shuffle, single_feature, decay, day_later, identity_order,
                  label_source_lineage, current_state, hindsight)
}  # fmt: skip
WORDS = {True: "passed", False: "FAILED", None: "could not be told"}


def check_leaks(snapshot: Snapshot, spec: Spec, data: Examples, trained: Trained) -> list[Finding]:
    """Every check, in order."""
    evidence = Evidence(snapshot, spec, data, trained)
    return [check(evidence) for check in CHECKS.values()]


def refuse_leaks(findings: Sequence[Finding], accept: Iterable[str] = ()) -> None:
    """Stop where a check failed that nobody has accepted by name.

    Raises
    ------
    LeakFound
        Its code is the first such check; its message names them all, each with the feature and what to do.
    SpecRefused
        `no_check`: what was accepted is no check's name.
    """
    if unknown := sorted(set(accept) - set(CHECKS)):
        raise SpecRefused("no_check", f"no leak test {unknown[0]!r}: there are {', '.join(CHECKS)}")
    failed = [f for f in findings if f.holds is False and f.check not in set(accept)]
    if failed:
        lines = [f"{len(failed)} of {len(findings)} leak tests failed; nothing was registered", *lines_of(failed)]
        lines.append(f"whoever has looked and knows better: --accept {failed[0].check}")
        raise LeakFound(failed[0].check, "\n  ".join(lines), findings)


def lines_of(findings: Iterable[Finding]) -> list[str]:
    """One line a finding: check, outcome, figure, bar, feature, words."""
    return [
        f"{f.check:21} {WORDS[f.holds]:18} {_figure(f.value)} (bar {_figure(f.bar)})  "
        f"{f'{f.feature}: ' if f.feature else ''}{f.says}"
        for f in findings
    ]


def facts_of(findings: Iterable[Finding], accept: Iterable[str] = ()) -> dict[str, str]:
    """What a bundle and its run remember: each check's outcome, and who overrode which."""
    told = {f"leaks.{f.check}": f"{WORDS[f.holds]} {_figure(f.value)} {f.feature}".strip() for f in findings}
    overridden = sorted({f.check for f in findings if f.holds is False} & set(accept))
    return {**told, **({"leaks.accepted": ", ".join(overridden)} if overridden else {})}


def _figure(number: float | None) -> str:
    return "-" if number is None else f"{number:.3f}"
