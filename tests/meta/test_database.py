"""Transactions on both databases: isolation, roll-back, counters, threads, wake-ups."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from dassie.errors import DataLoss, InvalidArgument, Unavailable
from dassie.meta.database import Database
from dassie.meta.schema import counters


def _value(db: Database, name: str) -> int | None:
    with db.read() as tx:
        return tx.execute(sa.select(counters.c.value).where(counters.c.name == name)).scalar()


def test_commit_and_roll_back(db: Database) -> None:
    with db.write() as tx:
        assert [tx.next_id("a"), tx.next_id("a", 3), tx.next_id("a")] == [1, 2, 5]
    with pytest.raises(KeyError):
        _fail(db)
    assert _value(db, "a") == 5


def test_a_reader_sees_one_snapshot(db: Database) -> None:
    with db.write() as tx:
        tx.next_id("a")
    with db.read() as reader:
        query = sa.select(counters.c.value)
        assert reader.execute(query).scalar() == 1
        thread = threading.Thread(target=_bump, args=(db, 1))
        thread.start()
        thread.join()
        assert reader.execute(query).scalar() == 1
    assert _value(db, "a") == 2


def test_a_reader_cannot_write(db: Database) -> None:
    with pytest.raises(Exception, match=r"read-?only|readonly|does not answer"), db.read() as tx:
        tx.next_id("a")


def test_writers_in_many_threads_lose_nothing(db: Database) -> None:
    threads = [threading.Thread(target=_bump, args=(db, 20)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _value(db, "a") == 160


def _bump(db: Database, times: int) -> None:
    for _ in range(times):
        with db.write() as tx:
            tx.next_id("a")


def test_no_transaction_inside_a_write(db: Database) -> None:
    with db.write(), pytest.raises(RuntimeError, match="inside"), db.write():
        pass
    with db.write(), pytest.raises(RuntimeError, match="inside"), db.read():
        pass
    with db.write() as tx:
        assert tx.next_id("a") == 1


def test_callbacks_run_around_the_commit(db: Database) -> None:
    said: list[str] = []

    def after() -> None:
        said.append(f"after {_value(db, 'a')}")

    with db.write() as tx:
        tx.before_commit(lambda: said.append(f"before {tx.next_id('a')}"))
        tx.after_commit(after)
    assert said == ["before 1", "after 1"]


def test_notifications_come_after_the_commit_and_coalesce(db: Database) -> None:
    _settle(db)
    with (
        db.notifier.subscribe("commits") as commits,
        db.notifier.subscribe("logs:default/edges") as edges,
        db.notifier.subscribe("logs:default/montage") as montage,
    ):
        with pytest.raises(KeyError):
            _fail(db)
        assert not commits.wait(0)
        for _ in range(3):
            with db.write() as tx:
                tx.notify("commits")
                tx.notify("logs", "default/edges")
        assert commits.wait(1)
        assert not commits.wait(0)
        assert edges.wait(1)
        assert not montage.wait(0)


def _fail(db: Database) -> None:
    with db.write() as tx:
        tx.next_id("a")
        tx.notify("commits")
        raise KeyError


def test_coroutines_can_wait(db: Database) -> None:
    async def scenario() -> list[bool]:
        with db.notifier.subscribe("commits") as subscription:
            said = [await subscription.wait_async(0.01)]
            db.notifier.publish([("commits", "")])
            said.append(await subscription.wait_async(5))
            waiting = asyncio.create_task(subscription.wait_async(5))
            await asyncio.sleep(0)
            thread = threading.Thread(target=db.notifier.publish, args=([("commits", "x")],))
            thread.start()
            said.append(await waiting)
            thread.join()
            said.append(await subscription.wait_async(0.01))
            return said

    # A bridge that has just connected wakes everyone once.
    _settle(db)
    assert asyncio.run(scenario()) == [False, True, True, False]


def _settle(db: Database) -> None:
    if not db.is_sqlite:
        assert db.wait_connected(10)


def test_wake_ups_cross_processes(
    backend: str, database_url: str, db: Database, new_database_url: Callable[[], str]
) -> None:
    if backend == "sqlite":
        pytest.skip("one process serves one SQLite database")
    other = Database.open(database_url)
    try:
        _settle(db)
        _settle(other)
        with other.notifier.subscribe("commits:x") as subscription:
            with db.write() as tx:
                tx.notify("commits", "y")
                tx.notify("commits", "x")
            assert subscription.wait(10)
    finally:
        other.close()


def test_unknown_databases_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="want sqlite"):
        Database.open("mysql://root:secret@localhost/x")


@pytest.mark.parametrize("damage", [b"", b"this is no database " * 1000])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path, damage: bytes) -> None:
    """Damage: of every page but the first, or of all."""
    file = tmp_path / "meta.db"
    db = Database.open(f"sqlite:///{file}")
    db.create_tables()
    with db.write() as tx:
        tx.next_id("a")
    db.close()
    whole = file.read_bytes()
    file.write_bytes(damage or whole[:4096] + b"\xaa" * (len(whole) - 4096))
    with pytest.raises(DataLoss, match=r"meta\.db is damaged.*move the file away.*rebuilds"):
        _use(f"sqlite:///{file}")


def _use(url: str) -> None:
    db = Database.open(url)
    try:
        _value(db, "a")
        with db.write() as tx:
            tx.next_id("a")
    finally:
        db.close()


def test_damage_met_while_the_driver_fetches_rows_is_said_too(tmp_path: Path) -> None:
    db = Database.open(f"sqlite:///{tmp_path}/meta.db")
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT_INDEX
    with pytest.raises(DataLoss, match=r"is damaged"), db.read():
        raise error
    db.close()


def test_what_the_driver_says_in_lines_becomes_one(tmp_path: Path) -> None:
    db = Database.open(f"sqlite:///{tmp_path}/meta.db")
    gone = psycopg.OperationalError("server closed the connection\n\tThis probably means\n")
    with pytest.raises(Unavailable, match=r"closed the connection This probably"), db.read():
        raise sa.exc.OperationalError("SELECT 1", {}, gone)
    db.close()


def test_damage_on_postgres_is_data_loss(tmp_path: Path) -> None:
    db = Database.open(f"sqlite:///{tmp_path}/meta.db")
    damaged = psycopg.errors.DataCorrupted("invalid page in block 7 of relation base/5/16384")
    with pytest.raises(DataLoss, match=r"block 7.*empty database"), db.read():
        raise sa.exc.InternalError("SELECT 1", {}, damaged)
    db.close()
