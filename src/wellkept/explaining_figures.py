"""Pictures of what drives a model over many patients; offline only, the one place that imports shap."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 2000
SHOWN = 15
ACROSS = 5  # panels of the dependence figure beside each other
COLOUR = "#1f5a94"
SIGNS = {1: "declared +", -1: "declared -", 0: "no declared sign"}


def drivers_figure(names: list[str], contributions: np.ndarray, values: np.ndarray) -> Figure:
    """Beeswarm of the features of largest mean contribution, over rows spread evenly through all.

    Parameters
    ----------
    names
        Features, in order.
    contributions
        Rows x (features + 1), log-odds; the last column is the bias.
    values
        Rows x features, for the colour; NaN is grey.
    """
    rows = np.unique(np.linspace(0, len(values) - 1, MOST_ROWS).astype(int))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shap's own warnings about other libraries
        import shap

        figure, axes = _figure(10, 6)
        shap.plots.beeswarm(
            shap.Explanation(contributions[rows, :-1], data=values[rows], feature_names=names),
            max_display=SHOWN, show=False, plot_size=None, ax=axes,
        )  # fmt: skip
    return _done(figure)


def bars_figure(sizes: Mapping[str, Sequence[float]], what: str) -> Figure:
    """Mean size of contributions as bars, the largest on top, with 95 % intervals.

    Parameters
    ----------
    sizes
        Name -> [mean |contribution|, low, high] as in `drivers.drivers`, in any order.
    what
        What the names are: "feature", "touchpoint" or "dimension".
    """
    shown = sorted(sizes.items(), key=lambda item: -item[1][0])[:SHOWN]
    value, low, high = np.array([triple for _, triple in shown], float).reshape(-1, 3).T
    figure, axes = _figure(8, 1.5 + 0.32 * len(shown))
    ends = np.abs([value - low, high - value])
    axes.barh([name for name, _ in shown], value, xerr=ends, color=COLOUR, error_kw={"ecolor": "#444444", "capsize": 2})
    axes.invert_yaxis()
    axes.set(title=f"What drives the risk, by {what}", xlabel="mean size of the contribution (log-odds), 95 % interval")
    return _done(figure)


def dependence_figure(
    names: list[str], contributions: np.ndarray, values: np.ndarray, signs: Mapping[str, Mapping]
) -> Figure:
    """Contribution against value of the strongest features, a panel each, with the sign that was declared.

    Parameters
    ----------
    names, contributions, values
        As in `drivers_figure`.
    signs
        Feature -> declared, agrees, correlation, as in `drivers.drivers`: which panels there are.
    """
    rows = np.unique(np.linspace(0, len(values) - 1, MOST_ROWS).astype(int))
    down = max(1, -(-len(signs) // ACROSS))
    figure, panels = _figure(3.2 * ACROSS, 3.2 * down, (down, ACROSS))
    for axes in panels.flat[len(signs) :]:
        axes.set_axis_off()
    for axes, (name, sign) in zip(panels.flat, signs.items(), strict=False):
        at = names.index(name)
        axes.axhline(0, color="#8a8a8a", linewidth=0.8)
        axes.plot(values[rows, at], contributions[rows, at], ".", markersize=2, color=COLOUR)
        if np.isnan(values[:, at]).all():
            axes.text(0.5, 0.6, "a category", ha="center", transform=axes.transAxes)
        axes.set_title(f"{name}\n{_sign_in_words(sign)}", fontsize=8)
    figure.supylabel("contribution (log-odds)")
    figure.supxlabel("value")
    return _done(figure)


def _sign_in_words(sign: Mapping) -> str:
    if sign["correlation"] is None:
        return f"{SIGNS[sign['declared']]}; no numbers, or too few"
    told = {True: ", agrees", False: ", DISAGREES", None: ""}[sign["agrees"]]
    return f"{SIGNS[sign['declared']]}{told} (r = {sign['correlation']:+.2f})"


def _figure(width: float, height: float, panels: tuple[int, int] | None = None) -> tuple:
    """A figure without a window, and its axes: one, or a grid of them."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    down, across = panels or (1, 1)
    squeeze = panels is None  # a grid stays a grid
    return plt.subplots(down, across, figsize=(width, height), squeeze=squeeze, layout="constrained")


def _done(figure: Figure) -> Figure:
    import matplotlib.pyplot as plt

    plt.close(figure)
    return figure
