"""What every driver of the object-store contract promises."""

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from dassie.blob.api import BlobNotFound
from dassie.blob.drivers.folder import FolderStore
from dassie.blob.drivers.memory import MemoryStore
from dassie.blob.errors import BucketMissing, StoreDenied
from dassie.blob.open import open_store
from dassie.blob.wrappers.faulty import FaultyStore
from dassie.errors import InvalidArgument
from tests.blob.remote import CASES, FOLDERS, MAKES_BUCKETS, Case, connect

MIB = 1 << 20
LOCAL = ["memory", "folder", "wrapped", "url"]


@pytest.fixture(params=[*LOCAL, *CASES])
def store(request, tmp_path):
    if isinstance(request.param, Case):
        running = request.getfixturevalue("stores").get(request.param.store, tls=request.param.tls)
        made = connect(running, request.param)
    else:
        made = {
            "memory": MemoryStore,
            "folder": lambda: FolderStore(tmp_path / "blobs"),
            "wrapped": lambda: FaultyStore(MemoryStore()),
            "url": lambda: open_store((tmp_path / "with space").as_uri()),
        }[request.param]()
    yield made
    made.close()


@pytest.fixture
def case(request):
    """The case that the store is made from; None for the local ones."""
    found = request.node.callspec.params["store"]
    return found if isinstance(found, Case) else None


def test_put_get(store):
    store.put("pack/ab12", [b"one", bytearray(b"two"), memoryview(b"three")])
    assert store.get("pack/ab12") == b"onetwothree"
    store.put("empty", [])
    assert store.get("empty") == b""
    store.put("empty", [])
    buffer = bytearray(b"first")
    store.put("reused", [buffer])
    buffer[:] = b"other"
    assert store.get("reused") == b"first"


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
    assert store.get_range("a/b", 2, 0) == b""


def test_missing(store):
    with pytest.raises(BlobNotFound, match="nope"):
        store.get("nope")
    with pytest.raises(BlobNotFound):
        store.get_range("x/nope", 0, 1)
    store.delete(["nope", "x/nope"])
    store.delete([])


def test_delete(store):
    store.put("a", [b"1"])
    store.put("b", [b"2"])
    store.delete(["a", "missing"])
    with pytest.raises(BlobNotFound):
        store.get("a")
    assert store.get("b") == b"2"
    assert [info.key for info in store.list()] == ["b"]


KEYS = ["a", "a/b", "a/b/c", "a-b", "a/bc", "b", "pack/01ff", "pack/0200", "pack/x", "pack/x/y"]
KEYS += ["pack.old/1", "z"]
WRONG_SECRET = "SignatureDoesNotMatch|Invalid signature"
NOT_IN_FOLDERS = {"a", "a/b", "pack/x"}


def test_list(store, case):
    keys = [key for key in KEYS if not (case and case.store in FOLDERS and key in NOT_IN_FOLDERS)]
    for key in keys:
        store.put(key, [key.encode()])
    for prefix in ["", "a", "a/", "a/b", "pack", "pack/0", "pack/", "none"]:
        for after in ["", "a", "a/b", "pack/01ff", "zz"]:
            found = list(store.list(prefix, after))
            expected = sorted(k for k in keys if k.startswith(prefix) and k > after)
            assert [info.key for info in found] == expected, (prefix, after)
            assert all(info.size == len(info.key) and info.modified > 1e9 for info in found)


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/.b", "ü", "a~", "x" * 513, "."])
def test_refuses_odd_keys(store, key):
    with pytest.raises(InvalidArgument):
        store.put(key, [b""])


def test_concurrent_puts(store):
    def write(number):
        for i in range(10):
            store.put(f"t/{number}-{i}", [b"x" * number])

    with ThreadPoolExecutor(5) as threads:
        list(threads.map(write, range(1, 6)))
    assert len(list(store.list("t/"))) == 50


def test_pack_and_larger(store):
    """24 MiB is a pack and goes whole; 40 MiB goes in parts, where there are parts."""
    chance = random.Random(3)
    pieces = [chance.randbytes(4 * MIB) for _ in range(10)]
    for count in (6, 10):
        store.put("pack/large", pieces[:count])
        assert store.get("pack/large") == b"".join(pieces[:count])
        assert (
            store.get_range("pack/large", 15 * MIB, 2 * MIB)
            == (pieces[3] + pieces[4])[3 * MIB : 5 * MIB]
        )
    store.delete(["pack/large"])
    assert list(store.list()) == []


MANY = {"memory", "folder", "url", "seaweedfs-obstore-v4", "seaweedfs-botocore-v2"}


def test_many_keys(store, request):
    """More than one page of a listing, and more than one batch of a delete."""
    param = request.node.callspec.params["store"]
    if str(param) not in MANY:
        pytest.skip("paging is tried where a thousand objects are cheap")
    keys = [f"pack/{number:05x}" for number in range(1100)]

    def write(part):
        for key in part:
            store.put(key, [b"1"])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, [keys[n::8] for n in range(8)]))
    assert [info.key for info in store.list("pack/")] == keys
    assert [info.key for info in store.list("pack/", keys[999])] == keys[1000:]
    store.delete(keys[:1050])
    assert [info.key for info in store.list()] == keys[1050:]


@pytest.fixture(params=CASES)
def remote(request, stores):
    """A case with its running store."""
    return request.param, stores.get(request.param.store, tls=request.param.tls)


def test_prefixes_are_apart(remote):
    case, running = remote
    with (
        closing(connect(running, case, "one")) as one,
        closing(connect(running, case, "one/two")) as inner,
        closing(connect(running, case, "onemore")) as beside,
    ):
        one.put("pack/a", [b"1"])
        inner.put("pack/b", [b"2"])
        beside.put("pack/c", [b"3"])
        assert [info.key for info in beside.list()] == ["pack/c"]
        assert [info.key for info in one.list("pack/")] == ["pack/a"]
        beside.delete(["pack/a", "pack/b"])
        assert one.get("pack/a") == b"1"
        assert inner.get("pack/b") == b"2"
        one.delete(["pack/a", "two/pack/b"])
        beside.delete(["pack/c"])


def test_errors(remote):
    case, running = remote
    if case.store not in MAKES_BUCKETS:
        with closing(connect(running, case, bucket="no-such-bucket")) as nowhere:
            for attempt in _calls(nowhere):
                with pytest.raises(BucketMissing, match=r"no-such-bucket.*NoSuchBucket"):
                    attempt()
    with closing(connect(running, case, secret_key="wrong")) as denied:
        for attempt in _calls(denied):
            with pytest.raises(StoreDenied, match=WRONG_SECRET) as raised:
                attempt()
            assert "wrong" not in str(raised.value)
            assert raised.value.answer.startswith("403 ")


def _calls(store):
    yield lambda: store.get("pack/key")
    yield lambda: store.get_range("pack/key", 0, 1)
    yield lambda: store.put("pack/key", [b"1"])
    yield lambda: list(store.list())
    yield lambda: store.delete(["pack/key"])
