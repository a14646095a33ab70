"""Storage fsck: is everything there that trees refer to, and is it what it was?

`packs` looks at packs, `tree` at what one root reaches. A checker remembers what it has seen, so
checking all commits of a repository reads what they share once. It changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from dassie.blob.api import BlobNotFound, RangeCache
from dassie.errors import DassieError, DataLoss
from dassie.meta.database import Database
from dassie.storage.chunks import verified
from dassie.storage.contents import chunks_of, read_content
from dassie.storage.errors import CorruptChunk, MissingChunk
from dassie.storage.recover import read_footer
from dassie.storage.store import Storage
from dassie.storage.tables import packs
from dassie.storage.types import Content, Dir, Entry

_BATCH = 2048


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong. `path` is empty when it was found in a pack and not by way of a tree."""

    path: str
    pack: str
    chunk: bytes
    message: str


class Checker:
    """One check of a whole store."""

    def __init__(self, db: Database, storage: Storage, *, deep: bool = False) -> None:
        self._db = db
        self._storage = storage
        self._deep = deep
        self._seen: set[bytes] = set()
        self._bad: dict[bytes, DataLoss] = {}
        self.checked_files = 0

    def packs(self) -> Iterator[Problem]:
        """Is every recorded pack there? With `deep`: does every chunk in it have its hash?"""
        with self._db.read() as tx:
            rows = tx.execute(
                sa.select(packs.c.key, packs.c.size).where(
                    packs.c.deleted_at.is_(None), packs.c.chunks > 0
                )
            ).all()
        sizes = {info.key: info.size for info in self._storage.blob.list("pack/")}
        for row in rows:
            key, size = row.key, row.size
            if key not in sizes:
                yield Problem("", key, b"", f"pack {key!r} is not in the object store")
            elif sizes[key] != size:
                text = f"pack {key!r} has {sizes[key]} bytes instead of {size}"
                yield Problem("", key, b"", text)
            elif self._deep:
                yield from self._check_pack(key, size)

    def _check_pack(self, key: str, size: int) -> Iterator[Problem]:
        blob = self._storage.blob
        if isinstance(blob, RangeCache):
            blob.forget(key)  # it is the store that is checked
        try:
            entries = read_footer(blob, key, size)
        except DassieError as error:
            yield Problem("", key, b"", str(error))
            return
        limit = self._storage.limits.read_bytes
        start = 0
        while start < len(entries):
            end, length = start, 0
            while end < len(entries) and (end == start or length + entries[end][1].stored <= limit):
                length += entries[end][1].stored
                end += 1
            first = entries[start][1].offset
            try:
                data = blob.get_range(key, first, length)
            except BlobNotFound:
                return  # the collector was here
            for name, place in entries[start:end]:
                at = place.offset - first
                try:
                    verified(name, place, data[at : at + place.stored])
                except CorruptChunk as error:
                    self._bad[name] = error
                    yield Problem("", key, name, str(error))
            start = end

    def tree(self, root: Dir) -> Iterator[Problem]:
        """Everything that `root` reaches: nodes are read, chunks of contents looked up.

        With `deep`, contents whose chunks `packs` found damaged are reported by path, and large
        contents are read as a whole.
        """
        pending: list[tuple[str, bytes]] = []
        for entry in self._entries(Entry("/", root)):
            if isinstance(entry, Problem):
                yield entry
                continue
            self.checked_files += 1
            yield from self._content(entry, pending)
            if len(pending) >= _BATCH:
                yield from self._look_up(pending)
                pending = []
        yield from self._look_up(pending)

    def _entries(self, top: Entry) -> Iterator[Entry | Problem]:
        """Files below directories that were not seen before."""
        stack = [top]
        while stack:
            directory = stack.pop()
            node = directory.node
            if not isinstance(node, Dir) or node.ref is None or node.ref in self._seen:
                continue
            self._seen.add(node.ref)
            try:
                for entry in self._storage.tree.list(node, "/"):
                    placed = Entry(directory.path + entry.path[1:], entry.node)
                    if placed.is_dir:
                        stack.append(placed)
                    else:
                        yield placed
            except DataLoss as error:
                yield _problem(directory.path, error)

    def _content(self, entry: Entry, pending: list[tuple[str, bytes]]) -> Iterator[Problem]:
        content = entry.node
        if not isinstance(content, Content) or not content.size:
            return
        key = content.ref or content.hash
        if key in self._seen and key not in self._bad:
            return
        if content.ref is not None:
            self._seen.add(key)
        read = self._storage.chunks.read
        try:
            for _, name, _ in chunks_of(read, content):
                if name in self._bad:
                    raise self._bad[name]
                pending.append((entry.path, name))
            if self._deep and content.ref is not None:
                for _ in read_content(self._storage.chunks, content, 0, None):
                    pass
        except DataLoss as error:
            self._bad[key] = error
            yield _problem(entry.path, error)

    def _look_up(self, pending: list[tuple[str, bytes]]) -> Iterator[Problem]:
        found = self._storage.index.find(list({name for _, name in pending}))
        for path, name in pending:
            if name not in found:
                yield _problem(path, MissingChunk(name))


def _problem(path: str, error: DataLoss) -> Problem:
    pack = getattr(error, "pack", "")
    chunk = getattr(error, "chunk", b"")
    return Problem(path, pack, chunk, f"{path}: {error}")
