"""A report's facts as a full run gives them, made up, for the tests of its pages."""

from __future__ import annotations

from typing import Any

HOSTILE = '<img src=x onerror="alert(1)">&"\''
FIGURES = {
    "base_rate": [0.1, 0.09, 0.11], "auroc": [0.712, 0.648, 0.763], "auprc": [0.21, 0.18, 0.25],
    "brier": [0.081, 0.07, 0.09], "brier_skill": [0.052, 0.013, 0.089], "log_loss": [0.29, 0.27, 0.31],
    "observed_expected": [1.2, 1.05, 1.4], "calibration_slope": [0.94, 0.66, 1.23],
    "recall_at_capacity": [0.299, 0.22, 0.383], "lift_at_capacity": [2.99, 2.2, 3.83],
    "net_benefit_at_capacity": [0.0127, 0.0008, 0.0256], "net_benefit_0.10": [0.027, 0.013, 0.047],
    "came_true_chronic": [0.24, 0.22, 0.26], "stated_chronic": [0.2, 0.19, 0.21],
}  # fmt: skip
SHARES = {"attention": [0.18, 0.15, 0.2], "need": [0.21, 0.18, 0.25]}
TOLD = {"rows": 900, "patients": 800, "events": 120, "too_few": False, "metrics": {**FIGURES, **SHARES}}
TOO_FEW = {"rows": 4321, "patients": 4320, "events": 37, "too_few": True, "metrics": {}}


def report_facts(**other: Any) -> dict[str, Any]:
    """All that a page can show: every contestant, groups, curves, stability, pairs, answers, a control, drivers."""
    facts = {"test_from": "2024-12-08 11:50:46+00:00", "test_until": "2025-11-19 14:31:24+00:00", "test_rows": "1120",
             "leaks.decay": "passed 0.000", "journeys_digest": "d" * 64, "git_commit": "c" * 40}  # fmt: skip
    worse = {**FIGURES, "auroc": [0.562, 0.491, 0.616], "log_loss": [0.32, 0.3, 0.34]}
    grid = [0.02, 0.1, 0.2, 0.4]
    return {
        "target": "detractor_risk", "version": "3@abc", "says": "would be unhappy",
        "asks": "SURVEY//NPS <= 6 within 42d",
        "facts": facts, "shipped": "trees", "log_loss_trees_minus_logistic": [-0.005, -0.012, 0.001],
        "test": {"logistic": FIGURES, "trees": FIGURES, "baseline": worse,
                 "hazard": {**FIGURES, "stated_chronic": [0.26, 0.24, 0.28]}},
        "groups": {"language": {"english": TOLD, HOSTILE: TOO_FEW}, "prior": {"last_nps known": TOLD}},
        "curves": {"calibration": {"stated": grid, "observed": [0.03, 0.1, 0.18, None]},
                   "decision": {"threshold": grid, "model": [0.09, 0.03, 0.01, 0.0], "all": [0.08, 0.0, -0.12, -0.5],
                                "nobody": [0.0] * 4}},
        "stability": {"refits": 50, "mean_change": [0.012, 0.01, 0.014], "overlap": [0.77, 0.74, 0.8]},
        "paired": {"champion": {"log_loss": [-0.01, -0.02, -0.001], "brier": None,
                                "net_benefit_at_capacity": [0.002, -0.001, 0.004]}},
        "everybody": {"asked": 3608, "answered": 830, "called": 0, "followed_up": 0,
                      "levels": {"stated": [0.094, 0.091, 0.096]}},
        "drivers": {
            "rows": 1120, "touchpoints": {"visit": [0.34, 0.3, 0.4], "arrival": [0.33, 0.3, 0.4]},
            "features": {HOSTILE: [0.2, 0.1, 0.3]}, "dimensions": {"customer": [0.5, 0.4, 0.6]},
            "signs": {HOSTILE: {"declared": 1, "agrees": True, "correlation": 0.9}},
            "described": {HOSTILE: {"touchpoint": "arrival", "dimension": "customer", "says": "minutes"}}},
    } | other  # fmt: skip
