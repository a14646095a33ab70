"""How many requests run at once, and who is next."""

import threading

import pytest

from dassie.blob.drivers.memory import MemoryStore
from dassie.blob.drivers.transfer import PARTS_AT_ONCE
from dassie.blob.wrappers.base import Wrapper
from dassie.blob.wrappers.limit import LimitedStore, Permits


class Gate(Wrapper):
    """Calls wait at a gate; it knows how many are inside."""

    def __init__(self):
        super().__init__(MemoryStore())
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.inside = self.most = 0
        self._lock = threading.Lock()

    def put(self, key, parts):
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.entered.release()
        self.open.wait(10)
        with self._lock:
            self.inside -= 1
        super().put(key, parts)


def test_no_more_than_allowed():
    gate = Gate()
    store = LimitedStore(gate, 3, 1 << 20)
    threads = [
        threading.Thread(target=store.put, args=(f"k{n}", [b"1"]), daemon=True) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for _ in range(3):
        assert gate.entered.acquire(timeout=10)
    while store.permits.waiting < 5:
        pass
    assert gate.inside == 3
    gate.open.set()
    for thread in threads:
        thread.join(10)
    assert gate.most == 3
    assert len(list(store.list())) == 8


def test_first_come_first_served():
    permits, order = Permits(2), []

    def work(number, wanted):
        with permits.take(wanted):
            order.append(number)

    with permits.take(2):
        threads = []
        for number, wanted in enumerate([1, 2, 1, 1]):
            thread = threading.Thread(target=work, args=(number, wanted), daemon=True)
            thread.start()
            threads.append(thread)
            while permits.waiting <= number:
                pass
    for thread in threads:
        thread.join(10)
    # Three of one permit may run side by side, but none overtakes the one that wants two.
    assert order.index(1) == 1


def test_parts_count():
    taken = []

    class Counting(Permits):
        def take(self, wanted=1):
            taken.append(wanted)
            return super().take(wanted)

    store = LimitedStore(MemoryStore(), 16, 10)
    store.permits = Counting(16)
    store.put("small", [b"1" * 20])
    store.put("large", [b"1" * 15, b"1" * 15])
    assert taken == [1, PARTS_AT_ONCE]


def test_wanting_more_than_there_is():
    with Permits(2).take(4):
        pass


def test_an_error_gives_the_permit_back():
    store = LimitedStore(MemoryStore(), 1, 1 << 20)
    for _ in range(3):
        with pytest.raises(LookupError), store.permits.take():
            raise LookupError
    store.put("a", [b"1"])


def test_a_listing_holds_no_permit_between_pages():
    store = LimitedStore(MemoryStore(), 1, 1 << 20)
    for number in range(2500):
        store.inner.put(f"k{number:04}", [b""])
    for info in store.list():
        assert store.get(info.key) == b""
