"""What the control beside a model of no return learns from, by example and on SYNTHETIC patients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.conftest import batch_of, day, events_table, points_table
from tests.spec.drawing import drawn
from wellkept.catalogue import features_of
from wellkept.contracts import TIME
from wellkept.errors import NotEnoughData, SpecRefused
from wellkept.hazard_control import Control, _sample, _tells_time_since, control_risk, followed_visits
from wellkept.history import engine
from wellkept.journeys import Journeys
from wellkept.labelling import question
from wellkept.parts import discover
from wellkept.spec import Spec

ASKED = question(
    "no event of VISIT//COMPLETED by chronic: 270d, procedure: 135d after the last unless VITAL//DIED",
    discover("targets"),
)
DAY = 86_400e6
EXAMPLES = [
    ("back, and known by then", 99, """
         day  code              text
           1  VISIT//COMPLETED  chronic
           2  predict
          40  VISIT//COMPLETED  acute
     """, ("chronic", 270, 39, None)),
    ("back, but not known by then", 99, """
         day  known  code              text
           1      1  VISIT//COMPLETED  chronic
           2         predict
          98    100  VISIT//COMPLETED  acute
     """, ("chronic", 270, None, None)),
    ("back after the deadline", 999, """
         day  code              text
           1  VISIT//COMPLETED  procedure
           2  predict
         201  VISIT//COMPLETED  acute
     """, ("procedure", 135, 200, None)),
    ("back first and dead later: both are told, so that the last interval goes with either", 999, """
         day  code              text
           1  VISIT//COMPLETED  chronic
           2  predict
          40  VISIT//COMPLETED  chronic
          50  VITAL//DIED
     """, ("chronic", 270, 39, 49)),
    ("nobody is expected back", 999, """
         day  code              text
           1  VISIT//COMPLETED  acute
           2  predict
     """, ("acute", None, None, None)),
]  # fmt: skip


@pytest.mark.parametrize(("why", "until", "journey", "expected"), EXAMPLES, ids=[e[0] for e in EXAMPLES])
def test_what_is_known_of_a_visit_at_a_moment(why: str, until: float, journey: str, expected: tuple, store) -> None:
    rows, at, _ = drawn(journey)
    sql = ASKED.seen_until(int(day(until).timestamp() * 1e6))
    snapshot = store([{"subject_id": 1, **row} for row in rows])
    (seen,) = engine.at_points(sql, snapshot, points_table((1, at))).to_pylist()
    days = [seen[name] and (seen[name] - seen["visited"]) / DAY for name in ("deadline", "returned", "ended")]
    assert (seen["kind"], *days) == expected


SPEC = Spec(
    target="away",
    features=("return_pattern",),
    beside=("hazard",),
    points={"each": "VISIT//COMPLETED", "after": ["60d", "24h"], "active": "200d"},
    label={"true_when": "no event of VISIT//COMPLETED by chronic: 270d, procedure: 135d after the last"},
)
CATALOGUE = features_of(SPEC.families)
BEGINS = 500.0


def visits(patients: int) -> list[dict]:
    """Patients who come again and again for care of two kinds, some of them for the last time."""
    random, rows = np.random.default_rng(4), []
    for subject in range(patients):
        at = random.uniform(0, 300)
        while at < 900:
            kind = str(random.choice(["chronic", "procedure", "acute"]))
            rows.append({"subject_id": subject, "time": at, "code": "VISIT//COMPLETED", "text_value": kind})
            at += random.exponential(90) if random.random() < 0.8 else 9999
    return rows


def control_of(store: Callable, rows: list[dict], points: pa.Table) -> Control:
    asked = question(SPEC.label.true_when, discover("targets"))
    until = pa.scalar(day(BEGINS), TIME)
    return followed_visits(store(rows), points, SPEC, asked, catalogue=CATALOGUE, until=until)


AT_600 = points_table(*((subject, 600.0) for subject in range(400)))


@pytest.fixture
def control(store) -> Control:
    return control_of(store, visits(400), AT_600)


def test_it_learns_of_every_visit_just_after_it_that_expects_another_the_newest_too(control: Control) -> None:
    seen = control.visits
    assert set(seen["kind"].to_pylist()) == {"chronic", "procedure"}
    moment, visited = (seen[name].to_numpy() for name in ("moment", "visited"))
    np.testing.assert_allclose(moment - visited, DAY)
    age = (control.until - moment) / DAY
    assert age.min() > 0
    assert (age < 30).sum() > 20
    assert control.features.num_rows == len(control.subject) == seen.num_rows


def test_nothing_that_became_known_after_the_test_period_began_changes_it(tmp_path, store) -> None:
    rows = visits(300)
    full = control_of(store, rows, AT_600)
    known = [row for row in rows if row["time"] <= BEGINS]
    again = Journeys(tmp_path / "earlier", shards=4, key="test")
    again.land(batch_of(events_table(known)))
    assert len(known) < len(rows)
    earlier = control_of(lambda _: again.snapshot(), known, AT_600)
    assert earlier.visits.equals(full.visits)
    assert earlier.features.equals(full.features)


def test_features_that_only_tell_the_time_since_the_visit_are_left_to_the_clock() -> None:
    """Whatever else of the family is told just after a visit is the same some days later, and is learned from."""
    left = [f for f in CATALOGUE if not _tells_time_since("VISIT//COMPLETED", f)]
    assert [f.name for f in left] == ["visits_365d", "visits", "usual_gap_days"]


def test_each_half_of_the_patients_is_judged_by_what_was_learned_from_the_other(control: Control) -> None:
    due = control.rows.column("deadline").to_numpy() > control.rows["moment"].to_numpy()  # not where it is null
    subject, control = AT_600["subject_id"].to_numpy()[due], replace(control, rows=control.rows.filter(pa.array(due)))
    features = pa.table({f.name: np.ones(len(subject)) for f in control.catalogue})
    even, of_rows = control.subject % 2 == 0, subject % 2 == 0
    known = control.visits["returned"].is_valid().to_numpy()
    sooner = np.where(even & known, control.visits["moment"].to_numpy() + 1, 0)  # all who came back came at once
    returned = pc.if_else(pa.array(even & known), pa.array(sooner), control.visits["returned"])
    position = control.visits.column_names.index("returned")
    other = replace(control, visits=control.visits.set_column(position, "returned", returned))
    before, after = (control_risk(c, features, of_visits=even, of_rows=of_rows, seed=1) for c in (control, other))
    np.testing.assert_array_equal(after[of_rows], before[of_rows])
    assert (after[~of_rows] != before[~of_rows]).all()


def test_a_sample_of_many_visits_has_whole_patients_and_the_same_ones_in_any_order() -> None:
    subject = np.repeat(np.arange(20_000), 2)
    some = _sample(pa.table({"subject_id": subject}))["subject_id"].to_numpy()
    assert len(some) == 2 * len(np.unique(some)) == 30_000
    assert (some < 10_000).mean() == pytest.approx(0.5, abs=0.02)
    turned = _sample(pa.table({"subject_id": subject[::-1].copy()}))["subject_id"].to_numpy()
    np.testing.assert_array_equal(turned[::-1], some)


def test_it_needs_a_deadline_by_kind_of_care_and_a_visit(store) -> None:
    snapshot, until = store(visits(5)), pa.scalar(day(BEGINS), TIME)
    other = question("no event of VISIT//COMPLETED within 100d", discover("targets"))
    with pytest.raises(SpecRefused, match="chronic: 270d after the last"):
        followed_visits(snapshot, AT_600, SPEC, other, catalogue=CATALOGUE, until=until)
    with pytest.raises(NotEnoughData, match="no visit"):
        followed_visits(snapshot, AT_600, SPEC, ASKED, catalogue=CATALOGUE, until=pa.scalar(day(-9), TIME))
