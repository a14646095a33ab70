"""The collector on an index that is not the store's newest: an old copy, or a rebuilt one."""

import os
from datetime import timedelta

import sqlalchemy as sa

from dassie.storage.gc import Policy
from dassie.storage.recover import recover
from dassie.storage.tables import chunks, packs
from tests.storage.test_collector import assert_whole, check, collect, settle, store

REPACK = Policy(grace=timedelta(hours=1), tiny_count=10**6, repack_below=0.6)
TABLES = (packs, chunks)


def saved(db):
    with db.read() as tx:
        found = [tx.execute(sa.select(table).order_by(*table.primary_key)) for table in TABLES]
        return [[dict(row._mapping) for row in rows] for rows in found]


def restore(db, rows):
    with db.write() as tx:
        for table in reversed(TABLES):
            tx.execute(sa.delete(table))
        for table, some in zip(TABLES, rows, strict=True):
            if some:
                tx.execute(sa.insert(table), some)


def run(durable, db, clock, root, times=4):
    for _ in range(times):
        settle(durable, clock)
        collect(durable, db, root, policy=REPACK)


def repacked(durable, db, clock):
    """A tree whose packs were repacked, its data, and the index from before that."""
    data = [os.urandom(2000) for _ in range(60)]
    store(durable, db, seed=data)
    root, data = store(durable, db, seed=data[::3])
    settle(durable, clock)
    before = saved(db)
    run(durable, db, clock, root)
    assert_whole(durable, db, root, data)
    return root, data, before


def test_an_old_index_learns_where_things_are_now(durable, db, clock):
    root, data, before = repacked(durable, db, clock)
    restore(db, before)
    durable._cache.clear()
    assert check(durable, db, root)
    run(durable, db, clock, root)
    assert_whole(durable, db, root, data)


def test_a_dry_run_on_an_old_index_changes_nothing(durable, db, clock):
    root, _, before = repacked(durable, db, clock)
    restore(db, before)
    collect(durable, db, root, policy=REPACK, dry_run=True)
    assert saved(db) == before


def test_a_damaged_pack_that_the_index_does_not_know_stays(durable, db, clock):
    store(durable, db)
    with db.read() as tx:
        key = tx.execute(sa.select(packs.c.key).limit(1)).scalar_one()
    whole = durable.blob.get(key)
    durable.blob.delete([key])
    durable.blob.put(key, [whole[:-100], bytes(100)])
    restore(db, [[], []])
    assert list(recover(durable.blob, db).damaged) == [key]
    durable._cache.clear()
    for _ in range(4):
        settle(durable, clock)
        collect(durable, db, policy=REPACK)
    assert [info.key for info in durable.blob.list("pack/")] == [key]
