"""The metadata database: transactions on SQLite or PostgreSQL, and nothing about what is in it.

Every layer above uses it through `Database.write()` and `Database.read()`. Writers are serialised
(a process-wide lock and `BEGIN IMMEDIATE` on SQLite, one advisory lock on PostgreSQL), so a write
transaction reads what it will write over and nobody needs to retry. Readers see a snapshot and
block nobody. Nothing slow belongs inside a transaction: no object store, no network, no other
transaction.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import QueuePool, StaticPool

from dassie.base.clock import Clock, SystemClock
from dassie.errors import DassieError, DataLoss, InvalidArgument, ResourceExhausted, Unavailable
from dassie.meta.notify import Notifier, PostgresBridge
from dassie.meta.schema import metadata
from dassie.meta.transaction import Tx

BUSY_TIMEOUT_MS: Final = 30_000
_WRITER_LOCK: Final = 0x64617373
"""Number of PostgreSQL's advisory lock that serialises writers."""
_SQLITE_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_POSTGRES_DAMAGED: Final = {"XX001", "XX002"}
"""SQLSTATEs: data_corrupted, index_corrupted."""
_PG_NOTIFY: Final = sa.text(
    "SELECT pg_notify(:channel, message) FROM unnest(CAST(:messages AS text[])) AS message"
)


