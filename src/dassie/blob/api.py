"""The object-store contract: bytes by key, nothing else.

What every driver promises (the contract suite in `tests/contract/` checks it):

* `put` is atomic and durable: after it returns, the object survives a crash of this process and of
  the machine;
  before, no reader sees it, not even a part. A key is only ever written with one content; writing
  it again with
  the same bytes is harmless.
* A read after a completed `put` sees it; a `get` after a completed `delete` raises `BlobNotFound`.
* `get_range` returns exactly the bytes asked for, or fewer at the end of the object, never more.
* `list` yields keys in ascending byte order, each once, including those that existed for the whole
  call.
* `delete` of a missing key is not an error.
* Methods may be called from many threads at once. They block. They do not retry: that is a
  wrapper's work.
* Failures are `BlobNotFound`, or another category of `dassie.errors` (`Unavailable` is worth a
  retry).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from dassie.errors import NotFound

Buffer = bytes | bytearray | memoryview


class BlobNotFound(NotFound):
    """No object has this key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"object {key!r} not found in the object store")
        self.key = key


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """One listed object: its key, its size in bytes, when it was last written (seconds since the
    epoch)."""

    key: str
    size: int
    modified: float


class BlobStore(Protocol):
    """Bytes by key. Keys are `/`-separated ASCII (`pack/3f…`), at most 512 characters."""

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        """Write one object: the concatenation of `parts`. The caller may reuse the buffers after
        return."""

    def get(self, key: str) -> bytes:
        """The whole object."""

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`; fewer when the object ends before."""

    def list(self, prefix: str = "", after: str = "") -> Iterator[BlobInfo]:
        """Objects whose key starts with `prefix` and is greater than `after`, in key order."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove the objects; missing ones are passed over."""

    def close(self) -> None:
        """Release connections and handles."""


@runtime_checkable
class RangeCache(Protocol):
    """What a store with a read cache can do besides. Callers look for it with `isinstance`."""

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Several parts (offset, length) of one object, each as `get_range` would return it.

        What is read along the way to save requests is kept.
        """

    def forget(self, key: str) -> None:
        """Drop what is kept of an object: the next read asks the store."""
