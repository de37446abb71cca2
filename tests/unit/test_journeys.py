"""The journey store: what lands stays, whole or not at all, whatever happens in between."""

from __future__ import annotations

import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import batch_of, day, events_table
from wellkept import files
from wellkept.contracts import Batch
from wellkept.errors import Breach, Busy, InputHeld, InputRefused, JourneysDamaged
from wellkept.files import sole_writer
from wellkept.journeys import Journeys
from wellkept.snapshots import Snapshot

FIRST = [{"subject_id": s, "time": t, "code": "A", "numeric_value": t} for s in range(6) for t in (1, 2)]
SECOND = [{"subject_id": s, "time": t, "code": "B"} for s in range(3, 9) for t in (3, 4)]


def everything(snapshot: Snapshot) -> pa.Table:
    paths = [path for shard in range(snapshot.shards) if (path := snapshot.path(shard))]
    return pa.concat_tables([pq.read_table(path) for path in paths]).drop_columns(["sequence"])


def counted(events: pa.Table) -> Counter:
    return Counter(tuple(event.values()) for event in events.to_pylist())


def landed(folder: Path, *batches: list[dict[str, Any]], shards: int = 3) -> Journeys:
    journeys = Journeys(folder, shards=shards, key="a test")
    for number, rows in enumerate(batches):
        journeys.land(batch_of(events_table(rows), f"batch {number}"))
    return journeys


def of_outsiders(*names: str, digest: str = "a batch", time: float = 1) -> Batch:
    events = events_table([{"subject_id": 0, "time": time, "code": "A"}] * len(names))
    return batch_of(events.drop_columns(["subject_id"]).append_column("outside_id", pa.array(names)), digest)


def subject_of(journeys: Journeys) -> dict[str, int]:
    table = pq.read_table(journeys.folder / journeys.snapshot().manifest["subjects"]["name"])
    return dict(zip(table["outside_id"].to_pylist(), table["subject_id"].to_pylist(), strict=True))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


# versions and digests


def test_a_digest_stands_for_the_events_and_how_they_came(tmp_path: Path) -> None:
    one, same = landed(tmp_path / "one", FIRST).snapshot(), landed(tmp_path / "same", FIRST).snapshot()
    more = landed(tmp_path / "more", FIRST, SECOND).snapshot()
    assert one.digest == same.digest
    assert len({one.digest, more.digest, landed(tmp_path / "other", SECOND).snapshot().digest}) == 3


def test_an_old_version_is_read_as_it_was_after_later_landings(tmp_path: Path) -> None:
    journeys = landed(tmp_path, FIRST)
    first, events = journeys.snapshot(), everything(journeys.snapshot())
    for number in range(3):
        journeys.land(batch_of(events_table([{"subject_id": 1, "time": 10 + number, "code": "C"}]), f"later {number}"))
    assert journeys.snapshot().version == 4
    assert journeys.snapshot(1) == first
    assert everything(journeys.snapshot(1)).equals(events)
    assert journeys.snapshot(1).observed_until == day(2)
    assert journeys.snapshot().observed_until == day(12)


@pytest.mark.parametrize("version", [0, 3, -1, 99])
def test_a_version_that_was_never_in_force_is_not_there(version: int, tmp_path: Path) -> None:
    journeys = landed(tmp_path, FIRST, SECOND)
    shutil.copy(tmp_path / "versions/000002.json", tmp_path / "versions/000003.json")
    with pytest.raises(JourneysDamaged) as caught:
        journeys.snapshot(version)
    assert caught.value.code == "no_version"


def test_a_folder_without_journeys_says_so(tmp_path: Path) -> None:
    with pytest.raises(JourneysDamaged) as caught:
        Journeys(tmp_path).snapshot()
    assert caught.value.code == "no_journeys"


@pytest.mark.parametrize("version", [1, 2])
def test_a_changed_or_missing_manifest_is_found(version: int, tmp_path: Path) -> None:
    journeys = landed(tmp_path, FIRST, SECOND)
    path = tmp_path / "versions" / f"{version:06d}.json"
    path.write_text(path.read_text().replace('"rows": 12', '"rows": 13'))
    with pytest.raises(JourneysDamaged) as caught:
        journeys.snapshot(version)
    assert caught.value.code == "digest_mismatch"
    path.unlink()
    with pytest.raises(JourneysDamaged) as caught:
        journeys.snapshot(version)
    assert caught.value.code == "missing_file"


