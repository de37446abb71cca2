"""An interpreter who was missed: call back with one. It is owed, whatever a model says."""

from wellkept.history import past
from wellkept.offering import DETRACTOR, NO_RETURN, Belief, Intervention

INTERVENTION = Intervention(
    title="Call back with an interpreter",
    script="We should have had an interpreter for you at your visit and did not. I have one with me now. What would "
    "you like to ask or hear again?",
    roles=("coordinator", "nurse"),
    minutes=12,
    channel="call",
    within="24h",
    trigger=past.of("VISIT//INTERPRETER_MISSED").same_encounter().within("30d").count() > 0,
    because="an interpreter was needed at the last visit and there was none",
    touchpoints=("visit",),
    dimension="patient",
    beliefs={DETRACTOR: Belief(-0.12, 0.06), NO_RETURN: Belief(-0.05, 0.04)},
    puts_right={"interpreter_missed": 0},
    source="assumed; language access is a legal duty (Title VI), no measure of its effect here",
    needs_language=False,  # the interpreter is part of the step
    is_entitlement=True,
)
