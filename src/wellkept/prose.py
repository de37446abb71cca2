"""`models/<target>.card.toml`: what no run can know about a model, in a person's words. It changes no prediction."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field

from wellkept.toml import Strict, load_toml

HOLDS_PLACE = re.compile(
    r"\W*($|n/?a\W*$|(to fill|todo|tbd|tba|fixme|xxx|to be (decided|defined|filled|added|set))\b"
    r"|set by (the|each) (health system|hospital|site|deployer|customer))", re.IGNORECASE)  # fmt: skip


class Developer(Strict):
    """Who made the model, and who paid for it."""

    name: str = ""
    contact: str = Field("", description="where questions and reports of harm go")
    funding: str = ""


class Purpose(Strict):
    """What it is for."""

    use: str = ""
    population: str = ""
    users: str = ""
    role: str = Field("", description="informs, augments or replaces a decision, and whose")


class Cautions(Strict):
    """What it is not for."""

    out_of_scope: str = Field("", description="tasks, situations and populations to keep it away from")
    risks: str = Field("", description="known risks, inappropriate settings and uses, limitations")


class Development(Strict):
    """Where it comes from."""

    relevance: str = Field("", description="how near the training data are to where the model is used")


class Fairness(Strict):
    """What was done so that it is fair."""

    approach: str = ""
    bias: str = Field("", description="how bias is managed, reduced or removed")


class External(Strict):
    """Validation on data of another source: what it was, or why there is none."""

    none_because: str = ""
    source: str = ""
    party: str = ""
    representativeness: str = ""
    process: str = ""
    validity: str = ""
    fairness: str = ""


class Evaluations(Strict):
    """Studies of what its use did to outcomes: references, or why there are none."""

    none_because: str = ""
    references: str = ""


class Maintenance(Strict):
    """How it is watched."""

    validity: str = Field("", description="process and frequency")
    fairness: str = Field("", description="process and frequency")


class Updates(Strict):
    """How it changes."""

    process: str = Field("", description="process and frequency")
    correction: str = Field("", description="how often it is corrected where a risk was found")


class Local(Strict):
    """Where it is in service; nobody is named before it is."""

    owner: str = Field("", description="who answers for it there")
    ethics: str = Field("", description="which board looked at its use")


class Prose(Strict):
    """What a person says of a model. What is empty is listed by `missing`, never invented."""

    developer: Developer = Developer()
    purpose: Purpose = Purpose()
    cautions: Cautions = Cautions()
    development: Development = Development()
    fairness: Fairness = Fairness()
    external: External = External()
    evaluations: Evaluations = Evaluations()
    maintenance: Maintenance = Maintenance()
    updates: Updates = Updates()
    local: Local = Local()
    proxies: tuple[str, ...] = Field(
        ("PERSON//payer", "PERSON//deprivation", "PERSON//distance*", "PERSON//language", "PERSON//interpreter*"),
        description="codes that may stand for who somebody is, or for money (may end in *)",
    )

    def said(self, name: str) -> str:
        """The text of a field by its dotted name; empty where it is blank or only holds a place."""
        section, field = name.split(".")
        text = str(getattr(getattr(self, section), field)).strip()
        return "" if HOLDS_PLACE.match(text) else text


ALWAYS = (
    "developer.name", "developer.contact", "developer.funding", "purpose.use", "purpose.population", "purpose.users",
    "purpose.role", "cautions.out_of_scope", "cautions.risks", "development.relevance", "fairness.approach",
    "fairness.bias", "maintenance.validity", "maintenance.fairness", "updates.process", "updates.correction",
)  # fmt: skip
OF_EXTERNAL = tuple(f"external.{name}" for name in ("source", "party", "representativeness", "process", "validity",
                                                     "fairness"))  # fmt: skip


def missing(prose: Prose) -> list[str]:
    """The required fields that are empty, by their dotted names.

    External validation is told in all its fields, or `external.none_because` says why there is none; so with
    `evaluations`.
    """
    asked = [*ALWAYS]
    asked += OF_EXTERNAL if any(map(prose.said, OF_EXTERNAL)) else ["external.none_because"]
    asked += [] if prose.said("evaluations.references") else ["evaluations.none_because"]
    return [name for name in asked if not prose.said(name)]


def prose_beside(spec: Path) -> Prose | None:
    """The prose in `<target>.card.toml` beside a model's TOML; None where there is none.

    Raises
    ------
    SpecRefused
        It is there and cannot be read.
    """
    path = spec.with_suffix(".card.toml")
    return load_toml(path, Prose) if path.is_file() else None
