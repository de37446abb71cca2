"""Findings of all layers in; one recommendation with the sentence why, out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

BLOCK, REFIT, RECALIBRATE, NOTHING = "block", "refit", "recalibrate", "nothing"
LADDER = (BLOCK, REFIT, RECALIBRATE)  # what comes first is done first; the others are looked at again after it


@dataclass(frozen=True)
class Finding:
    """One thing that a layer has to say.

    Attributes
    ----------
    layer
        0 contract and units, 1 inputs, 2 scores, 3 estimates without labels, 4 labels, 5 decisions.
    value, bar
        The effect size, and in words what it is held against; None where there is no number.
    alarm
        Is it beyond its bar?
    calls_for
        One of LADDER, or empty: worth knowing, and nothing that a model could be mended by.
    on, after
        Of what was found sequentially: the day, and after how many labels or invitations; else empty and None.
    """

    layer: int
    what: str
    says: str
    site: str = ""
    feature: str = ""
    value: float | None = None
    bar: str = ""
    alarm: bool = False
    calls_for: str = ""
    on: str = ""
    after: int | None = None


@dataclass(frozen=True)
class Monitored:
    """What one model's monitoring came to."""

    target: str
    recommendation: str
    says: str
    findings: tuple[Finding, ...]

    @property
    def plain(self) -> dict:
        """Plain data for the scheduler."""
        return {"target": self.target, "recommendation": self.recommendation, "says": self.says,
                "findings": [asdict(finding) for finding in self.findings]}  # fmt: skip


def recommend(target: str, findings: Sequence[Finding]) -> Monitored:
    """`block site X`, `refit`, `recalibrate` or `nothing`, with the sentence why.

    A site whose data are wrong comes first: whatever else was found may be of its making.
    """
    for action in LADDER:
        if reasons := [f for f in findings if f.calls_for == action]:
            sites = sorted({f.site for f in reasons})
            name = " ".join(["block site", ", ".join(sites)]) if action == BLOCK else action
            more = f" (and {len(reasons) - 1} more findings)" if len(reasons) > 1 else ""
            return Monitored(target, name, reasons[0].says + more, tuple(findings))
    watched = [f for f in findings if f.alarm]
    says = f"nothing is to be done; worth knowing: {watched[0].says}" if watched else "nothing is beyond its bar"
    return Monitored(target, NOTHING, says, tuple(findings))


def blocked_sites(findings: Sequence[Finding]) -> dict[str, str]:
    """Site -> the first reason why its scores are held back."""
    return {f.site: f.says for f in reversed(findings) if f.calls_for == BLOCK}


def lines_of(monitored: Monitored) -> list[str]:
    """For people: the recommendation, what is beyond its bar, and then the rest."""
    ordered = sorted(monitored.findings, key=lambda f: (not f.calls_for, not f.alarm, f.layer))
    mark = {True: "!", False: " "}
    told = [f"  {mark[f.alarm]} layer {f.layer} {f.what}: {f.says}" for f in ordered]
    return [f"{monitored.target}: {monitored.recommendation}: {monitored.says}", *told]
