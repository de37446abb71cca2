"""Monitoring's core by example, a table a layer; and what must hold whatever the data are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bundling import FEATURES, bundle, values
from wellkept.grouping import UNKNOWN
from wellkept.monitoring.answers import YEARS, Outcomes, asked_otherwise, labels_told, observed_expected, slope_of
from wellkept.monitoring.census import Census
from wellkept.monitoring.distributions import Bins, psi, psi_of_columns, quantile_bins, scale_medians, scale_places
from wellkept.monitoring.estimates import cbpe_auroc, without_labels
from wellkept.monitoring.findings import BLOCK, Finding, blocked_sites, lines_of, recommend
from wellkept.monitoring.sequential import evidence, first_beyond, odds_band
from wellkept.monitoring.shifts import BAR, moved_inputs, moved_scores
from wellkept.monitoring.sites import quiet_sites, units_of_arrivals, units_of_features
from wellkept.monitoring.sketching import Reference, list_shares, plain_arrivals, sketch_of

ROWS = 3000
SITES = np.array(["east", "north", "south"], object)


def night(seed: int, **changed: object) -> tuple[np.ndarray, pa.Table]:
    """Sites and features of one night; `wait` of a site can be multiplied."""
    table, sites = values(ROWS, seed), np.random.default_rng(seed).choice(SITES, ROWS)
    for site, factor in changed.items():
        there = (sites == site) | (site == "everywhere")
        wait = table["wait"].to_numpy() * np.where(there, factor, 1).astype(np.float32)
        place = table.column_names.index("wait")
        table = table.set_column(place, "wait", pa.array(wait, pa.float32(), from_pandas=True))
    return sites, table


def sketch(seed: int = 1) -> dict:
    made, (sites, table) = bundle(), night(seed)
    X = made.encoder.matrix(table)
    return sketch_of(made.encoder, Reference(
        table, sites, made.risk(X), pa.table({"clinic": table["clinic"]}), np.arange(500), made.contributions(X[:500]),
        arrivals=plain_arrivals(arrived(seed), 90.0), visits={"east": 20.0, "north": 20.0, "south": 20.0},
    ))  # fmt: skip


def census(sites: np.ndarray, table: pa.Table, kept: dict, parts: int = 1) -> Census:
    made = Census(bundle().encoder.features, {name: Bins.of(f) for name, f in kept["features"].items()})
    for rows in np.array_split(np.arange(len(sites)), parts):
        made.add(sites[rows], table.take(pa.array(rows)))
    return made


def arrived(seed: int, rows: int = 2000, **factor: float) -> pa.Table:
    random = np.random.default_rng(seed)
    site = random.choice(SITES, rows)
    value = random.lognormal(5, 0.8, rows) * np.array([factor.get(s, factor.get("everywhere", 1)) for s in site])
    age = random.random(rows)
    return pa.table({"code": ["CALL//HOLD"] * rows, "site": site.tolist(), "value": value, "age_days": age})


# Layer 0


@pytest.mark.parametrize(("factor", "rows", "blocked"), [
    ({}, 30, set()),
    ({"north": 1 / 60}, 30, {"north"}),  # seconds, written as minutes
    ({"north": 2.2}, 900, {"north"}),  # pounds for kilograms
    ({"everywhere": 3.0}, 900, set()),  # a vendor
    ({"north": 1.6}, 900, set()),  # under the factor
])  # fmt: skip
def test_numbers_that_arrive_in_another_unit_block_their_site_alone(factor, rows, blocked) -> None:
    found = list(units_of_arrivals(arrived(7, rows, **factor), plain_arrivals(arrived(1), 90.0)))
    assert {finding.site for finding in found} == blocked
    assert {finding.calls_for for finding in found} <= {BLOCK}


@pytest.mark.parametrize(("changed", "blocked"), [
    ({}, {}), ({"south": 1 / 60}, {"south": "units"}), ({"everywhere": 3.0}, {}), ({"east": np.nan}, {"east": "known"}),
])  # fmt: skip
def test_patients_features_of_one_site_that_left_their_size_or_are_not_known(changed, blocked) -> None:
    kept = sketch()
    found = list(units_of_features(census(*night(2, **changed), kept), bundle().encoder.features, kept))
    assert {finding.site: finding.what for finding in found} == blocked


@pytest.mark.parametrize(("visits", "what"), [
    ({"east": (140, 0.1), "north": (140, 0.1), "south": (140, 0.1)}, {}),
    ({"east": (140, 0.1), "north": (140, 0.1)}, {"south": "freshness"}),
    ({"east": (140, 0.1), "north": (140, 0.1), "south": (0, 9.0)}, {"south": "freshness"}),
    ({"east": (140, 0.1), "north": (140, 0.1), "south": (30, 0.5)}, {"south": "volume"}),
    ({"east": (30, 0.1), "north": (30, 0.1), "south": (30, 0.5)}, {}),  # a holiday is everywhere
])  # fmt: skip
def test_a_site_that_falls_silent_is_told(visits, what) -> None:
    rates = {site: {"per_day": 20.0} for site in ("east", "north", "south")}
    assert {f.site: f.what for f in quiet_sites(visits, rates)} == what


# Layers 1 to 3


def test_nothing_is_beyond_its_bar_in_another_night_of_the_same_patients() -> None:
    kept, (sites, table) = sketch(), night(3)
    risk = bundle().risk(bundle().encoder.matrix(table))
    listed = list_shares(risk, pa.table({"clinic": table["clinic"]}))
    told = [*moved_inputs(census(sites, table, kept), kept), *moved_scores(risk, listed, kept),
            *without_labels(risk, kept["risk"])]  # fmt: skip
    assert [finding.says for finding in told if finding.alarm] == []


def test_an_input_is_told_by_what_it_does_to_the_risk() -> None:
    kept = sketch()
    told = list(moved_inputs(census(*night(4, everywhere=4.0), kept), kept))
    assert {finding.feature for finding in told} == {"wait"}
    assert any(finding.alarm and (finding.value or 0) > BAR for finding in told)
    still = {**kept, "features": {n: {**f, "effect": [0.0] * len(f["effect"])} for n, f in kept["features"].items()}}
    assert not any(finding.alarm for finding in moved_inputs(census(*night(4, everywhere=4.0), still), still))


def test_a_category_that_training_did_not_know_calls_for_a_refit() -> None:
    kept, (sites, table) = sketch(), night(5)
    channel = np.array(table["channel"].to_pylist(), object)
    channel[:300] = "carrier pigeon"
    told = list(moved_inputs(census(sites, table.set_column(1, "channel", pa.array(channel)), kept), kept))
    assert [(f.what, f.feature, f.calls_for) for f in told if f.calls_for] == [("vocabulary", "channel", "refit")]


def test_the_expected_auroc_is_that_of_labels_drawn_from_the_risks() -> None:
    random = np.random.default_rng(1)
    risk = random.beta(2, 8, 4000)
    label = random.random(4000) < risk
    pairs = (risk[label][:, None] > risk[~label]).mean()
    assert cbpe_auroc(risk) == pytest.approx(pairs, abs=0.02)


# Layer 4


def outcomes(n: int, odds: float = 1.0, seed: int = 1, mode: str = UNKNOWN) -> Outcomes:
    random = np.random.default_rng(seed)
    risk = random.beta(2, 6, n)
    label = random.random(n) < odds * risk / (1 - risk + odds * risk)
    return Outcomes(label, risk, np.arange(n), np.array([mode] * n, object), np.arange(n) * 1e9)


@pytest.mark.parametrize(("odds", "calls"), [
    (1.0, set()), (1.08, set()), (2.0, {"recalibrate"}), (0.5, {"recalibrate"}),
])  # fmt: skip
def test_a_level_that_left_its_band_calls_for_a_recalibration(odds, calls) -> None:
    told = list(labels_told(outcomes(3000, odds), {}, 2000.0))
    assert {f.calls_for for f in told if f.calls_for} == calls
    assert all(f.after and f.on.startswith("1970-01") for f in told if f.what == "observed_expected" and f.calls_for)


def test_without_labels_nothing_is_told_of_them() -> None:
    (told,) = labels_told(outcomes(0), {}, 2000.0)
    assert "no label" in told.says


def test_a_mode_that_moves_answers_is_no_fault_of_the_model() -> None:
    kinder = outcomes(3000, 0.5, mode="phone")
    told = list(labels_told(kinder, {"phone": float(np.log(0.5))}, 2000.0))
    assert not any(finding.alarm for finding in told)


def test_another_way_of_asking_is_found_in_the_invitations() -> None:
    random = np.random.default_rng(1)
    usual = random.choice(["sms", "phone"], 2000, p=[0.8, 0.2]).astype(object)
    after = random.choice(["sms", "phone"], 300, p=[0.2, 0.8]).astype(object)
    shares, at = {"sms": 0.8, "phone": 0.2}, np.arange(2300) * 1e9
    assert list(asked_otherwise(usual, at[:2000], shares, 2000.0)) == []
    found = list(asked_otherwise(np.append(usual, after), at, shares, 2000.0))
    assert {finding.feature for finding in found} == {"sms", "phone"}
    assert all(2000 < (finding.after or 0) < 2060 for finding in found)


def test_observed_over_expected_and_slope_are_what_they_are_called() -> None:
    told = outcomes(20_000)
    ratio, (slope, error) = observed_expected(told.label, told.risk, told.subject), slope_of(told.label, told.risk)
    assert ratio.low < 1 < ratio.high
    assert abs(slope - 1) < 4 * error


# What is said


@pytest.mark.parametrize(("calls", "recommendation"), [
    ([], "nothing"), (["recalibrate"], "recalibrate"), (["recalibrate", "refit"], "refit"),
    (["refit", "block", "recalibrate"], "block site east"),
])  # fmt: skip
def test_what_comes_first_is_done_first(calls, recommendation) -> None:
    site = {BLOCK: "east"}
    made = [Finding(0, "x", f"because of {c}", site.get(c, ""), alarm=True, calls_for=c) for c in calls]
    told = recommend("risk", made)
    assert told.recommendation == recommendation
    assert lines_of(told)[0].startswith(f"risk: {recommendation}: ")
    assert set(blocked_sites(made)) == ({"east"} if BLOCK in calls else set())


# Whatever the data


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, width=32) | st.none(), min_size=1, max_size=60), st.randoms())
def test_psi_of_equal_data_is_zero_in_any_order(numbers, random) -> None:
    column = np.array([np.nan if n is None else n for n in numbers], np.float32)
    shuffled = column.copy()
    random.shuffle(shuffled)
    assert psi_of_columns(column[:, None], shuffled[:, None]) == pytest.approx([0.0])
    assert quantile_bins(shuffled) == quantile_bins(column)


@settings(max_examples=50, deadline=None)
@given(*[st.lists(st.floats(-50, 50, width=16) | st.none(), min_size=1, max_size=40) for _ in range(2)])
def test_psi_of_sorted_columns_is_that_of_each_values_place(then, now) -> None:
    before, after = (np.array([np.nan if n is None else n for n in numbers], np.float32) for numbers in (then, now))
    made = quantile_bins(before)
    p, q = (np.bincount(made.of_numbers(v), minlength=made.count) / len(v) for v in (before, after))
    assert psi_of_columns(before[:, None], after[:, None]) == pytest.approx([psi(q, p)])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_psi_is_never_negative_and_the_same_both_ways(now, before) -> None:
    size = min(len(now), len(before))
    q, p = (np.array(s[:size]) / max(sum(s[:size]), 1e-9) for s in (now, before))
    assert psi(q, p) >= 0
    assert psi(q, p) == pytest.approx(psi(p, q))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=40))
def test_a_median_on_the_scale_is_within_a_sixteenth_of_an_octave(numbers) -> None:
    counts = np.bincount(scale_places(np.array(numbers)), minlength=642)
    true = np.quantile(numbers, 0.5, method="inverted_cdf")
    assert scale_medians(counts) == pytest.approx(true, rel=0.045)


def test_a_census_is_the_same_in_any_parts_and_any_order() -> None:
    kept, (sites, table) = sketch(), night(6)
    order = np.random.default_rng(1).permutation(ROWS)
    one = census(sites, table, kept)
    other = census(sites[order], table.take(pa.array(order)), kept, parts=7)
    for feature in FEATURES:
        for site in SITES:
            assert np.array_equal(one.shares(feature.name, site), other.shares(feature.name, site))
            assert np.array_equal([one.median(feature.name, site)], [other.median(feature.name, site)], equal_nan=True)


@pytest.mark.parametrize("rate", [0.03, 0.3])
def test_the_evidence_keeps_its_rate_of_false_alarms(rate) -> None:
    """In two years at the edge of the band, the worst that is no news: fewer than one alarm expected."""
    a_year, systems, random = 400, 400, np.random.default_rng(11)
    alarms = 0
    for _ in range(systems):
        p = np.clip(random.beta(2, 2 / rate - 2, a_year * YEARS), 1e-3, 0.9)
        band = odds_band((0.85, 1.15), float(p.mean()))
        at_edge = band[1] * p / (1 - p + band[1] * p)
        above, below = evidence(random.random(len(p)) < at_edge, p, band)
        alarms += any(first_beyond(e, a_year * YEARS) is not None for e in (above, below))
    assert alarms / systems < 0.5
