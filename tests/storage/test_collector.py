"""The collector: deletes what nobody needs, never what somebody does; also check and recover."""

import contextlib
import os
from datetime import timedelta

import pytest
import sqlalchemy as sa

from dassie.blob.wrappers.faulty import FailNth, FaultyStore
from dassie.errors import Aborted, DataLoss, Unavailable
from dassie.storage import codec, pack
from dassie.storage.check import Checker
from dassie.storage.gc import Collector, Policy
from dassie.storage.recover import recover
from dassie.storage.tables import chunks, packs
from dassie.storage.types import EMPTY_DIR, Put

POLICY = Policy(grace=timedelta(hours=1), tiny_count=10**6, repack_below=0.0)
PASSED = 2 * 3600


def store(durable, db, count=50, size=2000, seed=None):
    """Upload random files; their tree and their data."""
    data = [os.urandom(size) for _ in range(count)] if seed is None else seed
    with durable.session() as upload:
        root = upload.edit(
            EMPTY_DIR, [Put(f"/d{i % 3}/{i}", upload.put(d)) for i, d in enumerate(data)]
        )
        upload.flush()
        with db.write() as tx:
            upload.publish(tx)
    return root, data


def collect(durable, db, *roots, policy=POLICY, **options):
    return Collector(db, durable, policy).run_once(lambda tx: roots, **options)


def settle(durable, clock, seconds=PASSED):
    """Let sessions that are not in use end, and time pass."""
    clock.advance(seconds)
    durable.sessions.renew()


def check(durable, db, *roots, deep=True):
    checker = Checker(db, durable, deep=deep)
    return [*checker.packs(), *(p for root in roots for p in checker.tree(root))]


def assert_whole(durable, db, root, data):
    durable._cache.clear()
    files = {e.path: e.node for e in durable.tree.walk(root, "/", dirs=False)}
    contents = [files[f"/d{i % 3}/{i}"] for i in range(len(data))]
    assert list(durable.read_many(contents)) == data
    assert check(durable, db, root) == []


def test_what_checkpoints_replace_goes_last(durable, db):
    root, _ = store(durable, db)
    for key in ("journal/1", "journal/2"):
        durable.blob.put(key, [b"{}"])
    collector = Collector(db, durable, POLICY, superseded=lambda: ["journal/1"])
    assert collector.run_once(lambda tx: [root], dry_run=True).pruned == ["journal/1"]
    assert [info.key for info in durable.blob.list("journal/")] == ["journal/1", "journal/2"]
    assert collector.run_once(lambda tx: [root]).pruned == ["journal/1"]
    assert [info.key for info in durable.blob.list("journal/")] == ["journal/2"]


def test_deletes_after_grace(durable, db, clock):
    kept, data = store(durable, db)
    garbage, _ = store(durable, db)
    settle(durable, clock)
    before = len(list(durable.blob.list()))
    dry = collect(durable, db, kept, dry_run=True)
    assert dry.condemned
    assert not dry.deleted
    report = collect(durable, db, kept)
    assert report.condemned == dry.condemned
    assert len(list(durable.blob.list())) == before
    assert set(collect(durable, db, kept).kept) == set(report.condemned)
    settle(durable, clock)
    dry = collect(durable, db, kept, dry_run=True)
    assert dry.deleted == report.condemned
    assert dry.freed_bytes > 100_000
    assert len(list(durable.blob.list())) == before
    assert collect(durable, db, kept).deleted == report.condemned
    assert len(list(durable.blob.list())) == before - len(report.condemned)
    assert_whole(durable, db, kept, data)
    with db.read() as tx:
        dead = sa.select(packs.c.id).where(packs.c.deleted_at.is_not(None))
        rows = sa.select(sa.func.count()).select_from(chunks).where(chunks.c.pack.in_(dead))
        assert tx.execute(rows).scalar_one() == 0
    durable._cache.clear()
    with pytest.raises(DataLoss):
        list(durable.tree.walk(garbage, "/"))


