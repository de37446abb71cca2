"""Alembic's entry: `wellkept.store.database.upgrade` hands over the connection."""

from alembic import context

from wellkept.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
