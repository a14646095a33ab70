"""The list of a content's chunks: what `Content.ref` points to. Pure.

A list that would be long is cut into lists of lists, at fixed counts, so that every chunk of it
stays small and one content has one list whatever way it was written.

    magic "dL", version, level    4 bytes
    count                         u32
    hashes                        count x 32 bytes
    lengths                       count x u64, bytes of content behind each
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dassie.base.hashing import digest
from dassie.storage.types import HASH_BYTES

MAX_ITEMS = 8192
_HEADER = struct.Struct("<2sBBI")
_MAGIC = b"dL"
_VERSION = 1

Item = tuple[bytes, int]
"""Chunk name and bytes of content behind it."""


@dataclass(frozen=True, slots=True)
class ChunkList:
    """A decoded list. `level` 0: items are chunks of content; above: items are lists."""

    level: int
    items: list[Item]


def encode(level: int, items: Sequence[Item]) -> bytes:
    header = _HEADER.pack(_MAGIC, _VERSION, level, len(items))
    lengths = struct.pack(f"<{len(items)}Q", *(length for _, length in items))
    return b"".join((header, *(name for name, _ in items), lengths))


def decode(data: bytes) -> ChunkList:
    """Raises `ValueError` for what is not a list of chunks."""
    if len(data) < _HEADER.size:
        raise ValueError("a list of chunks is too short")
    magic, version, level, count = _HEADER.unpack_from(data)
    start = _HEADER.size + count * HASH_BYTES
    if magic != _MAGIC or version != _VERSION or len(data) != start + 8 * count:
        raise ValueError("not a list of chunks")
    lengths = struct.unpack_from(f"<{count}Q", data, start)
    at = range(_HEADER.size, start, HASH_BYTES)
    return ChunkList(
        level, [(data[i : i + HASH_BYTES], n) for i, n in zip(at, lengths, strict=True)]
    )


def store(items: Sequence[Item], put: Callable[[bytes, bytes], None]) -> bytes:
    """Write the list of these chunks (two or more) with `put(name, data)`; the name of its root."""
    level = 0
    while True:
        groups = [items[i : i + MAX_ITEMS] for i in range(0, len(items), MAX_ITEMS)]
        above = []
        for group in groups:
            data = encode(level, group)
            name = digest(data)
            put(name, data)
            above.append((name, sum(length for _, length in group)))
        if len(above) == 1:
            return above[0][0]
        items = above
        level += 1
