"""A server without doors and without worker processes, on one folder, that tests may break.

Its object store and its database can be told to fail at any call; it can be crashed, which loses
everything that was only in memory, and started again on what is left.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from dassie.base.clock import ManualClock
from dassie.blob.api import BlobStore
from dassie.blob.drivers.memory import MemoryStore
from dassie.blob.wrappers.faulty import Call, FaultyStore
from dassie.errors import DassieError
from dassie.meta.database import Database
from dassie.meta.rebuild import is_new, open_journal
from dassie.pfs import check, commits, fsck, views
from dassie.pfs.files import Files
from dassie.pfs.filesets import FileSets
from dassie.pfs.graph import Graph
from dassie.pfs.model import CommitRef
from dassie.pps import roots as pps_roots
from dassie.pps.service import Pps
from dassie.storage.gc import Collector, Policy, Report
from dassie.storage.index import DatabaseIndex
from dassie.storage.limits import Limits
from dassie.storage.recover import recover
from dassie.storage.sessions import DatabaseSessions
from dassie.storage.store import Storage
from dassie.storage.types import Content
from tests.conftest import import_models
from tests.pps.world import PlayedExecutor, World

GRACE = timedelta(hours=1)
LIMITS = Limits(pack_bytes=1 << 20, buffer_bytes=8 << 20, seal_threads=1)


class Died(BaseException):
    """The process dies here: not an `Exception`, so that no handler lives on."""


class Kind(Enum):
    """How a call fails."""

    BEFORE = "nothing happened, and an error"
    AFTER = "it happened, and an error"
    DEAD = "an error, now and for every later call"
    DIES = "the process dies"


@dataclass
class Fault:
    """Call number `n`, from 1, fails; 0: none does, and calls are counted."""

    n: int = 0
    kind: Kind = Kind.BEFORE
    count: int = 0
    commits: set[int] = field(default_factory=set)
    """Which calls, so far, were commits of the database."""

    def next(self) -> bool:
        self.count += 1
        return self.n and (self.count >= self.n if self.kind is Kind.DEAD else self.count == self.n)


class FaultyDatabase:
    """Makes statements and commits of an open database fail; both are counted together."""

    def __init__(self, db: Database) -> None:
        self.fault: Fault | None = None
        for engine in db.engines:
            for event in ("do_execute", "do_executemany", "do_execute_no_params"):
                sa.event.listen(engine, event, self._execute)
        dialect = db.engines[0].dialect
        self._commit = dialect.do_commit
        dialect.do_commit = self._do_commit  # type: ignore[method-assign]

    def _execute(self, *_: object) -> None:
        # An answer that is lost after a statement is the same as a failed one: both roll back.
        if self.fault and self.fault.next():
            self._fail(self.fault)

    def _do_commit(self, connection: Any) -> None:
        if self.fault is None:
            self._commit(connection)
            return
        fails = self.fault.next()
        self.fault.commits.add(self.fault.count)
        if not fails:
            self._commit(connection)
            return
        if self.fault.kind is Kind.AFTER:
            self._commit(connection)
        self._fail(self.fault)

    @staticmethod
    def _fail(fault: Fault) -> None:
        if fault.kind is Kind.DIES:
            raise Died
        raise sqlite3.OperationalError("disk I/O error (injected)")


@dataclass(frozen=True)
class Saved:
    """Everything durable of a machine at one moment."""

    database: sqlite3.Connection
    objects: dict[str, tuple[bytes, float]]
    now: datetime


class Machine(World):
    """`World` that owns its database and all that is around it. `disk` is what its object store
    writes to, by default a `MemoryStore`; it survives everything."""

    def __init__(self, folder: Path, disk: BlobStore | None = None) -> None:
        self.folder = folder
        self.clock = ManualClock(datetime.now(UTC))
        self.disk = disk or MemoryStore(lambda: self.clock.now().timestamp())
        self.runs: list[str] = []
        self._seen = 0
        import_models()
        self.open()

    def open(self, fault: Fault | None = None) -> None:
        """Start: nothing is in memory yet. With a `fault` of the database on the way."""
        self.db = Database.open(f"sqlite:///{self.folder}/meta.db", clock=self.clock)
        _unsafe_but_fast(self.db)
        self.db.create_tables()
        self.faulty_db = FaultyDatabase(self.db)
        self.faulty_db.fault = fault
        self._build()
        self.faulty_db.fault = None

    def _build(self) -> None:
        self.blob = FaultyStore(self.disk)
        self.sessions = DatabaseSessions(self.db)
        index = DatabaseIndex(self.db)
        self.storage = Storage(self.blob, index, self.sessions, limits=LIMITS)
        if is_new(self.db):
            recover(self.blob, self.db)
        self.journal = open_journal(self.db, self.blob)
        self.graph = Graph(self.db, self.clock, journal=self.journal)
        self.files = Files(self.graph, self.storage)
        self.file_sets = FileSets(self.db, self.files)
        self.executor = PlayedExecutor()
        self.pps = Pps(self.db, self.graph, self.storage, self.sessions, self.executor, self.clock)
        self.collector = Collector(self.db, self.storage, Policy(grace=GRACE, tiny_count=4))

    def close(self) -> None:
        """Stop as `pachd` does when it is asked to."""
        self.pps.close()
        self.journal.close()
        self.storage.close()
        self.sessions.close()
        self.db.close()

    def crash(self) -> None:
        """Lose what is in memory: from here on nothing of this incarnation reaches the disk."""
        self._lose_memory()
        self.db.close()

    def restart(self) -> None:
        """After a crash at this moment."""
        self.crash()
        self.open()

    def _lose_memory(self) -> None:
        self.blob.plan = lambda call: "before"
        self.faulty_db.fault = Fault(1, Kind.DEAD)
        for stop in (self.pps.close, self.storage.close, self.sessions.close):
            with suppress(DassieError):
                stop()
        self.faulty_db.fault = None

    def save(self) -> Saved:
        """What is durable now; only with a `MemoryStore`."""
        assert isinstance(self.disk, MemoryStore)
        database = sqlite3.connect(":memory:", check_same_thread=False)
        with closing(self.db.engines[0].raw_connection()) as connection:
            connection.driver_connection.backup(database)
        return Saved(database, dict(self.disk._objects), self.clock.now())

    def restore(self, saved: Saved) -> None:
        """As after a crash at the moment of `save`; the database's connections stay open, because
        opening them is what takes most of the time."""
        assert isinstance(self.disk, MemoryStore)
        self._lose_memory()
        with closing(self.db.engines[0].raw_connection()) as connection:
            saved.database.backup(connection.driver_connection)
        self.disk._objects = dict(saved.objects)
        self.clock.advance((saved.now - self.clock.now()).total_seconds())
        self._build()

    @contextmanager
    def store_fails(self, fault: Fault) -> Iterator[None]:
        """Calls of the object store fail in this block."""

        def plan(_: Call) -> str:
            if not fault.next():
                return ""
            if fault.kind is Kind.DIES:
                raise Died
            return "after" if fault.kind is Kind.AFTER else "before"

        self.blob.plan = plan
        try:
            yield
        finally:
            self.blob.plan = None

    @contextmanager
    def database_fails(self, fault: Fault) -> Iterator[None]:
        """Statements and commits fail in this block."""
        self.faulty_db.fault = fault
        try:
            yield
        finally:
            self.faulty_db.fault = None

    def tree(self, ref: CommitRef) -> dict[str, bytes]:
        """Every file of a commit."""
        with self.db.read() as tx:
            _, root = commits.content(tx, ref)
        files = [
            (entry.path, entry.node)
            for entry in self.storage.tree.walk(root, "/", dirs=False)
            if isinstance(entry.node, Content)
        ]
        contents = self.storage.read_many([node for _, node in files])
        return dict(zip([path for path, _ in files], contents, strict=True))

    def collect(self) -> Report:
        """One run of the collector."""
        return self.collector.run_once(lambda tx: [*views.roots(tx), *pps_roots.roots(tx)])

    def collect_all(self) -> None:
        """Let so much time pass, and collect so often, that no garbage is left."""
        for _ in range(3):
            self.clock.advance(GRACE.total_seconds() * 2)
            self.sessions.renew()
            self.collect()

    def problems(self) -> list[str]:
        """What fsck complains of, with every byte read."""
        with self.db.read() as tx:
            found = list(check.problems(tx))
        return found + list(fsck.damage(self.graph, self.storage, deep=True))


def _unsafe_but_fast(db: Database) -> None:
    """The machine that the tests run on does not crash."""

    def relax(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    sa.event.listen(db.engines[0], "connect", relax)
    with closing(db.engines[0].raw_connection()) as connection:
        relax(connection.driver_connection, None)
