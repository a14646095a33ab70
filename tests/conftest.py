"""What every test may use: a metadata database, on SQLite and on PostgreSQL, and object stores.

`db` is an empty `Database` with all tables; tests that take it run once per database. PostgreSQL is
one throw-away cluster per test session, on a unix socket, with durability off; where no server
program is found its half of the tests is skipped. Making a database takes PostgreSQL most of a
second, so they are emptied and used again.

`stores` starts real object stores when they are asked for (tests/stores).
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dassie.meta.database import Database
from dassie.meta.schema import metadata
from tests.stores.fixtures import stores

__all__ = ["stores"]

BACKENDS = ("sqlite", "postgres")
_SETTINGS = (
    "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c listen_addresses= "
    "-c max_connections=200 -c shared_buffers=16MB -c max_wal_size=256MB"
)


def import_models() -> None:
    """Import every module that defines tables."""
    for name in ("dassie.storage.tables", "dassie.pfs.tables", "dassie.pps.tables"):
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)


def _programs() -> Path | None:
    """Folder of PostgreSQL's server programs: a complete one beats what is on PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("initdb")
    if found:
        folders.insert(0, Path(found).resolve().parent)
    for folder in folders:
        if all((folder / name).exists() for name in ("initdb", "pg_ctl", "postgres")):
            return folder
    return None


class PostgresCluster:
    """A cluster of its own in a temporary folder."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="dassie-pg-", dir=memory))
        self._user = self._server_user()
        self._numbers = itertools.count(1)
        self._bare: list[str] = []
        self._with_tables: list[str] = []
        self._run("initdb", "-D", f"{self.folder}/data", "-U", "dassie", "-A", "trust", "-N")
        options = f"{_SETTINGS} -k {self.folder}"
        log = f"{self.folder}/log"
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-w", "-l", log, "-o", options, "start")

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://dassie@/{name}?host={self.folder}"

    def take_bare(self) -> str:
        """A database without tables; its URL."""
        if self._bare:
            return self._bare.pop()
        name = f"t{next(self._numbers)}"
        self._sql("postgres", f"CREATE DATABASE {name} STRATEGY FILE_COPY")
        return self.url(name)

    def give_bare(self, url: str) -> None:
        """Return a database that may have tables now."""
        self._sql(_name(url), "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        self._bare.append(url)

    def take_with_tables(self) -> str:
        """A database with all tables, empty; its URL."""
        if self._with_tables:
            return self._with_tables.pop()
        url = self.take_bare()
        database = Database.open(url)
        database.create_tables()
        database.close()
        return url

    def give_with_tables(self, url: str) -> None:
        """Return a database of `take_with_tables`."""
        import_models()
        # For a few rows this is far cheaper than TRUNCATE, which makes new files.
        tables = reversed(metadata.sorted_tables)
        self._sql(_name(url), "; ".join(f"DELETE FROM {table.name}" for table in tables))
        self._with_tables.append(url)

    def stop(self) -> None:
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _sql(self, database: str, statement: str) -> None:
        import psycopg

        with psycopg.connect(
            host=str(self.folder), user="dassie", dbname=database, autocommit=True
        ) as connection:
            connection.execute(statement)

    def _server_user(self) -> str | None:
        """PostgreSQL refuses to run as root: run it as somebody else then."""
        if os.getuid() != 0:
            return None
        user = next(u for u in ("postgres", "nobody") if _exists(u))
        shutil.chown(self.folder, user)
        return user

    def _run(self, program: str, *arguments: str) -> None:
        # Not by `user=`: for that Python forks, which a process that has used gRPC may not survive.
        change = ["setpriv", f"--reuid={self._user}", "--clear-groups"] if self._user else []
        done = subprocess.run(
            [*change, str(self._programs / program), *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            # pg_ctl's server inherits a pipe and keeps it open: a file does not make us wait.
            stdout=(self.folder / f"{program}.out").open("w"),
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            said = (self.folder / f"{program}.out").read_text()
            raise RuntimeError(f"{program} failed: {said}")


def _name(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[PostgresCluster]:
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL server program (initdb, pg_ctl, postgres) on this machine")
    cluster = PostgresCluster(programs)
    yield cluster
    cluster.stop()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Which database this test runs on."""
    return str(request.param)


@pytest.fixture
def new_database_url(
    backend: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[], str]]:
    """A function that makes another empty database and returns its URL."""
    numbers = itertools.count(1)
    with ExitStack() as stack:

        def make() -> str:
            if backend == "sqlite":
                return f"sqlite:///{tmp_path}/meta{next(numbers)}.db"
            cluster: PostgresCluster = request.getfixturevalue("postgres_cluster")
            url = cluster.take_bare()
            stack.callback(cluster.give_bare, url)
            return url

        yield make


@pytest.fixture
def database_url(new_database_url: Callable[[], str]) -> str:
    """URL of an empty database without tables."""
    return new_database_url()


@pytest.fixture
def db(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An open database with all tables; the one at `database_url` for a test that takes both."""
    import_models()
    with ExitStack() as stack:
        if "database_url" in request.fixturenames:
            url = request.getfixturevalue("database_url")
        elif backend == "sqlite":
            url = f"sqlite:///{tmp_path}/meta.db"
        else:
            cluster: PostgresCluster = request.getfixturevalue("postgres_cluster")
            url = cluster.take_with_tables()
            stack.callback(cluster.give_with_tables, url)
        database = Database.open(url)
        stack.callback(database.close)
        database.create_tables()
        yield database
