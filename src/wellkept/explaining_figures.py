"""Pictures of what drives a model over many patients; offline only, the one place that imports shap."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 2000
SHOWN = 15


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
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    rows = np.unique(np.linspace(0, len(values) - 1, MOST_ROWS).astype(int))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shap's own warnings about other libraries
        import shap

        figure = plt.figure(figsize=(10, 6))
        shap.plots.beeswarm(
            shap.Explanation(contributions[rows, :-1], data=values[rows], feature_names=names),
            max_display=SHOWN, show=False, plot_size=None,
        )  # fmt: skip
        figure.tight_layout()
    plt.close(figure)
    return figure
