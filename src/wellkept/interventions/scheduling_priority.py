"""An earlier appointment for who waits long."""

from wellkept.history import past
from wellkept.offering import DETRACTOR, NO_RETURN, Belief, Intervention

INTERVENTION = Intervention(
    title="Earlier appointment",
    script="Your last appointment took long to come. May I look with you for an earlier time for the next one?",
    roles=("scheduler", "coordinator"),
    minutes=10,
    channel="call",
    within="48h",
    trigger=past.of("APPOINTMENT//BOOKED").same_encounter().last() > 20,
    because="the last visit was booked more than 20 days ahead",
    touchpoints=("scheduling",),
    dimension="customer",
    beliefs={DETRACTOR: Belief(-0.02, 0.03), NO_RETURN: Belief(-0.06, 0.04)},
    puts_right={"lead_days": 7},
    source="assumed; long leads go with missed appointments",
    trade_off="an earlier time for one is a later time for another",
)
