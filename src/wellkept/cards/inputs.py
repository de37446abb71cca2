"""A bundle in; its features with what they may stand for, and which of the rule's variables they use, out."""

from __future__ import annotations

from wellkept.bundles import Bundle
from wellkept.prose import Prose
from wellkept.spec import matches

# 45 CFR 170.315(b)(11)(iv)(A)(5)-(13), and how a code of a person is recognised: by a word of its last part
VARIABLES = {
    "race": ("race",), "ethnicity": ("ethnicity", "race_eth", "hispanic"), "language": ("language", "interpreter"),
    "sexual orientation": ("orientation",), "gender identity": ("gender_identity",), "sex": ("sex",),
    "date of birth": ("birth", "age"),
    "social determinants of health": ("payer", "insurance", "deprivation", "distance", "income", "education",
                                      "housing", "poverty", "employment"),
    "health status assessments": ("disability", "chronic", "functional", "health_status"),
}  # fmt: skip
SIGNS = {1: "can only raise the risk", -1: "can only lower the risk", 0: "free"}


def inputs(bundle: Bundle, prose: Prose) -> list[dict]:
    """One row a feature: what it is, whether it is protected, whether it is a proxy, how often it was known."""
    return [
        {
            "name": f.name, "docs": f.docs.partition("\n\n")[0].replace("\n", " "), "unit": f.unit,
            "touchpoint": f.touchpoint, "dimension": f.dimension, "sign": SIGNS[f.monotone], "null": f.null,
            "modifiable": f.modifiable, "protected": f.protected,
            "proxy": any(matches(code, prose.proxies) for code in f.codes),
            "known": bundle.profile.get(f.name, {}).get("known"),
        }
        for f in bundle.encoder.features
    ]  # fmt: skip


def variables(bundle: Bundle) -> list[dict]:
    """Each variable that the rule names: the features that use it, and whether it is used to audit."""
    spec = bundle.spec
    audited = {code for code in (*spec.audit, *spec.protected, *spec.groups) if code.startswith("PERSON//")}
    return [
        {
            "variable": name,
            "features": [f.name for f in bundle.encoder.features if any(_is(code, words) for code in f.codes)],
            "audited": any(_is(code, words) for code in audited),
        }
        for name, words in VARIABLES.items()
    ]


def variables_in_words(bundle: Bundle) -> str:
    """Each variable: the features that use it, or that none does."""
    told = [f"{v['variable']}: {_use(v)}" for v in variables(bundle)]
    return ("; ".join(told) + ". Recognised by the names of codes about persons (PERSON//...): a code of another name "
            "must be looked at by a person.")  # fmt: skip


def _use(variable: dict) -> str:
    audit = "used to audit" if variable["audited"] else ""
    used = f"feature {', '.join(variable['features'])}" if variable["features"] else "no feature"
    return f"{used}, {audit}" if audit else used


def _is(code: str, words: tuple[str, ...]) -> bool:
    kind, _, name = code.lower().rpartition("//")
    parts = set(name.split("_")) | {name}
    return kind.startswith("person") and any(word in parts or ("_" in word and word in name) for word in words)
