"""Somebody answers the message that waited, or shows how the portal works."""

from wellkept.history import past
from wellkept.offering import DETRACTOR, NO_RETURN, Belief, Intervention

SENT, SLOW = past.of("PORTAL//MESSAGE").within("60d"), past.of("PORTAL//RESPONSE_HOURS").within("60d").valued(">", 36)
ANSWERED = past.of("PORTAL//RESPONSE_HOURS").within("60d")
AGE = past.year() - past.of("PERSON//birth_year").last()

INTERVENTION = Intervention(
    title="Answer the waiting message",
    script="You wrote to us and waited for an answer. I have read it, and here is the answer. May I also show you how "
    "to reach us faster?",
    roles=("coordinator", "nurse"),
    minutes=12,
    channel="call",
    within="24h",
    trigger=(SLOW.count() + (SENT.count() - ANSWERED.count())) > 0,
    because="a message through the portal waited too long",
    facts={"more than 36 hours for an answer": SLOW.count(), "no answer yet": SENT.count() > ANSWERED.count()},
    touchpoints=("portal",),
    dimension="customer",
    beliefs={DETRACTOR: Belief(-0.04, 0.03), NO_RETURN: Belief(-0.01, 0.02)},
    puts_right={"response_hours": 12, "message_waiting_hours": 0},
    source="assumed; no study found",
    unless=AGE > 80,
    not_for="over 80 a portal lesson does more harm than good: answer by telephone only",
)
