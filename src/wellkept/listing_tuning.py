"""Words for people: what a search of better settings found, and whether it is worth pasting."""

from __future__ import annotations

from collections.abc import Mapping

ONE_DATE = "caution: all rows have one date; a report of what is pasted is on rows that chose it, and flatters a little"


def tuning_lines(facts: Mapping) -> list[str]:
    """The best settings as a [trees] table, and whether they are better by more than a standard error."""
    value, low, high = (f"{number:+.5f}" for number in facts["improvement"])
    return [
        f"{facts['target']}: {facts['trials']} trials, {facts['pruned']} given up early, on {facts['rows']} rows",
        *([] if facts["test_period"] else [ONE_DATE]),
        f"log loss out of fold: {facts['own']:.5f} as the TOML says, {facts['best']:.5f} the best trial",
        f"both again on other folds of the patients: {value} [{low} to {high}], below 0 is better",
        "better by more than a standard error: paste this in place of [trees], and train" if facts["better"]
        else "no better by more than a standard error: keep what the TOML says; the best trial was",
        "",
        "[trees]",
        *(f"{name} = {number}" for name, number in facts["trees"].items()),
    ]  # fmt: skip
