"""What `wellkept recommend` published is the service's worklist; who is held out is on no page, and nothing tells."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from tests.serving import NIGHT, Client, house, key_of, night, serving, steps, troubled
from wellkept.api.recommendations import PatientStep, Step
from wellkept.contracts import RECOMMENDATIONS
from wellkept.errors import InputRefused
from wellkept.files import digest_of
from wellkept.jobs import Trial
from wellkept.offering import interventions
from wellkept.pilots.plans import Pilot
from wellkept.published_steps import FILE, open_steps
from wellkept.recommending import Budget
from wellkept.settings import Settings

OWED, CALLED, TEXTED = (11, 12), tuple(range(20, 50)), (60, 61, 62)
PILOT = Pilot(name="calls", arms=("recovery_call",), share=0.5, begins=NIGHT - timedelta(days=60),
              ends=NIGHT + timedelta(days=300), outcomes={"detractor_risk": "SURVEY//NPS <= 6 within 42d"})  # fmt: skip
TRIAL = Trial(PILOT, "a secret of thirty-two characters")


def settings_of(folder: Path) -> Settings:
    """A house in which somebody missed an interpreter, many complained, and some are to be reminded."""
    settings = house(folder, scores=folder / "scores", steps=folder / "steps")
    troubled(settings, "VISIT//INTERPRETER_MISSED", *OWED)
    troubled(settings, "COMPLAINT//FILED", *CALLED)
    troubled(settings, "FOLLOW_UP//DUE", *TEXTED)
    return settings


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Client]:
    """A service over one night's steps."""
    settings = settings_of(tmp_path)
    steps(settings)
    with serving(settings) as made:
        yield made


