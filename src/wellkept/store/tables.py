"""The tables of the service's database. Times are microseconds since 1970 (UTC), so that every database keeps them."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Float, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

KEYS = Table(
    "api_keys", metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("digest", String(64), nullable=False),  # HMAC of the secret with the pepper; the secret is kept nowhere
    Column("scopes", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)  # fmt: skip

DELIVERIES = Table(
    "deliveries", metadata,  # one POST /v1/events: sent again with the same idempotency key, it gets the same answer
    Column("id", String(64), primary_key=True),
    Column("key_id", String(16), nullable=False),
    Column("body", String(64), nullable=False),
    Column("answer", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
)  # fmt: skip

LIVE_EVENTS = Table(
    "live_events", metadata,
    Column("id", Integer().with_variant(BigInteger, "postgresql"), primary_key=True, autoincrement=True),
    Column("delivery", String(64), nullable=False),
    Column("subject_id", BigInteger, nullable=False, index=True),
    Column("known", BigInteger, nullable=False),
    Column("happened", BigInteger, nullable=False),
    Column("code", String(200), nullable=False),
    Column("value", Float),
    Column("text", Text),
    Column("encounter_id", String(64)),
    Column("site", String(64)),
    Column("clinician", String(64)),
)  # fmt: skip

SCORES = Table(
    "scores", metadata,
    Column("id", Integer().with_variant(BigInteger, "postgresql"), primary_key=True, autoincrement=True),
    Column("subject_id", BigInteger, nullable=False),
    Column("target", String(64), nullable=False),
    Column("as_of", BigInteger, nullable=False),
    Column("scored_at", BigInteger, nullable=False),
    Column("risk", Float(53), CheckConstraint("risk >= 0 AND risk <= 1"), nullable=False),
    Column("answer", Text, nullable=False),
    Index("scores_of_subject", "subject_id", "target", "as_of"),
)  # fmt: skip

AUDIT = Table(
    "audit", metadata,  # each process writes a chain of its own; `digest` covers the row and the digest before it
    Column("chain", String(32), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("who", String(80), nullable=False),
    Column("action", String(40), nullable=False),
    Column("patients", Text, nullable=False),
    Column("models", Text, nullable=False),
    Column("why", String(40), nullable=False),
    Column("request", String(40), nullable=False),
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
)  # fmt: skip
