"""Fsck of files: is all content of all commits stored, and is it what was written?

Called by the calls Fsck and CheckStorage and by tests, beside `check`, which looks at the version
graph alone. Reads only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa

from dassie.blob.api import RangeCache
from dassie.errors import DataLoss
from dassie.meta.database import Database
from dassie.pfs.graph import Graph
from dassie.pfs.views import named_roots
from dassie.storage.check import Checker
from dassie.storage.errors import MissingChunk
from dassie.storage.store import Storage
from dassie.storage.tables import chunks
from dassie.storage.types import ChunkLocation

_PAGE: Final = 1024


def damage(graph: Graph, storage: Storage, *, deep: bool = False) -> Iterator[str]:
    """One line for each thing wrong, naming file, commit and pack as far as they are known.

    `deep` reads every byte; otherwise every tree is read and every pack is looked for. What
    several commits share is reported with the first of them.
    """
    checker = Checker(graph.db, storage, deep=deep)
    with graph.snapshot() as tx:
        roots = list(named_roots(tx))
    for problem in checker.packs():
        yield problem.message
    for commit, root in roots:
        for problem in checker.tree(root):
            yield f"commit {commit}, file {problem.message}"


def count_chunks(
    graph: Graph, storage: Storage, begin: bytes = b"", end: bytes = b"", *, read: bool = False
) -> int:
    """How many chunks are recorded whose hash is at least `begin` and below `end` (empty: no
    limit). Raises `DataLoss` for the first whose pack is not stored, or which, with `read`, is not
    what its hash says."""
    there = {info.key for info in storage.blob.list("pack/")}
    count, after = 0, b""
    while True:
        names = _page(graph.db, begin, end, after)
        places = storage.index.find(names)
        for name, place in places.items():
            # One that is not in the index any more was moved or freed by the collector.
            if place.pack not in there and storage.index.find([name]).get(name) == place:
                raise DataLoss(
                    f"chunk {name.hex()}: pack {place.pack!r} is not in the object store"
                )
        if read:
            _read(storage, places)
        count += len(places)
        if len(names) < _PAGE:
            return count
        after = names[-1]


def _page(db: Database, begin: bytes, end: bytes, after: bytes) -> list[bytes]:
    where = [chunks.c.hash >= begin]
    if after:
        where.append(chunks.c.hash > after)
    if end:
        where.append(chunks.c.hash < end)
    with db.read() as tx:
        rows = tx.execute(
            sa.select(chunks.c.hash).where(*where).order_by(chunks.c.hash).limit(_PAGE)
        )
        return [bytes(name) for name in rows.scalars()]


def _read(storage: Storage, places: dict[bytes, ChunkLocation]) -> None:
    """Verified as it is read; a few at a time, because a chunk may have some MiB."""
    if isinstance(storage.blob, RangeCache):
        for pack in {place.pack for place in places.values()}:
            storage.blob.forget(pack)  # it is the store that is checked
    batch: list[bytes] = []
    room = storage.limits.read_bytes
    for name, place in places.items():
        if batch and place.length > room:
            _read_batch(storage, batch)
            batch, room = [], storage.limits.read_bytes
        batch.append(name)
        room -= place.length
    _read_batch(storage, batch)


def _read_batch(storage: Storage, names: list[bytes]) -> None:
    while names:
        try:
            storage.chunks.read(names)
            return
        except MissingChunk as error:
            if storage.index.find([error.chunk]):
                raise
            names = [name for name in names if name != error.chunk]  # it was freed meanwhile
