"""Only so many requests at one time, first come first served.

A store that is asked for more at once than it likes answers slower, or `SlowDown`; and each request
under way holds a body in memory.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from dassie.blob.api import BlobInfo, BlobStore, Buffer
from dassie.blob.drivers.transfer import PARTS_AT_ONCE, one_request
from dassie.blob.wrappers.base import Wrapper

_PAGE = 1000


class Permits:
    """So many permits; who waits longest gets the next, also when wanting several."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = count
        self._waiting: deque[tuple[int, threading.Event]] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def take(self, wanted: int = 1) -> Iterator[None]:
        """Hold `wanted` permits (all there are, if that is fewer)."""
        share = min(wanted, self._count)
        turn = threading.Event()
        with self._lock:
            self._waiting.append((share, turn))
            self._hand_out()
        try:
            turn.wait()
            yield
        finally:
            self._give_back(share, turn)

    @property
    def waiting(self) -> int:
        """How many wait now."""
        with self._lock:
            return len(self._waiting)

    def _give_back(self, share: int, turn: threading.Event) -> None:
        with self._lock:
            if turn.is_set():
                self._free += share
            else:  # interrupted while waiting
                self._waiting.remove((share, turn))
            self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            share, turn = self._waiting.popleft()
            self._free -= share
            turn.set()


class LimitedStore(Wrapper):
    """A `BlobStore` with at most `concurrency` requests under way."""

    def __init__(self, inner: BlobStore, concurrency: int, part_bytes: int) -> None:
        super().__init__(inner)
        self.permits = Permits(concurrency)
        self._part_bytes = part_bytes

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        size = sum(len(part) for part in parts)
        wanted = 1 if one_request(size, self._part_bytes) else PARTS_AT_ONCE
        with self.permits.take(wanted):
            self.inner.put(key, parts)

    def get(self, key: str) -> bytes:
        with self.permits.take():
            return self.inner.get(key)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        with self.permits.take():
            return self.inner.get_range(key, offset, length)

    def list(self, prefix: str = "", after: str = "") -> Iterator[BlobInfo]:
        found = self.inner.list(prefix, after)
        while True:
            with self.permits.take():
                page = list(islice(found, _PAGE))
            yield from page
            if len(page) < _PAGE:
                return

    def delete(self, keys: Iterable[str]) -> None:
        with self.permits.take():
            self.inner.delete(keys)
