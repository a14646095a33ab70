"""Bring a database's tables to the version this program was written for. Called at every start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from dassie.errors import FailedPrecondition
from dassie.meta.database import Database
from dassie.meta.migrations import HEAD
from dassie.meta.schema import metadata

if TYPE_CHECKING:
    from alembic.config import Config

_VERSIONS = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""The table that Alembic keeps the version in, as Alembic makes it."""


def migrate(db: Database) -> None:
    """Make or change the tables; nothing at all when they are up to date.

    A database without tables gets those that the models describe, at once: tests hold them equal to
    what the migrations make, and loading Alembic would be a quarter of the first start. So the
    models of every layer must have been imported.
    """
    if _version(db) == HEAD:
        return
    with db.exclusive() as connection:
        if not sa.inspect(connection).get_table_names():
            metadata.create_all(connection, checkfirst=False)
            _VERSIONS.create(connection)
            connection.execute(sa.insert(_VERSIONS).values(version_num=HEAD))
            return
    upgrade(db)


def upgrade(db: Database) -> None:
    """From whatever version the database has to the newest, migration by migration."""
    from alembic import command
    from alembic.util import CommandError

    with db.exclusive() as connection:
        config = configuration()
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise FailedPrecondition(
                f"the metadata database was made by a newer version of Dassie: {error}"
            ) from error


def configuration() -> Config:
    """Alembic's configuration: where the versions are."""
    from alembic.config import Config

    config = Config()
    # Alembic interpolates: a percent sign in the path is doubled.
    folder = str(Path(__file__).parent / "migrations").replace("%", "%%")
    config.set_main_option("script_location", folder)
    return config


def _version(db: Database) -> str | None:
    with db.read() as tx:
        if not sa.inspect(tx.conn).has_table(_VERSIONS.name):
            return None
        found: str | None = tx.execute(sa.select(_VERSIONS.c.version_num)).scalar()
        return found
