"""One driver until it proves unable to speak to the store, then another for good.

obstore's TLS library takes no server certificate that is a self-signed CA certificate (what
`openssl req -x509` makes, common on premises); OpenSSL, which botocore uses, does when it is in the
`ca_file`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from dassie.blob.api import BlobInfo, BlobStore, Buffer

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class FallbackStore:
    """`first`, or from the first `unable` on what `make_other` makes."""

    def __init__(
        self, first: BlobStore, unable: type[Exception], make_other: Callable[[], BlobStore]
    ) -> None:
        self._current = first
        self._first = first
        self._unable = unable
        self._make_other = make_other
        self._lock = threading.Lock()

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        self._run(lambda store: store.put(key, parts))

    def get(self, key: str) -> bytes:
        return self._run(lambda store: store.get(key))

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self._run(lambda store: store.get_range(key, offset, length))

    def list(self, prefix: str = "", after: str = "") -> Iterator[BlobInfo]:
        found = self._current.list(prefix, after)
        try:
            first = next(found, None)
        except self._unable as error:
            yield from self._other(error).list(prefix, after)
            return
        if first is not None:
            yield first
            yield from found

    def delete(self, keys: Iterable[str]) -> None:
        wanted = list(keys)
        self._run(lambda store: store.delete(wanted))

    def close(self) -> None:
        self._current.close()

    def _run(self, action: Callable[[BlobStore], _T]) -> _T:
        try:
            return action(self._current)
        except self._unable as error:
            return action(self._other(error))

    def _other(self, error: Exception) -> BlobStore:
        with self._lock:
            if self._current is self._first:
                _log.info("using the other driver of the object store: %s", error)
                self._current = self._make_other()
                self._first.close()
            return self._current
