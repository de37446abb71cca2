"""What managers could move: the knapsack, a step towards better sites, and plans that the model is asked about."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import bundling
from wellkept.bundles import Bundle
from wellkept.choosing import Options, everything, least_effort, most_gain
from wellkept.errors import InputRefused, NotEnoughData
from wellkept.factors import Factor, Visits, as_better, factors_of, quarters, ranked_alike
from wellkept.pages.charts import trade_off
from wellkept.planning import Planner, Terms

SITES = tuple(f"site {n}" for n in range(8))
FEATURES = tuple(
    dataclasses.replace(f, modifiable=f.name in ("wait", "calls", "age")) for f in bundling.FEATURES
)  # fmt: skip
OFFERS = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 50), st.integers(0, 9)), min_size=1, max_size=9)


def options(offers: list[tuple[int, int, int]]) -> Options:
    group, gain, effort = np.array(offers).T
    return Options(group, gain / 10, effort.astype(float))


def choices(offers: list[tuple[int, int, int]]) -> list[list[int]]:
    """Every set of options with one of a group at most."""
    sets = itertools.chain.from_iterable(itertools.combinations(range(len(offers)), k) for k in range(len(offers) + 1))
    return [list(s) for s in sets if len({offers[i][0] for i in s}) == len(s)]


@given(OFFERS, st.integers(0, 30))
@settings(deadline=None, max_examples=60)
def test_no_choice_brings_more_within_an_effort(offers: list[tuple[int, int, int]], effort: int) -> None:
    told = options(offers)
    chosen = most_gain(told, effort)
    assert chosen.tolist() in choices(offers)
    assert told.effort[chosen].sum() <= effort + 1e-6
    best = max(told.gain[s].sum() for s in choices(offers) if told.effort[s].sum() <= effort)
    assert told.gain[chosen].sum() == pytest.approx(best, rel=1e-5)


@given(OFFERS, st.integers(1, 100))
@settings(deadline=None, max_examples=60)
def test_no_choice_brings_as_much_for_less_effort(offers: list[tuple[int, int, int]], gain: int) -> None:
    told, wanted = options(offers), gain / 10
    enough = [told.effort[s].sum() for s in choices(offers) if told.gain[s].sum() >= wanted - 1e-9]
    chosen = least_effort(told, wanted)
    if not enough:
        assert chosen is None
    else:
        assert chosen is not None
        assert told.gain[chosen].sum() >= wanted - 1e-6
        assert told.effort[chosen].sum() == pytest.approx(min(enough), rel=1e-5, abs=1e-5)


@given(OFFERS)
@settings(deadline=None, max_examples=40)
def test_more_effort_never_brings_less(offers: list[tuple[int, int, int]]) -> None:
    told = options(offers)
    gains = [told.gain[most_gain(told, effort)].sum() for effort in range(0, 30, 5)]
    assert all(b >= a - 1e-6 for a, b in itertools.pairwise(gains))
    assert told.gain[everything(told)].sum() == pytest.approx(told.gain[most_gain(told, 1e6)].sum(), rel=1e-5)


@pytest.mark.parametrize(
    ("own", "peers", "moved"),
    [
        ([40.0, 20.0, np.nan], [5.0] * 10 + [15.0] * 10, [15.0, 5.0, np.nan]),  # the longer wait stays the longer
        ([1.0, 1.0, 1.0, 1.0], [0.0] * 15 + [1.0] * 5, [0.0, 0.0, 0.0, 1.0]),  # a quarter of the visits, by lot
        ([40.0, 20.0], [5.0] * 19, [40.0, 20.0]),  # too few of the kind at the peers: nothing to go by
    ],
)
def test_a_visit_takes_the_value_of_the_peers_visit_of_its_rank(
    own: list[float], peers: list[float], moved: list[float]
) -> None:
    kind, lot = np.array(["a"] * len(own)), np.linspace(0, 0.9, len(own))
    got = ranked_alike(np.array(own)[:, None], np.array(peers)[:, None], kind, np.array(["a"] * len(peers)), lot)
    assert got[:, 0].tolist() == pytest.approx(moved, nan_ok=True)


def visits(apart: float = 1.0, rows: int = 6000, seed: int = 3, sites: tuple[str, ...] = SITES) -> Visits:
    """Made-up visits: each site's waits are longer than those of the site before, if sites are apart."""
    table, random = bundling.values(rows, seed), np.random.default_rng(seed)
    place = random.integers(0, len(SITES), rows)
    X = bundle().encoder.matrix(table)
    X[:, 0] *= np.exp(0.2 * apart * place).astype(np.float32)
    kind = random.choice(["chronic", "acute"], rows).astype(object)
    return Visits(X, np.array(SITES, object)[place], kind, random.random(rows) < 0.5, sites)


def bundle(kind: str = "trees") -> Bundle:
    return bundling.bundle(kind, features=FEATURES, each="VISIT//DONE")


def wait() -> Factor:
    return factors_of(bundle().encoder.features, bundle().encoder.columns, "VISIT//DONE")[0]


def test_only_what_is_modifiable_and_has_a_sign_is_a_factor() -> None:
    encoder = bundle().encoder
    assert [f.name for f in factors_of(encoder.features, encoder.columns, "VISIT//DONE")] == ["wait", "calls"]
    assert [f.name for f in factors_of(encoder.features, encoder.columns, "VISIT//WAIT")] == ["calls"]


