"""A read cache over a store: ranges of objects, in memory and on disk.

Objects never change, so what was read stays right until the object is deleted. Small reads go
through blocks (`blocks`): a block that is missing is fetched whole, blocks near one another by one
request, and when much of an object is wanted, all of it. So a scan of many small files asks for
each pack once, whatever order it reads them in. A large read passes by, as it leaves nothing over;
the second time the same is wanted, it is kept. Whole objects (`get`) are not kept.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from dassie.blob.api import BlobStore
from dassie.blob.wrappers.base import Wrapper
from dassie.blob.wrappers.blocks import BLOCK_BYTES, Range, Shelf

LARGE_BYTES = 256 << 10
"""From here on a read is a large one."""
_GAP_BLOCKS = 2
"""Blocks that are read along to save a request, at most."""
_MUCH_BLOCKS = 4
_MUCH_BYTES = 512 << 10
"""When so much is wanted at a time, or parts so far from one another, whoever asks is going through
the object: the rest of it is fetched too."""
_FEW_BLOCKS = 4
_MOST_BLOCKS = (64 << 20) // BLOCK_BYTES
"""More than a pack has."""
_LONG_READS = 2
"""Reads of so much under way at a time: each is held in memory."""


class CachedStore(Wrapper):
    """A `BlobStore` and `RangeCache`. `counted` is told of each `cache_hit` and `cache_miss`."""

    def __init__(
        self,
        inner: BlobStore,
        shelves: Sequence[Shelf],
        counted: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(inner)
        self._shelves = shelves
        self._counted = counted or (lambda _: None)
        self._long_reads = threading.BoundedSemaphore(_LONG_READS)
        self._lock = threading.Lock()
        self._flights: dict[str, _Flight] = {}
        # Of more than fits, the first part would be gone before it is wanted again.
        self._room = max((shelf.capacity for shelf in shelves), default=0)
        self._passed: OrderedDict[tuple[str, int], int] = OrderedDict()
        self._passed_bytes = 0

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        if length >= LARGE_BYTES and not self._was_passed(key, offset, length):
            numbers = _numbers(offset, length)
            if not all(self._has(key, number) for number in numbers):
                self._counted("cache_miss")
                return self.inner.get_range(key, offset, length)
        return self.get_ranges(key, [(offset, length)])[0]

    def get_ranges(self, key: str, ranges: Sequence[Range]) -> list[bytes]:
        """Several parts of one object, each as `get_range` would return it."""
        wanted = _by_block(ranges)
        found: dict[int, list[bytes]] = {}
        missing = self._take(key, wanted, wanted, found)
        self._counted("cache_miss" if missing else "cache_hit")
        if missing:
            with self._alone(key) as flight:
                # Another thread may have brought them while this one waited.
                missing = self._take(key, missing, wanted, found)
                much = sum(length for _, length in ranges) >= _MUCH_BYTES
                for first, end in self._runs(key, missing, much=much):
                    blocks = self._fetch(key, first, end)
                    for number in missing:
                        if first <= number < end:
                            data = blocks.get(number, b"")
                            found[number] = [data[at : at + n] for at, n in wanted[number]]
                    if not flight.stale:
                        self._keep(key, blocks)
        parts = {number: iter(data) for number, data in found.items()}
        return [_joined(parts, offset, length) for offset, length in ranges]

    def delete(self, keys: Iterable[str]) -> None:
        wanted = list(keys)
        self.inner.delete(wanted)
        for key in wanted:
            self.forget(key)

    def forget(self, key: str) -> None:
        """Keep nothing of the object; the next read asks the store."""
        with self._lock:
            if key in self._flights:
                self._flights[key].stale = True
        for shelf in self._shelves:
            shelf.forget(key)

    def _was_passed(self, key: str, offset: int, length: int) -> bool:
        """Whether this large read was made before; it has been now."""
        with self._lock:
            known = self._passed.pop((key, offset), 0)
            self._passed[key, offset] = length
            self._passed_bytes += length - known
            while self._passed_bytes > self._room:
                _, dropped = self._passed.popitem(last=False)
                self._passed_bytes -= dropped
            return known > 0

    def _has(self, key: str, number: int) -> bool:
        return any(shelf.has((key, number)) for shelf in self._shelves)

    def _take(
        self,
        key: str,
        numbers: Iterable[int],
        wanted: dict[int, list[Range]],
        found: dict[int, list[bytes]],
    ) -> list[int]:
        """Move what the shelves have of these blocks to `found`; the numbers of the others."""
        missing = []
        for number in numbers:
            for shelf in self._shelves:
                data = shelf.read((key, number), wanted[number])
                if data is not None:
                    found[number] = data
                    break
            else:
                missing.append(number)
        return sorted(missing)

    def _runs(self, key: str, missing: Sequence[int], *, much: bool) -> Iterator[tuple[int, int]]:
        """Ranges of blocks to fetch, each with one request."""
        at = 0
        while at < len(missing):
            first = last = missing[at]
            while at < len(missing) and missing[at] - last <= _GAP_BLOCKS + 1:
                last = missing[at]
                at += 1
            end = last + 1
            if much or end - first >= _MUCH_BLOCKS:
                first, end = self._stretched(key, first, end)
                while at < len(missing) and missing[at] < end:
                    at += 1
            yield first, end

    def _stretched(self, key: str, first: int, end: int) -> tuple[int, int]:
        """The range of blocks that are not kept around this one. A few that are do not end it."""
        absent = [number for number in range(_MOST_BLOCKS) if not self._has(key, number)]
        if _MOST_BLOCKS - len(absent) > _FEW_BLOCKS:
            while first > 0 and not self._has(key, first - 1):
                first -= 1
            while end < _MOST_BLOCKS and not self._has(key, end):
                end += 1
            return first, end
        return absent[0], max(end, absent[-1] + 1)

    def _fetch(self, key: str, first: int, end: int) -> dict[int, bytes]:
        """The blocks that the object has of these."""
        offset, length = first * BLOCK_BYTES, (end - first) * BLOCK_BYTES
        if end - first < _MUCH_BLOCKS:
            data = self.inner.get_range(key, offset, length)
        else:
            with self._long_reads:
                data = self.inner.get_range(key, offset, length)
        return {
            first + at // BLOCK_BYTES: data[at : at + BLOCK_BYTES]
            for at in range(0, len(data), BLOCK_BYTES)
        }

    def _keep(self, key: str, blocks: dict[int, bytes]) -> None:
        for number, data in blocks.items():
            for shelf in self._shelves:
                shelf.keep((key, number), data)

    @contextmanager
    def _alone(self, key: str) -> Iterator[_Flight]:
        """One thread at a time fetches from one object."""
        with self._lock:
            flight = self._flights.setdefault(key, _Flight())
            flight.users += 1
        try:
            with flight.turn:
                flight.stale = False
                yield flight
        finally:
            with self._lock:
                flight.users -= 1
                if not flight.users:
                    del self._flights[key]


class _Flight:
    """Threads that want to fetch from one object."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.users = 0
        self.stale = False
        """The object was forgotten meanwhile: what comes is not to be kept."""


def _numbers(offset: int, length: int) -> range:
    """The blocks that a range touches."""
    return (
        range(offset // BLOCK_BYTES, -(-(offset + length) // BLOCK_BYTES)) if length else range(0)
    )


def _by_block(ranges: Sequence[Range]) -> dict[int, list[Range]]:
    """What is wanted of each block, in the order of `ranges`."""
    wanted: defaultdict[int, list[Range]] = defaultdict(list)
    for offset, length in ranges:
        end = offset + length
        for number in _numbers(offset, length):
            start = number * BLOCK_BYTES
            low, high = max(offset, start), min(end, start + BLOCK_BYTES)
            wanted[number].append((low - start, high - low))
    return wanted


def _joined(parts: dict[int, Iterator[bytes]], offset: int, length: int) -> bytes:
    """One range from the parts of its blocks."""
    numbers = _numbers(offset, length)
    if len(numbers) == 1:
        return next(parts[numbers[0]])
    return b"".join([next(parts[number]) for number in numbers])
