"""An object store in memory: for tests and for what need not outlive the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from dassie.blob.api import BlobInfo, BlobNotFound, Buffer
from dassie.blob.keys import check_key


class MemoryStore:
    """A `BlobStore` that keeps objects in a dict."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._objects: dict[str, tuple[bytes, float]] = {}
        self._lock = threading.Lock()

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        check_key(key)
        data = b"".join(parts)
        with self._lock:
            self._objects[key] = (data, self._now())

    def get(self, key: str) -> bytes:
        try:
            return self._objects[key][0]
        except KeyError:
            raise BlobNotFound(key) from None

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self.get(key)[offset : offset + length]

    def list(self, prefix: str = "", after: str = "") -> Iterator[BlobInfo]:
        with self._lock:
            found = [
                BlobInfo(key, len(data), modified)
                for key, (data, modified) in self._objects.items()
                if key.startswith(prefix) and key > after
            ]
        found.sort(key=lambda info: info.key)
        yield from found

    def delete(self, keys: Iterable[str]) -> None:
        with self._lock:
            for key in keys:
                self._objects.pop(key, None)

    def close(self) -> None:
        pass
