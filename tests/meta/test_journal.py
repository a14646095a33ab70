"""The journal: what a database loses with its files comes back from the object store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dassie.base.clock import ManualClock
from dassie.base.hashing import digest
from dassie.blob.drivers.memory import MemoryStore
from dassie.errors import DataLoss, FailedPrecondition, Unavailable
from dassie.meta.database import Database
from dassie.meta.journal import Journal, JournalAhead, journaled_tables
from dassie.meta.journal_format import decode_checkpoint, decode_journal, journal_key
from dassie.meta.rebuild import open_journal, rebuild
from dassie.meta.schema import counters
from dassie.pfs import branches, commits, projects, repos
from dassie.pfs.graph import Graph
from dassie.pfs.model import BranchKey, CommitRef, RepoKey
from dassie.storage.types import Dir

Make = Callable[[], Database]
DATA = Path(__file__).parent.parent / "data"


@pytest.fixture
def new_database(new_database_url: Callable[[], str], request: pytest.FixtureRequest) -> Make:
    def make() -> Database:
        database = Database.open(new_database_url())
        request.addfinalizer(database.close)
        database.create_tables()
        return database

    return make


def contents(db: Database) -> dict[str, list[Any]]:
    """Every journaled row."""
    with db.read() as tx:
        return {
            table.name: tx.execute(sa.select(table).order_by(*table.primary_key)).all()
            for table in [*journaled_tables(), counters]
        }


def work(graph: Graph, rounds: int = 3) -> None:
    """A bit of everything that changes rows."""
    images, edges = RepoKey("lab", "images"), RepoKey("lab", "edges")
    with graph.transaction() as gtx:
        projects.create(gtx, "lab", "ein Labor\u2028\n", update=True)
        repos.create(gtx, images, update=True)
        repos.create(gtx, edges, update=True)
        branches.create(gtx, BranchKey(edges, "master"), provenance=[BranchKey(images, "master")])
    for number in range(rounds):
        with graph.transaction() as gtx:
            key = commits.start(gtx, BranchKey(images, "master"))
            root = Dir(digest(b"%d" % number), digest(b"r"), number, 1)
            commits.finish(gtx, CommitRef(images, id=key.id), root=root)
    with graph.transaction() as gtx:
        branches.create(gtx, BranchKey(images, "old"), head=CommitRef(images, branch="master^"))
        repos.create(gtx, RepoKey("default", "gone"))
        commits.start(gtx, BranchKey(RepoKey("default", "gone"), "master"))
    with graph.transaction() as gtx:
        repos.delete(gtx, RepoKey("default", "gone"))


def test_rebuild_from_the_journal(db: Database, new_database: Make) -> None:
    store = MemoryStore()
    journal = Journal(db, store)
    work(Graph(db, ManualClock(), journal=journal))
    journal.flush()
    other = new_database()
    rebuild(store, other)
    assert contents(other) == contents(db)
    # It goes on where it was: new rows collide with nothing.
    again = Graph(other, ManualClock(), journal=Journal(other, store))
    with again.transaction() as gtx:
        projects.delete(gtx, "lab", force=True)
    work(again)
    third = new_database()
    open_journal(third, store)
    assert contents(third) == contents(other)


def test_rebuild_from_a_checkpoint(db: Database, new_database: Make) -> None:
    store = MemoryStore()
    journal = Journal(db, store)
    graph = Graph(db, ManualClock(), journal=journal)
    work(graph)
    journal.flush()
    journal.checkpoint()
    old = [item.key for item in store.list("journal/")]
    store.delete(old)
    work(graph)
    journal.flush()
    other = new_database()
    rebuild(store, other)
    assert contents(other) == contents(db)


def test_a_failing_store_undoes_nothing(db: Database, new_database: Make) -> None:
    class Failing(MemoryStore):
        broken = False

        def put(self, key: str, parts: Any) -> None:
            if self.broken:
                raise Unavailable("no")
            super().put(key, parts)

    store = Failing()
    journal = Journal(db, store)
    graph = Graph(db, ManualClock(), journal=journal)
    store.broken = True
    work(graph)
    assert not journal.run_once()
    store.broken = False
    assert journal.run_once()
    other = new_database()
    rebuild(store, other)
    assert contents(other) == contents(db)


def test_overlapping_objects_are_replayed_once(db: Database, new_database: Make) -> None:
    store = MemoryStore()
    work(Graph(db, ManualClock(), journal=Journal(db, store)))
    # As after a crash before the outbox was emptied.
    work(Graph(db, ManualClock(), journal=Journal(db, store)), 5)
    Journal(db, store).flush()
    other = new_database()
    rebuild(store, other)
    assert contents(other) == contents(db)


def test_a_gap_is_not_passed_over(db: Database, new_database: Make) -> None:
    store = MemoryStore()
    work(Graph(db, ManualClock(), journal=Journal(db, store)))
    keys = [item.key for item in store.list("journal/")]
    assert len(keys) > 2
    store.delete(keys[1:2])
    with pytest.raises(DataLoss, match="missing"):
        rebuild(store, new_database())


def test_an_older_database_is_refused(db: Database, new_database: Make) -> None:
    store = MemoryStore()
    journal = Journal(db, store)
    work(Graph(db, ManualClock(), journal=journal))
    journal.flush()
    other = new_database()
    Graph(other, ManualClock())
    with pytest.raises(JournalAhead, match="older than the data"):
        open_journal(other, store)
    with pytest.raises(FailedPrecondition, match="only when it is empty"):
        rebuild(store, other)


def test_the_background_writes_what_nobody_waits_for(db: Database) -> None:
    store = MemoryStore()
    journal = Journal(db, store)
    journal.start()
    graph = Graph(db, ManualClock(), journal=journal)
    with graph.transaction() as gtx:
        repos.create(gtx, RepoKey("default", "images"))
    journal.close()
    assert [item.key for item in store.list("journal/")] == [journal_key(1, 2)]


def test_damage_is_named() -> None:
    good = (DATA / "journal-v1.zst").read_bytes()
    entries = list(decode_journal("journal/x", good))
    assert [entry.seq for entry in entries] == [7, 8]
    assert entries[0].changes[0][:2] == ["i", "repos"]
    for bad in (b"", good[:-9], b"x" + good, good[:40] + b"\0" + good[41:]):
        with pytest.raises(DataLoss, match="journal/x"):
            list(decode_journal("journal/x", bad))
    with pytest.raises(DataLoss, match="cannot read"):
        list(decode_checkpoint("checkpoint/x", good))