@pytest.mark.parametrize("text", ["", "2", "two abc\n", "2 abc def\n", "2 abc\n"])
def test_a_damaged_pointer_is_found(text: str, tmp_path: Path) -> None:
    journeys = landed(tmp_path, FIRST, SECOND)
    (tmp_path / "CURRENT").write_text(text)
    with pytest.raises(JourneysDamaged) as caught:
        journeys.snapshot()
    assert caught.value.code == "digest_mismatch"


def test_words_for_codes_are_kept_and_the_newest_win(tmp_path: Path) -> None:
    journeys = Journeys(tmp_path)
    words = {"A": {"says": "a", "unit": ""}, "B": {"says": "b", "unit": ""}}
    journeys.land(batch_of(events_table(FIRST), "1", codes=words))
    journeys.land(batch_of(events_table(SECOND), "2", codes={"A": {"says": "an a", "unit": "min"}}))
    assert journeys.snapshot().codes == {"A": {"says": "an a", "unit": "min"}, "B": {"says": "b", "unit": ""}}


def test_a_store_of_static_facts_alone_has_observed_nothing_yet(tmp_path: Path) -> None:
    journeys = landed(tmp_path, [{"subject_id": 1, "code": "SEX//F"}])
    assert journeys.snapshot().observed_until.year == 1970
    assert journeys.snapshot().of_subject(1)["time"].to_pylist() == [None]


# landing


def test_the_same_batch_twice_changes_nothing(tmp_path: Path) -> None:
    journeys = landed(tmp_path, FIRST)
    before = contents(tmp_path)
    landing = journeys.land(batch_of(events_table(FIRST), "batch 0"))
    assert (landing.new, landing.added, landing.already_there, landing.version) == (False, 0, 12, 1)
    assert contents(tmp_path) == before


def test_overlapping_exports_keep_an_event_as_often_as_the_one_that_holds_it_more_often(tmp_path: Path) -> None:
    a, b, c = ({"subject_id": 1, "time": 1, "code": code} for code in "ABC")
    journeys = landed(tmp_path, [a, a, b], [a, b, b, b, c])
    assert Counter(everything(journeys.snapshot())["code"].to_pylist()) == {"A": 2, "B": 3, "C": 1}
    landing = journeys.land(batch_of(events_table([a, a, a, c]), "third"))
    assert (landing.added, landing.already_there) == (1, 3)


def test_events_that_differ_in_one_column_or_in_a_null_are_different_events(tmp_path: Path) -> None:
    event = {"subject_id": 1, "time": 2, "code": "A"}
    others = [{"numeric_value": 1.0}, {"text_value": "x"}, {"text_value": ""}, {"event_at": 1}, {"encounter_id": "e"},
              {"site": "s"}, {"clinician": "c"}, {"time": None}]  # fmt: skip
    journeys = landed(tmp_path, [event], [event | other for other in others])
    assert journeys.snapshot().events == 1 + len(others)


def test_what_differs_in_form_alone_is_one_event(tmp_path: Path) -> None:
    event = {"subject_id": 1, "time": 2, "code": "A", "numeric_value": 0.0}
    assert landed(tmp_path, [event], [event | {"event_at": 2, "numeric_value": -0.0}]).snapshot().events == 1


ROW = st.fixed_dictionaries(
    {"subject_id": st.integers(1, 4), "time": st.sampled_from([None, 1, 2]), "code": st.sampled_from("AB")},
    optional={"numeric_value": st.sampled_from([0.0, -0.0, 1.5]), "text_value": st.sampled_from(["", "x"])},
)
SOME_BATCHES = st.lists(st.lists(ROW, min_size=1, max_size=5), min_size=1, max_size=3)
FEW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(batches=SOME_BATCHES, chance=st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_of_batches_gives_the_same_shards(
    batches: list[list[dict]], chance: random.Random, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path)
    one = landed(tmp_path / "one", *batches)
    other = [list(batch) for batch in batches] * 2
    for batch in other:
        chance.shuffle(batch)
    chance.shuffle(other)
    two = landed(tmp_path / "two", *other)
    assert {s: f["sha256"] for s, f in one.snapshot().manifest["files"].items()} == {
        s: f["sha256"] for s, f in two.snapshot().manifest["files"].items()}  # fmt: skip
    wanted: Counter = Counter()
    for batch in batches:
        wanted |= counted(everything(landed(tmp_path / f"alone {random.random()}", batch).snapshot()))
    assert counted(everything(one.snapshot())) == wanted


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"time": 2, "event_at": 3}, "known_before_happened"),
        ({"time": None, "event_at": 3}, "known_before_happened"),
        ({"numeric_value": 1e16}, "out_of_range"),
        ({"numeric_value": float("nan")}, "non_finite"),
        ({"code": None}, "null"),
    ],
)
def test_events_that_break_the_contract_change_nothing(row: dict, code: str, tmp_path: Path) -> None:
    journeys = landed(tmp_path, FIRST)
    before = contents(tmp_path)
    with pytest.raises(InputRefused) as caught:
        journeys.land(batch_of(events_table([{"subject_id": 1, "time": 1, "code": "A"} | row]), "wrong"))
    assert caught.value.code == code
    assert contents(tmp_path) == before


