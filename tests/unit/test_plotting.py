"""The figures: made without a display, with titles that count, axes that have units, and the right lines."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure

from wellkept.calibrating import sigmoid
from wellkept.errors import NotEnoughData
from wellkept.plotting import calibration_figure, decision_curve_figure, discrimination_figure

FIGURES = (calibration_figure, discrimination_figure, decision_curve_figure)
Draw = Callable[[np.ndarray, np.ndarray], Figure]


def simulated() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    risk = sigmoid(random.normal(-1, 1, 1500))
    return random.random(1500) < risk, risk


def lines(figure: Figure, panel: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {line.get_label(): line.get_data() for line in figure.axes[panel].get_lines()}


@pytest.mark.parametrize("draw", FIGURES)
def test_a_figure_is_an_image_that_says_what_it_counts(draw: Draw) -> None:
    label, risk = simulated()
    figure = draw(label, risk)
    image = io.BytesIO()
    figure.savefig(image, format="png")
    assert image.getvalue().startswith(b"\x89PNG")
    assert f"n = 1,500, events = {label.sum():,}" in figure.axes[0].get_title()
    assert all(axes.get_ylabel().endswith(")") for axes in figure.axes)
    assert figure.axes[-1].get_xlabel().endswith(")")


@pytest.mark.parametrize("draw", FIGURES)
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_equal_risks_can_be_drawn(draw: Draw, value: float) -> None:
    label, _ = simulated()
    draw(label, np.full(len(label), value)).savefig(io.BytesIO(), format="png")


@pytest.mark.parametrize("draw", FIGURES)
def test_too_few_labels_are_not_drawn(draw: Draw) -> None:
    with pytest.raises(NotEnoughData, match="at least 10"):
        draw(np.arange(50) < 3, np.full(50, 0.1))


def test_calibration_shows_ten_groups_that_average_to_the_whole() -> None:
    label, risk = simulated()
    drawn = lines(calibration_figure(label, risk))
    stated, observed = drawn["tenths of the rows"]
    assert len(stated) == 10
    assert observed.mean() == pytest.approx(label.mean(), abs=1e-9)
    assert stated.mean() == pytest.approx(risk.mean(), abs=1e-9)
    x, curve = drawn["smooth curve"]
    assert np.abs(curve - x).max() < 0.15


def test_discrimination_runs_from_nobody_to_everybody() -> None:
    label, risk = simulated()
    figure = discrimination_figure(label, risk)
    false, recall = lines(figure)["risk"]
    assert (false[0], recall[0], false[-1], recall[-1]) == (0, 0, 1, 1)
    _, precision = lines(figure, 1)["risk"]
    assert precision[-1] == pytest.approx(label.mean())


def test_the_decision_curve_starts_at_the_base_rate_beside_treat_all_and_none() -> None:
    label, risk = simulated()
    drawn = lines(decision_curve_figure(label, risk))
    at, treat_all = drawn["treat all"]
    assert treat_all[np.argmin(np.abs(at - label.mean()))] == pytest.approx(0, abs=0.01)
    assert drawn["by risk"][1][0] == pytest.approx(label.mean(), abs=0.01)
    assert set(drawn["treat none"][1]) == {0}


def test_importing_does_not_load_matplotlib() -> None:
    code = "import sys, wellkept.plotting; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