def test_sites_are_ranked_by_the_half_of_the_patients_that_nothing_is_read_from() -> None:
    seen = visits()
    assert quarters(seen, wait()).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    elsewhere = seen.X.copy()
    elsewhere[seen.read, 0] = 7
    assert quarters(dataclasses.replace(seen, X=elsewhere), wait()).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_site_of_few_visits_is_in_no_quarter() -> None:
    seen = visits()
    few = seen.X.copy()
    few[np.flatnonzero(seen.site == "site 7")[:-40], 0] = np.nan
    assert quarters(dataclasses.replace(seen, X=few), wait())[7] == -1


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_step_never_goes_beyond_what_occurs_at_a_better_site(steps: int) -> None:
    seen = visits()
    placed = quarters(seen, wait())
    moved, moves = as_better(seen, wait(), placed, steps)
    before, place = seen.X[seen.read][:, [0]], seen.place[seen.read]
    assert moves.tolist() == (placed >= steps).tolist()
    for site in range(len(SITES)):
        mine = place == site
        if not moves[site]:
            np.testing.assert_array_equal(moved[mine], before[mine])
            continue
        peers = np.isin(place, np.flatnonzero(placed == placed[site] - steps))
        known = ~np.isnan(moved[mine])
        assert np.isin(moved[mine][known], before[peers]).all()
        assert (np.isnan(moved[mine]) == np.isnan(before[mine])).all()
        assert np.nanmean(moved[mine]) < np.nanmean(before[mine])


def test_where_sites_differ_by_luck_alone_nothing_moves() -> None:
    moves = [as_better(visits(0, seed=seed), wait(), quarters(visits(0, seed=seed), wait()), 3)[1].sum()
             for seed in range(10)]  # fmt: skip
    assert np.mean(moves) <= 0.2  # of the two sites in the last quarter


@pytest.mark.parametrize("kind", ["trees", "logistic"])
def test_a_plan_moves_what_helps_and_brings_what_was_asked_for(kind: str) -> None:
    planner = Planner(bundle(kind), visits())
    plan = planner.plan(planner.reachable.value / 2)
    assert {m.factor.name for m in plan.moves} == {"wait"}
    assert plan.joint.value >= planner.reachable.value / 2
    assert plan.joint.low < plan.joint.value < plan.joint.high
    assert plan.effort == sum(m.effort for m in plan.moves)
    assert len({(m.site, m.factor.name) for m in plan.moves}) == len(plan.moves)
    assert plan.still == {"calls": "no site is clearly better than another"}
    assert (plan.now is None) == (kind == "logistic")


def test_nothing_but_the_factors_columns_is_changed() -> None:
    planner = Planner(bundle(), visits())
    before = planner.visits.X.copy()
    planner.plan(planner.reachable.value)
    np.testing.assert_array_equal(planner.visits.X, before)
    assert planner.gain_of(np.zeros(0, int)) == (0, 0, 0)


def test_the_trade_off_rises_with_effort_and_ends_where_all_is_moved() -> None:
    plan = (planner := Planner(bundle(), visits())).plan(planner.reachable.value / 3)
    effort, gain = np.array(plan.curve).T
    assert (np.diff(effort) >= 0).all()
    assert (np.diff(gain) >= 0).all()
    assert gain[-1] == pytest.approx(plan.of_all.value)
    assert plan.curve[0] == (0, 0)


def test_a_dearer_factor_takes_more_effort_and_one_that_must_stay_stays() -> None:
    gain = Planner(bundle(), visits()).reachable.value / 4
    plain = Planner(bundle(), visits()).plan(gain)
    dear = Planner(bundle(), visits(), Terms(effort={"wait": 3.0})).plan(gain)
    assert dear.effort == 3 * plain.effort
    short = Planner(bundle(), visits(), Terms(at_most={"wait": 1}))
    assert {m.steps for m in short.plan(short.reachable.value).moves} == {1}
    kept = Planner(bundle(), visits(), Terms(at_most={"wait": 0}))
    with pytest.raises(InputRefused, match=r"out of reach: .* bring 0\.00"):
        kept.plan(gain)


def test_where_nothing_takes_effort_there_is_no_trade_off_to_draw() -> None:
    planner = Planner(bundle(), visits(), Terms(effort={"wait": 0.0, "calls": 0.0}))
    plan = planner.plan(planner.reachable.value / 2)
    assert (plan.effort, plan.joint.value) == (0, pytest.approx(planner.reachable.value))
    assert trade_off({"curve": plan.curve, "effort": plan.effort, "joint": plan.joint}) is None


@pytest.mark.parametrize(
    ("terms", "says"),
    [(Terms(effort={"parking": 1.0}), "no factor is called 'parking': this model has wait, calls"),
     (Terms(effort={"wait": -1.0}), "below 0")],
)  # fmt: skip
def test_terms_that_make_no_sense_are_refused(terms: Terms, says: str) -> None:
    with pytest.raises(InputRefused, match=says):
        Planner(bundle(), visits(), terms)


def test_a_gain_out_of_reach_is_refused_and_the_most_is_told() -> None:
    planner = Planner(bundle(), visits())
    with pytest.raises(InputRefused, match=f"expected to bring {planner.reachable.value:.2f}"):
        planner.plan(1000)
    with pytest.raises(InputRefused, match="above 0"):
        planner.plan(float("nan"))


def test_too_few_sites_or_no_factor_is_too_few_to_tell() -> None:
    with pytest.raises(NotEnoughData, match="3 sites"):
        Planner(bundle(), visits(sites=SITES[:3]))
    with pytest.raises(NotEnoughData, match="nothing to plan with"):
        Planner(bundling.bundle(), visits())
