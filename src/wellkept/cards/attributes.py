"""The 31 source attributes of a predictive decision support intervention, each answered or said to be none.

Names and order are those of 45 CFR 170.315(b)(11)(iv)(B), as the final HTI-1 rule set them (89 FR 1192).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from wellkept.bundles import Bundle
from wellkept.cards.inputs import variables_in_words
from wellkept.cards.story import fairness, inclusion, validity
from wellkept.prose import Prose
from wellkept.wording import contestant

CITATION = "45 CFR 170.315(b)(11)(iv)(B)"


class Answer(NamedTuple):
    """A text and where it is from: `run`, `declared`, `none` (with the reason), or `missing` (nobody wrote it)."""

    text: str
    source: str


How = Callable[[Bundle, Prose], Answer]


def attributes(bundle: Bundle, prose: Prose) -> list[dict]:
    """The nine groups with their attributes, each with its paragraph, its name, a text and where that is from."""
    return [
        {
            "group": number, "title": title,
            "attributes": [
                {"paragraph": f"({number})({roman})", "name": name, **how(bundle, prose)._asdict()}
                for roman, (name, how) in zip(("i", "ii", "iii", "iv", "v"), named.items(), strict=False)
            ],
        }
        for number, (title, named) in enumerate(GROUPS.items(), start=1)
    ]  # fmt: skip


def _declared(*names: str) -> How:
    def answer(bundle: Bundle, prose: Prose) -> Answer:
        if empty := [name for name in names if not prose.said(name)]:
            return _to_fill(bundle, empty[0])
        return Answer(" ".join(prose.said(name) for name in names), "declared")

    return answer


def _or_none(name: str, because: str, none: str) -> How:
    """What the prose says under `name`; else none, with the reason that it gives under `because`."""

    def answer(bundle: Bundle, prose: Prose) -> Answer:
        if text := prose.said(name):
            return Answer(text, "declared")
        section = name.partition(".")[0]
        if section == "external" and prose.said("external.source"):
            return _to_fill(bundle, name)
        reason = prose.said(because)
        return Answer(f"{none} {reason}", "none") if reason else _to_fill(bundle, because)

    return answer


def _measured(tell: Callable[[Mapping], str], none: str, before: str = "") -> How:
    """What the run's figures say, or that they say nothing."""

    def answer(bundle: Bundle, _: Prose) -> Answer:
        told = tell(bundle.metrics)
        return Answer(before + told, "run") if told else Answer(f"None: {none}", "none")

    return answer


def _to_fill(bundle: Bundle, name: str) -> Answer:
    section, field = name.split(".")
    return Answer(f"Nobody has written this: fill in {field} under [{section}] in {bundle.target}.card.toml, beside "
                  "the model's TOML.", "missing")  # fmt: skip


def _output(bundle: Bundle, _: Prose) -> Answer:
    says = bundle.spec.says or f"has a label that is true ({bundle.spec.label.true_when})"
    text = (f"A calibrated probability that the patient {says}, beside how usual that is ({bundle.reference_rate:.3f} "
            "where it was calibrated), and up to five reasons in the patient's own numbers.")  # fmt: skip
    second = " Also the expected net promoter score, from -1 to 1." if bundle.second else ""
    return Answer(text + second, "run")


def _kind_of_output(bundle: Bundle, _: Prose) -> Answer:
    return Answer(f"A prediction, by {contestant(bundle.estimator.kind)}. No recommendation and no classification: no "
                  "threshold is part of the model.", "run")  # fmt: skip


def _criteria(bundle: Bundle, _: Prose) -> Answer:
    return Answer(" ".join(inclusion(bundle.spec)), "run")


def _variables(bundle: Bundle, _: Prose) -> Answer:
    return Answer(variables_in_words(bundle), "run")


def _represented(bundle: Bundle, _: Prose) -> Answer:
    shares = bundle.metrics.get("represented")
    if not shares:
        return Answer("None: this run did not record how many patients of each group it learned from.", "none")
    told = [f"{dimension}: " + ", ".join(f"{level} {_share(told['fitted'])}" for level, told in levels.items())
            for dimension, levels in shares.items()]  # fmt: skip
    return Answer("Share of the points that it learned from. " + "; ".join(told) + ".", "run")


def _share(share: float | None) -> str:
    return "too few patients to show" if share is None else f"{share:.0%}"


