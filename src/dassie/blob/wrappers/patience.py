"""A store whose calls wait until it works again. For workers, whose work is lost otherwise.

Stands outermost. What no repetition cures (a missing object, no room) passes at once; denials are
waited out too, since keys that expired are renewed at the store.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from dassie.blob.api import BlobInfo, BlobStore, Buffer
from dassie.blob.errors import BucketMissing, StoreDenied, StoreRefused
from dassie.blob.wrappers.base import Wrapper
from dassie.errors import DassieError, Unavailable

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

LONGEST_PAUSE_S: Final = 5.0
_WAITED_OUT: Final = (Unavailable, StoreDenied, StoreRefused, BucketMissing)


class PatientStore(Wrapper):
    """Repeats for up to `patience_s` after the first failure; then the failure passes."""

    def __init__(self, inner: BlobStore, patience_s: float) -> None:
        super().__init__(inner)
        self._patience_s = patience_s
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._waiting = 0

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        self._insist(lambda: self.inner.put(key, parts))

    def get(self, key: str) -> bytes:
        return self._insist(lambda: self.inner.get(key))

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self._insist(lambda: self.inner.get_range(key, offset, length))

    def list(self, prefix: str = "", after: str = "") -> Iterator[BlobInfo]:
        last = after
        pages = iter(self.inner.list(prefix, after))
        while True:
            try:
                item = next(pages, None)
            except _WAITED_OUT:
                # A broken listing is begun again behind what it gave already.
                pages = self._insist(lambda: _begun(self.inner, prefix, last))  # noqa: B023
                continue
            if item is None:
                return
            last = item.key
            yield item

    def delete(self, keys: Iterable[str]) -> None:
        wanted = list(keys)
        self._insist(lambda: self.inner.delete(wanted))

    def close(self) -> None:
        self._closed.set()
        self.inner.close()

    def _insist(self, call: Callable[[], _T]) -> _T:
        give_up: float | None = None
        pause = 0.5
        while True:
            try:
                result = call()
            except _WAITED_OUT as error:
                now = time.monotonic()
                if give_up is None:
                    give_up = now + self._patience_s
                    self._begin(error)
                if now >= give_up or self._closed.wait(pause):
                    self._end()
                    raise
                pause = min(2 * pause, LONGEST_PAUSE_S)
                continue
            if give_up is not None:
                self._end()
            return result

    def _begin(self, error: DassieError) -> None:
        with self._lock:
            self._waiting += 1
            first = self._waiting == 1
        if first:
            _log.warning("waiting for the object store: %s", error)

    def _end(self) -> None:
        with self._lock:
            self._waiting -= 1
            last = not self._waiting
        if last:
            _log.warning("no longer waiting for the object store")


def _begun(store: BlobStore, prefix: str, after: str) -> Iterator[BlobInfo]:
    """A listing that has given its first item already."""
    pages = iter(store.list(prefix, after))
    first = next(pages, None)

    def rest() -> Iterator[BlobInfo]:
        if first is not None:
            yield first
            yield from pages

    return rest()
