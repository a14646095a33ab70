"""Calls that do not come back."""

import threading
import time
from dataclasses import replace

import pytest

from dassie.blob.api import BlobNotFound
from dassie.blob.drivers.faults import Doing
from dassie.blob.drivers.memory import MemoryStore
from dassie.blob.drivers.transfer import SLOWEST, time_for
from dassie.blob.errors import StoreUnavailable
from dassie.blob.settings import parse_url
from dassie.blob.wrappers import timeouts
from dassie.blob.wrappers.base import Wrapper
from dassie.blob.wrappers.timeouts import Threads, TimeoutStore

SETTINGS = replace(parse_url("s3://bucket/prefix"), request_timeout_s=0.2)
DOING = Doing("put", "pack/1", "s3://bucket")


class Hanging(Wrapper):
    """Puts wait until the test lets them go."""

    def __init__(self):
        super().__init__(MemoryStore())
        self.go = threading.Event()

    def put(self, key, parts):
        self.go.wait(20)
        super().put(key, parts)


def test_passes_results_and_errors_on():
    store = TimeoutStore(MemoryStore(), SETTINGS)
    store.put("pack/1", [b"12", b"34"])
    assert store.get("pack/1") == b"1234"
    assert store.get_range("pack/1", 1, 2) == b"23"
    assert [info.key for info in store.list()] == ["pack/1"]
    store.delete(iter(["pack/1"]))
    with pytest.raises(BlobNotFound):
        store.get("pack/1")
    store.close()


def test_a_write_that_is_never_answered():
    inner = Hanging()
    store = TimeoutStore(inner, SETTINGS)
    body = bytearray(b"first")
    with pytest.raises(
        StoreUnavailable, match=r"put object 'pack/1' at s3://bucket/prefix.*no answ"
    ):
        store.put("pack/1", [body])
    body[:] = b"other"  # the caller goes on with its buffer; the late write must not see it
    assert store.threads.left_behind == 1
    inner.go.set()
    while store.threads.left_behind:
        time.sleep(0.001)
    assert inner.inner.get("pack/1") == b"first"


def test_too_many_left_behind(monkeypatch):
    monkeypatch.setattr(timeouts, "_MOST_LEFT_BEHIND", 2)
    threads, go = Threads(), threading.Event()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="within"):
            threads.run(go.wait, 0.01, DOING)
    with pytest.raises(StoreUnavailable, match="2 earlier requests hang"):
        threads.run(lambda: 1, 1, DOING)
    go.set()
    while threads.left_behind:
        time.sleep(0.001)
    assert threads.run(lambda: 1, 10, DOING) == 1


def test_threads_are_used_again():
    threads = Threads()
    names = {threads.run(threading.get_ident, 10, DOING) for _ in range(20)}
    assert len(names) <= 2


def test_long_listings_come_in_pages():
    inner = MemoryStore()
    for number in range(2300):
        inner.put(f"k{number:04}", [b""])
    store = TimeoutStore(inner, SETTINGS)
    assert len(list(store.list())) == 2300
    assert next(iter(store.list(after="k2000"))).key == "k2001"


def test_more_bytes_have_more_time():
    settings = replace(SETTINGS, request_timeout_s=60)
    assert time_for(settings, 0) == 60
    assert time_for(settings, 10 * SLOWEST) == 70
