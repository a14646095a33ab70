"""Reading from a store behind a network: several requests at a time, bounded, and cleaned up."""

import itertools
import os
import threading
from dataclasses import replace

import pytest

from dassie.blob.drivers.memory import MemoryStore
from dassie.blob.wrappers.base import Wrapper
from dassie.blob.wrappers.blocks import MemoryShelf
from dassie.blob.wrappers.cache import CachedStore
from dassie.storage.ahead import Ahead
from dassie.storage.errors import CorruptChunk
from dassie.storage.lease import HeldSession
from dassie.storage.limits import Limits
from dassie.storage.store import Storage
from tests.storage.conftest import MemoryIndex

MIB = 1 << 20
REMOTE = replace(Limits.remote(8), pack_bytes=4 * MIB, probe_bytes=MIB)


class Network(Wrapper):
    """May hold large reads back until two are under way, and flip a byte of the next answers."""

    def __init__(self):
        super().__init__(MemoryStore())
        self.two = threading.Event()
        self.two.set()
        self.under_way = itertools.count(1)
        self.flip = 0

    def get_range(self, key, offset, length):
        if length > MIB and not self.two.is_set():
            if next(self.under_way) == 2:
                self.two.set()
            assert self.two.wait(timeout=20)
        data = super().get_range(key, offset, length)
        if self.flip > 0:
            self.flip -= 1
            data = data[:-1] + bytes([data[-1] ^ 1])
        return data


@pytest.fixture
def network():
    return Network()


@pytest.fixture(params=["plain", "cached"])
def storage(request, network):
    blob = network
    if request.param == "cached":
        blob = CachedStore(network, [MemoryShelf(64 * MIB)])
    made = Storage(blob, MemoryIndex(), HeldSession(1), limits=REMOTE)
    yield made
    made.close()


def store(storage, sizes):
    with storage.session() as upload:
        data = [os.urandom(size) for size in sizes]
        contents = []
        for piece in data:
            writer = upload.writer()
            writer.write(piece)
            contents.append(writer.close())
        upload.flush()
    return contents, data


def test_batches_are_fetched_together(storage, network):
    (content,), (data,) = store(storage, [40 * MIB])
    network.two.clear()
    # Were reads made one after another, the first would wait in vain.
    assert b"".join(storage.read(content)) == data


def test_reader_that_is_closed_leaves_nothing(storage):
    (content,), _ = store(storage, [60 * MIB])
    ahead = storage.chunks.ahead
    reading = storage.read(content)
    next(reading)
    assert 8 * MIB <= ahead.budget.held <= REMOTE.ahead_bytes + 8 * MIB
    reading.close()
    assert ahead.budget.held == 0

    groups = storage.read_groups([content, content])
    next(next(groups))
    groups.close()
    del groups
    assert ahead.budget.held == 0


def test_files_of_all_sizes_in_order(storage):
    sizes = [0, 10, 300_000, 0, 5 * MIB, 4096, 0, 256 << 10, (256 << 10) + 1, 9 * MIB, 1]
    contents, data = store(storage, sizes * 3)
    assert list(storage.read_many(contents)) == data
    got = []
    for group in storage.read_groups(iter(contents)):
        got += group if isinstance(group, list) else [b"".join(group)]
    assert got == data


def test_what_is_not_drawn_of_a_large_file_is_passed_over(storage):
    contents, data = store(storage, [9 * MIB, 100, 9 * MIB, 200])
    groups = storage.read_groups(contents)
    assert data[0].startswith(next(next(groups)))
    assert next(groups) == [data[1]]
    assert b"".join(next(groups)) == data[2]
    assert next(groups) == [data[3]]
    assert next(groups, None) is None


def test_a_byte_flipped_on_its_way_is_read_again(storage, network):
    contents, data = store(storage, [1000, 300_000])
    for content, expected in zip(contents, data, strict=True):
        network.flip = 1
        assert b"".join(storage.read(content)) == expected


def test_a_byte_flipped_for_good_is_an_error_naming_the_content(storage, network):
    contents, _ = store(storage, [1000] * 50)
    victim = contents[31]
    place = storage.index.chunks[victim.hash]
    pack = bytearray(network.get(place.pack))
    pack[place.offset] ^= 1
    network.put(place.pack, [pack])
    with pytest.raises(CorruptChunk) as caught:
        list(storage.read_many(contents))
    assert caught.value.content == victim
    assert caught.value.chunk == victim.hash


def test_pack_that_moved_is_looked_up_again(storage, network):
    contents, data = store(storage, [1000] * 10)
    (old,) = storage.index.packs
    original = storage.index.find

    def moved(hashes):
        """The look-up names a pack that is gone the first time."""
        storage.index.find = original
        found = original(hashes)
        return {name: replace(place, pack="pack/gone") for name, place in found.items()}

    storage.index.find = moved
    assert list(storage.read_many(contents)) == data
    assert [info.key for info in network.list("pack/")] == [old]


def test_budget_is_shared():
    """A reader goes on without anything ahead when others have spent the budget."""
    ahead = Ahead(4, 30)
    begun = []

    class Fetch:
        def __init__(self, batch):
            begun.append(batch)
            self.batch = batch

        def result(self):
            return [self.batch]

        def cancel(self):
            begun.remove(self.batch)

    first = ahead.run(iter([(f"a{i}", 10) for i in range(9)]), Fetch)
    assert next(first)[0] == "a0"
    assert begun == ["a0", "a1", "a2"]
    second = ahead.run(iter([(f"b{i}", 10) for i in range(3)]), Fetch)
    assert [batch for batch, _ in second] == ["b0", "b1", "b2"]
    assert ahead.budget.held == 30
    first.close()
    assert ahead.budget.held == 0


def test_many_readers_hold_less_each(network, monkeypatch):
    """Clients may stop to take what they asked for: what is held for them must not add up."""
    monkeypatch.setattr("dassie.storage.ahead.HELD_BYTES", 8 * MIB)
    storage = Storage(network, MemoryIndex(), HeldSession(1), limits=Limits())
    with storage.session() as upload:
        contents = [upload.put(os.urandom(100_000)) for _ in range(160)]
        upload.flush()
    batches = []
    read = storage.chunks.read

    def counted(names):
        data = read(names)
        batches.append(sum(map(len, data)))
        return data

    monkeypatch.setattr(storage.chunks, "read", counted)
    stalled = [storage.read_many(contents) for _ in range(16)]
    for reader in stalled:
        next(reader)
    assert batches[0] >= 8 * MIB
    assert batches[-1] <= MIB // 2 + 100_000
    for reader in stalled[:-1]:
        reader.close()
    assert len(list(stalled[-1])) == 159
    assert batches[-1] > 4 * MIB
    storage.close()
