"""Bring a database's tables to the version this program was written for. Called at every start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from dassie.errors import FailedPrecondition
from dassie.meta.database import Database
from dassie.meta.migrations import HEAD

if TYPE_CHECKING:
    from alembic.config import Config

_VERSION = sa.table("alembic_version", sa.column("version_num", sa.Text))


def migrate(db: Database) -> None:
    """Make or change the tables; nothing at all when they are up to date."""
    if _version(db) == HEAD:
        return
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
        if not sa.inspect(tx.conn).has_table(_VERSION.name):
            return None
        found: str | None = tx.execute(sa.select(_VERSION.c.version_num)).scalar()
        return found
