"""A text that the next step is due. A machine sends it; too many of them drive people away."""

from wellkept.history import past
from wellkept.offering import NO_RETURN, Belief, Intervention

DUE = past.of("FOLLOW_UP//DUE")
BOOKED_SINCE = past.of("APPOINTMENT//BOOKED").since() < past.of("VISIT//COMPLETED").since()

INTERVENTION = Intervention(
    title="Text that the next step is due",
    script="Your next visit is due. Reply YES and we call you to find a time.",
    roles=("machine",),
    minutes=0,
    channel="text",
    within="48h",
    trigger=(DUE.count() > 0) - BOOKED_SINCE.coalesce(0) > 0,
    because="a next step was ordered and nothing is booked since the last visit",
    touchpoints=("follow-up", "scheduling"),
    dimension="customer",
    beliefs={NO_RETURN: Belief(-0.015, 0.015)},
    source="assumed; texts, risk ratio .91 on missed appointments (Oikonomidi 2022, 8 trials)",
    cool_off="30d",
    trade_off="each message tires some: its own budget, and never twice in 30 days",
    needs_language=False,
)