def test_a_running_upload_is_safe(durable, db, clock):
    """What it stored, and what it found, although nothing refers to it yet."""
    garbage, data = store(durable, db)
    settle(durable, clock)
    with durable.session() as upload:
        collect(durable, db)  # condemns the garbage, which began before nobody's session
        again = upload.edit(
            EMPTY_DIR, [Put(f"/d{i % 3}/{i}", upload.put(d)) for i, d in enumerate(data)]
        )
        new = upload.edit(again, [Put("/new", upload.put(b"new"))])
        upload.flush()
        assert again == garbage
        for _ in range(6):
            clock.advance(1500)
            durable.sessions.renew()
            assert not collect(durable, db).deleted
        with db.write() as tx:
            upload.publish(tx)
    for _ in range(3):
        settle(durable, clock)
        collect(durable, db, new)
    durable._cache.clear()
    assert len(list(durable.tree.walk(new, "/", dirs=False))) == len(data) + 1
    assert check(durable, db, new) == []


def test_found_just_before_it_was_condemned(durable, db, clock):
    garbage, data = store(durable, db)
    settle(durable, clock)
    with durable.session() as upload:
        for piece in data:
            upload.put(piece)
        upload.flush()  # all found: stored nothing
        collect(durable, db)
        clock.advance(3500)
        durable.sessions.renew()
        clock.advance(3500)
        durable.sessions.renew()
        assert collect(durable, db).deleted == []
        with db.write() as tx:
            upload.publish(tx)
    settle(durable, clock)
    report = collect(durable, db, garbage)
    assert report.deleted == []
    assert_whole(durable, db, garbage, data)


def test_an_expired_upload_cannot_publish(durable, db, clock):
    with durable.session() as upload:
        upload.put(os.urandom(100))
        upload.flush()
        clock.advance(2 * 3600)
        collect(durable, db)
        clock.advance(2 * 3600)
        assert collect(durable, db).deleted
        with pytest.raises(Aborted), db.write() as tx:
            upload.publish(tx)


def test_abandoned_objects(durable, db, clock):
    """A pack whose writer died before it wrote the rows."""
    kept, data = store(durable, db)
    key = pack.key_of("feed")
    name = b"\1" * 32
    durable.blob.put(key, pack.assemble(key, [name], [4], [(codec.RAW, b"abcd")])[0])
    report = collect(durable, db, kept)
    assert report.abandoned == []
    assert "pack/feed" in report.kept
    settle(durable, clock)
    assert collect(durable, db, kept).abandoned == ["pack/feed"]
    assert collect(durable, db, kept).abandoned == []
    settle(durable, clock)
    assert collect(durable, db, kept).deleted == ["pack/feed"]
    with pytest.raises(Aborted):
        durable.index.add_pack("pack/feed", 5, [])
    assert_whole(durable, db, kept, data)


def test_deletion_cut_short_is_completed(durable, db, clock):
    kept, data = store(durable, db)
    store(durable, db)
    settle(durable, clock)
    collect(durable, db, kept)
    settle(durable, clock)
    real, durable.blob = (
        durable.blob,
        FaultyStore(durable.blob, lambda call: "before" * (call.method == "delete")),
    )
    with pytest.raises(Unavailable):
        collect(durable, db, kept)
    durable.blob = real
    left = {info.key for info in durable.blob.list()}
    settle(durable, clock)
    collect(durable, db, kept)
    assert {info.key for info in durable.blob.list()} < left
    assert_whole(durable, db, kept, data)


def test_repacks_what_is_mostly_garbage(durable, db, clock):
    kept, data = store(durable, db, count=100)
    files = {e.path: e.node for e in durable.tree.walk(kept, "/", dirs=False)}
    with durable.session() as upload:
        few = upload.edit(EMPTY_DIR, [Put("/a", files["/d0/0"]), Put("/b", files["/d1/70"])])
        upload.flush()
    settle(durable, clock)
    policy = Policy(grace=timedelta(hours=1), tiny_count=10**6, repack_below=0.5)
    report = collect(durable, db, few, policy=policy)
    assert len(report.repacked) >= 2
    durable._cache.clear()
    assert b"".join(durable.read(files["/d0/0"])) == data[0]
    settle(durable, clock)
    assert len(collect(durable, db, few, policy=policy).deleted) >= 3
    assert b"".join(durable.read(files["/d1/70"])) == data[70]
    assert check(durable, db, few) == []


