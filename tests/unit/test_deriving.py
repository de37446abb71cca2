"""What others had answered about a clinician and a site when a visit became known, and who is told."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import batch_of, day, events_table
from wellkept import jobs
from wellkept.catalogue import features_of
from wellkept.contracts import TIME
from wellkept.deriving import ANSWER, CLINICIAN_SHARE, FEWEST, INVITED, SITE_SHARE, VISIT, derived
from wellkept.journeys import Journeys, Snapshot
from wellkept.spec import load_spec, matches

MICROSECOND = 1 / 86_400e6
MODELS = Path(__file__).parents[2] / "models"


def visit(encounter: str, time: float, clinician: str | None = "c", site: str | None = "s", subject: int = 1) -> dict:
    return {"subject_id": subject, "encounter_id": encounter, "time": time, "code": VISIT, "clinician": clinician,
            "site": site}  # fmt: skip


def answer(encounter: str, time: float, score: float, subject: int = 1) -> dict:
    return {"subject_id": subject, "encounter_id": encounter, "time": time, "code": ANSWER, "numeric_value": score}


def answered(
    count: int, low: int, clinician: str | None = "c", site: str | None = "s", first_subject: int = 1000
) -> list[dict]:
    """So many visits of day 0 to so many patients, all answered on day 1, the first `low` of them with 6."""
    subjects = [first_subject + i for i in range(count)]
    return [
        row for i, s in enumerate(subjects)
        for row in (visit(f"of {s}", 0, clinician, site, s), answer(f"of {s}", 1, 6 if i < low else 7, s))
    ]  # fmt: skip


def of_encounter(snapshot: Snapshot, encounter: str) -> dict[str, float]:
    """The shares that the store has of an encounter, by code."""
    events = everything(snapshot)
    mine = events.filter(pc.equal(events["encounter_id"], encounter))
    pairs = zip(mine["code"].to_pylist(), mine["numeric_value"].to_pylist(), strict=True)
    return {code: value for code, value in pairs if code in (CLINICIAN_SHARE, SITE_SHARE)}


def everything(snapshot: Snapshot) -> pa.Table:
    ids = {int(s) for shard in range(snapshot.shards) if (p := snapshot.path(shard)) for s in subjects_in(p)}
    return pa.concat_tables([snapshot.of_subject(s) for s in sorted(ids)])


def subjects_in(path: Path) -> list[int]:
    return pa.parquet.read_table(path, columns=["subject_id"])["subject_id"].unique().to_pylist()


@pytest.fixture
def landed(tmp_path: Path) -> Callable[..., Snapshot]:
    """Land nights of rows in one store, as the command line does; gives its snapshot."""

    def land(*nights: Sequence[dict[str, Any]], **facts: Any) -> Snapshot:
        journeys = Journeys(tmp_path / "journeys", shards=4, key="test")
        for rows in nights:
            events = events_table(rows)
            jobs.land(journeys, batch_of(events, f"{hash(str(rows))}", **facts))
        return journeys.snapshot()

    return land


def test_the_share_is_that_of_all_earlier_answers_shrunk_towards_everybodys(landed: Callable) -> None:
    rows = [*answered(30, 12), *answered(10, 0, "d", "s", 2000), *answered(20, 12, "e", "t", 3000), visit("x", 2)]
    found = of_encounter(landed(rows), "x")
    base = 24 / 60
    assert found[CLINICIAN_SHARE] == pytest.approx((12 + 40 * base) / (30 + 40))
    assert found[SITE_SHARE] == pytest.approx((12 + 40 * base) / (40 + 40))


@pytest.mark.parametrize(("count", "told"), [(FEWEST - 1, False), (FEWEST, True)])
def test_below_30_answers_there_is_no_event(count: int, told: bool, landed: Callable) -> None:
    snapshot = landed([*answered(count, 9), *answered(99, 9, "d", "t", 5000), visit("x", 2)])
    assert set(of_encounter(snapshot, "x")) == ({CLINICIAN_SHARE, SITE_SHARE} if told else set())


@pytest.mark.parametrize(("time", "counts"), [(2 - MICROSECOND, True), (2, False), (2 + MICROSECOND, False)])
def test_only_what_was_known_strictly_before_the_visit_counts(time: float, counts: bool, landed: Callable) -> None:
    last = [visit("last", 0, subject=7), answer("last", time, 3, subject=7)]
    assert bool(of_encounter(landed([*answered(29, 9), *last, visit("x", 2)]), "x")) == counts


def test_an_answer_counts_from_when_its_visit_is_known_too(landed: Callable) -> None:
    early = [visit("early", 3, subject=7) | {"event_at": 0}, answer("early", 1, 3, subject=7)]
    snapshot = landed([*answered(29, 9), *early, visit("x", 2), visit("y", 4)])
    assert (bool(of_encounter(snapshot, "x")), bool(of_encounter(snapshot, "y"))) == (False, True)


def test_ones_own_earlier_answer_counts_and_that_of_the_visit_itself_never(landed: Callable) -> None:
    rows = [*answered(29, 0), visit("mine", 0), answer("mine", 1, 0), visit("x", 2), answer("x", 3, 0), visit("y", 4)]
    snapshot = landed(rows)
    assert of_encounter(snapshot, "x")[CLINICIAN_SHARE] == pytest.approx((1 + 40 / 30) / 70)
    assert of_encounter(snapshot, "y")[CLINICIAN_SHARE] == pytest.approx((2 + 40 * 2 / 31) / 71)


def test_the_first_answer_of_an_encounter_counts_and_what_a_follow_up_brought_does_not(landed: Callable) -> None:
    def invited(encounter: str, time: float, mode: str) -> dict:
        return {"subject_id": 7, "encounter_id": encounter, "time": time, "code": INVITED, "text_value": mode}

    rows = [
        *answered(30, 0),
        visit("twice", 0, subject=7), invited("twice", 0.5, "sms"), answer("twice", 1, 0, 7),
        invited("twice", 1.2, "follow_up"), answer("twice", 1.5, 10, 7),
        visit("silent", 0, subject=7), invited("silent", 0.5, "sms"), invited("silent", 1, "follow_up"),
        answer("silent", 1, 0, 7),
        visit("x", 2),
    ]  # fmt: skip
    assert of_encounter(landed(rows), "x")[CLINICIAN_SHARE] == pytest.approx((1 + 40 / 31) / 71)


def test_a_visit_that_is_told_again_later_has_one_event_as_it_was_first_known(landed: Callable) -> None:
    rows = [*answered(30, 12), *answered(30, 0, "d", "t", 5000), visit("x", 2), visit("x", 5, "d", "t")]
    snapshot = landed(rows)
    assert of_encounter(snapshot, "x")[CLINICIAN_SHARE] == pytest.approx((12 + 40 * 0.2) / 70)
    assert snapshot.events == len(rows) + 2


@pytest.mark.parametrize(
    ("clinician", "site", "codes"),
    [(None, "s", {SITE_SHARE}), ("c", None, {CLINICIAN_SHARE}), (None, None, set())],
)
def test_what_is_not_recorded_gets_no_share(clinician: str, site: str, codes: set[str], landed: Callable) -> None:
    rows = [*answered(40, 9, clinician, site), *answered(40, 9, first_subject=5000), visit("x", 2, clinician, site)]
    assert set(of_encounter(landed(rows), "x")) == codes


@pytest.mark.parametrize("without", ["encounter_id", ("clinician", "site"), ANSWER, VISIT])
def test_journeys_that_lack_a_part_get_nothing(without: str | tuple, landed: Callable) -> None:
    rows = [row for row in [*answered(40, 9), visit("x", 2)] if row["code"] != without]
    rows = [{name: value for name, value in row.items() if name != without and name not in without} for row in rows]
    snapshot = landed(rows)
    assert (snapshot.version, snapshot.events) == (1, len(rows))


def test_an_event_is_the_visits_but_for_what_it_says(landed: Callable) -> None:
    snapshot = landed([*answered(30, 12), visit("x", 2) | {"event_at": 1.5}])
    events = snapshot.of_subject(1)
    shares = events.filter(pc.is_in(events["code"], pa.array([CLINICIAN_SHARE, SITE_SHARE])))
    assert shares.num_rows == 2
    visits = {"time": day(2), "event_at": day(1.5), "encounter_id": "x", "site": None, "clinician": None}
    for name, value in visits.items():
        assert set(shares[name].to_pylist()) == {value}


def test_landing_again_changes_nothing_and_finishes_what_was_stopped(landed: Callable, tmp_path: Path) -> None:
    rows = [*answered(30, 12), visit("x", 2)]
    whole = landed(rows)
    assert landed(rows) == whole
    assert derived(whole) is None
    journeys, batch = Journeys(tmp_path / "stopped", shards=4, key="test"), batch_of(events_table(rows), "a batch")
    journeys.land(batch)  # and then the power went out
    landing = jobs.land(journeys, batch)
    assert (landing.new, landing.added, landing.version) == (False, 2, 2)
    assert everything(journeys.snapshot()).equals(everything(whole))


def test_a_second_night_tells_its_own_visits_and_leaves_those_of_the_first(landed: Callable, tmp_path: Path) -> None:
    first = [*answered(30, 12), visit("x", 2)]
    second = [*answered(30, 30, "d", "t", 5000), answer("x", 3, 0), visit("y", 4, subject=2)]
    second = [row | {"time": row["time"] + 2.5} for row in second]
    before = of_encounter(landed(first), "x")
    after = landed(first, second)
    assert of_encounter(after, "x") == before
    at_once = Journeys(tmp_path / "at once", shards=4, key="test")
    jobs.land(at_once, batch_of(events_table([*first, *second])))
    assert everything(after).equals(everything(at_once.snapshot()))
    assert of_encounter(after, "y")[CLINICIAN_SHARE] == pytest.approx((13 + 40 * 43 / 61) / 71)


def test_the_codes_come_from_here_unless_a_source_brings_them_too(landed: Callable) -> None:
    rows, bad = [*answered(30, 12), visit("x", 2)], {**visit("of 1000", 0, subject=1000), "code": CLINICIAN_SHARE}
    assert landed(rows, lineage={ANSWER: ("surveys",)}).lineage[CLINICIAN_SHARE] == ["wellkept.deriving"]
    snapshot = landed([bad], lineage={CLINICIAN_SHARE: ("surveys",)})
    assert set(snapshot.lineage[CLINICIAN_SHARE]) == {"surveys", "wellkept.deriving"}


@pytest.mark.parametrize("path", [MODELS / f"{target}.toml" for target in ("detractor_risk", "no_return")])
def test_no_model_of_ours_tells_anybody_how_a_clinician_was_answered_about(path: Path) -> None:
    spec = load_spec(path)
    telling = [f.name for f in features_of(spec.families) if not any(matches(c, spec.protected) for c in f.codes)]
    assert "site_detractor_share" in telling
    assert "clinician_detractor_share" not in telling


def some_visits(chance: random.Random) -> list[dict]:
    """Some 130 visits on 40 days to 3 clinicians of 2 sites, most of them answered on the same 40 days."""
    rows: list[dict] = []
    for number in range(130):
        subject, at, who = chance.randrange(9), chance.randrange(40), chance.randrange(3)
        rows.append(visit(f"{number}", at, f"c{who}", f"s{who // 2}", subject))
        rows += [
            answer(f"{number}", at + chance.randrange(9), chance.randrange(11), subject)
            for _ in range(chance.choice((0, 1, 1, 1, 2)))
        ]
    return rows


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_nothing_known_after_a_visit_changes_its_event(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    chance = random.Random(seed)
    events = events_table(some_visits(chance))
    whole = derived_of(events, tmp_path_factory.mktemp("whole"))
    assert whole.num_rows > 20
    end = pa.scalar(chance.choice(whole["time"].to_pylist()), TIME)
    cut = derived_of(events.filter(pc.less_equal(events["time"], end)), tmp_path_factory.mktemp("cut"))
    assert cut.equals(whole.filter(pc.less_equal(whole["time"], end)))


def derived_of(events: pa.Table, folder: Path) -> pa.Table:
    journeys = Journeys(folder, shards=2, key="test")
    journeys.land(batch_of(events))
    batch = derived(journeys.snapshot())
    assert batch
    return batch.events
