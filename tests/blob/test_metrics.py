"""What is counted."""

import pytest

from dassie.blob.api import BlobNotFound
from dassie.blob.drivers.memory import MemoryStore
from dassie.blob.errors import StoreUnavailable
from dassie.blob.wrappers.base import Wrapper
from dassie.blob.wrappers.metrics import CALLS, REQUESTS, MeteredStore, Metrics


class Ticking:
    """Each look at the clock moves it by a second."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1
        return self.now


class Broken(Wrapper):
    def put(self, key, parts):
        raise StoreUnavailable("reset")

    def list(self, prefix="", after=""):
        yield from self.inner.list(prefix, after)
        raise StoreUnavailable("reset")


def make(inner=None, view=CALLS):
    metrics = Metrics()
    return MeteredStore(inner or MemoryStore(), metrics, view, clock=Ticking()), metrics


def test_counts_seconds_bytes():
    store, metrics = make()
    store.put("a", [b"123", b"45"])
    store.get("a")
    store.get_range("a", 1, 2)
    store.get_range("a", 1, 200)
    store.delete(["a"])
    shown = metrics.snapshot()[CALLS]
    assert shown["put"] == {"count": 1, "seconds": 1.0, "bytes": 5, "errors": {}}
    assert shown["get"]["bytes"] == 5
    assert shown["get_range"] == {"count": 2, "seconds": 2.0, "bytes": 6, "errors": {}}
    assert shown["delete"]["count"] == 1
    assert metrics.snapshot()[REQUESTS] == {}


def test_a_missing_object_is_no_error():
    store, metrics = make()
    with pytest.raises(BlobNotFound):
        store.get("a")
    assert metrics.snapshot()[CALLS]["get"] == {"count": 1, "seconds": 1, "bytes": 0, "errors": {}}


def test_errors_by_class():
    store, metrics = make(Broken(MemoryStore()), REQUESTS)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            store.put("a", [b"1"])
    with pytest.raises(StoreUnavailable):
        list(store.list())
    shown = metrics.snapshot()[REQUESTS]
    assert shown["put"]["errors"] == {"StoreUnavailable": 2}
    assert shown["put"]["bytes"] == 0
    assert shown["list"]["errors"] == {"StoreUnavailable": 1}


def test_a_listing_given_up_is_counted():
    store, metrics = make()
    for key in "abc":
        store.put(key, [b""])
    found = store.list()
    next(found)
    found.close()
    assert metrics.snapshot()[CALLS]["list"] == {
        "count": 1, "seconds": 1.0, "bytes": 0, "errors": {},
    }  # fmt: skip


def test_retries_and_events():
    metrics = Metrics()
    metrics.retried("put")
    metrics.retried("put")
    metrics.count("cache_hit", 3)
    shown = metrics.snapshot()
    assert shown["retries"] == {"put": 2}
    assert shown["events"] == {"cache_hit": 3}
    shown["retries"]["put"] = 9
    assert metrics.snapshot()["retries"] == {"put": 2}
