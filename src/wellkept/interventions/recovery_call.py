"""Service recovery: somebody calls, says sorry, and puts right what can be put right."""

from wellkept.history import past
from wellkept.offering import DETRACTOR, NO_RETURN, Belief, Intervention

WRONG = {
    "BILLING//SURPRISE": "the bill came as a surprise",
    "BILLING//DENIAL": "a claim was denied",
    "BILLING//DISPUTE": "the bill is disputed",
    "COMPLAINT//FILED": "a complaint was made",
    "VISIT//INTERPRETER_MISSED": "an interpreter was needed and there was none",
    "VISIT//ACCOMMODATION_MISSED": "an accommodation was needed and there was none",
    "DISCHARGE//NO_INSTRUCTIONS": "the patient left without instructions",
    "INSURANCE//VERIFICATION_FAILED": "the check of insurance failed",
}
FAILED = past.of(*WRONG).same_encounter().within("30d")
WAITED = past.of("ARRIVAL//LOBBY_WAIT").same_encounter().within("30d").valued(">=", 45)

INTERVENTION = Intervention(
    title="Service-recovery call",
    script="I am calling because your last visit did not go as it should have. I am sorry for that. What can I put "
    "right for you today?",
    roles=("patient relations", "coordinator"),
    minutes=25,
    channel="call",
    within="48h",
    trigger=(FAILED.count() + WAITED.count()) > 0,
    because="something went wrong at the last visit",
    facts={
        **{words: past.of(code).same_encounter().within("30d").count() for code, words in WRONG.items()},
        "45 minutes or more in the lobby": WAITED.count(),
    },
    touchpoints=("visit", "billing", "arrival", "complaint", "insurance", "discharge"),
    dimension="customer",
    beliefs={DETRACTOR: Belief(-0.06, 0.04), NO_RETURN: Belief(-0.02, 0.03)},
    puts_right={
        "billing_problem_here": 0,
        "lobby_wait": 15,
        "wait_over_told": 0,
        "interpreter_missed": 0,
        "accommodation_missed": 0,
        "instructions_given": 1,
        "verification_failed": 0,
        "complaint_here": 0,
    },
    source="assumed; complaints that are answered quickly are forgiven more often (service-recovery literature)",
    cool_off="60d",
    trade_off="who had no trouble and is tired of calls may be annoyed by one",
)
