"""Tree nodes: the columnar codec, and where one node ends and the next begins. Pure.

A directory is a tree of nodes. A leaf (level 0) holds entries; a node above holds one entry for
each of its children, whose key is the child's last key. See docs/formats/tree.md.

Which keys end a node depends on the keys alone (`rank`). So the shape of a directory, and with it
its hash, is a function of its content and not of the edits that led to it.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from zlib import crc32

from dassie.base.hashing import digest
from dassie.storage.types import HASH_BYTES

_HEADER = struct.Struct("<2sBBIII")
_MAGIC = b"dT"
_VERSION = 1
_HASH_DOMAIN = b"dassie directory\0"
_HASH_SHAPE = struct.Struct("<BII")

LEAF_BITS = 5
INNER_BITS = 5

Record = tuple[str, bytes, bytes | None, int, int]
"""Key, hash, ref, size, files. A directory's key ends with `/`."""


def rank(key: str) -> int:
    """How many levels of nodes end after `key`: none for most keys."""
    mixed = (crc32(key.encode()) * 0x9E3779B1) & 0xFFFFFFFF
    mixed ^= mixed >> 15
    if mixed & ((1 << LEAF_BITS) - 1):
        return 0
    mixed >>= LEAF_BITS
    levels = 1
    while mixed and not mixed & ((1 << INNER_BITS) - 1):
        mixed >>= INNER_BITS
        levels += 1
    return levels


def ends(records: Sequence[Record], level: int) -> list[int]:
    """Index behind each record that ends a node of `level`."""
    mask = (1 << LEAF_BITS) - 1
    # The test for rank 0, spelled out: it is made for every file of every new directory.
    return [
        i
        for i, record in enumerate(records, 1)
        if not ((mixed := (crc32(record[0].encode()) * 0x9E3779B1) & 0xFFFFFFFF) ^ mixed >> 15)
        & mask
        and rank(record[0]) > level
    ]


class Node:
    """A decoded node. Never changed after it was made; shared by threads and by the cache."""

    __slots__ = ("files", "hashes", "keys", "level", "refs", "sizes", "weight")

    def __init__(
        self,
        level: int,
        keys: list[str],
        hashes: bytes,
        refs: list[bytes | None] | None,
        sizes: Sequence[int],
        files: Sequence[int] | None,
        weight: int,
    ) -> None:
        self.level = level
        self.keys = keys
        self.hashes = hashes
        """All hashes, joined."""
        self.refs = refs
        """None: no entry has one."""
        self.sizes = sizes
        self.files = files
        """None: all entries are files."""
        self.weight = weight
        """About how many bytes of memory it takes."""

    def hash(self, i: int) -> bytes:
        return self.hashes[i * HASH_BYTES : (i + 1) * HASH_BYTES]

    def ref(self, i: int) -> bytes | None:
        return self.refs[i] if self.refs is not None else None

    def child(self, i: int) -> bytes:
        """Ref of an entry that must have one: a directory, or a node below."""
        ref = self.ref(i)
        if ref is None:
            raise ValueError(f"entry {self.keys[i]!r} of a tree node has no node")
        return ref

    def record(self, i: int) -> Record:
        files = 1 if self.files is None else self.files[i]
        return (self.keys[i], self.hash(i), self.ref(i), self.sizes[i], files)

    def records(self) -> list[Record]:
        count = len(self.keys)
        hashes = [self.hashes[i : i + HASH_BYTES] for i in range(0, count * HASH_BYTES, HASH_BYTES)]
        refs = self.refs or [None] * count
        files = self.files or [1] * count
        return list(zip(self.keys, hashes, refs, self.sizes, files, strict=True))


Built = tuple[Node, bytes, bytes]
"""A node, its encoded form, and its semantic hash, which covers names, kinds, hashes and sizes but
no refs: it is the same however the content below was cut into chunks."""


def build(level: int, records: Sequence[Record]) -> Built:
    """A node of these records (at least one)."""
    keys, hash_column, refs, sizes, files = zip(*records, strict=True)
    has_files = level > 0 or "/" in "\0".join(keys)
    return _encoded(
        level,
        list(keys),
        b"".join(hash_column),
        list(refs) if any(refs) else None,
        sizes,
        files if has_files else None,
    )


