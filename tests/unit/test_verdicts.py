"""Sentences about groups: only what an interval can tell."""

from __future__ import annotations

import pytest

from wellkept.verdicts import of_group, of_variant

SHARES = {"attention": [0.12, 0.1, 0.14], "need": [0.17, 0.15, 0.19], "attention_over_need": [0.7, 0.6, 0.8]}


@pytest.mark.parametrize(("ratio", "begins"), [
    ([1.03, 0.97, 1.10], "calibrated: O/E 1.03 [0.97-1.10]"),
    ([1.05, 1.01, 1.09], "calibrated"),  # off by less than matters
    ([1.24, 1.02, 1.41], "its risks are stated too low"),
    ([0.84, 0.75, 0.95], "its risks are stated too high"),
    ([1.03, 0.85, 1.21], "cannot be told from calibrated"),
])  # fmt: skip
def test_calibration_comes_first(ratio: list[float], begins: str) -> None:
    told = of_group({"observed_expected": ratio, **SHARES}, events=170)
    assert told.startswith(begins)
    assert told.endswith("gets 12 % of the attention for 17 % of the need, less than its share")


def test_a_small_group_is_told_to_be_small() -> None:
    assert of_group({}, events=34) == "too few to tell: 34 events, and 100 of each kind are needed"


def variant(change: list[float], now: float = 1.24) -> str:
    still = [0.0, -0.01, 0.01]
    group = {"metrics": {"observed_expected": [now, 1.0, 1.4], "recall_at_capacity": [0.3, 0.2, 0.4]},
             "change": {"observed_expected": change, "recall_at_capacity": still}}  # fmt: skip
    return of_variant({"auroc": [-0.001, -0.003, 0.002], "brier": [0.0, -0.0001, 0.0001]}, {"race": {"few": group}})


def test_a_variant_is_told_by_whom_it_moves_away_from_what_comes_true() -> None:
    told = variant([0.08, 0.06, 0.1])
    assert told.startswith("AUROC -0.001 [-0.003 to +0.002]")
    assert "O/E further from 1 for race few (1.16 -> 1.24)" in told
    assert "nearer to 1 for race few (1.33 -> 1.24)" in variant([-0.09, -0.11, -0.06])
    assert "further from 1 for race few (0.95 -> 0.90)" in variant([-0.05, -0.06, -0.04], now=0.9)


@pytest.mark.parametrize("change", [[0.08, -0.01, 0.17], [0.004, 0.002, 0.006]], ids=["not sure", "too small"])
def test_what_cannot_be_told_or_does_not_matter_is_not_told(change: list[float]) -> None:
    assert variant(change).endswith("no group's O/E or share of events found moves for sure")
