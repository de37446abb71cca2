"""A nurse calls after a procedure: how is it going, is the plan clear."""

from wellkept.history import past
from wellkept.offering import DETRACTOR, NO_RETURN, Belief, Intervention

PROCEDURE = past.of("VISIT//COMPLETED").same_encounter().within("14d").saying("procedure")
CONTACTED = past.of("FOLLOW_UP//CONTACTED").same_encounter()

INTERVENTION = Intervention(
    title="Nurse follow-up call",
    script="I am the nurse from your clinic. How have you been since the procedure? Shall we go through your "
    "instructions once more, in your own words?",
    roles=("nurse",),
    minutes=15,
    channel="call",
    within="48h",
    trigger=PROCEDURE.count() > CONTACTED.count(),
    because="there was a procedure and nobody has called since",
    touchpoints=("discharge", "follow-up"),
    dimension="patient",
    beliefs={DETRACTOR: Belief(-0.05, 0.04), NO_RETURN: Belief(-0.02, 0.03)},
    puts_right={"contacted_48h": 1, "instructions_given": 1},
    source="assumed; calls after discharge, adjusted odds ratio 1.52 on overall rating (observational, SMJ)",
)
