"""Somebody takes over a denied claim or a bill that came as a surprise."""

from wellkept.history import past
from wellkept.offering import DETRACTOR, NO_RETURN, Belief, Intervention

WRONG = {
    "BILLING//SURPRISE": "it came as a surprise",
    "BILLING//DENIAL": "a claim was denied",
    "BILLING//DISPUTE": "it is disputed",
}
TROUBLE = past.of(*WRONG).same_encounter().within("180d")
SETTLED = past.of("BILLING//RESOLVED").same_encounter()

INTERVENTION = Intervention(
    title="Take over the bill",
    script="I have your bill in front of me and I am looking into it for you. You need not call anybody. May I tell "
    "you what I have found so far?",
    roles=("billing",),
    minutes=30,
    channel="call",
    within="48h",
    trigger=TROUBLE.count() > SETTLED.count(),
    because="there is trouble with the bill for the last visit, and it is not settled",
    facts={words: past.of(code).same_encounter().within("180d").count() for code, words in WRONG.items()},
    touchpoints=("billing", "insurance"),
    dimension="customer",
    beliefs={DETRACTOR: Belief(-0.12, 0.06), NO_RETURN: Belief(-0.04, 0.04)},
    puts_right={"billing_problem_here": 0, "dispute_open_days": 0, "verification_failed": 0, "days_unverified": 0},
    source="assumed; a quarter of disputed bills are corrected (JAMA Health Forum 2024)",
    needs_language=True,
)
