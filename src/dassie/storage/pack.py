"""The pack format: many chunks in one immutable object. Pure. See docs/formats/pack.md.

    header   8 bytes    magic
    chunks              stored bytes, back to back
    footer              columns: hashes, stored lengths, plain lengths, codecs
    trailer  56 bytes   chunk count, footer bytes, BLAKE3 of the footer, version, magic

The footer is self-verifying and says all that the index knows, so the index can be rebuilt.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from dassie.base.hashing import digest
from dassie.blob.api import Buffer
from dassie.storage.errors import CorruptPack
from dassie.storage.types import HASH_BYTES, ChunkLocation

MAGIC = b"DASSIEPK"
VERSION = 1
PREFIX = "pack/"
HEADER_BYTES = len(MAGIC)
_TRAILER = struct.Struct("<II32sI4x8s")
TRAILER_BYTES = _TRAILER.size
_PER_CHUNK = HASH_BYTES + 4 + 4 + 1

Entry = tuple[bytes, ChunkLocation]


def key_of(pack_id: str) -> str:
    """Object key of the pack with this id."""
    return PREFIX + pack_id


def overhead(count: int) -> int:
    """Bytes of a pack of `count` chunks that are not chunks."""
    return HEADER_BYTES + count * _PER_CHUNK + TRAILER_BYTES


def assemble(
    key: str, hashes: Sequence[bytes], lengths: Sequence[int], stored: Sequence[tuple[int, Buffer]]
) -> tuple[list[Buffer], int, list[Entry]]:
    """The pack as parts to write, its size, and where each chunk lies in it."""
    count = len(hashes)
    parts: list[Buffer] = [MAGIC]
    entries: list[Entry] = []
    offset = HEADER_BYTES
    for name, length, (codec, data) in zip(hashes, lengths, stored, strict=True):
        size = len(data)
        parts.append(data)
        entries.append((name, ChunkLocation(key, offset, size, length, codec)))
        offset += size
    footer = b"".join(
        (
            *hashes,
            struct.pack(f"<{count}I", *(len(data) for _, data in stored)),
            struct.pack(f"<{count}I", *lengths),
            bytes(codec for codec, _ in stored),
        )
    )
    parts.append(footer)
    parts.append(_TRAILER.pack(count, len(footer), digest(footer), VERSION, MAGIC))
    return parts, offset + len(footer) + TRAILER_BYTES, entries


def footer_bytes(key: str, trailer: bytes) -> int:
    """Length of the footer, from the last `TRAILER_BYTES` of a pack."""
    count, length, _, version, magic = _unpack_trailer(key, trailer)
    if magic != MAGIC:
        raise CorruptPack(key, "it does not end as a pack does")
    if version != VERSION:
        raise CorruptPack(key, f"its format version {version} is unknown")
    if length != count * _PER_CHUNK:
        raise CorruptPack(key, "its footer has the wrong length")
    return length


def parse_footer(key: str, tail: bytes) -> list[Entry]:
    """Entries of a pack from its end: footer and trailer (what comes before is passed over)."""
    trailer = tail[-TRAILER_BYTES:]
    length = footer_bytes(key, trailer)
    count, _, expected, _, _ = _unpack_trailer(key, trailer)
    footer = tail[-TRAILER_BYTES - length : -TRAILER_BYTES]
    if len(footer) != length or digest(footer) != expected:
        raise CorruptPack(key, "its footer does not match the footer's hash")
    stored = struct.unpack_from(f"<{count}I", footer, count * HASH_BYTES)
    lengths = struct.unpack_from(f"<{count}I", footer, count * (HASH_BYTES + 4))
    codecs = footer[count * (HASH_BYTES + 8) :]
    entries = []
    offset = HEADER_BYTES
    for i in range(count):
        name = footer[i * HASH_BYTES : (i + 1) * HASH_BYTES]
        entries.append((name, ChunkLocation(key, offset, stored[i], lengths[i], codecs[i])))
        offset += stored[i]
    return entries


def _unpack_trailer(key: str, trailer: bytes) -> tuple[int, int, bytes, int, bytes]:
    if len(trailer) != TRAILER_BYTES:
        raise CorruptPack(key, "it is too short")
    count, length, expected, version, magic = _TRAILER.unpack(trailer)
    return count, length, expected, version, magic
