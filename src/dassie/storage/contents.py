"""Reading contents: the bytes of files, verified. Used through `Storage`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from dassie.base.hashing import hasher
from dassie.errors import DataLoss, InvalidArgument
from dassie.storage import chunklist
from dassie.storage.errors import MissingChunk
from dassie.storage.types import Content

PIECE_BYTES = 1 << 20
_BATCH_BYTES = 8 << 20
_BATCH_FILES = 4096

Read = Callable[[list[bytes]], list[bytes]]
"""Chunks by name, verified, in order."""


def chunks_of(read: Read, content: Content, offset: int = 0) -> Iterator[tuple[int, bytes, int]]:
    """Start, name and length of each chunk of a content that ends behind `offset`."""
    if content.ref is None:
        if content.size > offset:
            yield 0, content.hash, content.size
    else:
        yield from _listed(read, content.ref, 0, offset)


def _listed(read: Read, ref: bytes, start: int, offset: int) -> Iterator[tuple[int, bytes, int]]:
    try:
        listing = chunklist.decode(read([ref])[0])
    except ValueError as error:
        raise MissingChunk(ref, str(error)) from None
    for name, length in listing.items:
        if start + length > offset:
            if listing.level:
                yield from _listed(read, name, start, offset)
            else:
                yield start, name, length
        start += length


def read_content(read: Read, content: Content, offset: int, length: int | None) -> Iterator[bytes]:
    """Bytes `offset` to `offset + length` in pieces of at most `PIECE_BYTES`.

    A content read from its start to its end is checked against its own hash too, at the end.
    """
    if offset < 0 or (length is not None and length < 0):
        raise InvalidArgument("offset and length of a read must not be negative")
    end = content.size if length is None else min(content.size, offset + length)
    whole = hasher() if content.ref is not None and offset == 0 and end == content.size else None
    for start, data in _fetched(read, content, offset, end):
        if whole is not None:
            whole.update(data)
        first, last = max(0, offset - start), min(len(data), end - start)
        for at in range(first, last, PIECE_BYTES):
            stop = min(last, at + PIECE_BYTES)
            yield data if stop - at == len(data) else data[at:stop]
    if whole is not None and whole.digest() != content.hash:
        raise DataLoss(
            f"content {content.hash.hex()}: its chunks are as they were stored, but together they "
            "are not what its hash says"
        )


def _fetched(read: Read, content: Content, offset: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Start and data of the chunks that overlap the range, fetched a batch at a time."""
    batch: list[tuple[int, bytes]] = []
    size = 0
    for start, name, length in chunks_of(read, content, offset):
        if start >= end:
            break
        batch.append((start, name))
        size += length
        if size >= _BATCH_BYTES:
            yield from _read_batch(read, batch)
            batch, size = [], 0
    yield from _read_batch(read, batch)


def _read_batch(read: Read, batch: list[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    data = read([name for _, name in batch]) if batch else []
    data.reverse()
    for start, _ in batch:
        yield start, data.pop()


def read_many(read: Read, contents: Sequence[Content]) -> Iterator[bytes]:
    """Whole contents in order. Small ones are fetched together."""
    batch: list[Content] = []
    size = 0
    for content in contents:
        if content.ref is not None:
            yield from _read_small(read, batch)
            batch, size = [], 0
            yield b"".join(read_content(read, content, 0, None))
            continue
        batch.append(content)
        size += content.size
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_FILES:
            yield from _read_small(read, batch)
            batch, size = [], 0
    yield from _read_small(read, batch)


def _read_small(read: Read, batch: list[Content]) -> Iterator[bytes]:
    if not batch:
        return
    found = iter(read([content.hash for content in batch if content.size]))
    for content in batch:
        yield next(found) if content.size else b""
