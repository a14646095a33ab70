"""Value types of immutable storage. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar, dataclass_transform

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True)
def _value(cls: type[_T]) -> type[_T]:
    """An immutable value: the type checker refuses assignments.

    Nothing refuses them at run time, because that makes construction three times as slow, and a
    million of these are made to list a million files.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)


HASH_BYTES = 32
EMPTY_HASH = bytes.fromhex("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")
"""BLAKE3 of no bytes: the hash of an empty file."""


@_value
class Content:
    """A file's bytes, by name.

    hash: BLAKE3-256 of the whole content, whatever way it was written.
    size: bytes.
    ref: chunk that holds the list of this content's chunks; `None` when the content is one chunk
        (then the chunk's name is `hash`) or empty (then there is no chunk at all).
    """

    hash: bytes
    size: int
    ref: bytes | None = None


EMPTY = Content(EMPTY_HASH, 0)


@_value
class Dir:
    """An immutable directory: the root of a tree.

    hash: covers names, kinds, sizes and hashes of everything below; equal hashes mean equal
    content.
    ref: chunk of its root node; `None` for the empty directory.
    size: bytes in all files below.  files: number of files below.
    """

    hash: bytes
    ref: bytes | None
    size: int
    files: int


EMPTY_DIR = Dir(EMPTY_HASH, None, 0, 0)


@_value
class Entry:
    """One file or directory found in a tree. `path` is absolute; a directory's ends with `/` (the
    root is `/`)."""

    path: str
    node: Content | Dir

    @property
    def is_dir(self) -> bool:
        return isinstance(self.node, Dir)

    @property
    def size(self) -> int:
        return self.node.size

    @property
    def hash(self) -> bytes:
        return self.node.hash


@_value
class Put:
    """Tree edit: write a file or graft a whole directory at `path`, replacing what was there.

    `create` makes it an error (`PathConflict`) when the path exists already: two datums may not
    write one path.
    """

    path: str
    node: Content | Dir
    create: bool = False


@_value
class Delete:
    """Tree edit: remove the file or directory at `path` (either way, with or without a trailing
    `/`).

    A missing path is not an error. A directory left empty disappears.
    """

    path: str


Edit = Put | Delete


@_value
class ChunkLocation:
    """Where a chunk lies: object key of the pack, byte offset and stored length in it, plaintext
    length, codec."""

    pack: str
    offset: int
    stored: int
    length: int
    codec: int


class ChunkIndex(Protocol):
    """chunk → location. pachd implements it on the database, a worker on the wire. Methods block
    and take batches."""

    def find(self, hashes: list[bytes]) -> dict[bytes, ChunkLocation]:
        """Locations of those hashes that are stored and safe to refer to; the others are absent."""

    def add_pack(self, key: str, size: int, entries: list[tuple[bytes, ChunkLocation]]) -> None:
        """Record a pack that is durable in the object store. Idempotent. A chunk that another pack
        holds already
        keeps its old location."""
