"""What Alembic runs: migrations on the connection that `meta.migrate` opened."""

from __future__ import annotations

from alembic import context

from dassie.meta.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    compare_server_default=True,
)
context.run_migrations()
