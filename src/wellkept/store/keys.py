"""API keys: 256 random bits, of which the database keeps an HMAC with the installation's pepper.

A key reads `wk_<id>_<secret>`. One name has at most two live keys, so that a client can change to the new one before
the old one goes.
"""

from __future__ import annotations

import hmac
import re
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, insert, select, update

from wellkept.errors import KeyRefused
from wellkept.store.database import reading
from wellkept.store.tables import KEYS

SCOPES = ("score", "read", "write", "admin")
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
SHAPE = re.compile(r"wk_([a-f0-9]{12})_([A-Za-z0-9_-]{43})")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LIVE_AT_ONCE = 2
REMEMBERED = 2.0  # seconds that a key is not looked up again: so long a revoked one may still work


@dataclass(frozen=True)
class Key:
    """A key as the database knows it."""

    id: str
    name: str
    scopes: frozenset[str]
    expires_at: int
    revoked_at: int | None
    digest: str
    created_at: int = 0

    def is_live(self, now: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and micros(now) < self.expires_at


class Keys:
    """The keys of one database."""

    def __init__(self, engine: Engine, pepper: bytes) -> None:
        self._engine, self._pepper = engine, pepper
        self._known: dict[str, tuple[float, Key | None]] = {}
        self._lock = threading.Lock()

    def create(self, name: str, scopes: frozenset[str], *, days: int, now: datetime) -> str:
        """Make a key; this is the only time that it is seen.

        Raises
        ------
        KeyRefused
            `name`, `scopes`, `expiry`, or `two_live_keys`: revoke one first.
        """
        if not NAME.fullmatch(name):
            raise KeyRefused("name", "a key's name is small letters, digits, '.', '_' and '-'")
        if not scopes or not scopes <= set(SCOPES):
            raise KeyRefused("scopes", f"the scopes are {', '.join(SCOPES)}")
        if not 1 <= days <= 3650:
            raise KeyRefused("expiry", "a key lives from 1 to 3650 days")
        if sum(key.name == name and key.is_live(now) for key in self.all()) >= LIVE_AT_ONCE:
            raise KeyRefused("two_live_keys", f"{name} has {LIVE_AT_ONCE} live keys: revoke one of them first")
        id_, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        row = {"id": id_, "name": name, "digest": self._digest(secret), "scopes": ",".join(sorted(scopes)),
               "created_at": micros(now), "expires_at": micros(now + timedelta(days=days))}  # fmt: skip
        with self._engine.begin() as connection:
            connection.execute(insert(KEYS).values(row))
        return f"wk_{id_}_{secret}"

    def revoke(self, id_: str, *, now: datetime) -> Key:
        """End a key at once; raises KeyRefused (`no_key`) when there is none of this id that lives."""
        there = {key.id: key for key in self.all()}
        if id_ not in there or there[id_].revoked_at is not None:
            raise KeyRefused("no_key", "there is no live key of this id: see `wellkept keys list`")
        with self._engine.begin() as connection:
            connection.execute(update(KEYS).where(KEYS.c.id == id_).values(revoked_at=micros(now)))
        return there[id_]

    def all(self) -> list[Key]:
        """Every key that was ever made, oldest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(KEYS).order_by(KEYS.c.created_at, KEYS.c.id)).mappings()
            return [_key(row) for row in rows]

    def check(self, presented: str, now: datetime) -> Key | None:
        """The live key that was presented; None for any other text."""
        found = SHAPE.fullmatch(presented)
        key = self._find(found[1]) if found else None
        expected = key.digest if key else "0" * 64
        same = hmac.compare_digest(self._digest(found[2] if found else ""), expected)
        return key if key and same and key.is_live(now) else None

    def is_remembered(self, presented: str) -> bool:
        """Can `check` answer without asking the database?"""
        entry = self._known.get(presented[3:15])
        return entry is not None and time.monotonic() - entry[0] < REMEMBERED

    def _find(self, id_: str) -> Key | None:
        entry = self._known.get(id_)
        if entry and time.monotonic() - entry[0] < REMEMBERED:
            return entry[1]
        with reading(self._engine) as connection:
            row = connection.execute(select(KEYS).where(KEYS.c.id == id_)).mappings().first()
        key = _key(row) if row else None
        with self._lock:
            if len(self._known) > 1000:
                self._known.clear()
            if key:  # unknown ids are not remembered: whoever guesses them would fill the memory
                self._known[id_] = (time.monotonic(), key)
        return key

    def _digest(self, secret: str) -> str:
        # not `hmac.digest`: it lets a busy thread run meanwhile, which gives back after 5 ms, at each request
        return hmac.new(self._pepper, secret.encode(), "sha256").hexdigest()


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _key(row: object) -> Key:
    facts = dict(row)  # type: ignore[call-overload]
    return Key(**{**facts, "scopes": frozenset(facts["scopes"].split(","))})
