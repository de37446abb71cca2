"""What `wellkept score` published stands behind the handle; a run that is not sound never takes the place of one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.serving import NIGHT, Client, house, night, put_into_service, serving
from wellkept.files import digest_of
from wellkept.serving.looking import NIGHTS


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Client]:
    """A service over one published night."""
    settings = house(tmp_path, scores=tmp_path / "scores")
    night(settings)
    with serving(settings) as made:
        yield made


def told(client: Client, subject: int = 1, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/v1/patients/{client.handle(subject)}/risk{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_night_is_told_in_the_words_and_bits_of_the_service_itself(own: Client) -> None:
    after_night = told(own)
    assert {a["target"] for a in after_night["latest"]} == {"detractor_risk", "no_return"}
    asked = {"patients": [{"patient": own.handle(1), "as_of": NIGHT.isoformat()}], "top": 5}
    online = {a["target"]: a for a in own.post("/v1/score", asked).json()["patients"][0]["risks"]}
    for answer in after_night["latest"]:
        assert answer == online[answer["target"]]
    assert after_night["latest"][0]["reasons"]


def test_a_newer_night_is_noticed_and_those_before_it_are_history(own: Client) -> None:
    put_into_service(own.settings.models, "detractor_risk", "2", seed=2)
    for days in (1, 2):
        night(own.settings, NIGHT + timedelta(days=days))
    assert {a["as_of"] for a in told(own)["history"]} == {"2026-03-01T02:00:00Z"}
    own.service.refresh()
    after = told(own)
    assert {a["as_of"] for a in after["latest"]} == {"2026-03-03T02:00:00Z"}
    assert [a["as_of"][:10] for a in after["history"]] == ["2026-03-03"] * 2 + ["2026-03-02"] * 2 + ["2026-03-01"] * 2
    assert [("reasons" in a) for a in after["history"]] == [True] * 2 + [False] * 4
    assert {a["model_version"][:2] for a in after["history"] if a["target"] == "detractor_risk"} == {"1@", "2@"}
    assert len(told(own, query="?limit=3")["history"]) == 3
    assert len(told(own, query="?limit=1")["latest"]) == 2
    assert b"wellkept_published_as_of_timestamp_seconds 1.7725032e+09" in own.get("/metrics").content


def test_what_was_scored_here_and_the_nights_are_one_history(own: Client) -> None:
    asked = {"patients": [{"patient": own.handle(1), "as_of": "2026-03-02T02:00:00Z"}], "targets": ["no_return"]}
    assert own.post("/v1/score", asked).status_code == 200
    both = told(own)
    assert {a["target"]: a["as_of"][:10] for a in both["latest"]} == {
        "no_return": "2026-03-02", "detractor_risk": "2026-03-01"}
    assert [(a["as_of"][:10], a["target"]) for a in both["history"]] == [
        ("2026-03-02", "no_return"), ("2026-03-01", "detractor_risk"), ("2026-03-01", "no_return")]  # fmt: skip


def test_the_same_night_scored_again_takes_the_place_of_the_old_one(own: Client) -> None:
    before = told(own)
    put_into_service(own.settings.models, "detractor_risk", "2", seed=2)
    night(own.settings, again="the model was wrong")
    assert told(own) == before  # its files stay open until the new one was looked at
    own.service.refresh()
    assert {a["model_version"][:2] for a in told(own)["history"] if a["target"] == "detractor_risk"} == {"2@"}


def test_a_handle_of_nobody_who_was_scored_is_not_found_and_not_echoed(own: Client) -> None:
    handle = own.handle(77)
    answer = own.get(f"/v1/patients/{handle}/risk")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_score")
    assert handle not in answer.text


def changed(change: Callable[[pa.Table], pa.Table], name: str = "scores.parquet") -> Callable[[Path], None]:
    """A file that says something else, with a manifest to match: what only a hostile writer can make."""

    def make(folder: Path) -> None:
        table = change(pq.read_table(folder / name))
        pq.write_table(table, folder / name)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["files"][name] = {"sha256": digest_of(folder / name), "rows": table.num_rows}
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return make


def column(name: str, value: Any) -> Callable[[Path], None]:
    """Every row says this."""
    return changed(lambda t: t.set_column(
        t.column_names.index(name), t.schema.field(name), pa.array([value] * t.num_rows, t.schema.field(name).type)))


def bytes_of(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes())) and None


def pipe(folder: Path) -> None:
    (folder / "scores.parquet").unlink()
    os.mkfifo(folder / "scores.parquet")


def pointer(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder.parent / "latest").write_text(text) and None


HOSTILE: dict[str, Callable[[Path], Any]] = {
    "a byte changed": bytes_of("scores.parquet", lambda b: b[:100] + bytes([b[100] ^ 1]) + b[101:]),
    "cut short": bytes_of("scores.parquet", lambda b: b[:-10]),
    "no bytes": bytes_of("scores.parquet", lambda b: b""),
    "reasons changed": bytes_of("reasons.parquet", lambda b: b + b"x"),
    "no reasons": lambda folder: (folder / "reasons.parquet").unlink(),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "manifest is no JSON": bytes_of("manifest.json", lambda b: b[:-1]),
    "manifest is a list": bytes_of("manifest.json", lambda b: b"[]"),
    "manifest is too deep": bytes_of("manifest.json", lambda b: b"[" * 100_000),
    "manifest is too large": bytes_of("manifest.json", lambda b: b + b" " * 2**20),
    "manifest is no text": bytes_of("manifest.json", lambda b: b"\xff\xfe"),
    "manifest says another moment": bytes_of("manifest.json", lambda b: b.replace(b"2026-03-02T02", b"2026-03-02T03")),
    "manifest says no moment": bytes_of("manifest.json", lambda b: b.replace(b"2026-03-02T02", b"2026-13-02T02")),
    "a pipe": pipe,
    "another column": changed(lambda t: t.append_column("name", pa.array(["Jane"] * t.num_rows))),
    "a column less": changed(lambda t: t.drop_columns(["risk_low"])),
    "other columns of reasons": changed(lambda t: t.drop_columns(["sentence"]), "reasons.parquet"),
    "a risk of 2": column("risk", 2.0),
    "a risk below 0": column("risk_low", -0.1),
    "a risk that is no number": column("risk", float("nan")),
    "an infinite margin": column("margin", float("inf")),
    "risks of another moment": column("prediction_time", NIGHT - timedelta(days=9)),
    "risks of another model": column("model_version", "9@0123456789ab"),
    "risks of another target": column("target", "credit_score"),
    "pointer to nowhere": pointer("2026-03-03T020000Z\n"),
    "pointer out of the folder": pointer("../../etc/passwd\n"),
    "an empty pointer": pointer(""),
    "a huge pointer": pointer("2" * 10_000_000),
    "no pointer": lambda folder: (folder.parent / "latest").unlink(),
}


@pytest.mark.parametrize("damage", HOSTILE)
def test_a_run_that_is_not_sound_never_takes_the_place_of_one_that_is(own: Client, damage: str) -> None:
    before = told(own)
    folder = night(own.settings, NIGHT + timedelta(days=1))
    HOSTILE[damage](folder)
    own.service.refresh()
    after = told(own)
    if "pointer" in damage:  # then the run itself is sound
        assert {a["as_of"] for a in after["history"]} <= {"2026-03-01T02:00:00Z", "2026-03-02T02:00:00Z"}
    else:
        assert after == before
    ready = own.get("/readyz")
    assert (ready.status_code, set(ready.json()["not_taken"])) == (200, {"scores"})
    assert "2026" not in ready.text
    night(own.settings, NIGHT + timedelta(days=2))
    own.service.refresh()
    assert {a["as_of"] for a in told(own)["latest"]} == {"2026-03-03T02:00:00Z"}


def test_where_the_newest_is_damaged_from_the_start_the_last_sound_one_is_told(tmp_path: Path) -> None:
    settings = house(tmp_path, scores=tmp_path / "scores")
    night(settings)
    HOSTILE["a risk of 2"](night(settings, NIGHT + timedelta(days=1)))
    with serving(settings) as client:
        found = told(client)["latest"]
        assert {(a["as_of"], len(a["reasons"]) > 0) for a in found} == {("2026-03-01T02:00:00Z", True)}
        assert client.get("/readyz").json()["not_taken"] == {"scores": "damaged_run"}


def test_a_page_that_is_changed_after_it_was_verified_is_no_answer(own: Client) -> None:
    assert own.settings.scores
    (file,) = own.settings.scores.glob("*/scores.parquet")
    content = bytearray(file.read_bytes())
    for i in range(40, len(content) // 2):
        content[i] ^= 1
    with file.open("r+b") as stream:  # in place: the same file under the same name
        stream.write(content)
    answer = own.get(f"/v1/patients/{own.handle(1)}/risk")
    assert (answer.status_code, answer.json()["code"]) == (503, "damaged_run")


def test_only_so_many_nights_are_kept_open(tmp_path: Path) -> None:
    settings = house(tmp_path, scores=tmp_path / "scores")
    for days in range(NIGHTS + 3):
        night(settings, NIGHT + timedelta(hours=days))
    with serving(settings) as client:
        assert len(client.service.nights.runs) == NIGHTS
        assert len(told(client, query="?limit=100")["history"]) == 2 * NIGHTS


def test_a_folder_in_which_nothing_was_published_yet_is_no_reason_not_to_be_ready(tmp_path: Path) -> None:
    settings = house(tmp_path, scores=tmp_path / "scores")
    with serving(settings) as client:
        assert client.get("/readyz").json()["not_taken"] == {"scores": "no_run"}
        night(settings)
        client.service.refresh()
        assert told(client)["latest"]
        assert client.get("/readyz").json()["not_taken"] == {}


def test_every_patient_of_a_night_is_found(own: Client) -> None:
    assert own.settings.scores
    (file,) = own.settings.scores.glob("*/scores.parquet")
    scores = pq.read_table(file)
    for subject in pc.unique(scores["subject_id"]).to_pylist():
        rows = scores.filter(pc.equal(scores["subject_id"], subject)).to_pylist()
        assert {a["target"]: a["risk"] for a in told(own, subject)["latest"]} == {r["target"]: r["risk"] for r in rows}
