"""Bytes that change on the way to a store that does not look at hashes, and on the way back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dassie.blob.api import BlobStore
from dassie.blob.drivers.etag import differs, expected
from dassie.blob.errors import StoreUnavailable
from dassie.blob.open import assumed, open_store
from dassie.storage.errors import CorruptChunk
from dassie.storage.lease import HeldSession
from dassie.storage.limits import Limits
from dassie.storage.store import Storage
from tests.stores import RunningStore
from tests.stores.faults import Fault, Match, always, first
from tests.stores.hostile import Hostile, start_hostile
from tests.stores.proxy import Proxy
from tests.worker.pachd import MemoryIndex

BODY = bytes(range(256)) * 500
SIGNATURES = ["v4", "v2"]


@pytest.fixture
def served() -> Iterator[tuple[RunningStore, Hostile]]:
    store, server = start_hostile()
    yield store, server
    server.close()


def opened(store: RunningStore, **more: object) -> BlobStore:
    settings = store.settings("p", **{"retries": 0, **more})
    return open_store(settings, assumed(settings))


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_body_that_changed_on_its_way_is_sent_again(
    served: tuple[RunningStore, Hostile], signature: str
) -> None:
    store, server = served
    with Proxy(store.endpoint) as proxy:
        behind = store.behind(proxy.endpoint)
        proxy.plan = first(1, Fault(flip="request"), Match("put"))
        with pytest.raises(StoreUnavailable, match=r"changed on its way|BadDigest"):
            opened(behind, signature=signature).put("a", [BODY])
        proxy.plan = first(1, Fault(flip="request"), Match("put"))
        opened(behind, signature=signature, retries=2).put("b", [BODY])
    assert server.objects["p/b"][0] == BODY


def test_a_store_that_keeps_something_else_is_noticed(
    served: tuple[RunningStore, Hostile],
) -> None:
    store, server = served
    server.lies.add("etag-of-kept")
    server.lies.add("corrupts")
    with pytest.raises(StoreUnavailable, match="changed on its way"):
        opened(store, signature="v4").put("a", [BODY])


def test_a_store_whose_etags_mean_nothing_is_believed(
    served: tuple[RunningStore, Hostile],
) -> None:
    store, server = served
    server.lies.add("etag-random")
    blob = opened(store, signature="v4")
    for key in "abc":
        blob.put(key, [BODY])
    # The first object is read once to find out.
    assert [text for text in server.requests if text.startswith("GET")] == ["GET p/a"]


@pytest.mark.parametrize("size", [0, 1, 10, 11, 25])
def test_etags_of_parts(size: int) -> None:
    body = BODY[:size]
    assert not differs(f'"{expected(body)}"', body)
    assert differs(expected(body + b"x"), body)
    assert not differs(f'"{expected(body, 10)}"', body, 10)
    assert differs(expected(body + b"x", 10), body, 10)
    assert not differs(None, body)
    assert not differs("CJ2Xq", body)


@pytest.mark.parametrize("cache_memory_bytes", [0, 1 << 20], ids=["no cache", "cache"])
def test_a_chunk_that_changed_on_its_way_is_read_again(
    served: tuple[RunningStore, Hostile], cache_memory_bytes: int
) -> None:
    store, _ = served
    with Proxy(store.endpoint) as proxy:
        blob = opened(store.behind(proxy.endpoint), cache_memory_bytes=cache_memory_bytes)
        storage = Storage(blob, MemoryIndex(), HeldSession(1), limits=Limits.remote(4))
        with storage.session() as upload:
            content = upload.put(BODY)
            upload.flush()
        proxy.plan = first(2, Fault(flip="answer"), Match("get"))
        assert b"".join(storage.read(content)) == BODY
        proxy.plan = None
        assert b"".join(storage.read(content)) == BODY
        if not cache_memory_bytes:
            proxy.plan = always(Fault(flip="answer"), Match("get"))
            with pytest.raises(CorruptChunk):
                b"".join(storage.read(content))
        storage.close()
