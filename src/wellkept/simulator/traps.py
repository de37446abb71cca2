"""Planted mistakes of the kind that real exports hold, each behind its name; a product must not be taken in.

A trap changes the tables that are sent, or what their mappings say, and never what happened. The tenth of the list,
a unit error, is the drift `unit-error`.
"""

from __future__ import annotations

from collections.abc import Collection

from wellkept.simulator import disguises, leaks, placebos
from wellkept.simulator.delivery import Delivery, Trap

TRAPS: dict[str, Trap] = {  # in the order in which they are set: new names and clocks last
    "loop-closed": leaks.loop_closed,
    "account-status": leaks.account_status,
    "cancelled-at-deactivation": leaks.cancelled_at_deactivation,
    "early-comment": leaks.early_comment,
    "site-score": leaks.site_score,
    "record-number": leaks.record_number,
    "late-bills": disguises.late_bills,
    "late-deaths": disguises.late_deaths,
    "suppressed-surveys": disguises.suppressed_surveys,
    "courtesy-letter": placebos.courtesy_letter,
    "apology-letter": placebos.apology_letter,
    "duplicate-patients": disguises.duplicate_patients,
    "ordered-ids": disguises.ordered_ids,
    "local-times": disguises.local_times,
}


def set_traps(delivery: Delivery, asked: Collection[str]) -> Delivery:
    """The delivery with those traps in it."""
    for name, trap in TRAPS.items():
        if name in asked:
            delivery = trap(delivery)
    return delivery
