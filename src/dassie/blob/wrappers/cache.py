"""A read cache over a store, in memory and on disk.

Objects never change, so what was read stays right until the object is deleted. What is kept are the
ranges as they were read; a smaller range inside a kept one is served from it. Identical reads at
one time become one request. `forget` drops what proved wrong: a byte that the network changed must
not stay.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Protocol

from dassie.blob.api import BlobStore, Buffer
from dassie.blob.wrappers.base import Wrapper
from dassie.blob.wrappers.extents import Extent, Extents

WHOLE = -1
"""Length that stands for all of an object."""


class Shelf(Protocol):
    """One place that keeps ranges. Thread-safe, bounded in bytes; may lose anything at any time."""

    def find(self, key: str, offset: int, length: int) -> bytes | None:
        """The range, if it is kept (cut to the object's end)."""

    def keep(self, key: str, extent: Extent, data: bytes) -> None:
        """Remember a range, at the cost of those used longest ago."""

    def drop(self, key: str) -> None:
        """Forget an object."""


class MemoryShelf:
    """Ranges in memory."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._extents = Extents()
        self._data: OrderedDict[tuple[str, Extent], bytes] = OrderedDict()
        self.size = 0

    def find(self, key: str, offset: int, length: int) -> bytes | None:
        with self._lock:
            extent = self._extents.covering(key, offset, length)
            if extent is None:
                return None
            self._data.move_to_end((key, extent))
            data = self._data[key, extent]
        return extent.cut(data, offset, length)

    def keep(self, key: str, extent: Extent, data: bytes) -> None:
        if len(data) > self._capacity // 4:
            return
        with self._lock:
            for inside in self._extents.add(key, extent):
                self._remove(key, inside)
            self._remove(key, extent)
            self._data[key, extent] = data
            self.size += len(data)
            while self.size > self._capacity:
                oldest, least = next(iter(self._data))
                self._extents.remove(oldest, least)
                self._remove(oldest, least)

    def drop(self, key: str) -> None:
        with self._lock:
            for extent in self._extents.pop(key):
                self._remove(key, extent)

    def _remove(self, key: str, extent: Extent) -> None:
        data = self._data.pop((key, extent), None)
        if data is not None:
            self.size -= len(data)


class _Flight:
    """A read under way, and whether its result may still be kept."""

    def __init__(self) -> None:
        self.result: Future[bytes] = Future()
        self.wanted = True


class CachedStore(Wrapper):
    """A `BlobStore` that remembers what was read. `counted` is told `cache_hit` or `cache_miss`."""

    def __init__(
        self,
        inner: BlobStore,
        shelves: Sequence[Shelf],
        counted: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(inner)
        self._shelves = shelves
        self._counted = counted or (lambda _: None)
        self._lock = threading.Lock()
        self._flights: dict[str, dict[tuple[int, int], _Flight]] = {}

    def get(self, key: str) -> bytes:
        return self._read(key, 0, WHOLE, lambda: self.inner.get(key))

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self._read(key, offset, length, lambda: self.inner.get_range(key, offset, length))

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        self.forget(key)
        self.inner.put(key, parts)

    def delete(self, keys: Iterable[str]) -> None:
        wanted = list(keys)
        self.inner.delete(wanted)
        for key in wanted:
            self.forget(key)

    def forget(self, key: str) -> None:
        """Keep nothing of the object; the next read asks the store."""
        with self._lock:
            for flight in self._flights.pop(key, {}).values():
                flight.wanted = False
        for shelf in self._shelves:
            shelf.drop(key)

    def _read(self, key: str, offset: int, length: int, fetch: Callable[[], bytes]) -> bytes:
        for place, shelf in enumerate(self._shelves):
            data = shelf.find(key, offset, length)
            if data is not None:
                self._counted("cache_hit")
                for above in self._shelves[:place]:
                    above.keep(key, Extent.of(offset, length, data), data)
                return data
        return self._fly(key, offset, length, fetch)

    def _fly(self, key: str, offset: int, length: int, fetch: Callable[[], bytes]) -> bytes:
        mine = _Flight()
        with self._lock:
            flight = self._flights.setdefault(key, {}).setdefault((offset, length), mine)
        if flight is not mine:
            self._counted("cache_hit")
            return flight.result.result()
        self._counted("cache_miss")
        try:
            data = fetch()
        except BaseException as error:
            self._land(key, offset, length, mine)
            mine.result.set_exception(error)
            raise
        extent = Extent.of(offset, length, data)
        for shelf in self._shelves if data or extent.ends else ():
            shelf.keep(key, extent, data)
        if not self._land(key, offset, length, mine):
            for shelf in self._shelves:
                shelf.drop(key)
        mine.result.set_result(data)
        return data

    def _land(self, key: str, offset: int, length: int, flight: _Flight) -> bool:
        """End the flight; whether what it brought may be kept."""
        with self._lock:
            others = self._flights.get(key, {})
            if others.get((offset, length)) is flight:
                del others[offset, length]
                if not others:
                    del self._flights[key]
            return flight.wanted
