"""The service: `serve`, its API `keys`, and the check of its `audit`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wellkept.commands import show, verb

DAYS = 365


def add(verbs: Any) -> None:
    """serve, keys, audit."""
    serve = verb(verbs, "serve", _serve, "answer over HTTP: risks, reasons, steps, live events")
    serve.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen")
    serve.add_argument("--port", type=int, default=8000, metavar="N")
    serve.add_argument("--workers", type=int, default=1, metavar="N", help="processes, each with the models of its own")
    serve.add_argument("--scores", type=Path, metavar="DIR", help="what `wellkept score` published, to be told, too")
    serve.add_argument("--steps", type=Path, metavar="DIR", help="what `wellkept recommend` published, as well")
    serve.add_argument("--openapi", action="store_true", help="print the OpenAPI document, and do not serve")

    keys = verb(verbs, "keys", _keys, "make, list and revoke API keys")
    keys.add_argument("action", choices=("create", "revoke", "list"))
    keys.add_argument("name", nargs="?", default="", metavar="NAME", help="create: the client's; revoke: the key's id")
    keys.add_argument("--scopes", default="score", metavar="LIST", help="score,read,write,admin")
    keys.add_argument("--days", type=int, default=DAYS, metavar="N", help="how long it lives")

    verb(verbs, "audit", _audit, "check that no line of the audit was changed or taken out")


def _serve(chosen: argparse.Namespace) -> None:
    from wellkept.api.running import openapi_text, run

    if chosen.openapi:
        print(openapi_text(), end="")
    else:
        run(chosen.host, chosen.port, chosen.workers, scores=chosen.scores, steps=chosen.steps)


def _keys(chosen: argparse.Namespace) -> None:
    from wellkept.store import Keys

    keys, now = Keys(*_opened()), datetime.now(UTC)
    if chosen.action == "create":
        made = keys.create(chosen.name, frozenset(chosen.scopes.split(",")), days=chosen.days, now=now)
        show({"name": chosen.name, "key": made}, made, as_json=chosen.json)
    elif chosen.action == "revoke":
        key = keys.revoke(chosen.name, now=now)
        show({"id": key.id, "name": key.name}, f"{key.name}: the key {key.id} is revoked", as_json=chosen.json)
    else:
        facts = [{"id": k.id, "name": k.name, "scopes": ",".join(sorted(k.scopes)), "live": k.is_live(now),
                  "expires_at": datetime.fromtimestamp(k.expires_at / 1e6, UTC).isoformat()} for k in keys.all()]
        lines = [f"{f['id']}  {f['name']}  {f['scopes']}  {'live' if f['live'] else 'ended'}" for f in facts]
        show({"keys": facts}, "\n".join(lines) or "there are no keys", as_json=chosen.json)


def _audit(chosen: argparse.Namespace) -> int:
    from wellkept.store import broken_chains

    broken = broken_chains(*_opened())
    words = [f"chain {chain}: line {line} is not what was written" for chain, line in broken.items()]
    show({"broken": broken}, "\n".join(words) or "every line is as it was written", as_json=chosen.json)
    return 1 if broken else 0


def _opened() -> tuple[Any, bytes]:
    """The database of this installation, and its pepper."""
    from wellkept.settings import load_settings
    from wellkept.store import open_database, pepper_of

    settings = load_settings()
    engine = open_database(settings.database)
    return engine, pepper_of(settings.database, settings.pepper.get_secret_value() if settings.pepper else None)
