"""Group A of the bad inputs: 110 bodies, the fields of the first prototype mapped onto the scoring request's own.

`patient_key` is `patient`; `age`, `wait_min`, `visits` and `channel` are features (a number with a range, one that is
not negative, a count, a category); `booked_at` is `as_of`. What the scoring request has no field for keeps its point as
an event: a comment is an event's text, arriving before booking is happening after it was known, a birth is an event.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.bundling import FEATURES, number
from tests.serving import Client, house, put_into_service, serving
from wellkept.history import past

CASES = [json.loads(line) for line in (Path(__file__).parent / "bad_inputs.jsonl").read_text().splitlines()]
GOOD = ('{"patient_key": "p1", "age": 40, "wait_min": 12.5, "visits": 2, "channel": "phone", '
        '"booked_at": "2026-01-05T09:00:00-05:00"}')  # fmt: skip
LARGE = {  # cases whose bodies are too large to be written down
    "int_5000_digits": lambda: one('"visits": 2', '"visits": ' + "9" * 5000),
    "float_10k_digits": lambda: one('"wait_min": 12.5', '"wait_min": ' + "1" * 10_000 + ".5"),
    "comment_4001": lambda: one('00"}', '00", "comment": "' + "x" * 4001 + '"}'),
    "rows_501": lambda: many(501),
    "ok_rows_500": lambda: many(500),
    "one_bad_of_500": lambda: many(500).replace('"p250", "age": 40', '"p250", "age": 400'),
    "deep_list": lambda: "[" * 200_000,
    "deep_obj": lambda: '{"a":' * 60_000 + "1" + "}" * 60_000,
    "body_2MB": lambda: one('00"}', '00", "comment": "' + "x" * 2_000_000 + '"}'),
}
AS_EVENTS = {  # what has no field of its own in the scoring request
    "comment_4001": {"code": "COMMENT", "time": "2026-01-05T09:00:00Z", "text": "x" * 4001},
    "t_order1": {"code": "ARRIVAL", "time": "2026-01-05T08:59:59Z", "event_at": "2026-01-05T09:00:00Z"},
    "t_order2": {"code": "DISCHARGE", "time": "2026-01-05T19:00:00Z", "event_at": "2026-01-05T20:00:00Z"},
    "t_birth_future": {"code": "MEDS_BIRTH", "time": "2027-01-01T00:00:00Z"},
    "t_birth_1800": {"code": "MEDS_BIRTH", "time": "1800-01-01T00:00:00Z"},
}
AS_FEATURE = {"wait_min": "wait"}


def one(old: str, new: str) -> str:
    return '{"visits": [' + GOOD.replace(old, new) + "]}"


def many(rows: int) -> str:
    return '{"visits": [' + ", ".join(GOOD.replace('"p1"', f'"p{i}"') for i in range(rows)) + "]}"


def mapped(text: str) -> str:
    """The prototype's body as a scoring request's, byte for byte where that is the point."""
    text = re.sub(r'("visits":)(\s*[\[{])', r'"patients":\2', text)
    text = text.replace("'visits'", "'patients'").replace('"patient_key"', '"patient"')
    text = re.sub(r'("patient":\s*(?:"(?:[^"\\]|\\.)*"|\w+),\s*)("(?:age|wait_min)")', r'\1"features": {\2', text)
    text = re.sub(r',\s*"booked_at"', r'}, "as_of"', text)
    for old, new in AS_FEATURE.items():
        text = text.replace(f'"{old}":', f'"{new}":')
    return text


def body_of(case: dict[str, Any]) -> bytes:
    if case["id"] in AS_EVENTS:
        return json.dumps({"patients": [{"patient": "p1", "events": [AS_EVENTS[case["id"]]]}]}).encode()
    if case["id"] == "missing_required":  # no feature is required; whose risk it is, is
        return mapped(case["body"]).replace('"patient": "p1", ', "").encode()
    if case["id"] in LARGE:
        return mapped(LARGE[case["id"]]()).encode()
    if case["body_hex"] is None:
        return mapped(case["body"]).encode("utf-8", "surrogatepass")
    raw = bytes.fromhex(case["body_hex"])
    for encoding in ("utf-16-le", "utf-8", "latin-1"):  # the encoding is the point: map the text, keep the bytes
        if case["id"].startswith("utf16") == (encoding == "utf-16-le"):
            try:
                return mapped(raw.decode(encoding)).encode(encoding)
            except UnicodeDecodeError:
                continue
    return raw


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A service whose model asks for a number of years, minutes, a count and a category."""
    visits = replace(number("visits"), expression=past.of("VISIT//DONE").count(), unit="visits")
    features = (*(replace(f, unit="years") if f.name == "age" else f for f in FEATURES), visits)
    settings = house(tmp_path_factory.mktemp("door"))
    for target in ("detractor_risk", "no_return"):
        put_into_service(settings.models, target, "2", features=features)
    with serving(settings) as made:
        yield made


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_body_is_answered_as_listed_and_nothing_of_it_comes_back(door: Client, case: dict[str, Any]) -> None:
    body = body_of(case)
    answer = door.http.post("/v1/score", content=body, headers=case["headers"])
    assert answer.status_code == case["status"], answer.text[:500]
    if case["code"]:
        told = answer.json()
        assert told["code"] == case["code"]
        assert len(answer.content) <= 4096
        assert told["request_id"]
        assert echoed(body, answer.text) == []


def echoed(body: bytes, answer: str) -> list[str]:
    """Texts of the request's values that the answer holds."""
    ours = {"patients", "patient", "features", "as_of", "events", "code", "time", "text", "wait", "channel", "visits"}
    ours |= {"event", "score", "table"}  # in our own words
    words = re.findall(r"[A-Za-z0-9.<>$/+-]{4,60}", body[:10_000].decode("utf-8", "replace"))
    return sorted({word for word in words if word in answer} - ours)


def test_the_bodies_cover_the_whole_group() -> None:
    assert len(CASES) == 110
    assert all(case["body"] is not None or case["body_hex"] or case["id"] in LARGE for case in CASES)
