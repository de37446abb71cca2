"""Tables for people: how well each group of patients is served, and what leaving columns out does to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from wellkept.subgroups import FEWEST_EVENTS
from wellkept.verdicts import is_sure, signed

# figure -> title; those of 0 to 1 lose the leading 0
GROUP_FIGURES = {"base_rate": "base rate", "observed_expected": "O/E", "auroc": "AUROC",
                 "recall_at_capacity": "recall in top 10 %", "attention": "attention", "need": "need"}  # fmt: skip
MOVES = {"observed_expected": "O/E", "recall_at_capacity": "finds", "attention": "attention"}
WIDTH, COLUMN, LONGEST = 34, 20, 32


def group_lines(groups: Mapping[str, Mapping[str, Mapping]]) -> list[str]:
    """A table of figures with their 95 % intervals, a line a group; those too small to tell are counted."""
    titles = f"{'':{WIDTH}}{'patients':>9}{'events':>8}" + "".join(f"{t:>{COLUMN}}" for t in GROUP_FIGURES.values())
    return [titles, *(line for name, levels in groups.items() for line in _dimension(name, levels))]


def fairness_lines(facts: Mapping) -> list[str]:
    """Verdicts by group, and what each variant of the columns changes."""
    auroc, brier = _told(facts["overall"]["auroc"]), _told(facts["overall"]["brier"], 4)
    return [
        f"{facts['target']}: {facts['ships']}, {facts['features']} features, {facts['rows']} rows",
        f"AUROC {auroc}, Brier {brier} (mean of {facts['refits']} refits, each with other folds of patients)",
        "",
        "As it is, by group: calibration first, then who is found, then attention beside need.",
        *_verdicts(facts["groups"]),
        "",
        "With and without, beside the model as it is [95 % interval of the change, over patients and refits]:",
        *(line for variant in facts["variants"] for line in _variant(variant)),
        "",
        f"{_compared(facts['variants'])} changes were looked at: up to 1 in 20 would be told though there were none.",
    ]


def _compared(variants: Sequence[Mapping]) -> int:
    return sum(2 * len(levels) for variant in variants for levels in variant["groups"].values())


def _dimension(name: str, levels: Mapping[str, Mapping]) -> Iterator[str]:
    for level, told in _enough(levels):
        counts = f"{told['patients']:>9,}{told['events']:>8,}"
        yield f"{f'{name} {level}'[:LONGEST]:{WIDTH}}{counts}" + "".join(
            f"{_told(told['metrics'][figure], 2):>{COLUMN}}" for figure in GROUP_FIGURES
        )
    yield from _too_few(name, levels)


def _verdicts(groups: Mapping[str, Mapping[str, Mapping]]) -> Iterator[str]:
    for name, levels in groups.items():
        for level, told in _enough(levels):
            recall = _told(told["metrics"]["recall_at_capacity"], 2)
            yield f"  {name} {level}: {told['verdict']}; the list finds {recall} of its events"
        yield from _too_few(f"  {name}", levels)


def _enough(levels: Mapping[str, Mapping]) -> list[tuple[str, Mapping]]:
    return [(level, told) for level, told in levels.items() if not told["too_few"]]


def _too_few(name: str, levels: Mapping[str, Mapping]) -> Iterator[str]:
    few = [f"{level} ({told['events']})" for level, told in levels.items() if told["too_few"]]
    if few:
        yield f"{name}: too few to tell (under {FEWEST_EVENTS} events, or as few others): {', '.join(few)}"


def _variant(told: Mapping) -> Iterator[str]:
    yield f"  {told['name']} ({told['features']} features): {told['verdict']}"
    for name, levels in told["groups"].items():
        for level, group in levels.items():
            if any(is_sure(group["change"][figure]) for figure in MOVES):
                moves = ", ".join(f"{title} {group['metrics'][figure][0]:.2f} ({signed(group['change'][figure], 2)})"
                                  for figure, title in MOVES.items())  # fmt: skip
                yield f"      {name} {level}: {moves} for {group['metrics']['need'][0]:.2f} of the need"


def _told(triple: Sequence[float], digits: int = 3) -> str:
    value, low, high = (f"{number:.{digits}f}".replace("0.", ".", 1) for number in triple)
    return f"{value} [{low}-{high}]"