def test_outsiders_that_break_the_contract_leave_neither_names_nor_a_key(tmp_path: Path) -> None:
    journeys, wrong = Journeys(tmp_path), of_outsiders("one", time=1)
    nothing = batch_of(wrong.events.slice(0, 0))
    backwards = wrong.events.set_column(wrong.events.schema.get_field_index("event_at"), "event_at", pa.array([day(9)]))
    for batch in (nothing, batch_of(backwards)):
        with pytest.raises(InputRefused):
            journeys.land(batch)
    assert contents(tmp_path) == {}


def test_a_full_export_is_held_against_the_median_of_the_last_seven(tmp_path: Path) -> None:
    journeys = Journeys(tmp_path)

    def land(rows: int, **accept: frozenset[str]) -> None:
        number = len(list((tmp_path / "versions").glob("*")))
        events = events_table([FIRST[0] | {"time": number}])
        journeys.land(batch_of(events, f"{number}", full_exports={"a.csv": rows}), **accept)

    for rows in (1, 2, 2, 2, 100, 1000, 98, 100, 104, 106, 100):
        land(rows)
    land(80)
    with pytest.raises(InputHeld) as caught:
        land(79)
    assert (caught.value.code, caught.value.exit_code) == ("volume", 6)
    assert caught.value.breaches == [Breach("a.csv", 0, "volume")]
    land(79, accept=frozenset({"volume"}))


def test_the_quarantine_says_file_row_rule_and_column(tmp_path: Path) -> None:
    breaches = (Breach("b.csv", 2, "date", "at"), Breach("a.csv", 11, "id_empty", "who, if any"))
    journeys = Journeys(tmp_path)
    rejected = (*breaches, Breach("b.csv", 2, "future_event", "x"))
    landing = journeys.land(batch_of(events_table(FIRST), rejected=rejected))
    assert landing.rejected == 2
    text = journeys.quarantine("0123456789abcdef0123", breaches).read_text()
    assert text == 'file,row,rule,column\na.csv,11,id_empty,"who, if any"\nb.csv,2,date,at\n'


# who is who


def test_a_subject_id_depends_on_the_name_and_the_key_alone(tmp_path: Path) -> None:
    here, there = (Journeys(tmp_path / name, key="k") for name in "ab")
    elsewhere = Journeys(tmp_path / "c", key="another")
    here.land(of_outsiders("x", "y", "00123", "123"))
    there.land(of_outsiders("123", "y", digest="1"))
    there.land(of_outsiders("00123", "x", "y", digest="2", time=2))
    elsewhere.land(of_outsiders("x", "y", "00123", "123"))
    assert subject_of(here) == subject_of(there)
    assert len(set(subject_of(here).values())) == 4
    assert not set(subject_of(here).values()) & set(subject_of(elsewhere).values())
    assert min(subject_of(here).values()) >= 0


