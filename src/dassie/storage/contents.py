"""Reading contents: the bytes of files, verified. Used through `Storage` and by uploads.

A reader's contents are taken apart into pieces, one for each chunk; pieces are fetched in batches,
and where the store is far away some batches ahead of use (`ahead`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from dassie.base.hashing import hasher
from dassie.errors import InvalidArgument
from dassie.storage import chunklist
from dassie.storage.ahead import NOT_AHEAD, Ahead, Fetch
from dassie.storage.errors import CorruptChunk, MissingChunk, WrongContent
from dassie.storage.types import Content

PIECE_BYTES = 1 << 20
SMALL_BYTES = 256 << 10
"""Files up to this size come whole, many at once."""
_BATCH_BYTES = 8 << 20
_BATCH_FILES = 4096
_GROUP_BYTES = 4 << 20
_GROUP_FILES = 1024
_WINDOW_BYTES = 64 << 20

Read = Callable[[list[bytes]], list[bytes]]
"""Chunks by name, verified, in order."""

Piece = tuple[Content, int, bytes, int]
"""Of a content: where in it a chunk starts, the chunk's name and length. An empty content has one
piece without a name."""

Group = list[bytes] | Iterator[bytes]


class Reader(Protocol):
    """Where chunks come from."""

    ahead: Ahead

    def read(self, hashes: Sequence[bytes]) -> list[bytes]: ...

    def begin(self, hashes: Sequence[bytes]) -> Fetch: ...


class PlainReader:
    """A `Reader` that has nothing but a function, and fetches nothing ahead."""

    ahead = NOT_AHEAD

    def __init__(self, read: Read) -> None:
        self._read = read

    def read(self, hashes: Sequence[bytes]) -> list[bytes]:
        return self._read(list(hashes))

    def begin(self, hashes: Sequence[bytes]) -> Fetch:
        return _Waiting(self._read, list(hashes))


class _Waiting:
    def __init__(self, read: Read, hashes: list[bytes]) -> None:
        self._read = read
        self._hashes = hashes

    def result(self) -> list[bytes]:
        return self._read(self._hashes)

    def cancel(self) -> None:
        pass


def chunks_of(
    read: Callable[[list[bytes]], list[bytes]], content: Content, offset: int = 0
) -> Iterator[tuple[int, bytes, int]]:
    """Start, name and length of each chunk of a content that ends behind `offset`."""
    if content.ref is None:
        if content.size > offset:
            yield 0, content.hash, content.size
    else:
        yield from _listed(read, content.ref, read([content.ref])[0], 0, offset)


def _listed(
    read: Read, ref: bytes, data: bytes, start: int, offset: int
) -> Iterator[tuple[int, bytes, int]]:
    try:
        listing = chunklist.decode(data)
    except ValueError as error:
        raise MissingChunk(ref, str(error)) from None
    for name, length in listing.items:
        if start + length > offset:
            if listing.level:
                yield from _listed(read, name, read([name])[0], start, offset)
            else:
                yield start, name, length
        start += length


def read_content(
    reader: Reader, content: Content, offset: int, length: int | None
) -> Iterator[bytes]:
    """Bytes `offset` to `offset + length` in pieces of at most `PIECE_BYTES`.

    A content read from its start to its end is checked against its own hash too, at the end.
    """
    if offset < 0 or (length is not None and length < 0):
        raise InvalidArgument("offset and length of a read must not be negative")
    end = content.size if length is None else min(content.size, offset + length)
    whole = hasher() if content.ref is not None and offset == 0 and end == content.size else None
    for (_, start, _, _), data in _flow(reader, _pieces_between(reader, content, offset, end)):
        if whole is not None:
            whole.update(data)
        yield from cut(data, max(0, offset - start), min(len(data), end - start))
    if whole is not None and whole.digest() != content.hash:
        raise WrongContent(content)


def read_many(reader: Reader, contents: Iterable[Content]) -> Iterator[bytes]:
    """Whole contents in order."""
    for group in read_groups(reader, contents):
        if isinstance(group, list):
            yield from group
        else:
            yield b"".join(group)


def read_groups(reader: Reader, contents: Iterable[Content]) -> Iterator[Group]:
    """Whole contents in order: lists of small ones, and for a larger one an iterator of its
    chunks, to be drawn before the next item is. `contents` is consumed ahead."""
    small: list[bytes] = []
    size, limit = 0, min(_GROUP_BYTES, reader.ahead.share(_BATCH_BYTES))
    flow = _flow(reader, _pieces(reader, contents))
    for piece, data in flow:
        content = piece[0]
        if content.ref is None and content.size <= SMALL_BYTES:
            small.append(data)
            size += len(data)
            if size >= limit or len(small) >= _GROUP_FILES:
                yield small
                small, size = [], 0
                limit = min(_GROUP_BYTES, reader.ahead.share(_BATCH_BYTES))
            continue
        if small:
            yield small
            small, size = [], 0
        body = _body(content, data, flow)
        yield body
        for _ in body:
            pass
    if small:
        yield small


def _body(content: Content, first: bytes, flow: Iterator[tuple[Piece, bytes]]) -> Iterator[bytes]:
    """The bytes of a content whose first chunk has come; draws the others from `flow`."""
    whole = hasher() if content.ref is not None else None
    left = content.size
    data = first
    while True:
        if whole is not None:
            whole.update(data)
        left -= len(data)
        yield data
        if left <= 0:
            break
        following = next(flow, None)
        if following is None or following[0][0] is not content:
            raise WrongContent(content)
        data = following[1]
    if whole is not None and whole.digest() != content.hash:
        raise WrongContent(content)


def cut(data: bytes, first: int, last: int) -> Iterator[bytes]:
    """The bytes from `first` to `last` in pieces of at most `PIECE_BYTES`."""
    for at in range(first, last, PIECE_BYTES):
        stop = min(last, at + PIECE_BYTES)
        yield data if stop - at == len(data) else data[at:stop]


def _pieces_between(reader: Reader, content: Content, offset: int, end: int) -> Iterator[Piece]:
    for start, name, length in chunks_of(reader.read, content, offset):
        if start >= end:
            break
        yield content, start, name, length


def _pieces(reader: Reader, contents: Iterable[Content]) -> Iterator[Piece]:
    """All pieces of all contents, in order. Lists of chunks are fetched many at once."""
    for window in _windows(contents):
        refs = [content.ref for content in window if content.ref is not None]
        if not refs:
            for content in window:
                yield content, 0, content.hash if content.size else b"", content.size
            continue
        lists = _lists(reader, window, refs)
        for content in window:
            if content.ref is None:
                yield content, 0, content.hash if content.size else b"", content.size
                continue
            try:
                for start, name, length in _listed(
                    reader.read, content.ref, lists[content.ref], 0, 0
                ):
                    yield content, start, name, length
            except MissingChunk as error:
                error.content = error.content or content
                raise


def _lists(reader: Reader, window: list[Content], refs: list[bytes]) -> dict[bytes, bytes]:
    try:
        return dict(zip(refs, reader.read(refs), strict=True))
    except (CorruptChunk, MissingChunk) as error:
        error.content = next((c for c in window if c.ref == error.chunk), None)
        raise


def _windows(contents: Iterable[Content]) -> Iterator[list[Content]]:
    window: list[Content] = []
    size = 0
    for content in contents:
        window.append(content)
        size += content.size
        if size >= _WINDOW_BYTES or len(window) >= _GROUP_FILES:
            yield window
            window, size = [], 0
    if window:
        yield window


def _flow(reader: Reader, pieces: Iterator[Piece]) -> Iterator[tuple[Piece, bytes]]:
    """Pieces with their data."""
    batches = reader.ahead.run(
        _batches(pieces, reader.ahead), lambda batch: _Named(reader.begin(_names(batch)), batch)
    )
    for batch, data in batches:
        if len(data) == len(batch):
            yield from zip(batch, data, strict=True)
        else:
            found = iter(data)
            for piece in batch:
                yield piece, next(found) if piece[2] else b""


class _Named:
    """A fetch whose failure says which content it is of."""

    def __init__(self, fetch: Fetch, batch: list[Piece]) -> None:
        self._fetch = fetch
        self._batch = batch

    def result(self) -> list[bytes]:
        try:
            return self._fetch.result()
        except (CorruptChunk, MissingChunk) as error:
            for content, _, name, _ in self._batch:
                if name == error.chunk:
                    error.content = content
                    break
            raise

    def cancel(self) -> None:
        self._fetch.cancel()


def _batches(pieces: Iterator[Piece], ahead: Ahead) -> Iterator[tuple[list[Piece], int]]:
    batch: list[Piece] = []
    size, limit = 0, ahead.share(_BATCH_BYTES)
    for piece in pieces:
        batch.append(piece)
        size += piece[3]
        if size >= limit or len(batch) >= _BATCH_FILES:
            yield batch, size
            batch, size, limit = [], 0, ahead.share(_BATCH_BYTES)
    if batch:
        yield batch, size


def _names(batch: list[Piece]) -> list[bytes]:
    return [name for _, _, name, _ in batch if name]
