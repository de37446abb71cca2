"""What if it had gone well? A model and patients' features in; how much lower the risk would be said to be, out.

An intervention names the features that it puts right, each with its value where things go well. The model is asked
about the same patient with these in the place of worse ones. That is no promise: a wait that is over cannot be
shortened, nobody randomised anything, and the model only knows what goes together. But it differs from patient to
patient as their journeys do, which what is believed of a step in general cannot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wellkept.bundles import Bundle
from wellkept.encoding import Encoder
from wellkept.offering import Intervention


def what_if(bundle: Bundle, X: np.ndarray, catalogue: Sequence[Intervention]) -> np.ndarray:
    """The change of the risk if what each intervention puts right had gone well.

    Parameters
    ----------
    X
        Shape (patients, columns), as the bundle's encoder makes it.

    Returns
    -------
    np.ndarray
        Shape (patients, interventions), probability, at most 0; NaN for an intervention that puts nothing right which
        this model knows: it has no say there.
    """
    risk, columns = bundle.risk(X), _columns(bundle.encoder)
    change = np.full((len(X), len(catalogue)), np.nan)
    for k, intervention in enumerate(catalogue):
        well = {columns[name]: value for name, value in intervention.puts_right.items() if name in columns}
        if well:
            rows, gone_well = _gone_well(X, well)
            change[:, k] = 0.0
            change[rows, k] = np.minimum(bundle.risk(gone_well) - risk[rows], 0.0)
    return change


def _columns(encoder: Encoder) -> dict[str, tuple[int, int]]:
    """Feature -> its column and its sign, for numbers of which it is declared that more of it is worse, or better."""
    return {
        encoder.features[i].name: (column, encoder.features[i].monotone)
        for column, (i, level) in enumerate(encoder.columns)
        if level is None and encoder.features[i].monotone
    }


def _gone_well(X: np.ndarray, well: Mapping[tuple[int, int], float]) -> tuple[np.ndarray, np.ndarray]:
    """The rows that are not known to be as good everywhere, and these rows as if they were."""
    worse = {column: ~(sign * X[:, column] <= sign * value) for (column, sign), value in well.items()}  # NaN too
    rows = np.flatnonzero(np.any(list(worse.values()), axis=0))
    better = X[rows]
    for (column, _), value in well.items():
        better[worse[column][rows], column] = value
    return rows, better
