"""Points that still wait: what was known of them by then, from visits whose returns are known by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.conftest import batch_of, day, events_table, points_table
from wellkept.calibrating import logit, sigmoid
from wellkept.clock import clock
from wellkept.examples import Examples, examples
from wellkept.history import FeatureQuery
from wellkept.journeys import Journeys, Snapshot
from wellkept.labelling import labels, question
from wellkept.parts import discover
from wellkept.spec import Points, Spec
from wellkept.training import train, trees_contestant
from wellkept.waiting import Waiting, still_waiting, waiting_at

SENTENCE = "no event of VISIT by chronic: 270d after the last unless DIED"
POINTS = Points(each="VISIT", after=["24h", "60d"], active="270d", unless=["DIED"])
UNTIL, END, WORSE = 585, 900, 315
BACK, AWAY, DEAD, LATE_DEAD, OVER, LATE_BACK = range(1000, 1006)


def visit(subject: int, at: float) -> dict:
    return {"subject_id": subject, "time": at, "code": "VISIT", "text_value": "chronic"}


def snapshot_of(folder: Path, rows: list[dict]) -> Snapshot:
    journeys = Journeys(folder / "journeys", shards=2, key="test")
    journeys.land(batch_of(events_table([*rows, {"subject_id": 10**6, "time": END, "code": "THE END"}])))
    return journeys.snapshot()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Snapshot, pa.Table, pa.Scalar]:
    """60 of 100 return after 130 days and nobody else; six more visits of day 450 or earlier, and what follows."""
    rows = [visit(s, 10) for s in range(100)] + [visit(s, 140) for s in range(60)]
    rows += [visit(s, 450) for s in (BACK, AWAY, DEAD, LATE_DEAD, LATE_BACK)] + [visit(OVER, 300)]
    rows += [visit(BACK, 580), visit(LATE_BACK, 610)]
    rows += [{"subject_id": DEAD, "time": 583, "code": "DIED"}, {"subject_id": LATE_DEAD, "time": 650, "code": "DIED"}]
    snapshot = snapshot_of(tmp_path_factory.mktemp("waiting"), rows)
    points = points_table(*((s, 451, None) for s in (BACK, AWAY, DEAD, LATE_DEAD, LATE_BACK)), (OVER, 301, None),
                          (AWAY, 601, None))  # fmt: skip
    until = pa.scalar(day(UNTIL), pa.timestamp("us", tz="UTC"))
    return snapshot, labels(snapshot, points, question(SENTENCE, discover("targets"))), until


def test_points_wait_whose_deadline_is_ahead_and_nothing_known_by_then_has_ended_the_wait(
    world: tuple[Snapshot, pa.Table, pa.Scalar],
) -> None:
    snapshot, points, until = world
    waits = still_waiting(snapshot, points, question(SENTENCE, discover("targets")), until)
    # who dies or comes back later was not known to, and the last point lies after that moment
    assert waits.tolist() == [True, True, False, True, True, False, False]


def test_who_was_back_is_not_lost_and_of_the_others_the_clock_moves_on(
    world: tuple[Snapshot, pa.Table, pa.Scalar],
) -> None:
    snapshot, points, until = world
    asked = question(SENTENCE, discover("targets"))
    found = clock(snapshot, POINTS, asked, until)
    assert found is not None
    points = points.filter(pa.array(still_waiting(snapshot, points, asked, until)))
    query = FeatureQuery({found.name: found.expression})
    features = query.run(snapshot, points.select(["subject_id", "prediction_time", "encounter_id"]))
    fold = np.array([1, 2, 3, 4])
    over = points_table(*((s, 11, None) for s in range(100)))
    half = waiting_at(snapshot, points, features, fold, over=over, asked=asked, clock=found, until=until)
    assert (half.counts == 1).all()
    assert half.back.tolist() == [True, False, False, False]
    usual = float(features[found.name][1].as_py())
    chance = half.chance(np.full(4, logit(usual)), np.zeros(4, bool))
    assert chance[0] == 0
    # on day 135 half of the interval is over in which all come back who do: the clock's share there, for all three
    later = query.run(snapshot, points_table((AWAY, UNTIL, None)))[found.name][0].as_py()
    assert later == pytest.approx(usual**0.5, abs=0.05)
    assert chance[1:] == pytest.approx([later] * 3)
    twice = half.take(np.array([0, 2, 2]))
    assert (twice.subject.tolist(), twice.fold.tolist()) == ([BACK, LATE_DEAD, LATE_DEAD], [1, 3, 3])
    assert twice.features.num_rows == 3
    # had who is back stayed away, the clock would have moved on as for the others
    assert half.moved_on == pytest.approx([half.moved_on[1]] * 4)
    assert half.part == pytest.approx([0.5] * 4)


def test_who_is_still_away_counts_as_often_as_such_points_have_a_label_in_the_end(tmp_path: Path) -> None:
    """Of 100, 60 return and 10 die before the deadline: of those who wait at half of it, 1 in 20 will have died."""
    rows = [visit(s, 10) for s in range(100)] + [visit(s, 140) for s in range(60)]
    rows += [{"subject_id": s, "time": 200, "code": "DIED"} for s in range(60, 70)]
    snapshot = snapshot_of(tmp_path, [*rows, visit(BACK, 450), visit(BACK, 580), visit(AWAY, 450)])
    asked, until = question(SENTENCE, discover("targets")), pa.scalar(day(UNTIL), pa.timestamp("us", tz="UTC"))
    found = clock(snapshot, POINTS, asked, until)
    assert found is not None
    points = points_table((BACK, 451, None), (AWAY, 451, None))
    features = FeatureQuery({found.name: found.expression}).run(snapshot, points)
    over = points_table(*((s, 11, None) for s in range(100)))
    half = waiting_at(snapshot, points, features, np.zeros(2, int), over=over, asked=asked, clock=found, until=until)
    assert half.counts == pytest.approx([1, 0.9 + 0.1 * 134 / 269])
    assert half.take(np.array([1])).counts == pytest.approx(half.counts[1:])


SPEC = {
    "target": "away",
    "features": ["return_pattern", "complaints"],
    "baseline": "days_since_visit",
    "points": {"each": "VISIT//COMPLETED", "after": ["24h", "60d"], "active": "200d"},
    "label": {"true_when": "no event of VISIT//COMPLETED by chronic: 200d after the last"},
    "trees": {"rounds": 40, "learning_rate": 0.15, "columns": 1.0},
    "logistic": {"inverse_penalties": [0.1]},
    "estimator": "trees",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """Patients who come every 100 days or so, some of whom complain; from day WORSE on most of those leave."""
    random = np.random.default_rng(3)
    rows = []
    for subject in range(1500):
        at = random.uniform(0, 400)
        while at < END:
            rows.append({"subject_id": subject, "time": at, "code": "VISIT//COMPLETED", "text_value": "chronic"})
            complains = random.random() < 0.3
            if complains:
                rows.append({"subject_id": subject, "time": at + 0.5, "code": "COMPLAINT//FILED"})
            if random.random() < (0.8 if complains and at > WORSE else 0.15):
                break
            at += random.lognormal(np.log(100), 0.3)
    return examples(snapshot_of(tmp_path_factory.mktemp("leaving"), rows), Spec(**SPEC))


def test_nothing_is_known_of_those_who_wait_that_was_not_known_when_the_test_period_began(data: Examples) -> None:
    assert data.waiting is not None
    embargo = data.rows("embargo")
    of_embargo = set(data.subject[embargo].tolist())
    assert of_embargo <= set(data.waiting.subject.tolist())
    assert len(data.waiting.fold) >= len(embargo)
    assert 0.1 < data.waiting.back.mean() < 0.9
    assert (data.waiting.moved_on >= 0).all()


def test_trees_learn_from_those_who_wait_what_no_label_could_have_told_them_yet(data: Examples) -> None:
    """The deadline was over after no complaint that anybody left for; but who has complained since is away."""
    spec = Spec(**SPEC)
    trained = train(data, spec)
    assert int(trained.facts["waiting_rows"]) == len(data.waiting.fold)
    complained, test = data.features["complaints_90d"].to_numpy() > 0, data.role == "test"
    X = trained.encoder.matrix(data.features)
    without = trees_contestant(X, Examples(**{**data.__dict__, "waiting": None}), trained.encoder, spec)
    more = {}
    for name, contestant in (("with", trained.contestants["trees"]), ("without", without)):
        margin = contestant.estimator.margins(X).mean(axis=1)
        more[name] = margin[test & complained].mean() - margin[test & ~complained].mean()
    assert more["without"] < 0
    assert more["with"] > more["without"] + 0.3
    assert data.label[test & complained].mean() > data.label[test & ~complained].mean() + 0.3


def test_a_member_learns_nothing_of_the_fold_that_it_is_not_to_see_by_way_of_those_who_wait(data: Examples) -> None:
    """Turned labels of fold 0 change every member but the one that judges fold 0."""
    spec = Spec(**SPEC)
    turned = data.points.column_names.index("label"), np.where(data.fold == 0, ~data.label, data.label)
    told = replace(data, points=data.points.set_column(turned[0], "label", pa.array(turned[1])))
    encoder = train(data, spec).encoder
    X = encoder.matrix(data.features)
    before, after = (trees_contestant(X, d, encoder, spec).estimator.margins(X) for d in (data, told))
    assert (before[:, 0] == after[:, 0]).all()
    assert all((before[:, k] != after[:, k]).any() for k in range(1, spec.split.folds))


def test_without_a_clock_nobody_waits(tmp_path: Path) -> None:
    spec = Spec(**{**SPEC, "label": {"true_when": "no event of VISIT//COMPLETED within 200d"}})
    rows = [{"subject_id": s, "time": t, "code": "VISIT//COMPLETED", "text_value": "chronic"}
            for s in range(600) for t in range(s % 100, 800 - s, 150)]  # fmt: skip
    assert examples(snapshot_of(tmp_path, rows), spec).waiting is None


def waits(back: np.ndarray, moved_on: np.ndarray) -> Waiting:
    n = len(back)
    return Waiting(np.arange(n), np.zeros(n, int), pa.table({"a": np.arange(n)}), np.zeros(n, int), back, moved_on,
                   np.full(n, 0.5), np.ones(n))  # fmt: skip


def test_a_chance_rises_with_the_wait() -> None:
    three = waits(np.array([True, False, False]), np.array([0.0, 0.0, 1.0]))
    chance = three.chance(np.zeros(3), np.zeros(3, bool))
    np.testing.assert_allclose(chance, [0, 0.5 / 0.995, sigmoid(np.ones(1))[0]])


def test_where_patients_come_later_than_the_clock_says_who_is_away_is_not_thought_lost() -> None:
    """One in ten is back; by the clock six in ten. All together are to be lost as often as their risk says."""
    back = np.arange(5000) % 10 == 0
    late = waits(back, np.full(5000, 2.0))
    believed = late.chance(np.full(5000, logit(0.3)), np.zeros(5000, bool))
    corrected = late.chance(np.full(5000, logit(0.3)), np.ones(5000, bool))
    assert believed.mean() > 0.6
    assert corrected.mean() == pytest.approx(0.3, abs=0.005)


def test_who_is_away_is_not_looked_at_where_it_may_not_be_seen() -> None:
    back, unseen = np.arange(1000) % 3 == 0, np.arange(1000) < 200
    chance = [waits(b, np.ones(1000)).chance(np.zeros(1000), ~unseen) for b in (back, back ^ unseen)]
    np.testing.assert_array_equal(chance[0][200:], chance[1][200:])
