"""The index on each database."""

import os

import pytest
import sqlalchemy as sa

from dassie.errors import Aborted
from dassie.storage.index import DatabaseIndex
from dassie.storage.tables import chunks, packs
from dassie.storage.types import ChunkLocation


def entries(key, count):
    return [
        (os.urandom(32), ChunkLocation(key, 8 + i * 5_000_000_000, i, 4_000_000 + i, i % 2))
        for i in range(count)
    ]


def test_find_what_was_added(db):
    index = DatabaseIndex(db)
    one, two = entries("pack/1", 5000), entries("pack/2", 3)
    index.add_packs([("pack/1", 10**10, one), ("pack/2", 5, two)])
    index.add_pack("pack/2", 5, two)
    index.add_pack("pack/empty", 64, [])
    found = index.find([name for name, _ in [*one, *two]] + [os.urandom(32)])
    assert found == dict([*one, *two])
    assert index.find([]) == {}


def test_first_pack_keeps_a_chunk(db):
    index = DatabaseIndex(db)
    first = entries("pack/1", 3)
    index.add_pack("pack/1", 1, first)
    again = [(name, ChunkLocation("pack/2", 8, 1, 1, 0)) for name, _ in first]
    index.add_pack("pack/2", 1, again)
    assert index.find([name for name, _ in first]) == dict(first)
    with db.write() as tx:
        tx.execute(sa.update(packs).where(packs.c.key == "pack/1").values(condemned_at=1))
    index.add_pack("pack/2", 1, again)
    assert index.find([name for name, _ in first]) == dict(again)


def test_asking_for_a_condemned_pack_reprieves_it(db):
    index = DatabaseIndex(db)
    mine = entries("pack/1", 3)
    index.add_pack("pack/1", 1, mine)
    with db.write() as tx:
        tx.execute(sa.update(packs).values(condemned_at=5))
    assert index.find([mine[0][0]]) == dict(mine[:1])
    with db.read() as tx:
        assert tx.execute(sa.select(packs.c.condemned_at)).scalar_one() is None


def test_tombstones_stay_dead(db):
    index = DatabaseIndex(db)
    mine = entries("pack/1", 3)
    index.add_pack("pack/1", 1, mine)
    with db.write() as tx:
        tx.execute(sa.update(packs).values(condemned_at=5, deleted_at=6))
    assert index.find([name for name, _ in mine]) == {}
    with pytest.raises(Aborted, match="upload again"):
        index.add_pack("pack/1", 1, mine)
    new = [(name, ChunkLocation("pack/2", 8, 1, 1, 0)) for name, _ in mine]
    index.add_pack("pack/2", 1, new)
    assert index.find([name for name, _ in mine]) == dict(new)
    with db.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(chunks)).scalar_one() == 3