def listed(client: Client, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/v1/recommendations{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def everybody(client: Client, limit: int = 100, role: str = "") -> list[dict[str, Any]]:
    """The whole list, page by page."""
    found: list[dict[str, Any]] = []
    page: dict[str, Any] = {"next": ""}
    while page["next"] is not None:
        after = f"&after={page['next']}" if page["next"] else ""
        page = listed(client, f"?limit={limit}{after}" + (f"&role={role}" if role else ""))
        found += page["recommendations"]
    return found


def published(folder: Path) -> list[dict[str, Any]]:
    return RECOMMENDATIONS.check(pq.read_table(folder / FILE)).to_pylist()


def test_the_list_says_what_was_published_under_handles_and_what_is_owed_comes_first(own: Client) -> None:
    assert own.settings.steps
    rows, told = published(own.settings.steps), everybody(own)
    assert len(rows) == len(OWED + CALLED + TEXTED)
    assert [step["patient"] for step in told] == [own.handle(row["subject_id"]) for row in rows]
    assert {step["patient"] for step in told[:2]} == {own.handle(subject) for subject in OWED}
    assert listed(own)["as_of"] == "2026-03-01T02:00:00Z"
    call = interventions()["recovery_call"]
    (patient,) = [step for step in told if step["patient"] == own.handle(CALLED[0])]
    assert patient == {
        "patient": own.handle(CALLED[0]), "rank": patient["rank"], "intervention": "recovery_call", "title": call.title,
        "because": f"{call.because}: a complaint was made", "script": call.script,
        "roles": ["patient relations", "coordinator"], "minutes": 25.0,
        "due_at": "2026-03-03T02:00:00Z", "grade": "assumed", "channel": "call", "expected": None, "team": None,
        "by_interpreter": None, "others": [],
    }  # fmt: skip


def test_other_steps_that_make_sense_are_named(own: Client) -> None:
    for subject in OWED:  # the missed interpreter is a reason for a call as well
        step = own.get(f"/v1/patients/{own.handle(subject)}/recommendation").json()["recommendation"]
        assert (step["intervention"], step["others"]) == ("interpreter", ["Service-recovery call"])


@pytest.mark.parametrize("limit", [1, 7, 35, 100])
def test_pages_of_any_length_hold_everybody_once_in_the_same_order(own: Client, limit: int) -> None:
    assert everybody(own, limit) == everybody(own)
    assert [step["rank"] for step in everybody(own, limit)] == list(range(1, 36))


@pytest.mark.parametrize(("role", "who"), [
    ("nurse", OWED), ("coordinator", OWED + CALLED), ("patient relations", CALLED), ("machine", TEXTED), ("cook", ()),
    ("coord", ()),
])  # fmt: skip
def test_a_role_sees_what_it_may_do_with_the_ranks_of_the_whole_list(own: Client, role: str, who: tuple) -> None:
    mine = [step for step in everybody(own) if role in step["roles"]]
    assert everybody(own, 4, role) == mine
    assert {step["patient"] for step in mine} == {own.handle(subject) for subject in who}


def test_one_patients_step_is_the_row_of_the_list(own: Client) -> None:
    for step in everybody(own):
        answer = own.get(f"/v1/patients/{step['patient']}/recommendation")
        assert (answer.status_code, answer.json()) == (
            200, {"as_of": "2026-03-01T02:00:00Z", "recommendation": step})  # fmt: skip


def test_no_subject_pilot_chance_or_number_of_an_effect_is_ever_a_field() -> None:
    """A column is told when its name becomes a field of Step, and not before."""
    columns = {column.name: column for column in RECOMMENDATIONS.columns}
    withheld = {"subject_id", "prediction_time", "encounter_id", "pilot", "holdout", "propensity"}
    assert set(Step.model_fields) <= set(columns) - withheld
    assert set(PatientStep.model_fields) - set(Step.model_fields) == {"patient"}
    kinds = {name: columns[name].type for name in Step.model_fields}
    numbers = {name for name, kind in kinds.items() if pa.types.is_integer(kind) or pa.types.is_floating(kind)}
    assert numbers == {"rank", "minutes"}


@pytest.fixture
def piloted(tmp_path: Path) -> Iterator[Client]:
    """A service over steps of which a pilot holds some out."""
    settings = settings_of(tmp_path)
    steps(settings, trial=TRIAL)
    with serving(settings) as made:
        yield made


def test_who_is_held_out_is_on_no_page_and_answered_as_who_was_never_considered(piloted: Client) -> None:
    assert piloted.settings.steps
    rows = published(piloted.settings.steps)
    held = [row["subject_id"] for row in rows if row["holdout"]]
    shown = [row["subject_id"] for row in rows if not row["holdout"]]
    assert 5 < len(held) < 25
    assert set(held) <= set(CALLED)
    for limit, role in ((100, ""), (3, ""), (100, "coordinator"), (2, "patient relations")):
        handles = {step["patient"] for step in everybody(piloted, limit, role)}
        assert handles.isdisjoint(piloted.handle(subject) for subject in held)
    assert [s["patient"] for s in everybody(piloted)] == [piloted.handle(subject) for subject in shown]
    assert [s["rank"] for s in everybody(piloted)] == list(range(1, len(shown) + 1))
    nobody = without_id(piloted.get(f"/v1/patients/{piloted.handle(1)}/recommendation"))
    assert nobody[:2] == (404, "no_recommendation")
    for subject in held:
        assert without_id(piloted.get(f"/v1/patients/{piloted.handle(subject)}/recommendation")) == nobody
    words = json.dumps(everybody(piloted))
    assert "calls" not in words
    assert "propensity" not in words


def without_id(answer: Any) -> tuple[int, str, dict[str, Any]]:
    told = {name: value for name, value in answer.json().items() if name != "request_id"}
    return answer.status_code, told["code"], told


@pytest.mark.parametrize(("query", "rule"), [
    ("?limit=0", "out_of_range"), ("?limit=101", "out_of_range"), ("?limit=x", "out_of_range"), ("?after=", "no_page"),
    ("?after=3", "no_page"), ("?after=0123456789ab.0", "no_page"), ("?after=0123456789AB.1", "no_page"),
    ("?role=", "no_role"), ("?role=" + "x" * 65, "no_role"), ("?role=a%00b", "no_role"),
    ("?patient=000123", "unknown_parameter"), ("?limit=1&limit=2", "unknown_parameter"),
])  # fmt: skip
def test_a_query_that_makes_no_sense_is_refused_by_rule_and_not_echoed(own: Client, query: str, rule: str) -> None:
    answer = own.get(f"/v1/recommendations{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert [error["rule"] for error in answer.json()["errors"]] == [rule]
    assert "000123" not in answer.text


@pytest.mark.parametrize("handle", ["p-x", "000123", "p-" + "a" * 26, "20"])
def test_what_is_no_handle_is_nobody(own: Client, handle: str) -> None:
    answer = own.get(f"/v1/patients/{handle}/recommendation")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_patient")


def test_each_read_is_a_line_of_the_audit_with_whom_and_by_which_models(own: Client) -> None:
    page = listed(own, "?limit=3")
    handle = own.handle(CALLED[0])
    own.get(f"/v1/patients/{handle}/recommendation", headers={"wellkept-purpose": "worklist"})
    own.get(f"/v1/patients/{own.handle(1)}/recommendation")
    with own.service.engine.connect() as connection:
        found = connection.execute(text(
            "SELECT action, patients, models, why FROM audit WHERE action LIKE 'recommendation%' ORDER BY number"))
        lines = [(action, json.loads(who), json.loads(models), why) for action, who, models, why in found]
    versions = sorted(served.bundle.version for served in own.service.models.served.values())
    assert lines == [
        ("recommendations", [step["patient"] for step in page["recommendations"]], versions, ""),
        ("recommendation", [handle], versions, "worklist"),
        ("recommendation", [own.handle(1)], versions, ""),
    ]  # fmt: skip


def test_only_a_key_that_may_read_sees_the_list(own: Client) -> None:
    for scopes in ("score", "write", "admin"):
        headers = {"authorization": f"Bearer {key_of(own.settings, scopes)}"}
        assert own.get("/v1/recommendations", headers=headers).status_code == 403
        assert own.get(f"/v1/patients/{own.handle(11)}/recommendation", headers=headers).status_code == 403


def test_the_next_night_is_noticed_and_a_page_of_the_old_list_is_not_continued(own: Client) -> None:
    first = listed(own, "?limit=3")
    steps(own.settings, NIGHT + timedelta(days=1), budget=Budget(minutes=50, texts=0))
    assert listed(own) == listed(own, "?limit=20")
    own.service.refresh()
    after = listed(own)
    assert (after["as_of"], after["next"]) == ("2026-03-02T02:00:00Z", None)
    assert len(after["recommendations"]) == len(OWED) + 2
    answer = own.get(f"/v1/recommendations?after={first['next']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "list_changed")
    assert b"wellkept_steps_as_of_timestamp_seconds 1.7724168e+09" in own.get("/metrics").content


def test_the_same_steps_are_published_once_and_others_of_that_night_only_with_a_reason(own: Client) -> None:
    assert own.settings.steps
    (folder,) = own.settings.steps.glob("2026*")
    before, inode = listed(own), (folder / FILE).stat().st_ino
    assert steps(own.settings) == folder
    assert (folder / FILE).stat().st_ino == inode
    less = Budget(minutes=50, texts=0)
    with pytest.raises(InputRefused, match="already_published"):
        steps(own.settings, budget=less)
    own.service.refresh()
    assert listed(own) == before
    steps(own.settings, budget=less, again="two nurses are ill")
    assert json.loads((folder / "manifest.json").read_text())["again"] == "two nurses are ill"
    own.service.refresh()
    assert len(listed(own)["recommendations"]) == len(OWED) + 2
    assert published(own.settings.steps) == published(folder)
    assert [path.name for path in own.settings.steps.rglob(".unfinished-*")] == []


def test_who_was_drawn_stays_in_the_log_when_a_night_is_published_again(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    steps(settings, trial=TRIAL)
    assert settings.steps
    (log,) = settings.steps.glob("assignments/calls/*.parquet")
    drawn = pq.read_table(log)
    steps(settings, trial=TRIAL, budget=Budget(minutes=50, texts=0), again="two nurses are ill")
    assert set(pq.read_table(log)["subject_id"].to_pylist()) == set(drawn["subject_id"].to_pylist()) == set(CALLED)
    assert pq.read_table(log).num_rows == drawn.num_rows
    with pytest.raises(InputRefused, match="two_draws"):
        steps(settings, trial=Trial(PILOT, "another secret of thirty-two ch."), again="the salt was lost")
    assert len(published(settings.steps)) == len(OWED) + 2  # nothing was published that the log does not know


def test_a_writer_that_was_stopped_before_the_pointer_is_finished_by_the_next_run(own: Client) -> None:
    assert own.settings.steps
    (own.settings.steps / "latest").unlink()
    (own.settings.steps / FILE).unlink()
    own.service.refresh()
    assert own.get("/readyz").json()["not_taken"] == {"steps": "no_run"}
    assert listed(own)["recommendations"]
    steps(own.settings)
    own.service.refresh()
    assert own.get("/readyz").json()["not_taken"] == {}
    assert len(published(own.settings.steps)) == len(OWED + CALLED + TEXTED)


def changed(change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], None]:
    """A file that says something else, with a manifest to match: what only a hostile writer can make."""

    def make(folder: Path) -> None:
        table = change(pq.read_table(folder / FILE))
        pq.write_table(table, folder / FILE)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["files"][FILE] = {"sha256": digest_of(folder / FILE), "rows": table.num_rows}
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return make


def column(name: str, value: Callable[[int], Any]) -> Callable[[Path], None]:
    """The row of each place says this."""
    return changed(lambda t: t.set_column(
        t.column_names.index(name), t.schema.field(name),
        pa.array([value(i) for i in range(t.num_rows)], t.schema.field(name).type)))  # fmt: skip


def bytes_of(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def pipe(folder: Path) -> None:
    (folder / FILE).unlink()
    os.mkfifo(folder / FILE)


def scores_instead(folder: Path) -> None:
    """The folder of a night of scores, under the name of one of steps."""
    scores = folder.parent.parent / "scores" / folder.name
    for path in folder.iterdir():
        path.unlink()
    for path in scores.iterdir():
        shutil.copy(path, folder)


DAMAGED: dict[str, Callable[[Path], Any]] = {
    "a byte changed": bytes_of(FILE, lambda b: b[:100] + bytes([b[100] ^ 1]) + b[101:]),
    "cut short": bytes_of(FILE, lambda b: b[:-10]),
    "half of it": bytes_of(FILE, lambda b: b[: len(b) // 2]),
    "no bytes": bytes_of(FILE, lambda b: b""),
    "no file": lambda folder: (folder / FILE).unlink(),
    "a pipe": pipe,
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "manifest is no JSON": bytes_of("manifest.json", lambda b: b[:-1]),
    "manifest is a list": bytes_of("manifest.json", lambda b: b"[]"),
    "manifest is too deep": bytes_of("manifest.json", lambda b: b"[" * 100_000),
    "manifest says another moment": bytes_of("manifest.json", lambda b: b.replace(b"2026-03-02T02", b"2026-03-02T03")),
    "manifest says a moment of no zone": bytes_of("manifest.json", lambda b: b.replace(b"+00:00", b"")),
    "manifest names no models": bytes_of("manifest.json", lambda b: b.replace(b'"models"', b'"moduls"')),
    "scores instead of steps": scores_instead,
    "another column": changed(lambda t: t.append_column("name", pa.array(["Jane"] * t.num_rows))),
    "a column less": changed(lambda t: t.drop_columns(["script"])),
    "steps of another night": column("prediction_time", lambda _: NIGHT),
    "due before it was known": column("due_at", lambda _: NIGHT),
    "a grade that is none": column("grade", lambda _: "proven"),
    "two steps for one patient": column("subject_id", lambda i: max(i, 1)),
    "a rank twice": column("rank", lambda i: max(i, 1)),
    "ranks from 0": column("rank", lambda i: i),
    "held out among the others": column("holdout", lambda i: i == 5),
    "minutes below 0": column("minutes", lambda _: -1.0),
    "minutes that are no number": column("minutes", lambda _: float("nan")),
    "rows in another order": changed(lambda t: t.sort_by([("rank", "descending")])),
    "pointer to nowhere": lambda folder: (folder.parent / "latest").write_text("2026-03-05T020000Z\n"),
    "pointer out of the folder": lambda folder: (folder.parent / "latest").write_text("../../etc/passwd\n"),
    "a huge pointer": lambda folder: (folder.parent / "latest").write_text("2" * 10_000_000),
    "no pointer": lambda folder: (folder.parent / "latest").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_steps_that_are_not_sound_never_take_the_place_of_those_that_are(own: Client, damage: str) -> None:
    before = listed(own)
    DAMAGED[damage](steps(own.settings, NIGHT + timedelta(days=1), budget=Budget(minutes=300, texts=9)))
    own.service.refresh()
    if "pointer" not in damage:  # where it is one, the night itself is sound
        assert listed(own) == before
    ready = own.get("/readyz")
    assert (ready.status_code, set(ready.json()["not_taken"])) == (200, {"steps"})
    assert "2026" not in ready.text
    steps(own.settings, NIGHT + timedelta(days=2))
    own.service.refresh()
    assert listed(own)["as_of"] == "2026-03-03T02:00:00Z"


def test_where_the_newest_is_damaged_from_the_start_the_last_sound_list_is_told(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    steps(settings)
    DAMAGED["a grade that is none"](steps(settings, NIGHT + timedelta(days=1)))
    with serving(settings) as client:
        assert listed(client)["as_of"] == "2026-03-01T02:00:00Z"
        assert client.get("/readyz").json()["not_taken"] == {"steps": "damaged_run"}


def test_steps_that_are_changed_in_place_after_they_were_read_are_told_as_they_were(own: Client) -> None:
    before = everybody(own)
    assert own.settings.steps
    (folder,) = own.settings.steps.glob("2026*")
    DAMAGED["half of it"](folder)
    own.service.refresh()
    assert everybody(own) == before
    assert own.get("/readyz").json()["not_taken"] == {"steps": "damaged_run"}


def test_a_file_of_an_older_release_without_a_column_that_may_be_absent_is_told(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    changed(lambda t: t.drop_columns(["channel"]))(steps(settings))
    with serving(settings) as client:
        assert {step["channel"] for step in everybody(client)} == {None}


@pytest.mark.parametrize("folder", [None, "steps"])
def test_where_nothing_was_published_there_is_no_list_and_that_is_no_reason_not_to_be_ready(
    tmp_path: Path, folder: str | None
) -> None:
    settings = house(tmp_path, steps=tmp_path / folder if folder else None)
    with serving(settings) as client:
        answers = [client.get("/v1/recommendations"), client.get(f"/v1/patients/{client.handle(1)}/recommendation")]
        assert [(a.status_code, a.json()["code"]) for a in answers] == [
            (404, "no_recommendations"), (404, "no_recommendation")]  # fmt: skip
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["not_taken"]) == (200, {"steps": "no_run"} if folder else {})


def test_a_night_on_which_nobody_gets_anything_is_an_empty_list(tmp_path: Path) -> None:
    settings = house(tmp_path, scores=tmp_path / "scores", steps=tmp_path / "steps")
    steps(settings, budget=Budget(minutes=0, texts=0))
    with serving(settings) as client:
        assert listed(client) == {"as_of": "2026-03-01T02:00:00Z", "recommendations": [], "next": None}


def test_a_title_or_script_that_many_share_is_held_once(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    table = open_steps(steps(settings)).table
    assert pa.types.is_dictionary(table.schema.field("script").type)
    assert table.cast(RECOMMENDATIONS.schema).to_pylist() == published(tmp_path / "steps")
    assert pc.count_distinct(table["subject_id"]).as_py() == table.num_rows


def test_scores_and_steps_of_a_night_are_told_side_by_side(own: Client) -> None:
    night(own.settings, NIGHT, again="once more")
    handle = everybody(own)[0]["patient"]
    assert own.get(f"/v1/patients/{handle}/risk").json()["latest"][0]["as_of"] == listed(own)["as_of"]
