"""What all wrappers have in common: an inner store, and every call passed on to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dassie.blob.api import BlobInfo, BlobStore, Buffer


class Wrapper:
    """A `BlobStore` that does what `inner` does. Subclasses change some of it."""

    def __init__(self, inner: BlobStore) -> None:
        self.inner = inner

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        self.inner.put(key, parts)

    def get(self, key: str) -> bytes:
        return self.inner.get(key)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self.inner.get_range(key, offset, length)

    def list(self, prefix: str = "", after: str = "") -> Iterator[BlobInfo]:
        return self.inner.list(prefix, after)

    def delete(self, keys: Iterable[str]) -> None:
        self.inner.delete(keys)

    def close(self) -> None:
        self.inner.close()
