"""The read cache: what it serves, what it keeps, what it forgets."""

import errno
import random
import threading
from pathlib import Path

import pytest

from dassie.blob.api import BlobNotFound
from dassie.blob.drivers.memory import MemoryStore
from dassie.blob.wrappers.base import Wrapper
from dassie.blob.wrappers.blocks import BLOCK_BYTES, MemoryShelf
from dassie.blob.wrappers.cache import LARGE_BYTES, CachedStore
from dassie.blob.wrappers.disk import DiskShelf

MIB = 1 << 20
ROOM = 64 * MIB


class Counting(Wrapper):
    """Remembers what was asked of it."""

    def __init__(self):
        super().__init__(MemoryStore())
        self.asked = []

    def get_range(self, key, offset, length):
        self.asked.append((key, offset, length))
        return super().get_range(key, offset, length)


@pytest.fixture
def inner():
    return Counting()


def on_disk(inner, folder, capacity=ROOM):
    return CachedStore(inner, [DiskShelf(str(folder), capacity)])


@pytest.fixture(params=["memory", "disk", "both"])
def store(request, inner, tmp_path):
    shelves = [MemoryShelf(ROOM), DiskShelf(str(tmp_path / "cache"), ROOM)]
    return CachedStore(
        inner, {"memory": shelves[:1], "disk": shelves[1:], "both": shelves}[request.param]
    )


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_second_read_is_free(store, inner):
    inner.put("pack/1", [b"0123456789"])
    assert store.get_range("pack/1", 2, 5) == b"23456"
    asked = len(inner.asked)
    for _ in range(3):
        assert store.get_range("pack/1", 2, 5) == b"23456"
        assert store.get_range("pack/1", 8, 100) == b"89"
        assert store.get_range("pack/1", 50, 1) == b""
    assert len(inner.asked) == asked == 1


def test_a_scan_asks_for_a_pack_once(store, inner):
    """Small files in any order, out of a pack of 24 MiB."""
    data = random.Random(1).randbytes(24 * MIB)
    inner.put("pack/1", [data])
    places = list(range(0, len(data), 32 << 10))
    random.Random(2).shuffle(places)
    for at in range(0, len(places), 64):
        some = places[at : at + 64]
        found = store.get_ranges("pack/1", [(place, 4096) for place in some])
        assert found == [data[place : place + 4096] for place in some]
    assert len(inner.asked) == 1


def test_a_large_read_is_kept_the_second_time(inner):
    shelf = MemoryShelf(ROOM)
    store = CachedStore(inner, [shelf])
    data = random.Random(3).randbytes(8 * MIB)
    inner.put("pack/1", [data])
    for count in (1, 2, 2):
        assert store.get_range("pack/1", MIB, 4 * MIB) == data[MIB : 5 * MIB]
        assert len(inner.asked) == count
    assert LARGE_BYTES < 4 * MIB
    assert shelf.size >= 4 * MIB


def test_several_ranges_at_once(store, inner):
    data = random.Random(4).randbytes(5 * MIB)
    inner.put("pack/1", [data])
    ranges = [(0, 10), (BLOCK_BYTES - 5, 10), (3 * MIB, 100), (5 * MIB - 3, 100), (9 * MIB, 1)]
    expected = [data[offset : offset + length] for offset, length in ranges]
    for _ in range(2):
        assert store.get_ranges("pack/1", ranges) == expected


def test_random_reads_are_right(store, inner):
    chance = random.Random(5)
    content = {f"pack/{n}": chance.randbytes(chance.randrange(1, 4 * MIB)) for n in range(6)}
    for key, data in content.items():
        inner.put(key, [data])
    for _ in range(1500):
        key = chance.choice(list(content))
        if chance.random() < 0.02:
            store.forget(key)
        offset = chance.randrange(5 * MIB)
        length = int(10 ** chance.uniform(0, 6.3))
        assert store.get_range(key, offset, length) == content[key][offset : offset + length]
    assert len(inner.asked) < 1000


def test_a_missing_object_is_not_remembered(store, inner):
    with pytest.raises(BlobNotFound):
        store.get_range("a", 0, 1)
    inner.put("a", [b"1"])
    assert store.get_range("a", 0, 1) == b"1"


def test_delete_forgets(store):
    store.put("a", [b"1"])
    store.get_range("a", 0, 1)
    store.delete(["a"])
    with pytest.raises(BlobNotFound):
        store.get_range("a", 0, 1)


def test_forget_asks_the_store_again(store, inner):
    inner.put("a", [b"flipped"])
    store.get_range("a", 0, 7)
    inner.put("a", [b"correct"])
    assert store.get_range("a", 0, 7) == b"flipped"
    store.forget("a")
    assert store.get_range("a", 0, 7) == b"correct"


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_bounded(kind, inner, tmp_path):
    room = 5 * MIB
    shelf = MemoryShelf(room) if kind == "memory" else DiskShelf(str(tmp_path), room)
    store = CachedStore(inner, [shelf])
    for number in range(20):
        inner.put(f"pack/{number:02}", [bytes([number]) * MIB])
        store.get_range(f"pack/{number:02}", 7, 1)
        assert shelf.size <= room
        assert sum(path.stat().st_size for path in files(tmp_path)) <= room
    assert shelf.size > room - 2 * MIB
    asked = len(inner.asked)
    store.get_range("pack/19", 0, 1)
    assert len(inner.asked) == asked
    store.get_range("pack/00", 0, 1)
    assert len(inner.asked) == asked + 1, "the oldest had to go"