def patched(node: Node, changes: Iterable[tuple[int, Record]]) -> Built:
    """A node with some entries replaced by others of the same keys."""
    hashes = bytearray(node.hashes)
    sizes = list(node.sizes)
    refs = list(node.refs) if node.refs is not None else None
    files = list(node.files) if node.files is not None else None
    for i, (_, name, ref, size, count) in changes:
        hashes[i * HASH_BYTES : (i + 1) * HASH_BYTES] = name
        sizes[i] = size
        if refs is not None:
            refs[i] = ref
        elif ref is not None:
            refs = [None] * len(sizes)
            refs[i] = ref
        if files is not None:
            files[i] = count
    if refs is not None and not any(refs):
        refs = None
    return _encoded(node.level, node.keys, bytes(hashes), refs, sizes, files)


def _encoded(
    level: int,
    keys: list[str],
    hashes: bytes,
    refs: list[bytes | None] | None,
    sizes: Sequence[int],
    files: Sequence[int] | None,
) -> Built:
    count = len(keys)
    names = "\0".join(keys).encode()
    size_column = struct.pack(f"<{count}Q", *sizes)
    present = [ref for ref in refs if ref is not None] if refs is not None else []
    parts = [_HEADER.pack(_MAGIC, _VERSION, level, count, len(names), len(present))]
    parts += (names, hashes, size_column)
    if files is not None:
        counted = [n for key, n in zip(keys, files, strict=True) if level or key[-1] == "/"]
        parts.append(struct.pack(f"<{len(counted)}Q", *counted))
    if refs is not None:
        if len(present) < count:
            indexes = [i for i, ref in enumerate(refs) if ref is not None]
            parts.append(struct.pack(f"<{len(present)}I", *indexes))
        parts += present
    data = b"".join(parts)
    shape = _HASH_SHAPE.pack(level, count, len(names))
    semantic = digest(b"".join((_HASH_DOMAIN, shape, names, hashes, size_column)))
    numbers = _numbers(size_column)
    return Node(level, keys, hashes, refs, numbers, files, _weight(keys, refs)), data, semantic


def decode(data: bytes) -> Node:
    """Raises `ValueError` for what is not a tree node."""
    if len(data) < _HEADER.size:
        raise ValueError("a tree node is too short")
    magic, version, level, count, names_bytes, referred = _HEADER.unpack_from(data)
    if magic != _MAGIC or version != _VERSION:
        raise ValueError("not a tree node")
    try:
        at = _HEADER.size + names_bytes
        keys = data[_HEADER.size : at].decode().split("\0")
        hashes = data[at : at + count * HASH_BYTES]
        at += count * HASH_BYTES
        sizes = _numbers(data[at : at + 8 * count])
        at += 8 * count
        files: list[int] | None = None
        counted = range(count) if level else [i for i, key in enumerate(keys) if key[-1] == "/"]
        if counted:
            files = [1] * count
            values = struct.unpack_from(f"<{len(counted)}Q", data, at)
            for i, value in zip(counted, values, strict=True):
                files[i] = value
            at += 8 * len(counted)
        refs, at = _decode_refs(data, at, count, referred)
    except (struct.error, IndexError, ValueError) as error:
        raise ValueError(f"a tree node is malformed ({error})") from None
    if len(keys) != count or len(sizes) != count or at != len(data):
        raise ValueError("a tree node is malformed (lengths)")
    return Node(level, keys, hashes, refs, sizes, files, _weight(keys, refs))


def _decode_refs(
    data: bytes, at: int, count: int, referred: int
) -> tuple[list[bytes | None] | None, int]:
    if not referred:
        return None, at
    indexes: Sequence[int] = range(count)
    if referred < count:
        indexes = struct.unpack_from(f"<{referred}I", data, at)
        at += 4 * referred
    refs: list[bytes | None] = [None] * count
    for i in indexes:
        refs[i] = data[at : at + HASH_BYTES]
        at += HASH_BYTES
    return refs, at


def _numbers(column: bytes) -> array[int]:
    """A column of unsigned 64-bit numbers: a fifth of the memory of a tuple of them."""
    numbers = array("Q")
    numbers.frombytes(column)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _weight(keys: list[str], refs: list[bytes | None] | None) -> int:
    """Bytes of memory: 60 for a key, 33 more for a ref, and so on. Roughly."""
    return 300 + len(keys) * (110 if refs is None else 180)
