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
from dassie.meta.journal_check import damage
from dassie.meta.journal_format import (
    decode_checkpoint,
    decode_journal,
    encode_changes,
    encode_journal,
    journal_key,
    journal_span,
)
from dassie.meta.rebuild import open_journal, rebuild
from dassie.meta.schema import counters, journal_outbox
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
    work(Graph(db, ManualClock(), journal=Journal(db, store)), 5)
    entries = [
        entry
        for item in store.list("journal/")
        for entry in decode_journal(item.key, store.get(item.key))
    ]
    again = [(entry.seq, encode_changes(entry.changes)) for entry in entries[2:5]]
    store.put(journal_key(again[0][0], again[-1][0]), encode_journal(again))
    other = new_database()
    rebuild(store, other)
    assert contents(other) == contents(db)


def test_a_start_writes_nothing_again(db: Database, new_database: Make) -> None:
    store = MemoryStore()
    work(Graph(db, ManualClock(), journal=Journal(db, store)))
    keys = [item.key for item in store.list()]
    journal = Journal(db, store)
    assert journal.flush()
    assert [item.key for item in store.list()] == keys
    work(Graph(db, ManualClock(), journal=journal))
    other = new_database()
    rebuild(store, other)
    assert contents(other) == contents(db)


def checkpointed(db: Database, store: MemoryStore, times: int) -> list[str]:
    """Keys of the checkpoints after that much work."""
    journal = Journal(db, store)
    for _ in range(times):
        work(Graph(db, ManualClock(), journal=journal))
        journal.checkpoint()
    work(Graph(db, ManualClock(), journal=journal))
    return [item.key for item in store.list("checkpoint/")]


def test_what_two_checkpoints_replace_can_go(db: Database, new_database: Make) -> None:
    store = MemoryStore()
    first, second, third = checkpointed(db, store, 3)
    old = Journal(db, store).superseded()
    assert first in old
    assert not {second, third} & set(old)
    assert {key.partition("/")[0] for key in old} == {"checkpoint", "journal"}
    store.delete(old)
    assert Journal(db, store).superseded() == []
    other = new_database()
    rebuild(store, other)
    assert contents(other) == contents(db)
    # One of them is enough, whichever it is.
    for lost in (third, second):
        data = store.get(lost)
        store.delete([lost])
        store.put(lost, [data[:-3]])
        other = new_database()
        rebuild(store, other)
        assert contents(other) == contents(db)
        store.delete([lost])
        store.put(lost, [data])


def test_nothing_goes_for_a_checkpoint_that_cannot_be_read(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    assert Journal(db, store).superseded() == []
    [only] = checkpointed(db, store, 1)
    assert Journal(db, store).superseded() == []
    _, second, _ = checkpointed(db, store, 2)
    data = store.get(second)
    store.delete([second])
    store.put(second, [data[:-3]])
    assert Journal(db, store).superseded() == []
    assert second in caplog.text
    assert store.get(only)


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


def journaled(db: Database, store: MemoryStore, rounds: int = 3) -> None:
    """An object for each transaction."""
    journal = Journal(db, store)
    graph = Graph(db, ManualClock(), journal=journal)
    for number in range(rounds):
        with graph.transaction() as gtx:
            repos.create(gtx, RepoKey("default", f"r{number}"))
        journal.flush()


def keys(store: MemoryStore, prefix: str = "journal/") -> list[str]:
    return [item.key for item in store.list(prefix)]


@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_missing_object_is_replaced_by_a_checkpoint(
    db: Database, new_database: Make, which: int
) -> None:
    store = MemoryStore()
    journaled(db, store)
    with db.write() as tx:  # as after many more transactions
        tx.execute(sa.delete(journal_outbox))
    assert list(damage(store)) == []
    store.delete([keys(store)[which]])
    journal = Journal(db, store)
    assert journal.run_once()
    assert len(keys(store, "checkpoint/")) == 1
    assert list(damage(store)) == []
    other = new_database()
    rebuild(store, other)
    assert contents(other) == contents(db)


def test_a_whole_journal_needs_no_checkpoint(db: Database) -> None:
    store = MemoryStore()
    journaled(db, store)
    assert Journal(db, store).run_once()
    assert keys(store, "checkpoint/") == []


def test_fsck_names_what_would_stop_a_rebuild(db: Database) -> None:
    store = MemoryStore()
    journaled(db, store, 5)
    first, third = keys(store)[0], keys(store)[2]
    store.delete([first])
    store.delete([third])
    store.put(third, [b"damaged"])
    gap, damaged = damage(store)
    assert gap.startswith(f"transactions 1 to {journal_span(first)[1]} of the journal are missing")
    assert damaged.startswith(f"object {third!r} is damaged: ")
    Journal(db, store).checkpoint()
    assert list(damage(store)) == []
    (checkpoint,) = keys(store, "checkpoint/")
    store.delete([checkpoint])
    store.put(checkpoint, [b"damaged"])
    assert len(list(damage(store))) == 3
