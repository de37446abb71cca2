"""The service's database (SQLAlchemy Core, Alembic): API keys, live events, scores, the audit. SQLite or PostgreSQL."""

from wellkept.store.database import open_database, pepper_of, refuse_unless_ready
from wellkept.store.keys import SCOPES, Key, Keys, micros
from wellkept.store.patients import delivered, every_live_event, history, live_events, newest
from wellkept.store.recording import Entry, Line, Recorder, broken_chains
from wellkept.store.tables import DELIVERIES, LIVE_EVENTS, SCORES

__all__ = [
    "DELIVERIES", "LIVE_EVENTS", "SCOPES", "SCORES", "Entry", "Key", "Keys", "Line", "Recorder", "broken_chains",
    "delivered", "every_live_event", "history", "live_events", "micros", "newest", "open_database", "pepper_of",
    "refuse_unless_ready",
]  # fmt: skip
