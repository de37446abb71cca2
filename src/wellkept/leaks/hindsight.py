"""Labels that came true, and who was never seen again after them, in; features that knew even the latter, out."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from wellkept.leaks.evidence import Evidence, Finding
from wellkept.leaks.standing import KNOWS, SAMPLE, alone, enough, last_rows, silent

DAYS = 365


def hindsight(evidence: Evidence) -> Finding:
    """No feature may tell, of those whose label came true, who is silent at the end of the store, a year later.

    What makes people stay away until the deadline makes them stay away a little longer, too; but who is still away
    on the day of the export is surely known only to what was written then, whatever date it carries: an
    appointment that was cancelled when an account was closed.
    """
    data = evidence.data
    end = int(evidence.snapshot.observed_until.timestamp() * 1e6) - DAYS * 86_400_000_000
    over = data.label & (data.points["known_at"].cast(pa.int64()).to_numpy() <= end)
    rows = np.flatnonzero(over)
    rows = evidence.sample(rows[last_rows(data.subject[rows])], SAMPLE)
    away, even = silent(evidence, rows, DAYS), data.fold[rows] % 2 == 0
    chosen = [f.name for f in evidence.features if not evidence.expected(f)]
    if not (chosen and enough(away[even]) and enough(away[~even])):
        says = f"too few labels that came true and were known {DAYS} days before the store ends"
        return Finding("hindsight", None, None, KNOWS, "", says)
    subject = data.subject[rows]
    found = {n: alone(data.features[n].take(pa.array(rows)), away, even, subject) for n in chosen}
    worst = max(chosen, key=lambda name: found[name].low)
    says = f"of {len(rows)} patients whose label came true, {worst} tells best who is silent in the last {DAYS} days: "
    says += f"AUROC {found[worst]}"
    if found[worst].low <= KNOWS:
        return Finding("hindsight", True, found[worst].value, KNOWS, "", says)
    says += "; its events were written when that was known: ask who writes them and when, and exclude it"
    return Finding("hindsight", False, found[worst].value, KNOWS, worst, says)
