"""Tables for people: the parts that there are, the feature catalogue, a model's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wellkept.catalogue import families
from wellkept.contracts import TABLES
from wellkept.parts import discover

METRICS = {
    "auroc": "AUROC", "auprc": "AUPRC", "brier_skill": "Brier skill", "log_loss": "log loss",
    "calibration_slope": "slope", "observed_expected": "O/E", "recall_at_capacity": "recall in top 10 %",
}  # fmt: skip

ACROSS = 3  # contestants beside each other: more do not fit a terminal


def part_tables() -> dict[str, list[tuple[str, ...]]]:
    """Every discovered part with a line that says what it is."""
    return {
        "sources": [(name, part.SAYS) for name, part in discover("sources").items()],
        "features": [(name, _first_line(discover("features")[name])) for name in families()],
        "targets": [(name, part.SAYS, part.EXAMPLE) for name, part in discover("targets").items()],
        "tables": [(table.name, ", ".join(c.name for c in table.columns)) for table in TABLES],
    }


def feature_table() -> list[tuple[str, ...]]:
    """name, touchpoint, dimension, unit, sign, modifiable, what it is, what null means."""
    signs = {1: "+", 0: " ", -1: "-"}
    return [
        (f.name, f.touchpoint, f.dimension, f.unit, signs[f.monotone], "yes" if f.modifiable else "no", f.docs, f.null)
        for group in families().values()
        for f in group
    ]


def report_lines(facts: Mapping) -> list[str]:
    """A model's evaluation as a table, every figure with its 95 % interval."""
    lines = [f"{facts['target']} {facts.get('version', '')}: ships {facts['shipped']}"]
    base = facts["test"][facts["shipped"]]["base_rate"]
    lines.append(f"base rate {_estimate(base)} on the test rows")
    names = list(facts["test"])
    for start in range(0, len(names), ACROSS):
        lines += _side_by_side(facts, names[start : start + ACROSS])
    return lines


def _side_by_side(facts: Mapping, names: Sequence[str]) -> list[str]:
    titles = [f"{name} (ships)" if name == facts["shipped"] else name for name in names]
    return [
        f"{'':20}" + "".join(f"{title:>30}" for title in titles),
        *(
            f"{title:20}" + "".join(f"{_estimate(facts['test'][name][metric]):>30}" for name in names)
            for metric, title in METRICS.items()
        ),
    ]


def _estimate(triple: list[float]) -> str:
    value, low, high = triple
    return f"{value:.3f} [{low:.3f} to {high:.3f}]"


def _first_line(module: object) -> str:
    return (module.__doc__ or "").strip().splitlines()[0]
