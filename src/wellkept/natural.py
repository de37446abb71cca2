"""A risk and its interval in, words that people take in at a glance out: "about 1 in 4; between 1 in 5 and 1 in 3".

Natural frequencies are understood better than decimals (Gigerenzer et al. 2007,
doi:10.1111/j.1539-6053.2008.00033.x), and a step between them is as fine as such a risk is known. The middle is the
nearest frequency by odds; the ends are rounded outwards, so that the words never claim more than the numbers.
"""

from __future__ import annotations

import numpy as np

from wellkept.calibrating import logit

ONE_IN = (1000, 500, 200, 100, 50, 40, 30, 25, 20, 15, 12, 10, 8, 7, 6, 5, 4, 3)
SOME_IN = ((2, 5), (1, 2), (3, 5), (2, 3), (3, 4), (4, 5), (9, 10), (19, 20), (49, 50), (99, 100))
FREQUENCIES = (*((1, n) for n in ONE_IN), *SOME_IN)
SHARES = np.array([some / of for some, of in FREQUENCIES])
ROUNDING = 1e-6  # a float32 a hair beside a frequency is that frequency


def in_words(risk: float) -> str:
    """The nearest natural frequency: .23 is "about 1 in 4"; beyond the first and last, "fewer" and "more than" them."""
    if risk < SHARES[0] - ROUNDING:
        return f"fewer than {_said(0)}"
    if risk > SHARES[-1] + ROUNDING:
        return f"more than {_said(-1)}"
    apart = np.abs(logit(SHARES) - logit(np.array(risk)))
    return f"about {_said(int(apart.argmin()))}"


def with_interval(risk: float, low: float, high: float) -> str:
    """The risk in words, and between what it lies; no interval where its ends round to the same frequency."""
    return "; ".join(filter(None, (in_words(risk), _between(low, high))))


def _between(low: float, high: float) -> str:
    below = int(np.searchsorted(SHARES, low + ROUNDING, side="right")) - 1
    above = int(np.searchsorted(SHARES, high - ROUNDING, side="left"))
    if below < 0 and above == len(SHARES):
        return "how much, is not known"
    if below < 0:
        return f"at most {_said(above)}" if above else ""
    if above == len(SHARES):
        return f"at least {_said(below)}" if below < len(SHARES) - 1 else ""
    return "" if below == above else f"between {_said(below)} and {_said(above)}"


def _said(position: int) -> str:
    some, of = FREQUENCIES[position]
    return f"{some} in {of}"
