"""Fetching ahead: while one batch of chunks is used, the next ones are on their way.

Used by `contents`, with the batches of one reader at a time. All readers of a process share one
`Budget`; a reader that finds it spent goes on without anything ahead, so none waits for another.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Protocol, TypeVar

_B = TypeVar("_B")

HELD_BYTES: Final = 128 << 20
"""What the batches in use of all readers should amount to."""
LEAST_BYTES: Final = 256 << 10
"""A batch that is smaller costs more than it saves."""


class Fetch(Protocol):
    """Chunks on their way."""

    def result(self) -> list[bytes]:
        """Wait for them; in the order asked, verified. Once only."""

    def cancel(self) -> None:
        """They are not wanted any more. Harmless at any time."""


class Budget:
    """Bytes that may be held ahead of use, all readers together. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        return self._held

    def take(self, count: int, *, must: bool = False) -> bool:
        """Whether there was room; with `must`, they are taken anyway."""
        with self._lock:
            if not must and self._held + count > self._limit:
                return False
            self._held += count
            return True

    def give(self, count: int) -> None:
        with self._lock:
            self._held -= count


class Ahead:
    """How far readers may fetch ahead: so many batches each, so many bytes together. And how much
    each may hold anyway, which is less the more there are: clients may be slow to take it."""

    def __init__(self, batches: int, limit: int) -> None:
        self.batches = batches
        self.budget = Budget(limit)
        self._readers = Budget(0)

    def share(self, most: int) -> int:
        """Bytes in one batch, for a reader that would like `most`."""
        return max(LEAST_BYTES, min(most, HELD_BYTES // max(1, self._readers.held)))

    def run(
        self, batches: Iterator[tuple[_B, int]], begin: Callable[[_B], Fetch]
    ) -> Iterator[tuple[_B, list[bytes]]]:
        """Each batch with what it asked for, in order. `batches` says how many bytes each is.

        Closing the iterator cancels what is on its way.
        """
        waiting: deque[tuple[_B, int, Fetch]] = deque()
        self._readers.take(1, must=True)
        try:
            for batch, size in batches:
                while waiting and not self._may_begin(len(waiting), size):
                    yield waiting[0][0], waiting[0][2].result()
                    self.budget.give(waiting.popleft()[1])
                if not waiting:
                    self.budget.take(size, must=True)
                try:
                    waiting.append((batch, size, begin(batch)))
                except BaseException:
                    self.budget.give(size)
                    raise
            while waiting:
                yield waiting[0][0], waiting[0][2].result()
                self.budget.give(waiting.popleft()[1])
        finally:
            self._readers.give(1)
            for _, size, fetch in waiting:
                fetch.cancel()
                self.budget.give(size)

    def _may_begin(self, waiting: int, size: int) -> bool:
        return waiting <= self.batches and self.budget.take(size)


NOT_AHEAD = Ahead(0, 0)
"""For stores that answer at once."""
