"""Arrays that a measure can be made of, or an error that says what is wrong and never a value."""

from __future__ import annotations

import numpy as np


def labels(label: np.ndarray) -> np.ndarray:
    """Booleans, one a row; refuses anything else, above all what is not known."""
    known = np.asarray(label)
    if known.dtype != bool and not np.isin(known, (0, 1)).all():
        raise ValueError("label must be true or false on every row; leave out rows where it is not known")
    return known.astype(bool)


def risks(risk: np.ndarray) -> np.ndarray:
    """Probabilities in [0, 1]."""
    stated = finite("risk", risk)
    outside = int(((stated < 0) | (stated > 1)).sum())
    if outside:
        raise ValueError(f"risk lies outside [0, 1] on {outside} of {len(stated)} rows; are these log-odds?")
    return stated


def weights(weight: np.ndarray) -> np.ndarray:
    """Finite and not negative."""
    stated = finite("weight", weight)
    if (stated < 0).any():
        raise ValueError(f"weight is negative on {int((stated < 0).sum())} of {len(stated)} rows")
    return stated


def finite(name: str, values: np.ndarray) -> np.ndarray:
    """Floats, none missing or infinite."""
    numbers = np.asarray(values, float)
    unknown = int((~np.isfinite(numbers)).sum())
    if unknown:
        raise ValueError(f"{name} is missing or infinite on {unknown} of {numbers.size} rows")
    return numbers


def same_length(**arrays: np.ndarray) -> None:
    """All have one axis and one length."""
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"all must have one axis and one length; found {found}")
