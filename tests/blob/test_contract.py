"""What every driver of the object-store contract promises."""

import threading

import pytest

from dassie.blob.api import BlobNotFound
from dassie.blob.drivers.folder import FolderStore
from dassie.blob.drivers.memory import MemoryStore
from dassie.blob.open import open_store
from dassie.blob.wrappers.faulty import FaultyStore
from dassie.errors import InvalidArgument


@pytest.fixture(params=["memory", "folder", "wrapped", "url"])
def store(request, tmp_path):
    made = {
        "memory": MemoryStore,
        "folder": lambda: FolderStore(tmp_path / "blobs"),
        "wrapped": lambda: FaultyStore(MemoryStore()),
        "url": lambda: open_store((tmp_path / "with space").as_uri()),
    }[request.param]()
    yield made
    made.close()


def test_put_get(store):
    store.put("pack/ab12", [b"one", bytearray(b"two"), memoryview(b"three")])
    assert store.get("pack/ab12") == b"onetwothree"
    store.put("empty", [])
    assert store.get("empty") == b""
    store.put("empty", [])


def test_many_parts(store):
    parts = [bytes([i % 251]) * 100 for i in range(5000)]
    store.put("k", parts)
    assert store.get("k") == b"".join(parts)


def test_ranges(store):
    store.put("a/b", [b"0123456789"])
    assert store.get_range("a/b", 0, 10) == b"0123456789"
    assert store.get_range("a/b", 3, 4) == b"3456"
    assert store.get_range("a/b", 8, 10) == b"89"
    assert store.get_range("a/b", 20, 1) == b""


def test_missing(store):
    with pytest.raises(BlobNotFound, match="nope"):
        store.get("nope")
    with pytest.raises(BlobNotFound):
        store.get_range("x/nope", 0, 1)
    store.delete(["nope", "x/nope"])


def test_delete(store):
    store.put("a", [b"1"])
    store.put("b", [b"2"])
    store.delete(["a", "missing"])
    with pytest.raises(BlobNotFound):
        store.get("a")
    assert store.get("b") == b"2"


KEYS = [
    "a",
    "a/b",
    "a/b/c",
    "a-b",
    "a/bc",
    "b",
    "pack/01ff",
    "pack/0200",
    "pack/x",
    "pack/x/y",
    "z",
]


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b", "pack/0", "pack/", "none"])
@pytest.mark.parametrize("after", ["", "a", "a/b", "pack/01ff", "zz"])
def test_list(store, prefix, after):
    for key in KEYS:
        store.put(key, [key.encode()])
    found = list(store.list(prefix, after))
    expected = sorted(k for k in KEYS if k.startswith(prefix) and k > after)
    assert [info.key for info in found] == expected
    assert all(info.size == len(info.key) and info.modified > 1e9 for info in found)


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/.b", "ü", "a~", "x" * 513, "."])
def test_refuses_odd_keys(store, key):
    with pytest.raises(InvalidArgument):
        store.put(key, [b""])


def test_concurrent_puts(store):
    def write(number):
        for i in range(20):
            store.put(f"t/{number}-{i}", [b"x" * number])

    threads = [threading.Thread(target=write, args=(n,)) for n in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(store.list("t/"))) == 100