def test_merges_tiny_packs(durable, db, clock):
    root = EMPTY_DIR
    for i in range(12):
        with durable.session() as upload:
            root = upload.edit(root, [Put(f"/{i}", upload.put(f"{i}".encode() * 50))])
            upload.flush()
    settle(durable, clock)
    policy = Policy(grace=timedelta(hours=1), tiny_count=10, repack_below=0.0)
    assert len(collect(durable, db, root, policy=policy).repacked) == 12
    settle(durable, clock)
    collect(durable, db, root, policy=policy)
    assert len(list(durable.blob.list())) == 1
    durable._cache.clear()
    files = [e.node for e in durable.tree.walk(root, "/", dirs=False)]
    assert len(list(durable.read_many(files))) == 12
    assert check(durable, db, root) == []


def test_nothing_is_deleted_when_the_mark_fails(durable, db, clock):
    kept, _ = store(durable, db)
    store(durable, db)
    settle(durable, clock)
    collect(durable, db, kept)
    settle(durable, clock)
    place = durable.index.find([kept.ref])[kept.ref]
    good = durable.blob.get(place.pack)
    bad = bytearray(good)
    bad[place.offset] ^= 1
    durable.blob.put(place.pack, [bad])
    before = list(durable.blob.list())
    with pytest.raises(DataLoss):
        collect(durable, db, kept)
    assert list(durable.blob.list()) == before


def test_every_crash_point_of_a_run(durable, db, clock):
    """For every N: call N of the object store fails during a run; nothing needed is lost."""
    kept, data = store(durable, db, count=20)
    policy = Policy(grace=timedelta(hours=1), tiny_count=2, repack_below=0.9)
    real = durable.blob
    for n in range(1, 12):
        store(durable, db, count=5)
        settle(durable, clock)
        durable.blob = durable.chunks._blob = FaultyStore(real, FailNth(n))
        for _ in range(2):
            with contextlib.suppress(Unavailable):
                collect(durable, db, kept, policy=policy)
            settle(durable, clock)
        durable.blob = durable.chunks._blob = real
        assert_whole(durable, db, kept, data)
    for _ in range(3):
        settle(durable, clock)
        collect(durable, db, kept, policy=policy)
    assert_whole(durable, db, kept, data)
    assert len(list(real.list())) <= 3


# -- check and recover


def test_check_names_what_is_wrong(durable, db):
    kept, _ = store(durable, db)
    files = {e.path: e.node for e in durable.tree.walk(kept, "/", dirs=False)}
    name = files["/d1/4"].hash
    place = durable.index.find([name])[name]
    data = bytearray(durable.blob.get(place.pack))
    data[place.offset] ^= 1
    durable.blob.put(place.pack, [data])
    assert check(durable, db, kept, deep=False) == []
    found = check(durable, db, kept)
    assert {p.path for p in found} == {"", "/d1/4"}
    assert all(place.pack in p.message and name.hex() in p.message for p in found)
    durable.blob.delete([place.pack])
    assert any(place.pack in p.message for p in check(durable, db, kept, deep=False))
    with db.write() as tx:
        tx.execute(sa.delete(chunks).where(chunks.c.hash == name))
    assert "/d1/4" in {p.path for p in check(durable, db, kept, deep=False)}


def test_recover_rebuilds_the_index(durable, db):
    kept, data = store(durable, db, count=300)
    columns = (chunks.c.hash, packs.c.key, chunks.c.offset, chunks.c.stored, chunks.c.length)
    query = (
        sa.select(*columns, chunks.c.codec)
        .join(packs, packs.c.id == chunks.c.pack)
        .order_by(chunks.c.hash)
    )
    with db.write() as tx:
        before = tx.execute(query).all()
        tx.execute(sa.delete(chunks))
        tx.execute(sa.delete(packs))
    durable.blob.put(pack.key_of("0bad"), [b"x" * 100])
    report = recover(durable.blob, db)
    assert list(report.damaged) == ["pack/0bad"]
    assert report.chunks == len(before)
    with db.read() as tx:
        assert tx.execute(query).all() == before
    assert recover(durable.blob, db) == report
    assert_whole(durable, db, kept, data)
