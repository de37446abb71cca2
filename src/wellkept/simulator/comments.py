"""Comments by a grammar of templates: what hurt most of a visit in, a sentence or two out. No patient wrote them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from wellkept.simulator.chance import happens
from wellkept.simulator.hospital import Hospital
from wellkept.simulator.worlds import FAILURES

SPANISH, MIXED, SAFETY = 0.10, 0.08, 1 / 400  # shares of the comments

COMPLAINTS = {
    "long_lead": ("It took weeks to get an appointment", "Tardaron semanas en darme cita"),
    "rescheduled": ("They moved my appointment again", "Me cambiaron la cita otra vez"),
    "long_hold": ("I was on hold forever", "Esperé muchísimo al teléfono"),
    "transferred": ("On the phone I was passed from one person to the next", "Por teléfono me pasaban de uno a otro"),
    "verification_failed": ("They said that my insurance was not on file", "Dijeron que mi seguro no aparecía"),
    "long_lobby": ("I sat in the waiting room far too long", "Esperé demasiado en la sala"),
    "new_clinician": ("I never see the same doctor twice", "Nunca me atiende el mismo médico"),
    "interpreter_missed": ("There was no interpreter and I understood little", "No había intérprete y entendí poco"),
    "no_instructions": ("I left without knowing what to do next", "Me fui sin saber qué tenía que hacer"),
    "no_follow_up": ("Nobody called after the procedure", "Nadie llamó después del procedimiento"),
    "slow_portal": ("My message on the portal went unanswered for days", "Tardaron días en contestar mi mensaje"),
    "surprise_bill": ("Then came a bill that nobody had told me about", "Luego llegó una factura que nadie avisó"),
    "denied_claim": ("The insurance refused to pay", "El seguro no quiso pagar"),
    "access_failed": ("I could hardly get in with my wheelchair", "Apenas pude entrar con mi silla de ruedas"),
    "rushed_after_waiting": ("After all that waiting I was rushed through", "Después de tanto esperar me apuraron"),
    "denied_unheard": ("Nobody would help me with the denied claim", "Nadie me ayudó con el reclamo negado"),
}
PRAISE = (
    ("Everyone was kind and took their time", "Todos fueron amables y me dedicaron tiempo"),
    ("Very well organised, thank you", "Muy bien organizado, gracias"),
    ("The doctor listened to me", "El médico me escuchó"),
)
SARCASM = (("Great job, really", "Un trabajo estupendo, de verdad"), ("Just wonderful", "Una maravilla"))
BUT = ("The staff was friendly, but", "El personal fue amable, pero")
SAFETY_STATEMENT = ("I was given the wrong medicine", "Me dieron la medicina equivocada")


def written_comments(
    rng: np.random.Generator, hospital: Hospital, rows: np.ndarray, answered: np.ndarray
) -> pa.Array:
    """A comment for some of the answers about the visits in `rows`, null for the others."""
    written = np.flatnonzero(answered & happens(rng, np.full(len(rows), hospital.world.comments)))
    visits, count = hospital.visits, len(written)
    worst, second = visits["worst"][rows[written]], visits["second_worst"][rows[written]]
    unhappy = visits["something_hurt"][rows[written]] & (visits["satisfaction"][rows[written]] < 1.2)
    tongue = happens(rng, np.full(count, SPANISH)).astype(int)
    mixed, safety = happens(rng, np.full(count, MIXED)), happens(rng, np.full(count, SAFETY))
    variant = rng.integers(0, 6, count)
    texts = np.full(len(rows), None, dtype=object)
    texts[written] = [
        _comment(*choices)
        for choices in zip(unhappy, worst, second, tongue, mixed, safety, variant, strict=True)
    ]
    return pa.array(texts, pa.string())


def _comment(
    unhappy: bool, worst: int, second: int, tongue: int, mixed: bool, safety: bool, variant: int
) -> str:
    sentences = [PRAISE[variant % len(PRAISE)][tongue]]
    if unhappy:
        sentences = [COMPLAINTS[FAILURES[cause]][tongue] for cause in (worst, second)]
    if unhappy and mixed:
        sentences = _mixed(sentences[0], tongue, variant)
    if safety:
        sentences.append(SAFETY_STATEMENT[tongue])
    return ". ".join(sentences) + "."


def _mixed(complaint: str, tongue: int, variant: int) -> list[str]:
    """Friendly words and a complaint: meant so, or as sarcasm."""
    if variant % 2:
        return [f"{BUT[tongue]} {complaint[0].lower()}{complaint[1:]}"]
    return [SARCASM[variant // 2 % len(SARCASM)][tongue], complaint]
