"""The feature catalogue as a page, each feature with its drawn examples: `python -m tests.spec.features_page`.

In: the families of `wellkept.features` and the EXAMPLES of `tests/spec/test_<family>.py`. Out: docs/features.md.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from textwrap import dedent

from tests.spec.drawing import Example
from wellkept.catalogue import Feature, families
from wellkept.parts import discover

HEAD = """# Hand-written features

Made by `python -m tests.spec.features_page` from `src/wellkept/features/` and the tests in `tests/spec/`. *Sign* +
means that more of it can only raise the risk, - that it can only lower it. *Null* is what is said where it is not
known. Where somebody may not need a thing at all, `*_not_applicable` says so, and `*_unknown` that nobody recorded it.
Codes are those of [codes.md](codes.md).

In an example each line is an event: the day when it happened, the day when it became `known` (by default the same),
its code, number, category and encounter. `predict` is the moment of the prediction. Beside these features,
`features = "auto"` makes count, last value, mean, maximum, time since and category of every code that is common enough,
and a target with a deadline makes `away_as_usual`, which is learned: the share of patients, not back after as long
since a visit of the same kind, who do not come back in time (`src/wellkept/clock.py`).
"""
COLUMNS = "| feature | touchpoint | dimension | unit | sign | modifiable | what it is | null |"
SIGNS = {1: "+", 0: "", -1: "-"}


def page() -> str:
    """All of it."""
    return "\n".join([HEAD, *sections().values()])


def sections() -> dict[str, str]:
    """The page's part about each family."""
    return {name: _section(name, group) for name, group in families().items()}


def examples(family: str) -> list[Example]:
    """The drawn examples of a family; none where nobody has drawn one yet."""
    name = f"tests.spec.test_{family}"
    return importlib.import_module(name).EXAMPLES if importlib.util.find_spec(name) else []


def _section(family: str, group: list[Feature]) -> str:
    about = (discover("features")[family].__doc__ or "").strip()
    drawn = [_examples(f, [e for e in examples(family) if e[0] == f.name]) for f in group]
    table = [COLUMNS, "|" + "---|" * 8, *map(_row, group)]
    return "\n".join([f"## {family}", "", about, "", *table, "", *drawn])


def _row(f: Feature) -> str:
    cells = (f.touchpoint, f.dimension, f.unit, SIGNS[f.monotone], "yes" if f.modifiable else "no", f.docs, f.null)
    return f"| `{f.name}` | {' | '.join(cells)} |"


def _examples(feature: Feature, its: list[Example]) -> str:
    return "\n".join([f"### `{feature.name}`", "", *(_block(feature, example) for example in its)])


def _block(feature: Feature, example: Example) -> str:
    _, why, journey, expected = example
    lines = [f'{why}: **{_value(expected)}**, "{feature.sentence(expected)}"', "```", *_lines(journey), "```", ""]
    return "\n".join(lines)


def _lines(journey: str) -> list[str]:
    """The lines of a drawn journey, without their indentation."""
    return [line for line in dedent(journey).splitlines() if line.strip()]


def _value(value: float | str | None) -> str:
    return "null" if value is None else value if isinstance(value, str) else f"{value:g}"


if __name__ == "__main__":
    sys.stdout.write(page())
