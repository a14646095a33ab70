"""The migrations make exactly the tables that the models describe, on both databases."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from dassie.errors import FailedPrecondition
from dassie.meta.database import Database
from dassie.meta.migrate import configuration, migrate, upgrade
from dassie.meta.migrations import HEAD
from dassie.meta.schema import metadata
from tests.conftest import import_models

HINT = "the models and the migrations differ: run scripts/new-migration"


@pytest.fixture
def empty(database_url: str) -> Iterator[Database]:
    import_models()
    database = Database.open(database_url)
    yield database
    database.close()


def test_migrations_make_what_the_models_say(empty: Database) -> None:
    upgrade(empty)
    with empty.exclusive() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == [], HINT


def test_sqlite_tables_are_the_same_word_by_word(
    backend: str, empty: Database, new_database_url: Callable[[], str]
) -> None:
    if backend != "sqlite":
        pytest.skip("PostgreSQL does not keep the text")
    upgrade(empty)
    other = Database.open(new_database_url())
    migrate(other)
    assert _statements(empty) == _statements(other), HINT
    other.close()


def test_a_database_made_at_once_counts_as_migrated(empty: Database) -> None:
    migrate(empty)
    upgrade(empty)
    with empty.exclusive() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == HEAD


def test_the_server_imports_the_models_of_every_layer() -> None:
    """Else a new database would lack tables."""
    import_models()
    program = (
        "import dassie.daemon.wiring; from dassie.meta.schema import metadata;"
        " print(*sorted(metadata.tables))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert printed.stdout.split() == sorted(metadata.tables)


def _statements(db: Database) -> dict[str, list[str]]:
    """The words of each statement; the order of constraints means nothing."""
    query = sa.text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    with db.read() as tx:
        found = {row.name: row.sql for row in tx.execute(query)}
    return {name: sorted(re.findall(r"[^\s,()]+|[,()]", text)) for name, text in found.items()}


def test_migrating_again_does_nothing(empty: Database) -> None:
    migrate(empty)
    with empty.write() as tx:
        tx.next_id("a")
    migrate(empty)
    with empty.write() as tx:
        assert tx.next_id("a") == 2


def test_a_newer_database_is_refused(empty: Database) -> None:
    migrate(empty)
    with empty.write() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(FailedPrecondition, match="newer version of Dassie"):
        migrate(empty)


def test_the_known_head_is_the_newest_version() -> None:
    assert ScriptDirectory.from_config(configuration()).get_current_head() == HEAD