def test_what_is_used_stays(inner):
    store = CachedStore(inner, [MemoryShelf(4 * MIB)])
    for number in range(20):
        inner.put(f"pack/{number}", [bytes(MIB)])
    for number in range(1, 20):
        store.get_range("pack/0", 0, 10)
        store.get_range(f"pack/{number}", 0, 10)
    assert len([key for key, *_ in inner.asked if key == "pack/0"]) == 1


def test_warm_after_restart(inner, tmp_path):
    inner.put("a", [b"0123456789"])
    on_disk(inner, tmp_path).get_range("a", 2, 4)
    again = on_disk(inner, tmp_path)
    assert again.get_range("a", 2, 4) == b"2345"
    assert again.get_range("a", 0, 10) == b"0123456789"
    assert len(inner.asked) == 1
    again.delete(["a"])
    with pytest.raises(BlobNotFound):
        on_disk(inner, tmp_path).get_range("a", 2, 4)


def test_a_smaller_disk_after_restart(inner, tmp_path):
    store = on_disk(inner, tmp_path, 20 * MIB)
    for number in range(10):
        inner.put(f"pack/{number}", [bytes(MIB)])
        store.get_range(f"pack/{number}", 0, 1)
    inner.put("pack/x", [bytes(MIB)])
    on_disk(inner, tmp_path, 5 * MIB).get_range("pack/x", 0, 1)
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 5 * MIB


def damage_byte(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def damage_header(path):
    content = bytearray(path.read_bytes())
    content[9] ^= 1
    path.write_bytes(content)


def damage_length(path):
    path.write_bytes(path.read_bytes()[:-1])


def damage_all(path):
    path.write_bytes(b"")


def damage_name(path):
    """Its bytes stand where another block's should."""
    other = next(sibling for sibling in files(path.parents[1]) if sibling != path)
    other.write_bytes(path.read_bytes())


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(
    "damage", [damage_byte, damage_header, damage_length, damage_all, damage_name, Path.unlink]
)
def test_damaged_files_are_not_served(damage, known, inner, tmp_path):
    for key in "ab":
        inner.put(key, [key.encode() * 10])
        on_disk(inner, tmp_path).get_range(key, 2, 4)
    store = on_disk(inner, tmp_path)
    if known:
        for key in "ab":
            store.get_range(key, 2, 4)
    damage(files(tmp_path)[0])
    for _ in range(2):
        assert store.get_range("a", 2, 8) == b"a" * 8
        assert store.get_range("b", 2, 8) == b"b" * 8


def test_leftovers_are_swept(inner, tmp_path):
    for folder, name in (("tmp", "half"), ("ab", "stranger")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(b"x")
    inner.put("a", [b"1"])
    assert on_disk(inner, tmp_path).get_range("a", 0, 1) == b"1"
    assert not (tmp_path / "tmp" / "half").exists()


def test_a_full_disk_only_stops_the_keeping(inner, tmp_path, monkeypatch):
    now, full, tries = [0.0], [True], []

    def replace(self, target):
        tries.append(target)
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.rename(target)

    monkeypatch.setattr(Path, "replace", replace)
    store = CachedStore(inner, [DiskShelf(str(tmp_path), ROOM, clock=lambda: now[0])])
    inner.put("a", [b"0123456789"])
    for _ in range(5):
        assert store.get_range("a", 0, 10) == b"0123456789"
    assert len(tries) == 1
    assert files(tmp_path) == []
    full[0] = False
    now[0] += 61
    for _ in range(3):
        assert store.get_range("a", 0, 10) == b"0123456789"
    assert len(inner.asked) == 6


def test_an_unusable_folder(inner, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    store = on_disk(inner, tmp_path / "file" / "below")
    inner.put("a", [b"1"])
    for _ in range(2):
        assert store.get_range("a", 0, 1) == b"1"
    store.delete(["a"])


class Slow(Counting):
    """Reads wait for the test."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()
        self.entered = threading.Event()
        self.errors = []

    def get_range(self, key, offset, length):
        data = super().get_range(key, offset, length)
        self.entered.set()
        self.go.wait(10)
        if self.errors:
            raise self.errors.pop()
        return data


def together(store, count):
    got = []

    def read():
        try:
            got.append(store.get_range("a", 0, 10))
        except OSError as error:
            got.append(error)

    threads = [threading.Thread(target=read, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, got


def test_identical_reads_are_one():
    misses, inner = [], Slow()
    store = CachedStore(inner, [MemoryShelf(ROOM)], misses.append)
    inner.put("a", [b"1"])
    threads, got = together(store, 6)
    while len(misses) < 6:
        pass
    inner.go.set()
    for thread in threads:
        thread.join(10)
    assert got == [b"1"] * 6
    assert len(inner.asked) == 1


def test_a_failed_read_spoils_no_other():
    inner = Slow()
    store = CachedStore(inner, [MemoryShelf(ROOM)])
    inner.put("a", [b"1"])
    failure = OSError("reset")
    inner.errors.append(failure)
    threads, got = together(store, 4)
    inner.go.set()
    for thread in threads:
        thread.join(10)
    assert got.count(failure) == 1
    assert got.count(b"1") == 3


def test_a_read_under_way_does_not_bring_a_deleted_object_back():
    inner = Slow()
    store = CachedStore(inner, [MemoryShelf(ROOM)])
    inner.put("a", [b"1"])
    threads, got = together(store, 1)
    inner.entered.wait(10)
    store.delete(["a"])
    inner.go.set()
    threads[0].join(10)
    assert got == [b"1"]
    with pytest.raises(BlobNotFound):
        store.get_range("a", 0, 10)
