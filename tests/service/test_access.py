"""Who may do what: every route has a rule, and a key is live, of the right scope, and in its header."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from tests.serving import NOW, Client, house, key_of, serving
from wellkept.api.access import Open, refuse_routes_without_rule, rules_of
from wellkept.api.app import bare_app
from wellkept.errors import KeyRefused
from wellkept.store import SCOPES, Keys, open_database

OPEN = {"/livez", "/readyz", "/metrics", "/ping", "/health", "/version", "/openapi.json"}
SCOPE_OF = {
    "/v1/score": "score", "/v1/handles": "read", "/v1/events": "write", "/v1/patients/{handle}/risk": "read",
    "/v1/recommendations": "read", "/v1/patients/{handle}/recommendation": "read",
    "/v1/models": "score", "/v1/models/{target}/card": "score", "/v1/features": "score", "/invocations": "score",
}  # fmt: skip
ROUTES = [(route.path, method) for route in bare_app().routes for method in sorted(route.methods)]


def test_every_route_has_one_rule_and_only_these_are_open() -> None:
    rules = {route.path: rules_of(route) for route in bare_app().routes}
    assert {path for path, found in rules.items() if isinstance(found[0], Open)} == OPEN
    assert {path: found[0].scope for path, found in rules.items() if path not in OPEN} == SCOPE_OF
    assert all(len(found) == 1 for found in rules.values())


def test_an_application_with_a_route_without_a_rule_does_not_start() -> None:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.get("/back-door")(lambda: "")
    with pytest.raises(RuntimeError, match="/back-door"):
        refuse_routes_without_rule(app.routes)


def call(client: Client, path: str, method: str, key: str | None) -> Any:
    headers = {"authorization": f"Bearer {key}"} if key else {"authorization": ""}
    return client.http.request(method, path.format(handle="p-x", target="no_return"), headers=headers,
                               content=b"" if method == "POST" else None)  # fmt: skip


@pytest.fixture(scope="module")
def keys(client: Client) -> dict[str, str]:
    """One key a scope."""
    return {scope: key_of(client.settings, scope) for scope in SCOPES}


@pytest.mark.parametrize(("path", "method"), ROUTES)
def test_each_route_answers_each_key_by_its_scope(client: Client, keys: dict[str, str], path, method) -> None:
    client.service.tries._seen.clear()
    assert (call(client, path, method, None).status_code == 401) == (path not in OPEN)
    for scope, key in keys.items():
        allowed = path in OPEN or SCOPE_OF[path] == scope
        assert (call(client, path, method, key).status_code == 403) != allowed


@pytest.mark.parametrize("wrong", [
    "", "Bearer", "Bearer a.b.c", "Basic d2s6d2s=", "Bearer wk_000000000000_" + "A" * 43, "Bearer " + "x" * 9000,
    "bearer\twk_000000000000_" + "A" * 43,
])  # fmt: skip
def test_what_is_no_live_key_is_refused_and_told_how_to_send_one(client: Client, wrong: str) -> None:
    client.service.tries._seen.clear()
    answer = client.get("/v1/models", headers={"authorization": wrong})
    assert (answer.status_code, answer.json()["code"]) == (401, "key_invalid")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_works_in_its_header_only_and_only_once_there(client: Client, keys: dict[str, str]) -> None:
    client.service.tries._seen.clear()
    key = keys["score"]
    assert client.get(f"/v1/models?key={key}&access_token={key}", headers={"authorization": ""}).status_code == 401
    twice = [("authorization", f"Bearer {key}"), ("authorization", f"Bearer {key}")]
    assert client.http.send(client.http.build_request("GET", "/v1/models", headers=twice)).status_code == 401
    almost = key[:-1] + ("A" if key[-1] != "A" else "B")
    assert client.get("/v1/models", headers={"authorization": f"Bearer {almost}"}).status_code == 401


def test_ten_wrong_keys_in_a_minute_are_enough(client: Client) -> None:
    client.service.tries._seen.clear()
    answers = [client.get("/v1/models", headers={"authorization": "Bearer x"}) for _ in range(11)]
    assert [a.status_code for a in answers] == [401] * 10 + [429]
    assert answers[-1].json()["code"] == "too_many_attempts"
    assert answers[-1].headers["retry-after"] == "60"
    assert client.get("/v1/models").status_code == 200  # a live key still works: it may come from behind the same proxy
    client.service.tries._seen.clear()


def test_a_key_that_asks_too_often_waits(tmp_path: Path) -> None:
    with serving(house(tmp_path, per_minute=60)) as slow:
        answers = [slow.get("/v1/models") for _ in range(3)]
    assert 429 in [a.status_code for a in answers]
    late = next(a for a in answers if a.status_code == 429)
    assert (late.json()["code"], late.headers["retry-after"]) == ("too_many_requests", "1")


def keyring(folder: Path) -> Keys:
    return Keys(open_database(f"sqlite:///{folder / 'wellkept.db'}"), b"a pepper")


def test_a_key_ends_when_it_is_revoked_or_too_old_and_never_before(tmp_path: Path) -> None:
    keys = keyring(tmp_path)
    made = keys.create("portal", frozenset({"score"}), days=10, now=NOW)
    fresh = keyring(tmp_path)
    assert fresh.check(made, NOW + timedelta(days=9.999))
    assert fresh.check(made, NOW + timedelta(days=10)) is None
    keys.revoke(made.split("_")[1], now=NOW)
    assert keyring(tmp_path).check(made, NOW) is None
    with pytest.raises(KeyRefused, match="no_key"):
        keys.revoke(made.split("_")[1], now=NOW)


def test_two_keys_of_a_name_live_at_once_so_that_a_client_can_change(tmp_path: Path) -> None:
    keys = keyring(tmp_path)
    first, second = (keys.create("portal", frozenset({"score"}), days=10, now=NOW) for _ in range(2))
    assert keys.check(first, NOW)
    assert keys.check(second, NOW)
    with pytest.raises(KeyRefused, match="two_live_keys"):
        keys.create("portal", frozenset({"score"}), days=10, now=NOW)
    keys.revoke(first.split("_")[1], now=NOW)
    assert keys.create("portal", frozenset({"score"}), days=10, now=NOW)


def test_the_database_holds_no_secret_and_is_its_owners(tmp_path: Path) -> None:
    made = keyring(tmp_path).create("portal", frozenset({"score"}), days=10, now=NOW)
    assert len(made.split("_", 2)[2]) == 43  # 256 bits
    held = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert made.split("_", 2)[2].encode() not in held
    assert (tmp_path / "wellkept.db").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("name", "scopes", "days", "code"), [
    ("Jane Doe", {"score"}, 1, "name"), ("portal", {"everything"}, 1, "scopes"), ("portal", set(), 1, "scopes"),
    ("portal", {"score"}, 0, "expiry"),
])  # fmt: skip
def test_a_key_that_makes_no_sense_is_not_made(tmp_path: Path, name, scopes, days, code) -> None:
    with pytest.raises(KeyRefused, match=code):
        keyring(tmp_path).create(name, frozenset(scopes), days=days, now=NOW)
