"""A ride for who lives far away or cannot easily come."""

from wellkept.history import past
from wellkept.offering import DETRACTOR, NO_RETURN, Belief, Intervention

FAR = past.of("PERSON//distance_km").last() > 25
DEPRIVED = past.of("PERSON//deprivation").last() > 80
DISABLED = past.of("PERSON//disability").count() > 0

INTERVENTION = Intervention(
    title="Arrange transport",
    script="Getting here can be hard. May I arrange a ride for your next visit?",
    roles=("social work", "coordinator"),
    minutes=20,
    channel="call",
    within="48h",
    trigger=(FAR.coalesce(0) + DEPRIVED.coalesce(0) + DISABLED) > 0,
    because="the way here is long or hard",
    facts={"more than 25 km": FAR, "a deprived area": DEPRIVED, "a disability on record": DISABLED},
    touchpoints=("scheduling", "arrival"),
    dimension="customer",
    beliefs={NO_RETURN: Belief(-0.03, 0.03), DETRACTOR: Belief(0.0, 0.01)},
    source="assumed; trials of ride services for missed visits disagree",
    cool_off="90d",
)
