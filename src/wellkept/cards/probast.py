"""PROBAST+AI (Moons et al. 2025, doi:10.1136/bmj-2024-082505): its 34 signalling questions, as far as a run can tell.

16 are on development and 18 on evaluation, in four domains. Questions are shortened, in our own words. What a run
cannot tell is answered "needs a person", with what it can say towards it: nothing here judges the risk of bias.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from wellkept.bundles import Bundle
from wellkept.cards.story import FEW_EVENTS, inclusion, response
from wellkept.wording import figure, judged, of_shipped

DOMAINS = {"1": "participants and data sources", "2": "predictors", "3": "outcome", "4": "analysis"}
YES, PROBABLY, NO, PERSON, NOT_ASKED = "yes", "probably yes", "no", "needs a person", "does not apply"
# events that a column needs: 20 for regression (PROBAST, Moons 2019), 200 for trees (van der Ploeg 2014)
EVENTS_A_COLUMN = {"logistic": 20, "trees": 200}


class Told(NamedTuple):
    """An answer, and the evidence for it."""

    answer: str
    because: str


def probast(bundle: Bundle) -> dict[str, list[dict]]:
    """`development` and `evaluation`: one row a question, with its domain, its answer and the evidence."""
    parts = {"development": {**SHARED, **DEVELOPMENT}, "evaluation": {**SHARED, **EVALUATION}}
    return {
        part: [
            {"question": number, "domain": DOMAINS[number[0]], "asks": asks, **tell(bundle)._asdict()}
            for number, (asks, tell) in questions.items()
        ]
        for part, questions in parts.items()
    }


def _sources(_: Bundle) -> Told:
    return Told(PERSON, "Routine records of the system's own journeys; whether they suit the question is a judgement.")


def _design(bundle: Bundle) -> Told:
    if bundle.spec.split.by == "subject":
        return Told(PERSON, "All points have one date: patients are judged by members that never saw them, not later.")
    return Told(YES, "A cohort in the order of time: training, calibration, then later test points.")


def _representative(bundle: Bundle) -> Told:
    if answers := response(bundle.metrics):
        return Told(NO, f"Only answers can be learned from. {answers['says']}")
    return Told(PERSON, " ".join(inclusion(bundle.spec)))


def _alike(_: Bundle) -> Told:
    return Told(PROBABLY, "One query computes every feature for every point; if sites record alike needs a person.")


def _prepared(_: Bundle) -> Told:
    return Told(YES, "One encoder, fitted on training rows, prepares all rows.")


def _blind(bundle: Bundle) -> Told:
    return _by_leak_tests(bundle, "Features can name only what was known at the prediction time.")


def _at_hand(bundle: Bundle) -> Told:
    return _by_leak_tests(bundle, "A feature uses an event from when it became known, not from when it happened.")


def _defined(bundle: Bundle) -> Told:
    return Told(PERSON, f"One sentence defines it: {bundle.spec.label.true_when}")


def _outcome_alike(bundle: Bundle) -> Told:
    if bundle.spec.asked:
        return Told(PROBABLY, "One question for all; the way of asking differs, and its effect is taken out.")
    return Told(YES, "The same events decide for everybody.")


def _outcome_blind(bundle: Bundle) -> Told:
    passed = bundle.facts.get("leaks.label_source_lineage", "").startswith("passed")
    if passed:
        return Told(PROBABLY, "The label is an event of its own; the lineage leak test passed.")
    return Told(PERSON, "The lineage leak test did not pass, or could not be told.")


def _interval(bundle: Bundle) -> Told:
    return Told(PERSON, f"The time from prediction to outcome is in the sentence: {bundle.spec.label.true_when}")


def _size_to_learn(bundle: Bundle) -> Told:
    events = sum(_number(bundle, f"{role}_events") for role in ("train", "calibrate"))
    columns, kind = _number(bundle, "columns"), bundle.estimator.kind
    if not events or not columns:
        return Told(PERSON, "This run did not record how many events it learned from.")
    each, wanted = events / columns, EVENTS_A_COLUMN.get(kind, 200)
    told = f"{events:,} events for {columns} columns: {each:.1f} each, where {wanted} are asked for {kind}"
    if each >= wanted:
        return Told(YES, told + ".")
    return Told(NO, told + "; penalties and shallow trees are the remedy, and the slope tells how well they did.")


def _handled(_: Bundle) -> Told:
    return Told(YES, "Numbers stay numbers; a category has a column a level, and one for what is rare, new or missing.")


def _missing(_: Bundle) -> Told:
    return Told(PROBABLY, "A missing value is a state that the model learns, alike at night and in training. A label "
                "that is not known is left out and never counted as no; why it is missing needs a person.")  # fmt: skip


def _imbalance(_: Bundle) -> Told:
    return Told(NOT_ASKED, "Classes are neither resampled nor weighted.")


def _overfitting(bundle: Bundle) -> Told:
    slope = figure(of_shipped(bundle.metrics).get("calibration_slope"), 2)
    return Told(YES, "Shallow monotone trees beside penalised regression, members by folds of patients, the simpler "
                f"model unless trees are better. Calibration slope on unseen rows: {slope}.")  # fmt: skip


def _not_apparent(bundle: Bundle) -> Told:
    if bundle.spec.split.by == "subject":
        return Told(YES, "Every row is judged by the member that never saw its patient.")
    return Told(YES, "Test rows are later than training rows, each judged by the member that never saw its patient.")


def _size_to_judge(bundle: Bundle) -> Told:
    events = int(judged(bundle.facts, "events") or 0)
    if not events:
        return Told(PERSON, "This run did not record how many events it was judged by.")
    answer = YES if events >= FEW_EVENTS else NO
    return Told(answer, f"{events:,} events to judge by, where {FEW_EVENTS} are asked for.")


def _kept_apart(bundle: Bundle) -> Told:
    return _by_leak_tests(bundle, "Split by time and by patient; labels known too late for the split are left out.")


def _replicated(bundle: Bundle) -> Told:
    if bundle.spec.split.by == "subject":
        return Told(NO, "Vocabularies and automatic features are chosen on all rows, then members are cross-fitted.")
    return Told(NOT_ASKED, "Resampling of patients gives the intervals only; the figures are of later rows.")


def _measures(bundle: Bundle) -> Told:
    has = of_shipped(bundle.metrics)
    wanted = {"discrimination": "auroc", "calibration": "calibration_slope", "net benefit": "net_benefit_at_capacity"}
    if absent := [what for what, name in wanted.items() if not has.get(name)]:
        return Told(NO, f"Not reported: {', '.join(absent)}.")
    return Told(YES, "Discrimination, calibration (slope, O/E, curve) and net benefit, with intervals over patients.")


def _by_leak_tests(bundle: Bundle, how: str) -> Told:
    tests = {n.removeprefix("leaks."): told for n, told in bundle.facts.items() if n.startswith("leaks.")}
    accepted = tests.pop("accepted", "")
    failed = [name for name, told in tests.items() if told.startswith("FAILED")]
    unsure = [name for name, told in tests.items() if told.startswith("could not")]
    if not tests:
        return Told(PERSON, f"{how} No leak test is on record.")
    if failed or accepted:
        return Told(PERSON, f"{how} A leak test failed and was accepted by a person: {accepted or ', '.join(failed)}.")
    could_not = f"; could not be told: {', '.join(unsure)}" if unsure else ""
    return Told(YES, f"{how} {len(tests) - len(unsure)} of {len(tests)} leak tests passed{could_not}.")


def _number(bundle: Bundle, name: str) -> int:
    text = bundle.facts.get(name, "")
    return int(text) if text.isdigit() else 0


Question = tuple[str, Callable[[Bundle], Told]]

SHARED: dict[str, Question] = {
    "1.1": ("suitable data sources", _sources),
    "1.2": ("suitable study design", _design),
    "1.3": ("who is in and out leaves a representative data set", _representative),
    "2.1": ("predictors defined and measured alike for all", _alike),
    "2.2": ("predictors prepared alike for all", _prepared),
    "2.3": ("predictors measured without knowledge of the outcome", _blind),
    "2.4": ("predictors at hand when the model is used", _at_hand),
    "3.1": ("outcome suitably defined and measured", _defined),
    "3.2": ("outcome defined and measured alike for all", _outcome_alike),
    "3.3": ("outcome measured without knowledge of the predictors", _outcome_blind),
    "3.4": ("suitable time between predictors and outcome", _interval),
}
DEVELOPMENT: dict[str, Question] = {
    "4.1": ("reasonable sample size", _size_to_learn),
    "4.2": ("numbers and categories suitably handled", _handled),
    "4.3": ("missing and censored data suitably handled", _missing),
    "4.4": ("recalibrated after any remedy for class imbalance", _imbalance),
    "4.5": ("remedies for overfitting", _overfitting),
}
EVALUATION: dict[str, Question] = {
    "4.1": ("more than apparent performance", _not_apparent),
    "4.2": ("reasonable sample size", _size_to_judge),
    "4.3": ("missing and censored data suitably handled", _missing),
    "4.4": ("judged on data without any remedy for class imbalance", _imbalance),
    "4.5": ("no leakage between training and test data", _kept_apart),
    "4.6": ("resampling repeats every step of development", _replicated),
    "4.7": ("performance suitably judged: calibration, discrimination, net benefit", _measures),
}
