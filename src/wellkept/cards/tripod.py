"""TRIPOD+AI (Collins et al. 2024, doi:10.1136/bmj-2023-078378): where each of its 27 items is answered.

Topics are in our own words. `where` is a section of the card or the report; what only the people behind a study can
say is marked so.
"""

from __future__ import annotations

from wellkept.bundles import Bundle
from wellkept.prose import Prose

PERSON = "needs a person"

# number, topic, where, and for what a person must add, why
ITEMS = (
    (1, "title", "card: heading; report: heading", ""),
    (2, "abstract", "report: first screen", ""),
    (3, "background: context, population, users, known inequalities", "card: source attributes (2)",
     "what is known of health inequalities in this population"),
    (4, "objectives", "card: source attributes (1) and (2)", ""),
    (5, "data: sources, dates, representativeness",
     "card: training window, who is represented; report: provenance", ""),
    (6, "participants: setting, eligibility, treatments", "card: inclusion",
     "number and kind of sites, and what is done for patients on the list"),
    (7, "data preparation and quality checks", "docs: docs/mapping.md, docs/leaks.md; report: leak tests", ""),
    (8, "outcome: definition, horizon, assessment", "card: outcome", ""),
    (9, "predictors: choice, definition, measurement", "card: features", ""),
    (10, "sample size", "card: training window; PROBAST+AI 4.1 and 4.2", "a sample size calculated beforehand"),
    (11, "missing data", "card: features (known, and what null means)", ""),
    (12, "analysis: partition, model, tuning, measures, updating",
     "card: training window; MLflow run: parameters; report: all figures", ""),
    (13, "class imbalance", "card: PROBAST+AI 4.4", ""),
    (14, "fairness: approaches", "card: source attributes (5)", ""),
    (15, "output", "card: source attributes (1)", ""),
    (16, "training against evaluation: differences", "card: training window, who is represented", ""),
    (17, "ethical approval", "card: [local] ethics", ""),
    (18, "open science: funding, interests, protocol, registration, data, code",
     "card: source attributes (1); MLflow run: git commit, data digest",
     "conflicts of interest, protocol and registration"),
    (19, "involvement of patients and the public", "", "who was involved, or that nobody was"),
    (20, "participants: flow and characteristics", "card: training window, who is represented", ""),
    (21, "model development: numbers in each analysis", "card: training window", ""),
    (22, "model specification", "the bundle: spec.json, encoder.json and the model's own files", ""),
    (23, "model performance, with intervals, by group and cluster",
     "report: verdict, calibration, capacity, groups", ""),
    (24, "model updating: results", "card: source attributes (9)", ""),
    (25, "interpretation, fairness included", "report: first screen, groups", "what the figures mean for this service"),
    (26, "limitations", "card: limits", ""),
    (27, "use in care: poor or missing input, users' part, next steps", "card: source attributes (2), (3) and (8)", ""),
)  # fmt: skip


def tripod(bundle: Bundle, prose: Prose) -> list[dict]:
    """One row an item: its number, its topic, where it is answered, and what only a person can add."""
    adds = {17: "" if prose.said("local.ethics") else "which board looked at its use, or why none had to"}
    if not bundle.metrics.get("groups"):
        adds[23] = "performance by group: not in this run"
    rows = [(number, topic, where, adds.get(number, add)) for number, topic, where, add in ITEMS]
    return [
        {"item": number, "topic": topic, "where": where or PERSON, "person": add} for number, topic, where, add in rows
    ]