_EXTERNAL = "None: no external validation."
_LOCAL = "The data that it was trained and tested on are those of the system that runs it. "

GROUPS: dict[str, dict[str, How]] = {
    "Details and output of the intervention": {
        "Name and contact information for the intervention developer": _declared("developer.name", "developer.contact"),
        "Funding source of the technical implementation for the intervention(s) development":
            _declared("developer.funding"),
        "Description of value that the intervention produces as an output": _output,
        "Whether the intervention output is a prediction, classification, recommendation, evaluation, analysis, or "
        "other type of output": _kind_of_output,
    },
    "Purpose of the intervention": {
        "Intended use of the intervention": _declared("purpose.use"),
        "Intended patient population(s) for the intervention's use": _declared("purpose.population"),
        "Intended user(s)": _declared("purpose.users"),
        "Intended decision-making role for which the intervention was designed to be used/for (e.g., informs, "
        "augments, replaces clinical management)": _declared("purpose.role"),
    },
    "Cautioned out-of-scope use of the intervention": {
        "Description of tasks, situations, or populations where a user is cautioned against applying the intervention":
            _declared("cautions.out_of_scope"),
        "Known risks, inappropriate settings, inappropriate uses, or known limitations": _declared("cautions.risks"),
    },
    "Intervention development details and input features": {
        "Exclusion and inclusion criteria that influenced the training data set": _criteria,
        "Use of variables in paragraph (b)(11)(iv)(A)(5)-(13) as input features": _variables,
        "Description of demographic representativeness according to variables in paragraph (b)(11)(iv)(A)(5)-(13) "
        "including, at a minimum, those used as input features in the intervention": _represented,
        "Description of relevance of training data to intended deployed setting": _declared("development.relevance"),
    },
    "Process used to ensure fairness in development of the intervention": {
        "Description of the approach the intervention developer has taken to ensure that the intervention's output is "
        "fair": _declared("fairness.approach"),
        "Description of approaches to manage, reduce, or eliminate bias": _declared("fairness.bias"),
    },
    "External validation process": {
        "Description of the data source, clinical setting, or environment where an intervention's validity and "
        "fairness has been assessed, other than the source of training and testing data":
            _or_none("external.source", "external.none_because", _EXTERNAL),
        "Party that conducted the external testing":
            _or_none("external.party", "external.none_because", "None: no party has tested it externally."),
        "Description of demographic representativeness of external data according to variables in paragraph "
        "(b)(11)(iv)(A)(5)-(13) including, at a minimum, those used as input features in the intervention":
            _or_none("external.representativeness", "external.none_because", "None: there are no external data."),
        "Description of external validation process":
            _or_none("external.process", "external.none_because", _EXTERNAL),
    },
    "Quantitative measures of performance": {
        "Validity of intervention in test data derived from the same source as the initial training data":
            _measured(validity, "this run holds no figures of its test rows."),
        "Fairness of intervention in test data derived from the same source as the initial training data":
            _measured(fairness, "this run did not break performance down by group."),
        "Validity of intervention in data external to or from a different source than the initial training data":
            _or_none("external.validity", "external.none_because", _EXTERNAL),
        "Fairness of intervention in data external to or from a different source than the initial training data":
            _or_none("external.fairness", "external.none_because", _EXTERNAL),
        "References to evaluation of use of the intervention on outcomes, including, bibliographic citations or "
        "hyperlinks to evaluations of how well the intervention reduced morbidity, mortality, length of stay, or other "
        "outcomes":
            _or_none("evaluations.references", "evaluations.none_because", "None."),
    },
    "Ongoing maintenance of intervention implementation and use": {
        "Description of process and frequency by which the intervention's validity is monitored over time":
            _declared("maintenance.validity"),
        "Validity of intervention in local data":
            _measured(validity, "this run holds no figures of its test rows.", _LOCAL),
        "Description of the process and frequency by which the intervention's fairness is monitored over time":
            _declared("maintenance.fairness"),
        "Fairness of intervention in local data":
            _measured(fairness, "this run did not break performance down by group.", _LOCAL),
    },
    "Update and continued validation or fairness assessment schedule": {
        "Description of process and frequency by which the intervention is updated": _declared("updates.process"),
        "Description of frequency by which the intervention's performance is corrected when risks related to validity "
        "and fairness are identified": _declared("updates.correction"),
    },
}  # fmt: skip
