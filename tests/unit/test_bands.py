"""Raw rates beside each other: they show that a comparison is none, and are never an effect."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from tests.conftest import day
from tests.unit.test_holdouts import pilot
from tests.unit.test_reading_pilots import log_of, world
from wellkept.listing_pilots import reading_lines
from wellkept.pilots.bands import bands, reversals
from wellkept.pilots.reading import read


def chosen(n: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Who waits long misses more and is texted more; a text lowers it by 10 of 100 at every wait."""
    random = np.random.default_rng(1)
    lead = random.choice([1.0, 10.0, 20.0], n)
    texted = random.random(n) < np.select([lead == 1, lead == 10], [0.05, 0.5], 0.9)
    missed = random.random(n) < np.select([lead == 1, lead == 10], [0.15, 0.4], 0.6) - 0.1 * texted
    return texted, missed.astype(float), lead


def test_a_comparison_can_turn_round_in_every_band() -> None:
    told = bands(*chosen(), [5, 15])
    assert [(band.low, band.high) for band in told] == [(-np.inf, np.inf), (-np.inf, 5), (5, 15), (15, np.inf)]
    assert not told[0].is_lower_with_it
    assert all(band.is_lower_with_it for band in told[1:])
    assert reversals(told) == (3, 3)


def test_bands_with_hardly_anybody_of_one_group_are_not_told() -> None:
    texted, missed, lead = chosen()
    none = bands(texted & (lead > 5), missed, lead, [5, 15])
    assert [band.low for band in none] == [-np.inf, 5, 15]
    assert bands(np.zeros(4000, bool), missed, lead, [5]) == ()
    assert reversals(()) == (0, 0)


def test_outcomes_and_values_that_are_not_known_are_in_no_band() -> None:
    texted, missed, lead = chosen()
    told = bands(texted, np.where(lead == 1, np.nan, missed), lead, [5])
    assert told[0].many_without + told[0].many_with == (lead > 1).sum()
    assert bands(texted, missed, np.full(4000, np.nan), [5]) == ()


def test_a_history_is_told_by_bands_and_a_pilot_is_not() -> None:
    texted, missed, lead = chosen()
    asked = pilot(strata={"lead_days": (5.0, 15.0)})
    rows = replace(world(4000, 1), treated=texted, outcome=missed)
    history = log_of(rows, propensity=pa.nulls(4000, pa.float64()))
    told = read(asked, history, {"no_show": missed}, rows.covariates, day(200), {"lead_days": lead})
    assert reversals(told[0].bands["lead_days"]) == (3, 3)
    assert told[0].effect is None
    words = "\n".join(reading_lines(told))
    assert "lead_days from 5 to under 15" in words
    assert "in 3 of 3 bands it is the other way round than all together" in words
    drawn = world(4000, 1)
    assert not read(asked, log_of(drawn), {"no_show": missed}, drawn.covariates, day(200), {"lead_days": lead})[0].bands
