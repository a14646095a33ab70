"""One file written piece by piece: cut into chunks, which go to an upload. Made by `Upload.writer`.

Bytes come in pieces (`write`), or are read from an open file (`fill`), which needs no copy of them.
The hash of the whole runs in another thread, beside the cutting.
"""

from __future__ import annotations

import os
from concurrent.futures import Future
from typing import Protocol

from dassie.base.chunking import MAX_CHUNK_BYTES, MIN_CHUNK_BYTES, Cutter
from dassie.base.hashing import Buffer, Hasher, digest, hasher
from dassie.storage import chunklist
from dassie.storage.types import Content

_WINDOW = 2 * MAX_CHUNK_BYTES
_BESIDE = 1 << 20
"""Bytes from which another thread may hash them; less would take longer to hand over."""


class Taker(Protocol):
    """What a writer needs of its upload."""

    def put(self, data: Buffer) -> Content: ...

    def take(self, name: bytes, data: Buffer) -> None: ...

    def hash_later(self, whole: Hasher, data: Buffer) -> Future[object]: ...


class FileWriter:
    """`write`, or `fill`, as often as it takes; `close` returns the content. Not thread-safe."""

    def __init__(self, upload: Taker, chunks: list[tuple[bytes, int]] | None = None) -> None:
        """`chunks`: stored ones that the file starts with; their bytes must be passed over."""
        self._upload = upload
        self._chunks = chunks or []
        self._size = sum(length for _, length in self._chunks)
        self._parts: list[bytes] = []
        self._waiting = 0
        self._cutter: Cutter | None = None
        self._whole = hasher() if self._chunks else None
        self._hashing: Future[object] | None = None

    @property
    def size(self) -> int:
        """Bytes taken so far."""
        return self._size + self._waiting

    def write(self, data: Buffer) -> None:
        """The buffer may be reused after return."""
        view = memoryview(data)
        for start in range(0, len(view), _WINDOW):
            piece = view[start : start + _WINDOW]
            whole_object = type(data) is bytes and len(piece) == len(data)
            self._parts.append(data if whole_object else bytes(piece))  # type: ignore[arg-type]
            self._waiting += len(piece)
            if self._waiting >= _WINDOW:
                window = b"".join(self._parts)
                cut = self._cut(window, final=False)
                self._parts = [window[cut:]] if cut < len(window) else []
                self._waiting = len(window) - cut

    def fill(self, descriptor: int, limit: int) -> bool:
        """Take about `limit` bytes more of a regular file that holds nothing but this one; `False`
        at its end. Not to be mixed with `write`. Raises `OSError`.

        What was not cut is read again with the next window, for less than a copy would cost.
        """
        end = self._size + limit
        while self._size < end:
            window = os.pread(descriptor, _WINDOW, self._size)
            if len(window) < _WINDOW and not os.pread(descriptor, 1, self._size + len(window)):
                self._parts, self._waiting = [window], len(window)
                return False
            self._cut(window, final=False)
        return True

    def pass_over(self, data: Buffer) -> None:
        """Bytes of the chunks the writer was made with: they count for the hash only."""
        if self._whole is not None:
            self._hash(data)

    def close(self) -> Content:
        if not self._chunks and self._waiting <= MIN_CHUNK_BYTES:
            return self._upload.put(b"".join(self._parts))
        if self._waiting:
            self._cut(b"".join(self._parts), final=True)
            self._parts, self._waiting = [], 0
        if len(self._chunks) == 1:
            return Content(self._chunks[0][0], self._size)
        if self._whole is None:
            raise AssertionError("a file of several chunks was not hashed")
        self._await_hash()
        ref = chunklist.store(self._chunks, self._upload.take)
        return Content(self._whole.digest(), self._size, ref)

    def _cut(self, window: bytes, *, final: bool) -> int:
        """Cut what can be cut of what follows; how many bytes that was."""
        if self._cutter is None:
            self._cutter = Cutter()
        lengths = self._cutter.cut(window, final=final)
        cut = sum(lengths)
        view = memoryview(window)
        if self._whole is None and not (final and not self._chunks and len(lengths) == 1):
            self._whole = hasher()
        if self._whole is not None:
            self._hash(view[:cut])
        at = 0
        for length in lengths:
            chunk = view[at : at + length]
            name = digest(chunk)
            self._upload.take(name, chunk)
            self._chunks.append((name, length))
            at += length
        self._size += cut
        return cut

    def _hash(self, data: Buffer) -> None:
        """Go on with the hash of the whole, one piece at a time."""
        assert self._whole is not None  # noqa: S101 - narrows the type
        self._await_hash()
        if len(data) >= _BESIDE:
            self._hashing = self._upload.hash_later(self._whole, data)
        else:
            self._whole.update(data)

    def _await_hash(self) -> None:
        if self._hashing is not None:
            self._hashing.result()
            self._hashing = None
