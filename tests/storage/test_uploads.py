"""Contents: however written, one hash and the same bytes back; nothing else is ever returned."""

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dassie.base.chunking import MAX_CHUNK_BYTES, MIN_CHUNK_BYTES
from dassie.base.hashing import digest
from dassie.blob.drivers.memory import MemoryStore
from dassie.blob.wrappers.faulty import FailNth, FaultyStore
from dassie.errors import Aborted, DataLoss, InvalidArgument, Unavailable
from dassie.storage.errors import CorruptChunk, MissingChunk, UnknownChunk
from dassie.storage.lease import HeldSession
from dassie.storage.store import Storage
from dassie.storage.types import EMPTY, EMPTY_DIR, Content, Put
from tests.storage.conftest import SMALL, MemoryIndex

BIG = random.Random(1).randbytes(5_000_000)


def write(upload, pieces):
    writer = upload.writer()
    for piece in pieces:
        writer.write(piece)
    return writer.close()


def sliced(data, size):
    return [data[i : i + size] for i in range(0, len(data), size)]


@pytest.mark.parametrize("size", [0, 1, 100, MIN_CHUNK_BYTES, MIN_CHUNK_BYTES + 1, len(BIG)])
def test_hash_is_of_the_content_however_written(storage, size):
    data = BIG[:size]
    with storage.session() as upload:
        found = {
            upload.put(data),
            upload.put(bytearray(data)),
            upload.put(memoryview(data)),
            write(upload, [data]),
            write(upload, sliced(data, 99_999)),
            upload.append(EMPTY, [data]),
            upload.append(upload.put(data[: size // 2]), sliced(data[size // 2 :], 70_000)),
        }
        upload.flush()
    (content,) = found
    assert content.hash == digest(data)
    assert content.size == size
    assert b"".join(storage.read(content)) == data
    assert list(storage.read_many([content, content])) == [data, data]


@pytest.mark.parametrize("limit", [1, 3 << 20, 1 << 30])
@pytest.mark.parametrize(
    "size", [0, 1, MIN_CHUNK_BYTES, MIN_CHUNK_BYTES + 1, MAX_CHUNK_BYTES, len(BIG)]
)
def test_an_open_file_is_cut_as_its_bytes_are(storage, tmp_path, monkeypatch, size, limit):
    monkeypatch.setattr("dassie.storage.writer._WINDOW", MAX_CHUNK_BYTES)
    monkeypatch.setattr("dassie.storage.writer._BESIDE", 64 << 10)
    (tmp_path / "file").write_bytes(BIG[:size])
    with (tmp_path / "file").open("rb") as file, storage.session() as upload:
        writer = upload.writer()
        while writer.fill(file.fileno(), limit):
            assert writer.size <= size
        assert writer.size == size
        content = writer.close()
        assert content == write(upload, [BIG[:size]])
        upload.flush()
    assert content.hash == digest(BIG[:size])
    assert b"".join(storage.read(content)) == BIG[:size]


def test_reused_buffer(storage):
    """The writer must not keep a view of a buffer that its caller uses again."""
    buffer = bytearray(300_000)
    expected = b""
    with storage.session() as upload:
        writer = upload.writer()
        small = []
        for i in range(5):
            buffer[:] = bytes([i]) * len(buffer)
            writer.write(memoryview(buffer))
            expected += buffer
            small.append(upload.put(memoryview(buffer)[: 1000 + i]))
        content = writer.close()
        buffer[:] = bytes(len(buffer))
        upload.flush()
    assert b"".join(storage.read(content)) == expected
    assert list(storage.read_many(small)) == [bytes([i]) * (1000 + i) for i in range(5)]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, len(BIG) + 5), st.none() | st.integers(0, len(BIG)))
def test_ranges(offset, length):
    storage, content = _big_storage()
    expected = BIG[offset:] if length is None else BIG[offset : offset + length]
    pieces = list(storage.read(content, offset, length))
    assert b"".join(pieces) == expected
    assert all(0 < len(piece) <= 1 << 20 for piece in pieces)


_BIG_STORAGE = []


def _big_storage():
    if not _BIG_STORAGE:
        storage = Storage(MemoryStore(), MemoryIndex(), HeldSession(1))
        with storage.session() as upload:
            content = upload.put(BIG)
            upload.flush()
        _BIG_STORAGE.append((storage, content))
    return _BIG_STORAGE[0]


def test_negative_ranges():
    storage, content = _big_storage()
    with pytest.raises(InvalidArgument):
        list(storage.read(content, -1))
    with pytest.raises(InvalidArgument):
        list(storage.read(content, 0, -1))


def test_deduplication(storage):
    with storage.session() as upload:
        first = [upload.put(f"file {i % 40}".encode() * 20) for i in range(400)]
        upload.flush()
    assert len(storage.index.chunks) == 40
    assert upload.new_bytes == sum(len(f"file {i}" * 20) for i in range(40))
    packs = len(storage.index.packs)
    with storage.session() as upload:
        assert [upload.put(f"file {i % 40}".encode() * 20) for i in range(400)] == first
        upload.flush()
    assert len(storage.index.packs) == packs
    assert upload.new_bytes == 0


def test_insertion_moves_few_chunks():
    storage = Storage(MemoryStore(), MemoryIndex(), HeldSession(1))
    data = random.Random(2).randbytes(24 << 20)
    with storage.session() as upload:
        upload.put(data)
        upload.flush()
        before = upload.new_bytes
        upload.put(data[: 10 << 20] + os.urandom(1 << 20) + data[10 << 20 :])
        upload.flush()
        assert upload.new_bytes - before < 6 << 20


def test_chunks_cut_elsewhere(storage):
    one, two, known = b"1" * 1000, b"2" * 2000, b"3" * 300
    with storage.session() as upload:
        upload.put(known)
        upload.flush()
    names = [digest(one), digest(two), digest(known)]
    with storage.session() as upload:
        assert upload.missing(names) == [True, True, False]
        upload.add_chunk(names[0], one)
        assert upload.missing(names) == [False, True, False]
        upload.add_chunk(names[1], bytearray(two))
        whole = one + two + known
        lengths = [1000, 2000, 300]
        content = upload.assemble(digest(whole), list(zip(names, lengths, strict=True)))
        assert upload.assemble(names[0], [(names[0], 1000)]) == Content(names[0], 1000)
        assert upload.assemble(EMPTY.hash, []) == EMPTY
        upload.flush()
    assert b"".join(storage.read(content)) == whole


def test_chunks_that_lie(storage):
    with storage.session() as upload:
        with pytest.raises(InvalidArgument, match="do not match"):
            upload.add_chunk(b"x" * 32, b"data")
        with pytest.raises(InvalidArgument, match="bytes"):
            upload.add_chunk(digest(b""), b"")
        upload.add_chunk(digest(b"data"), b"data")
        with pytest.raises(InvalidArgument, match="has 4 bytes, not 5"):
            upload.assemble(digest(b"data"), [(digest(b"data"), 5)])
        with pytest.raises(InvalidArgument, match="only chunk"):
            upload.assemble(b"y" * 32, [(digest(b"data"), 4)])
        upload.assemble(b"z" * 32, [(b"z" * 32, 7)])
        with pytest.raises(UnknownChunk, match=(b"z" * 32).hex()):
            upload.flush()
    with storage.session() as upload:
        upload.add_chunk(digest(b"data"), b"data")
        wrong = upload.assemble(b"w" * 32, [(digest(b"data"), 4)] * 2)
        upload.flush()
    with pytest.raises(DataLoss, match="not what its hash says"):
        list(storage.read(wrong))


def test_flipped_byte_is_an_error_naming_pack_and_chunk(storage):
    with storage.session() as upload:
        contents = [upload.put(os.urandom(5000)) for _ in range(30)]
        upload.flush()
    victim = contents[17]
    place = storage.index.chunks[victim.hash]
    data = bytearray(storage.blob.get(place.pack))
    data[place.offset + 100] ^= 1
    storage.blob.put(place.pack, [data])
    with pytest.raises(CorruptChunk) as caught:
        list(storage.read(victim))
    assert place.pack in str(caught.value)
    assert victim.hash.hex() in str(caught.value)
    with pytest.raises(CorruptChunk):
        list(storage.read_many(contents))
    assert list(storage.read_many(contents[:5])) == [
        b"".join(storage.read(c)) for c in contents[:5]
    ]


def test_missing_chunk(storage):
    with pytest.raises(MissingChunk, match=(b"m" * 32).hex()):
        list(storage.read(Content(b"m" * 32, 5)))
    with storage.session() as upload:
        content = upload.put(b"data")
        upload.flush()
    storage.blob.delete(list(storage.index.packs))
    with pytest.raises(MissingChunk, match="not found"):
        list(storage.read(content))


def test_memory_stays_bounded():
    limits = SMALL
    storage = Storage(MemoryStore(), MemoryIndex(), HeldSession(1), limits=limits)
    most = 0
    rng = random.Random(3)
    with storage.session() as one, storage.session() as two:
        for _ in range(300):
            for upload in (one, two):
                upload.put(rng.randbytes(50_000))
                most = max(most, storage._pool.held)
        one.flush()
    assert most < 2 * limits.buffer_bytes
    assert storage._pool.held == 0


def test_reads_what_is_not_stored_yet(storage):
    """An upload can build on what it wrote, wherever that is on its way."""
    with storage.session() as upload:
        root = EMPTY_DIR
        contents = {}
        for i in range(600):
            contents[f"/f{i}"] = upload.put(os.urandom(1000))
            if i % 60 == 59:
                root = upload.edit(root, [Put(p, c) for p, c in contents.items()])
        grown = upload.append(contents["/f0"], [b"more"])
        upload.flush()
    assert root.files == 600
    assert b"".join(storage.read(grown)).endswith(b"more")


def test_failed_store_fails_the_upload_and_publishes_nothing():
    """For every N: the Nth call of the object store fails; the index never lies."""
    data = [os.urandom(3000) for _ in range(100)]
    for applied in (False, True):
        n = 1
        while True:
            blob = FaultyStore(MemoryStore(), FailNth(n, applied=applied))
            storage = Storage(blob, MemoryIndex(), HeldSession(1), limits=SMALL)
            failed = False
            try:
                with storage.session() as upload:
                    contents = [upload.put(piece) for piece in data]
                    root = upload.edit(
                        EMPTY_DIR, [Put(f"/d{i % 9}/{i}", c) for i, c in enumerate(contents)]
                    )
                    upload.flush()
            except Unavailable:
                failed = True
            blob.plan = None
            stored = {info.key for info in blob.list()}
            assert set(storage.index.packs) <= stored
            assert storage._pool.held == 0
            storage.close()
            if not failed:
                assert b"".join(storage.read_many(contents)) == b"".join(data)
                assert len(list(storage.tree.walk(root, "/", dirs=False))) == 100
                break
            n += 1
        assert n >= 4


def test_publish(durable, db, clock):
    with durable.session() as upload:
        upload.put(b"data")
        with pytest.raises(AssertionError, match="flushed"), db.write() as tx:
            upload.publish(tx)
        upload.flush()
        with db.write() as tx:
            upload.publish(tx)
        clock.advance(3 * 3600)
        with pytest.raises(Aborted, match="expired"), db.write() as tx:
            upload.publish(tx)


def test_sessions_are_renewed_and_end(durable, db, clock):
    with durable.session() as upload:
        upload.put(b"data")
        upload.flush()
        for _ in range(8):
            clock.advance(1500)
            durable.sessions.renew()
        with db.write() as tx:
            upload.publish(tx)
    clock.advance(100)
    durable.sessions.renew()
    with db.read() as tx:
        assert tx.conn.exec_driver_sql("SELECT count(*) FROM sessions").scalar_one() == 0
