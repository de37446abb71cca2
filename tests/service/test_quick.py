"""One patient without tables has the answer of the tables, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.bundling import FEATURES, bundle, points, values
from wellkept.bundles import Bundle
from wellkept.serving.answering import answers
from wellkept.serving.quick import Quick

PROTECTED = tuple(replace(f, protected=f.name in ("age", "channel")) for f in FEATURES)
SAME_TOPIC = tuple(replace(f, expression=FEATURES[0].expression) if f.name in ("age", "calls") else f for f in FEATURES)


@pytest.mark.parametrize("made", [
    bundle(), bundle("logistic"), bundle(features=PROTECTED), bundle(features=SAME_TOPIC),
    bundle(features=tuple(replace(f, protected=True) for f in FEATURES)),
], ids=["trees", "logistic", "some protected", "topics of several features", "nothing to tell"])  # fmt: skip
@pytest.mark.parametrize(("explain", "top"), [("none", 5), ("reasons", 2), ("full", 20)])
def test_one_row_has_the_bits_of_many(made: Bundle, explain: str, top: int) -> None:
    table, quick = values(40), Quick(made)
    many = answers(made, points(40), table, explain=explain, top=top)
    rows = table.to_pylist()
    assert [quick.answer(row, a["as_of"], explain=explain, top=top) for row, a in zip(rows, many, strict=True)] == many