class Database:
    """An open database. Usable from any number of threads."""

    def __init__(self, url: URL, writer: sa.Engine, reader: sa.Engine, clock: Clock) -> None:
        self.url = url
        self.clock = clock
        self.notifier = Notifier()
        self.engines = (writer, reader)
        """For writing and for reading; tests hook into them to count or to fail statements."""
        self._writer = writer
        self._reader = reader
        self._is_sqlite = url.get_backend_name() == "sqlite"
        self._place = "the metadata database"
        if self._is_sqlite and url.database:
            self._place += f" {url.database}"
        self._writer_lock = threading.Lock()
        self._inside = threading.local()
        self._bridge: PostgresBridge | None = None

    @classmethod
    def open(cls, url: str, *, clock: Clock | None = None) -> Database:
        """Open `sqlite:///path` or `postgresql+psycopg://…`; tables are made by `migrate`."""
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        if backend == "sqlite":
            writer, reader = _sqlite_engines(parsed)
        elif backend == "postgresql":
            writer, reader = _postgres_engines(parsed)
        else:
            raise InvalidArgument(
                f"database URL {parsed.render_as_string()!r}: want sqlite:///… or postgresql+psycopg://…"
            )
        db = cls(parsed, writer, reader, clock or SystemClock())
        with db._translated():
            writer.connect().close()
            if backend == "postgresql":
                dsn = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
                db._bridge = PostgresBridge(dsn, db.notifier)
        return db

    @property
    def is_sqlite(self) -> bool:
        return self._is_sqlite

    def wait_connected(self, timeout: float) -> bool:
        """Whether wake-ups of other processes arrive (always, where there are none)."""
        return self._bridge is None or self._bridge.wait_ready(timeout)

    @contextmanager
    def exclusive(self) -> Iterator[sa.Connection]:
        """A connection in a transaction that no other writer runs beside, for changing tables."""
        with self.write() as tx:
            yield tx.conn

    def create_tables(self) -> None:
        """Make every table of the imported models, without migrations: for tests and tools."""
        with self._translated():
            metadata.create_all(self._writer)

    @contextmanager
    def write(self, *, shared: bool = False) -> Iterator[Tx]:
        """One write transaction: commits at a normal end, rolls back when an exception passes.

        `shared`: may run beside other writers where the database can (PostgreSQL); for tables that
        no other transaction's decisions depend on.
        """
        self._enter("write")
        try:
            if self._is_sqlite:
                with self._writer_lock:
                    tx = yield from self._run(shared=False)
            else:
                tx = yield from self._run(shared=shared)
        finally:
            self._inside.writing = False
        # Outside the lock: listeners start at once, and a callback may open a transaction.
        if tx.topics:
            self.notifier.publish(tx.topics)
        for callback in tx.committed:
            callback()

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A snapshot of the whole database, for reading only."""
        if getattr(self._inside, "writing", False):
            raise RuntimeError("a read was opened inside a write transaction of the same thread")
        with self._translated(), self._reader.connect() as connection:
            yield Tx(connection, self.clock.now(), read_only=True)

    def close(self) -> None:
        """Close all connections; wakes everyone who waits."""
        if self._bridge is not None:
            self._bridge.close()
            self._bridge = None
        self.notifier.wake_all()
        for engine in self.engines:
            engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Failures of the database itself become categories that doors know."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            gone = isinstance(error, sa.exc.OperationalError) or error.connection_invalidated
            raise _category(error.orig or error, self._place, gone=gone) or error from error
        except sqlite3.Error as error:  # of rows fetched by the driver
            gone = isinstance(error, sqlite3.OperationalError)
            raise _category(error, self._place, gone=gone) or error from error
        except sa.exc.TimeoutError as error:
            raise Unavailable(f"{self._place} is busy: {error}") from error

    def _enter(self, what: str) -> None:
        if getattr(self._inside, "writing", False):
            raise RuntimeError(f"a {what} was opened inside a write transaction of the same thread")
        self._inside.writing = True

    def _run(self, *, shared: bool) -> Generator[Tx, None, Tx]:
        """The body of `write`: begin, yield, commit. Returns the transaction."""
        with self._translated(), self._writer.connect() as connection:
            if not self._is_sqlite and not shared:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITER_LOCK)))
            elif self._is_sqlite:
                connection.begin()
            tx = Tx(connection, self.clock.now(), exclusive=self._is_sqlite or not shared)
            yield tx
            tx.complete()
            if self._bridge is not None and tx.topics:
                _pg_notify(connection, self._bridge, tx)
            _commit(connection)
            return tx


def _commit(connection: sa.Connection) -> None:
    try:
        connection.commit()
    except BaseException:
        # A transaction whose commit failed may still be open, and nobody would roll it back before
        # the connection is used again.
        connection.invalidate()
        raise


def _pg_notify(connection: sa.Connection, bridge: PostgresBridge, tx: Tx) -> None:
    messages = [bridge.message(topic) for topic in sorted(tx.topics)]
    connection.execute(_PG_NOTIFY, {"channel": bridge.channel, "messages": messages})


def _sqlite_engines(url: URL) -> tuple[sa.Engine, sa.Engine]:
    arguments: dict[str, Any] = {
        "check_same_thread": False,
        "timeout": BUSY_TIMEOUT_MS / 1000,
        # The driver must not begin transactions on its own: `_begin` below does.
        "isolation_level": None,
        "cached_statements": 512,
    }
    writer = sa.create_engine(url, connect_args=arguments, poolclass=StaticPool)
    reader = sa.create_engine(
        url, connect_args=arguments, poolclass=QueuePool, pool_size=8, max_overflow=-1
    )
    common = ("journal_mode = WAL", "foreign_keys = ON", f"busy_timeout = {BUSY_TIMEOUT_MS}")
    _on_connect(writer, (*common, "synchronous = FULL", "cache_size = -65536"))
    _on_connect(reader, (*common, "query_only = ON", "cache_size = -8192"))
    _on_begin(writer, "BEGIN IMMEDIATE")
    _on_begin(reader, "BEGIN")
    return writer, reader


def _on_connect(engine: sa.Engine, pragmas: Sequence[str]) -> None:
    @sa.event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def _on_begin(engine: sa.Engine, statement: str) -> None:
    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(statement)


def _postgres_engines(url: URL) -> tuple[sa.Engine, sa.Engine]:
    url = url.set(drivername="postgresql+psycopg")
    writer = sa.create_engine(
        url, isolation_level="READ COMMITTED", pool_size=4, max_overflow=12, pool_timeout=30
    )
    reader = sa.create_engine(url, pool_size=8, max_overflow=24, pool_timeout=30)
    reader = reader.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return writer, reader


def _category(error: BaseException, place: str, *, gone: bool) -> DassieError | None:
    """What a driver's error means; `None`: a mistake of ours. `place`: how messages call the
    database. `gone`: the driver says that it does not work."""
    text = " ".join(str(error).split())
    if "disk is full" in text or "No space left" in text:
        return ResourceExhausted(f"the metadata database's disk is full: {text}")
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_DAMAGED:
        return DataLoss(
            f"{place} is damaged ({text}): stop pachd, move the file away, with those of its name"
            " that end in -wal and -shm, and start pachd again, which rebuilds what was finished"
            " from the object store"
        )
    if getattr(error, "sqlstate", None) in _POSTGRES_DAMAGED:
        return DataLoss(
            f"{place} is damaged ({text}): repair it, or start pachd with an empty database,"
            " which it rebuilds from the object store"
        )
    return Unavailable(f"{place} does not answer: {text}") if gone else None


__all__ = ["Database", "Tx"]
