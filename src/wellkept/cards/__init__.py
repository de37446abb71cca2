"""A bundle in; its model card as plain data, out. HTML and JSON are made of the same.

The card answers the 31 source attributes of 45 CFR 170.315(b)(11)(iv)(B) by name, indexes TRIPOD+AI and PROBAST+AI, and
says where nothing is known. What a run can tell comes from the bundle; the rest from a person's prose
(`wellkept.prose`), never from here. It claims compliance with nothing.
"""

from __future__ import annotations

from textwrap import wrap
from typing import Any

from wellkept.bundles import Bundle
from wellkept.cards.attributes import CITATION, attributes
from wellkept.cards.inputs import inputs, variables
from wellkept.cards.probast import probast
from wellkept.cards.story import inclusion, limits, outcome, response, window
from wellkept.cards.tripod import tripod
from wellkept.prose import Prose
from wellkept.prose import missing as missing_of
from wellkept.wording import of_shipped

NO_CLAIM = (
    "Made by Wellkept from the training run itself and from what a person declared. It describes; it claims compliance "
    "with no rule, and is no certification. The attributes are those of the final HTI-1 rule "
    "(89 FR 1192, 9 January 2024); a rule may have changed since: look it up."
)


IN_SHORT = {
    "output": "(1)(iii)", "for": "(2)(i)", "patients": "(2)(ii)", "users": "(2)(iii)",
    "part in the decision": "(2)(iv)", "not for": "(3)(i)", "how good": "(7)(i)", "by group": "(7)(ii)",
    "elsewhere": "(6)(i)",
}  # fmt: skip
WIDTH = 110
INDENTED: dict[str, Any] = {"initial_indent": "  ", "subsequent_indent": "  "}
LISTED: dict[str, Any] = {"initial_indent": "  - ", "subsequent_indent": "    "}


def card(bundle: Bundle) -> dict:
    """Everything that auditors, clinicians and buyers ask, as plain data.

    `missing` lists the required fields of the prose that nobody filled, by their dotted names; such an attribute's
    `source` is "missing", and its text says where to write it.
    """
    prose, metrics = bundle.prose or Prose(), bundle.metrics
    told = attributes(bundle, prose)
    return {
        "target": bundle.target,
        "version": bundle.version,
        "says": bundle.spec.says or bundle.spec.label.true_when,
        "synthetic": "synthetic" in bundle.facts,
        "no_claim": NO_CLAIM,
        "citation": CITATION,
        "missing": missing_of(prose),
        "owner": prose.said("local.owner"),
        "in_short": _in_short(told),
        "source_attributes": told,
        "training": window(bundle),
        "inclusion": inclusion(bundle.spec),
        "outcome": outcome(bundle),
        "response": response(metrics),
        "inputs": inputs(bundle, prose),
        "variables": variables(bundle),
        "shipped": metrics.get("shipped"),
        "test": metrics.get("test", {}),
        "groups": metrics.get("groups", {}),
        "represented": metrics.get("represented", {}),
        "base_rate": of_shipped(metrics).get("base_rate"),
        "limits": limits(bundle, prose),
        "tripod_ai": tripod(bundle, prose),
        "probast_ai": probast(bundle),
        "facts": dict(bundle.facts),
    }


def card_lines(card: dict) -> list[str]:
    """The card for a terminal: what the model is for, how good it was, its limits, and what is still missing."""
    lines = [f"{card['target']} {card['version']}: {card['says']}"]
    lines += ["SYNTHETIC data: no real person is in it"] if card["synthetic"] else []
    for title, text in card["in_short"].items():
        lines += ["", f"{title}:", *wrap(text, WIDTH, **INDENTED)]
    lines += ["", "Limits:", *(line for limit in card["limits"] for line in wrap(limit, WIDTH, **LISTED))]
    return [*lines, "", *_missing_lines(card)]


def _in_short(groups: list[dict]) -> dict[str, str]:
    """The attributes to read first, by short titles."""
    told = {a["paragraph"]: a["text"] for group in groups for a in group["attributes"]}
    return {title: told[paragraph] for title, paragraph in IN_SHORT.items()}


def _missing_lines(card: dict) -> list[str]:
    if not card["missing"]:
        return ["Every required field is filled. This is no claim of compliance with any rule."]
    lines = [f"{len(card['missing'])} required fields are empty, and the model is not to be put into service:"]
    return lines + [f"  {name}" for name in card["missing"]]


def missing(card: dict) -> list[str]:
    """The required fields of a card that are empty: while there are any, its model is not promoted."""
    return list(card["missing"])