def test_each_store_draws_a_key_of_its_own_that_only_its_owner_reads(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Journeys(tmp_path / name).land(of_outsiders("x"))
        for path in [tmp_path / name / "key", *(tmp_path / name).glob("subjects-*")]:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert subject_of(Journeys(tmp_path / "a")) != subject_of(Journeys(tmp_path / "b"))
    Journeys(tmp_path / "a").land(of_outsiders("x", digest="again", time=2))
    assert len(subject_of(Journeys(tmp_path / "a"))) == 1


def test_another_key_would_split_patients_and_is_refused(tmp_path: Path) -> None:
    Journeys(tmp_path, key="one").land(of_outsiders("x", "y"))
    before = contents(tmp_path)
    with pytest.raises(InputRefused) as caught:
        Journeys(tmp_path, key="another").land(of_outsiders("x", digest="second"))
    assert caught.value.code == "subject_key"
    assert contents(tmp_path) == before


def test_outside_identifiers_stand_in_the_subjects_file_alone(tmp_path: Path) -> None:
    Journeys(tmp_path).land(of_outsiders("an identifier"))
    holding = [name for name, content in contents(tmp_path).items() if b"an identifier" in content]
    assert [name.partition("-")[0] for name in holding] in ([], ["subjects"])
    shard = everything(Journeys(tmp_path).snapshot())
    assert "outside_id" not in shard.column_names


# one writer


def test_a_second_writer_is_told_that_it_is_busy_and_readers_are_not_disturbed(tmp_path: Path) -> None:
    journeys = landed(tmp_path, FIRST)
    with sole_writer(tmp_path), pytest.raises(Busy) as caught:
        journeys.land(batch_of(events_table(SECOND), "second"))
    assert caught.value.exit_code == 75
    with sole_writer(tmp_path):
        assert everything(journeys.snapshot()).num_rows == 12
    assert journeys.land(batch_of(events_table(SECOND), "second")).new


# whatever happens in between


@pytest.fixture
def lame(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], list[str]]]:
    """Let the operating system fail at the n-th call from now on (none for 0), and give the calls so far."""
    calls: list[str] = []
    fails_at = [0]

    def failing(name: str, real: Callable) -> Callable:
        def call(*args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            if len(calls) == fails_at[0]:
                raise OSError(28, "No space left on device")
            return real(*args, **kwargs)

        return call

    def arm(number: int) -> list[str]:
        calls.clear()
        fails_at[0] = number
        return calls

    for name in ("fsync", "replace", "rename", "unlink"):
        monkeypatch.setattr(os, name, failing(name, getattr(os, name)))
    monkeypatch.setattr(files.pq, "write_table", failing("write_table", pq.write_table))
    yield arm
    arm(0)


def second_batch() -> Batch:
    return of_outsiders("y", "z", digest="second", time=2)


def test_every_rename_comes_after_what_it_names_is_on_the_disk_and_is_itself_written_down(
    lame: Callable[[int], list[str]], tmp_path: Path
) -> None:
    calls = lame(0)
    Journeys(tmp_path, shards=1).land(second_batch())
    calls = [name for name in calls if name != "unlink"]
    renames = [i for i, name in enumerate(calls) if name == "replace"]
    assert len(renames) == 8
    assert {(calls[i - 1], calls[i + 1]) for i in renames} == {("fsync", "fsync")}


def test_a_landing_that_fails_anywhere_leaves_the_last_version_and_the_next_cleans_up(
    lame: Callable[[int], list[str]], tmp_path: Path
) -> None:
    Journeys(tmp_path / "sound", shards=2, key="k").land(of_outsiders("x", "y"))
    whole = shutil.copytree(tmp_path / "sound", tmp_path / "whole")
    calls = lame(0)
    wanted = Journeys(whole, key="k").land(second_batch())
    number_of_calls = len(calls)
    assert number_of_calls > 20
    assert {"fsync", "replace", "write_table"} <= set(calls)
    for number in range(1, number_of_calls + 1):
        folder = shutil.copytree(tmp_path / "sound", tmp_path / f"store {number}")
        journeys, before = Journeys(folder, key="k"), contents(folder)
        lame(number)
        with pytest.raises(OSError, match="No space left"):
            journeys.land(second_batch())
        lame(0)
        here = Journeys(folder, key="k").snapshot()
        assert here.version in (1, 2)
        assert everything(here).num_rows == here.events
        assert before.items() <= contents(folder).items() or here.version == 2
        assert journeys.land(second_batch()).digest == wanted.digest
        assert contents(folder) == contents(whole)


def test_a_first_landing_that_fails_anywhere_leaves_an_empty_store_that_the_next_fills(
    lame: Callable[[int], list[str]], tmp_path: Path
) -> None:
    calls = lame(0)
    Journeys(tmp_path / "sound", shards=1).land(second_batch())
    for number in range(1, len(calls) + 1):
        journeys = Journeys(tmp_path / f"store {number}", shards=1)
        lame(number)
        with pytest.raises(OSError, match="No space left"):
            journeys.land(second_batch())
        lame(0)
        if not (journeys.folder / "CURRENT").exists():
            with pytest.raises(JourneysDamaged):
                journeys.snapshot()
        journeys.land(second_batch())
        assert set(subject_of(journeys)) == {"y", "z"}
        assert len(contents(journeys.folder)) == len(contents(tmp_path / "sound"))


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from tests.conftest import batch_of, events_table
    from wellkept.journeys import Journeys

    real, left = os.replace, [int(sys.argv[2])]

    def dying(*args, **kwargs):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    os.replace = dying
    rows = [{"subject_id": s, "time": 3, "code": "B"} for s in range(6)]
    Journeys(Path(sys.argv[1])).land(batch_of(events_table(rows), "killed"))
"""


def test_a_writer_that_was_killed_leaves_the_last_version_and_the_next_cleans_up(tmp_path: Path) -> None:
    journeys = landed(tmp_path, FIRST)
    before = journeys.snapshot()
    program = textwrap.dedent(KILLED)
    command = [sys.executable, "-c", program, str(tmp_path), "6"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == -signal.SIGKILL
    left = set(contents(tmp_path))
    assert ".landing" in left
    assert Journeys(tmp_path).snapshot() == before
    assert everything(before).num_rows == 12
    assert journeys.land(batch_of(events_table(SECOND), "second")).version == 2
    used = {f["name"] for v in (1, 2) for f in journeys.snapshot(v).manifest["files"].values()}
    assert {path.name for path in (tmp_path / "shards").iterdir()} == used
    assert left - set(contents(tmp_path)) > {".landing"}


# damage


def test_a_flipped_bit_in_a_shard_is_found_by_its_digest(tmp_path: Path) -> None:
    snapshot = landed(tmp_path, FIRST, shards=1).snapshot()
    path = snapshot.path(0)
    whole = path.read_bytes()
    for place in range(0, len(whole), len(whole) // 40):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(JourneysDamaged) as caught:
            snapshot.path(0)
        assert caught.value.code == "digest_mismatch"
    path.write_bytes(whole)
    assert snapshot.path(0) == path


def test_a_flipped_bit_in_a_shard_never_changes_what_is_read_of_one_subject(tmp_path: Path) -> None:
    rows = [{"subject_id": s, "time": t, "code": "A", "numeric_value": s * t} for s in range(40) for t in range(5)]
    snapshot = landed(tmp_path, rows, shards=1).snapshot()
    path, sound = snapshot.path(0), snapshot.of_subject(7)
    whole, chance, found = path.read_bytes(), random.Random(3), Counter[str]()
    for _ in range(400):
        place = chance.randrange(len(whole))
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << chance.randrange(8))]) + whole[place + 1 :])
        try:
            assert snapshot.of_subject(7).equals(sound)
        except JourneysDamaged as error:
            found[error.code] += 1
    assert min(found["damaged_shard"], found["digest_mismatch"]) > 50
    for content in (b"", b"PAR1", whole[:-5]):
        path.write_bytes(content)
        with pytest.raises(JourneysDamaged):
            snapshot.of_subject(7)
    path.unlink()
    for read in (snapshot.of_subject, snapshot.path):
        with pytest.raises(JourneysDamaged) as caught:
            read(0)
        assert caught.value.code == "missing_file"


def test_landing_on_a_damaged_shard_or_subjects_file_is_refused(tmp_path: Path) -> None:
    journeys = Journeys(tmp_path, shards=1, key="k")
    journeys.land(of_outsiders("x"))
    for path in [*(tmp_path / "shards").iterdir(), *tmp_path.glob("subjects-*")]:
        whole = path.read_bytes()
        path.write_bytes(whole[:50] + b"!" + whole[51:])
        with pytest.raises(JourneysDamaged):
            journeys.land(second_batch())
        path.write_bytes(whole)
    assert journeys.land(second_batch()).new


# one subject


def test_one_subjects_events_come_sorted_with_their_sequence(tmp_path: Path) -> None:
    rows = [{"subject_id": 1, "time": t, "code": c} for t in (3, None, 1) for c in "BA"]
    events = landed(tmp_path, [{"subject_id": 4, "time": 1, "code": "X"}, *rows]).snapshot().of_subject(1)
    assert list(zip(events["time"].to_pylist(), events["code"].to_pylist(), strict=True)) == [
        (t if t is None else day(t), c) for t in (None, 1, 3) for c in "AB"]  # fmt: skip
    assert events["sequence"].to_pylist() == sorted(events["sequence"].to_pylist())


def test_a_subject_nobody_knows_has_no_events(tmp_path: Path) -> None:
    snapshot = landed(tmp_path, [FIRST[0]]).snapshot()
    assert [snapshot.of_subject(s).num_rows for s in (0, 3, 1, 2, 10**12)] == [1, 0, 0, 0, 0]
    assert snapshot.of_subject(1).schema == snapshot.of_subject(0).schema


def test_only_the_row_groups_that_may_hold_a_subject_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "ROW_GROUP", 10)
    rows = [{"subject_id": s, "time": t, "code": "A"} for s in range(20) for t in range(6)]
    snapshot = landed(tmp_path, rows, shards=1).snapshot()
    read: list[list[int]] = []
    real = pq.ParquetFile.read_row_groups
    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", lambda self, some: read.append(some) or real(self, some))
    assert pq.read_metadata(snapshot.path(0)).num_row_groups == 12
    assert [snapshot.of_subject(s).num_rows for s in range(20)] == [6] * 20
    assert max(len(groups) for groups in read) == 2
    assert read[0] == [0]
    assert read[-1] == [11]
