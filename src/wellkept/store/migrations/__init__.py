"""Alembic's scripts: each release's change of the database, in order."""
