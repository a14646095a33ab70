"""A bounded queue between two threads that either side can shut. Called by the transfers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class Shut(Exception):
    """The other side has given up; there is nothing more to say."""


class Handover(Generic[T]):
    """`put` waits while `limit` items lie there, `get` while none does.

    `end` says that nothing follows; `shut` makes both sides stop at once, `get` with the error
    given.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: deque[T] = deque()
        self._changed = Condition()
        self._ended = False
        self._error: BaseException | None = None

    def put(self, item: T) -> None:
        with self._changed:
            while len(self._items) >= self._limit and self._error is None:
                self._changed.wait()
            if self._error is not None:
                raise Shut
            self._items.append(item)
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def shut(self, error: BaseException | None = None) -> None:
        with self._changed:
            if self._error is None:
                self._error = error or Shut()
            self._changed.notify_all()

    def get(self) -> T:
        """The next item; raises `Shut` at the end."""
        with self._changed:
            while not self._items and not self._ended and self._error is None:
                self._changed.wait()
            if self._error is not None:
                raise self._error
            if not self._items:
                raise Shut
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def __iter__(self) -> Iterator[T]:
        while True:
            try:
                yield self.get()
            except Shut:
                return
