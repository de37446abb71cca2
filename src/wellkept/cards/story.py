"""A bundle in; whom it was made of, what it predicts, who answered and what limits it, in sentences."""

from __future__ import annotations

from collections.abc import Mapping

from wellkept.bundles import Bundle
from wellkept.prose import Prose
from wellkept.spec import Points, Spec
from wellkept.wording import count, day, dimension, figure, in_100, judged, of_shipped

ROLES = {"train": "training", "calibrate": "calibration", "test": "test", "embargo": "embargo"}
FEW_EVENTS = 100  # PROBAST asks for 100 events to judge by


def window(bundle: Bundle) -> list[dict]:
    """One row a period: from, until, points, patients and events, as far as the run told them."""
    facts = bundle.facts
    return [
        {
            "period": title, "from": day(facts.get(f"{role}_from")), "until": day(facts.get(f"{role}_until")),
            **{what: count(facts.get(f"{role}_{what}")) for what in ("rows", "patients", "events")},
        }
        for role, title in ROLES.items() if f"{role}_rows" in facts
    ]  # fmt: skip


def inclusion(spec: Spec) -> list[str]:
    """Who is in and who is out, one sentence each."""
    points = spec.points
    sentences = [_when(points), *([_how_long(points)] if points.each else [])]
    sentences += [f"Only where, at that moment, {condition}." for condition in points.where]
    if points.unless:
        sentences.append(f"Nobody of whom {' or '.join(points.unless)} is known by then.")
    if spec.asked:
        sentences.append(f"Learned and judged from those who answered an invitation ({spec.asked.by}); asked of all.")
    return [*sentences, "Only points whose label is known: one that is not known is left out and never counted as no."]


def outcome(bundle: Bundle) -> list[str]:
    """What is predicted and when it is known."""
    label = bundle.spec.label
    says = [f"The patient {bundle.spec.says}." if bundle.spec.says else "", f"True when: {label.true_when}."]
    if bundle.spec.asked and bundle.spec.asked.reference:
        says.append(f"Risks are stated as if asked by {bundle.spec.asked.reference}.")
    if label.second_cut is not None:
        says.append(f"A second head states answers up to {label.second_cut:g}; both give the expected NPS.")
    if not label.true_when.endswith("as it comes"):
        says.append("A label waits until its whole window is over, also where the answer came early.")
    return [sentence for sentence in says if sentence]


def response(metrics: Mapping) -> dict | None:
    """How many were asked and answered in the test period; None where the model's TOML has no [asked]."""
    told = metrics.get("everybody")
    if not told or not told.get("asked"):
        return None
    rate, measured = told["answered"] / told["asked"], "shift" in told.get("levels", {})
    again = f"{count(told.get('called'))} were asked again and {count(told.get('followed_up'))} answered"
    followed = again if told.get("called") else "none was asked again"
    level = "their level is measured" if measured else "their level is NOT KNOWN"
    return {"asked": told["asked"], "answered": told["answered"], "rate": rate, "measured": measured,
            "says": f"{count(told['answered'])} of {count(told['asked'])} who were asked answered ({rate:.0%}). "
                    f"Of those who did not, {followed}: {level}."}  # fmt: skip


def validity(metrics: Mapping) -> str:
    """The headline figures of the shipped contestant in one sentence; empty where there are none."""
    shipped = of_shipped(metrics)
    if "auroc" not in shipped:
        return ""
    figures = {"AUROC": ("auroc", 3), "O/E": ("observed_expected", 2), "calibration slope": ("calibration_slope", 2),
               "Brier skill": ("brier_skill", 3), "found at capacity": ("recall_at_capacity", 3)}  # fmt: skip
    told = [f"{title} {figure(shipped[name], digits)}" for title, (name, digits) in figures.items() if name in shipped]
    base = f" at a base rate of {in_100(shipped['base_rate'])}" if "base_rate" in shipped else ""
    return f"{', '.join(told)}{base}, on the test rows, by members that never saw the patient [95 % intervals]."


def fairness(metrics: Mapping) -> str:
    """How many groups could be told, and the worst O/E of them; empty where performance was not broken down."""
    levels = [(f"{dimension(name)}: {level}", told) for name, of in metrics.get("groups", {}).items()
              for level, told in of.items()]  # fmt: skip
    if not levels:
        return ""
    ratios = [(told["metrics"]["observed_expected"], name) for name, told in levels
              if not told.get("too_few") and told.get("metrics", {}).get("observed_expected")]  # fmt: skip
    ratios = [(ratio, name) for ratio, name in ratios if ratio[0] is not None]
    few = sum(bool(told.get("too_few")) for _, told in levels)
    told = f"{len(levels)} groups in {len(metrics['groups'])} dimensions; {few} have too few events to tell."
    if ratios:
        ratio, name = max(ratios, key=lambda pair: abs(pair[0][0] - 1))
        told += f" O/E furthest from 1: {name}, {figure(ratio, 2)}. The table by group has the rest."
    return told


def limits(bundle: Bundle, prose: Prose) -> list[str]:
    """What the run itself shows to be weak, then what a person declared."""
    metrics, facts = bundle.metrics, bundle.facts
    told = ["SYNTHETIC data: no figure here is about real patients."] if "synthetic" in facts else []
    if (events := judged(facts, "events")) and int(events) < FEW_EVENTS:
        told.append(f"Judged by {events} events: under {FEW_EVENTS}, so that little can be told.")
    if (answers := response(metrics)) and not answers["measured"]:
        told.append("The level of those who do not answer is not known; the risks are those of patients who answer.")
    if not metrics.get("groups"):
        told.append("Performance by group was not measured in this run.")
    told += [f"Leak test {name.removeprefix('leaks.')}: {outcome}" for name, outcome in sorted(facts.items())
             if name.startswith("leaks.") and not outcome.startswith("passed")]  # fmt: skip
    told.append("No validation on data of another source." if not prose.said("external.source") else "")
    return [line for line in [*told, prose.said("cautions.risks")] if line]


def _when(points: Points) -> str:
    if points.at:
        return f"One point for everybody who is known by {points.at:%Y-%m-%d}."
    after = ", ".join("at once" if duration.startswith("0") else duration for duration in points.after)
    return f"A point after each {points.each} ({after}), unless another has come by then."


def _how_long(points: Points) -> str:
    if isinstance(points.active, str):
        return f"Only while the latest {points.each} is less than {points.active} old."
    kinds = ", ".join(f"{kind} {duration}" for kind, duration in points.active.items())
    return f"Only while the latest {points.each} is less old than its kind allows ({kinds}), and of no other kind."
