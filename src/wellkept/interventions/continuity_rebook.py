"""The next visit with the clinician whom the patient knows."""

from wellkept.history import past
from wellkept.offering import DETRACTOR, NO_RETURN, Belief, Intervention

CHRONIC = past.of("VISIT//COMPLETED").same_encounter().within("365d").saying("chronic").count()
OTHER = past.of("VISIT//OTHER_CLINICIAN").same_encounter().within("365d").count()

INTERVENTION = Intervention(
    title="Rebook with the usual clinician",
    script="Last time you saw somebody new. Would you like your next visit to be with the clinician whom you know?",
    roles=("scheduler", "coordinator"),
    minutes=8,
    channel="call",
    within="48h",
    trigger=((CHRONIC > 0) + (OTHER > 0)) > 1,
    because="the last visit, for a chronic condition, was with another clinician than usual",
    touchpoints=("visit", "scheduling"),
    dimension="patient",
    beliefs={NO_RETURN: Belief(-0.05, 0.04), DETRACTOR: Belief(-0.02, 0.03)},
    puts_right={"usual_clinician": 1},
    source="assumed; continuity odds ratio 1.1, relationship 1.6 (J Fam Pract 2001;50:130, observational); it matters "
    "most to who has chronic conditions (Nutting 2003, doi:10.1370/afm.63)",
    trade_off="the usual clinician's first free time may be later",
)
