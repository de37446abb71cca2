"""Arrival: the wait in the lobby, and how it compares with what was told.

Codes: ARRIVAL//LOBBY_WAIT (number: minutes from arrival to the room), ARRIVAL//TOLD_WAIT (number: minutes told).
It is the gap to what was expected that people mind most. A visit by video has no lobby: `telehealth` (visit) tells.
"""

from wellkept.catalogue import feature
from wellkept.history import Expression, History

LOBBY_WAIT, TOLD_WAIT = "ARRIVAL//LOBBY_WAIT", "ARRIVAL//TOLD_WAIT"


@feature(
    says="waited {value:.0f} minutes in the lobby",
    otherwise="did not wait in the lobby",
    null="no wait in a lobby on record",
    unit="min",
    touchpoint="arrival",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def lobby_wait(past: History) -> Expression:
    """Minutes from arrival to the room: of this encounter, else of the latest arrival."""
    waits = past.of(LOBBY_WAIT)
    return waits.same_encounter().last().coalesce(waits.last())


@feature(
    says="the wait compared with what was told: {value:+.0f} minutes",
    otherwise="waited exactly as long as was told",
    null="was told no wait, or the wait is not on record",
    unit="min",
    touchpoint="arrival",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def wait_over_told(past: History) -> Expression:
    """Minutes waited minus minutes told: of this encounter, else of the latest arrival if one was told."""
    waited, told = past.of(LOBBY_WAIT), past.of(TOLD_WAIT)
    here = waited.same_encounter().last() - told.same_encounter().last()
    latest = (waited.last() - told.last()).where(waited.since().equals(told.since()))
    return here.coalesce(latest)


@feature(
    says="was told how long the wait would be",
    otherwise="was not told how long the wait would be",
    null="no wait in a lobby on record",
    unit="yes/no",
    touchpoint="arrival",
    dimension="customer",
    modifiable=True,
)
def wait_told(past: History) -> Expression:
    """Was a wait told: at this encounter, else at the latest arrival."""
    waited, told = past.of(LOBBY_WAIT), past.of(TOLD_WAIT)
    here = (told.same_encounter().count() > 0).where(waited.same_encounter().count() > 0)
    latest = told.since().equals(waited.since()).coalesce(0).where(waited.count() > 0)
    return here.coalesce(latest)


@feature(
    says="waited {value:.0f} minutes in the lobby on average in the last year",
    otherwise="never waited in the lobby in the last year",
    null="no wait in a lobby in the last year",
    unit="min",
    touchpoint="arrival",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def lobby_wait_mean_365d(past: History) -> Expression:
    """Mean minutes from arrival to the room in 365 days."""
    return past.of(LOBBY_WAIT).within("365d").mean()
