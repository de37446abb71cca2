"""Keys, deliveries of events, live events, scores and the audit.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    """Make the tables as they were in this release."""
    big, number = sa.BigInteger(), sa.Integer().with_variant(sa.BigInteger(), "postgresql")
    op.create_table(
        "api_keys", sa.Column("id", sa.String(16), primary_key=True), sa.Column("name", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False), sa.Column("scopes", sa.String(64), nullable=False),
        sa.Column("created_at", big, nullable=False), sa.Column("expires_at", big, nullable=False),
        sa.Column("revoked_at", big),
    )  # fmt: skip
    op.create_table(
        "deliveries", sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("key_id", sa.String(16), nullable=False), sa.Column("body", sa.String(64), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False), sa.Column("received_at", big, nullable=False),
    )  # fmt: skip
    op.create_table(
        "live_events", sa.Column("id", number, primary_key=True, autoincrement=True),
        sa.Column("delivery", sa.String(64), nullable=False), sa.Column("subject_id", big, nullable=False),
        sa.Column("known", big, nullable=False), sa.Column("happened", big, nullable=False),
        sa.Column("code", sa.String(200), nullable=False), sa.Column("value", sa.Float()), sa.Column("text", sa.Text()),
        sa.Column("encounter_id", sa.String(64)), sa.Column("site", sa.String(64)),
        sa.Column("clinician", sa.String(64)),
    )  # fmt: skip
    op.create_index("ix_live_events_subject_id", "live_events", ["subject_id"])
    op.create_table(
        "scores", sa.Column("id", number, primary_key=True, autoincrement=True),
        sa.Column("subject_id", big, nullable=False), sa.Column("target", sa.String(64), nullable=False),
        sa.Column("as_of", big, nullable=False), sa.Column("scored_at", big, nullable=False),
        sa.Column("risk", sa.Float(53), sa.CheckConstraint("risk >= 0 AND risk <= 1"), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
    )  # fmt: skip
    op.create_index("scores_of_subject", "scores", ["subject_id", "target", "as_of"])
    op.create_table(
        "audit", sa.Column("chain", sa.String(32), primary_key=True),
        sa.Column("number", big, primary_key=True, autoincrement=False), sa.Column("at", big, nullable=False),
        sa.Column("who", sa.String(80), nullable=False), sa.Column("action", sa.String(40), nullable=False),
        sa.Column("patients", sa.Text(), nullable=False), sa.Column("models", sa.Text(), nullable=False),
        sa.Column("why", sa.String(40), nullable=False), sa.Column("request", sa.String(40), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False), sa.Column("digest", sa.String(64), nullable=False),
    )  # fmt: skip
