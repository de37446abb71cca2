"""Tables for people: the parts that there are, the feature catalogue, a model's report."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from wellkept.catalogue import families
from wellkept.contracts import TABLES
from wellkept.listing_pilots import held_out_line
from wellkept.listing_staff import not_done_lines, spent_words, team_words, worth, worth_lines
from wellkept.nonresponse import FEWEST, FEWEST_EVENTS, FEWEST_FOLLOWED, SHIFTS
from wellkept.offering import interventions
from wellkept.parts import discover
from wellkept.recommending import Recommended, for_coordinators

METRICS = {
    "auroc": "AUROC", "auprc": "AUPRC", "brier_skill": "Brier skill", "log_loss": "log loss",
    "calibration_slope": "slope", "observed_expected": "O/E", "recall_at_capacity": "recall in top 10 %",
}  # fmt: skip

ACROSS = 3  # contestants beside each other: more do not fit a terminal
DISAGREE = (0.9, 1.1)  # two mean risks of the same patients whose ratio lies outside

EVERYBODY = {
    "stated": "as the model states on average",
    "respondents": "if all were like those who answered: what the answers alone say",
    "missing_at_random": "if the silent are like those who answer after a journey like theirs",
    "weighted": "the same belief, told by weighting the answers: the rarer, the more",
    **{f"shifted_{s:g}": f"if the silent have {math.exp(s):.2f} times the odds of these" for s in SHIFTS},
    "followed_up": "if the silent are like those of them who were asked again",
}


def part_tables() -> dict[str, list[tuple[str, ...]]]:
    """Every discovered part with a line that says what it is."""
    return {
        "sources": [(name, part.SAYS) for name, part in discover("sources").items()],
        "features": [(name, _first_line(discover("features")[name])) for name in families()],
        "interventions": [(name, i.title, f"{i.minutes:g} min", i.because) for name, i in interventions().items()],
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
    if (score := facts["test"][facts["shipped"]]).keys() >= {"nps_stated", "nps_answered"}:
        stated, answered = (_estimate([100 * v for v in score[name]], 1) for name in ("nps_stated", "nps_answered"))
        lines.append(f"net promoter score of the test rows: stated {stated}, answered {answered}")
    lines += _control_lines(facts["test"][facts["shipped"]], facts["test"].get("hazard", {}))
    return lines + (_everybody_lines(facts["everybody"]) if "everybody" in facts else [])


def gate_lines(facts: Mapping) -> list[str]:
    """What was decided, and each gate with its figure and the sentence why."""
    words = {True: "holds", False: "CLOSED", None: "-"}
    lines = [f"  {gate['gate']:12} {words[gate['holds']]:7} {gate['says']}" for gate in facts["gates"]]
    return [f"gates, of what would do: {facts['decision']}", *lines, facts["outcome"]]


def version_lines(facts: Mapping) -> list[str]:
    """Versions, newest first, and what was decided on them, oldest first."""
    lines = [f"{facts['target']}: version {facts['in_service'] or 'none'} is in service"]
    for version in facts["versions"]:
        state = "in service" if version["version"] == facts["in_service"] else ", ".join(version["aliases"])
        shut = ", ".join(version["closed_gates"])
        made = datetime.fromtimestamp(version["at"] / 1000, UTC)
        gates = f"not passed: {shut}" if shut else "every gate passed"
        rung, ships = (version["tags"].get(tag, "") for tag in ("rung", "ships"))
        lines.append(f"  {version['version']:>4}  {made:%Y-%m-%d %H:%M}  {rung:21} {ships:9} {state:11} {gates}")
    lines += [""] if facts["decisions"] else []
    for made in facts["decisions"]:
        who = f" by {made['by']}" if made["by"] else ""
        why = f": {made['why']}" if made["why"] else ""
        lines.append(f"  {made['at'][:16]}  {made['action']} {made['version']}{who}{why}")
    return lines


def recommendation_lines(found: Recommended) -> list[str]:
    """Each step that was recommended, to how many, for which fact, and to whom first; what an hour would be worth."""
    table, used = for_coordinators(found.table), found.allocation.used
    spent = spent_words(found) or f"{used['staff minutes']:.0f} minutes of staff, {used['texts']:.0f} texts"
    lines = [f"{table.num_rows} steps for {found.candidates} patients: {spent}; what is owed costs no budget"]
    lines += held_out_line(found.table)
    times = Counter(table["intervention"].to_pylist())
    first = {row["intervention"]: row for row in reversed(table.to_pylist())}
    for name, row in sorted(first.items(), key=lambda pair: pair[1]["rank"]):
        who = team_words(table, name) or row["roles"]
        each = f"{who}, {row['minutes']:.0f} min each"
        lines.append(f"  {times[name]:4} x {row['title']} ({each}); evidence: {row['grade']}")
        by = f"{row['due_at']:%Y-%m-%d %H:%M}"
        lines.append(f"         first patient {row['subject_id']} by {by}, because {row['because']}")
        lines += [f"         expected of that patient: {row['expected']}"] if row["expected"] else []
        lines += [f"         or: {row['others']}"] if row["others"] else []
    if found.sharing:
        return [*lines, *not_done_lines(found), *worth_lines(found)]
    if (hour := 60 * found.allocation.prices["staff minutes"]) > 0:
        lines.append(f"one more hour of staff would prevent about {hour:.2f} {worth(table)}")
    return lines


def _control_lines(shipped: Mapping, control: Mapping) -> list[str]:
    """How often it came true by kind of care, beside what the model and its control state on average."""
    stated = [name for name in control if name.startswith("stated_")]
    lines = ["", "By kind of care: how often it came true; what the model and the hazard state, on average."]
    for name in stated:
        kind = name.removeprefix("stated_")
        (model, *_), (other, *_) = shipped[name], control[name]
        told = f"{kind:20} {_estimate(control[f'came_true_{kind}'])}  model {model:.3f}  hazard {other:.3f}"
        apart = not DISAGREE[0] <= model / other <= DISAGREE[1]
        lines.append(told + ("  caution: they disagree" if apart else ""))
    return lines if stated else []


def _everybody_lines(told: Mapping) -> list[str]:
    """How often it comes true among all who were asked, by what one is ready to believe of those who did not answer."""
    lines = ["", f"Who does not answer: in the test period {told['asked']} were asked and {told['answered']} answered."]
    levels = told["levels"]
    if not levels:
        return [*lines, f"  Too few to tell how they differ: at least {FEWEST} with and {FEWEST} without an answer."]
    lines.append("Of every 100 who were asked it would come true for [95 % interval]:")
    lines += [f"  {_in_100(levels[name])}  {says}" for name, says in EVERYBODY.items() if name in levels]
    return lines + (_measured_lines(told) if "shift" in levels else _unknown_lines(told))


def _measured_lines(told: Mapping) -> list[str]:
    drawn, heard = told["called"], told["followed_up"]
    odds, low, high = (f"{math.exp(shift):.2f}" for shift in told["levels"]["shift"])
    kinder = "  Answers by telephone are often kinder than written ones: no allowance is made for that here."
    return [
        f"The last line is measured: {drawn} of the silent, drawn at random, were asked again and {heard} answered.",
        f"  Their odds are {odds} [{low} to {high}] times those of patients who answer after a journey like theirs.",
        *([kinder] if told["offset"] == 0 else []),
    ]


def _unknown_lines(told: Mapping) -> list[str]:
    lines = ["The level of those who do not answer is NOT KNOWN: each line says what it would be, were that so."]
    if told["called"]:
        heard = f"{told['followed_up']} answers, {told['followed_up_true']} true"
        lines.append(f"  The follow-up heard {heard}: too few to tell; it takes {FEWEST_FOLLOWED} and {FEWEST_EVENTS}.")
    return [
        *lines,
        "  To find out, telephone about 400 a quarter of those who did not answer, chosen at random, and record each",
        "  call as an invitation of the category that [asked] follow_up in the model's TOML names.",
    ]


def _in_100(triple: list[float]) -> str:
    value, low, high = (100 * share for share in triple)
    return f"{value:5.1f} [{low:4.1f} to {high:4.1f}]"


def _side_by_side(facts: Mapping, names: Sequence[str]) -> list[str]:
    titles = [f"{name} (ships)" if name == facts["shipped"] else name for name in names]
    return [
        f"{'':20}" + "".join(f"{title:>30}" for title in titles),
        *(
            f"{title:20}" + "".join(f"{_estimate(facts['test'][name][metric]):>30}" for name in names)
            for metric, title in METRICS.items()
        ),
    ]


def _estimate(triple: list[float], digits: int = 3) -> str:
    value, low, high = (f"{number:.{digits}f}" for number in triple)
    return f"{value} [{low} to {high}]"


def _first_line(module: object) -> str:
    return (module.__doc__ or "").strip().splitlines()[0]
