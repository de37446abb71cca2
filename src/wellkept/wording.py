"""How a model's figures are said to people: names, units and directions of metrics, a figure with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

NOT_KNOWN = "not known"
CONTESTANTS = {
    "trees": "boosted trees", "logistic": "logistic regression", "baseline": "what people go by today",
    "hazard": "hazard (control)", "hiatus": "usual gaps (rule)", "bg_nbd": "BG/NBD (rule)",
    "champion": "model in service",
}  # fmt: skip

DIMENSIONS = {"kind": "kind of care", "birth_year": "age", "prior": "earlier answer"}


class Metric(NamedTuple):
    """A metric as people read it: `wanted` says what is good."""

    name: str
    title: str
    says: str
    wanted: str
    digits: int = 3


RANKING = (
    Metric("auroc", "AUROC", "how often a patient for whom it came true was ranked above one for whom it did not",
           "higher; chance gives .5"),
    Metric("auprc", "AUPRC", "average precision down the list", "higher; chance gives the base rate"),
)  # fmt: skip
ACCURACY = (
    Metric("brier", "Brier score", "mean squared error of the stated risk", "lower", 4),
    Metric("brier_skill", "Brier skill", "share of that error saved beside stating the base rate", "higher"),
    Metric("log_loss", "log loss", "mean surprise at what happened", "lower", 4),
)
CALIBRATION = (
    Metric("observed_expected", "O/E", "came true over stated, summed", "near 1", 2),
    Metric("calibration_slope", "calibration slope", "below 1: risks too extreme", "near 1", 2),
    Metric("calibration_intercept", "calibration intercept", "above 0: stated too low", "near 0", 2),
    Metric("ici", "ICI", "mean distance of the smooth curve from the stated risk", "near 0"),
    Metric("e90", "E90", "the same, 90th percentile", "near 0"),
)
CAPACITY = (
    Metric("recall_at_capacity", "found", "share of all for whom it comes true that is on the list", "higher"),
    Metric("ppv_at_capacity", "right", "share of the list for whom it comes true", "higher; chance: the base rate"),
    Metric("lift_at_capacity", "lift", "how many times the base rate that is", "higher; chance gives 1", 2),
    Metric("net_benefit_at_capacity", "net benefit", "true less false positives at the odds of the cut-off, a row",
           "higher; nobody called gives 0", 4),
)  # fmt: skip
GROUPED = (
    Metric("auroc", "AUROC", "", "", 2), Metric("observed_expected", "O/E", "", "", 2),
    Metric("calibration_slope", "slope", "", "", 2), Metric("brier", "Brier", "", ""),
    Metric("recall_at_capacity", "found at capacity", "", "", 2),
    Metric("attention", "share of the list", "", "", 2), Metric("need", "share of the need", "", "", 2),
)  # fmt: skip


def figure(triple: Sequence | None, digits: int = 3) -> str:
    """`0.712 [0.690 to 0.734]`; "not known" where there is no such figure, and no interval where that is not known."""
    if not triple or not _number(triple[0]):
        return NOT_KNOWN
    value, *ends = triple
    if len(ends) != 2 or not all(map(_number, ends)):
        return f"{value:.{digits}f} [interval not known]"
    return f"{value:.{digits}f} [{ends[0]:.{digits}f} to {ends[1]:.{digits}f}]"


def in_100(triple: Sequence | None) -> str:
    """`9.4 in 100 [8.1 to 10.8]` of a share and its interval."""
    if not triple or not all(map(_number, triple)):
        return NOT_KNOWN
    value, low, high = (100 * share for share in triple)
    return f"{value:.1f} in 100 [{low:.1f} to {high:.1f}]"


def count(number: object) -> str:
    """A count with thousands marked; what is not there is "not known"."""
    try:
        return f"{int(str(number)):,}"
    except ValueError:
        return NOT_KNOWN


def day(moment: object) -> str:
    """The date of a moment as facts hold it."""
    return str(moment)[:10] if moment else NOT_KNOWN


def contestant(name: str) -> str:
    """What stands in a column, in words."""
    return CONTESTANTS.get(name, name)


def dimension(name: str) -> str:
    """What performance is broken down by, in words."""
    return DIMENSIONS.get(name, name.replace("_", " "))


def judged(facts: Mapping[str, str], what: str) -> str | None:
    """A fact of the rows that a model was judged by: those of the test period, or all where all have one date."""
    return facts.get(f"test_{what}", facts.get(f"train_{what}"))


def of_shipped(metrics: Mapping) -> Mapping:
    """The figures of the contestant that ships; empty where there are none."""
    return metrics.get("test", {}).get(metrics.get("shipped"), {})


def _number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
