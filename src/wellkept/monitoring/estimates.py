"""Risks in; what they themselves imply about how good they are, out: layer 3, right only as long as the risks are.

Handles a changed mix of patients, and is blind to what patients of equal features do differently (NannyML's own
documentation of CBPE; METHOD.md measured .753 before and after a change of survey mode that moved O/E to .74).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from wellkept.monitoring.findings import Finding

ASSUMES = "assuming that stated risks are right"
FALL, RATE = 0.03, (0.8, 1.25)


def cbpe_auroc(risk: np.ndarray) -> float:
    """AUROC that is expected if the risks are right: sum of p (cum(1-p) - (1-p)/2) / (sum p sum(1-p)), p ascending."""
    p = np.sort(np.asarray(risk, float))
    below = np.cumsum(1 - p) - (1 - p) / 2
    return float((p * below).sum() / (p.sum() * (1 - p).sum()))


def without_labels(risk: np.ndarray, reference: Mapping) -> list[Finding]:
    """Expected AUROC and rate beside those of the reference nights; they call for nothing by themselves."""
    auroc, rate, usual = cbpe_auroc(risk), float(risk.mean()), float(reference["mean"])
    fell = auroc < reference["auroc"] - FALL
    ratio = rate / usual
    return [
        Finding(3, "expected_auroc", f"expected AUROC {auroc:.3f}, {reference['auroc']:.3f} in training ({ASSUMES})",
                value=round(auroc, 4), bar=f">= {reference['auroc'] - FALL:.3f}", alarm=fell),
        Finding(3, "expected_rate", f"{rate:.1%} are expected to come true, {usual:.1%} in training ({ASSUMES})",
                value=round(ratio, 4), bar=f"{RATE[0]} to {RATE[1]} times training's",
                alarm=not RATE[0] <= ratio <= RATE[1]),
    ]  # fmt: skip
