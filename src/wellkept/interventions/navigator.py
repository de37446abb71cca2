"""One person who keeps all threads together for who has many."""

from wellkept.history import past
from wellkept.offering import DETRACTOR, NO_RETURN, Belief, Intervention

MANY = past.of("PERSON//chronic_conditions").last() > 2

INTERVENTION = Intervention(
    title="Assign a navigator",
    script="You have several appointments and plans with us. I am your one contact for all of them from now on. Shall "
    "we start with what worries you most?",
    roles=("navigator",),
    minutes=60,
    channel="call",
    within="48h",
    trigger=MANY.coalesce(0) > 0,
    because="more than two chronic conditions are on record",
    touchpoints=("follow-up", "scheduling", "visit", "discharge"),
    dimension="patient",
    beliefs={DETRACTOR: Belief(-0.05, 0.04), NO_RETURN: Belief(-0.05, 0.04)},
    puts_right={
        "instructions_given": 1,
        "next_step_overdue_days": 0,
        "contacted_48h": 1,
        "lead_days": 7,
        "usual_clinician": 1,
    },
    source="assumed; a randomised trial of such a programme found no effect on readmission (Camden, NEJM 2020)",
    cool_off="180d",
)
