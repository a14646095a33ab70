"""Copying what is still used out of packs that are mostly garbage, or merging tiny ones.

Part of the collector. The order makes it safe: new pack stored, then, in one transaction, old packs
condemned and the chunks' rows moved to the new one. Readers that looked a chunk up before find the
old pack until its grace period ends, and look again when it is gone.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from dassie.base.clock import to_micros
from dassie.meta.database import Database
from dassie.storage import codec, pack
from dassie.storage.index import add_pack
from dassie.storage.mark import Marks
from dassie.storage.recover import read_footer
from dassie.storage.store import Storage
from dassie.storage.tables import packs

_Gathered = tuple[list[str], list[bytes]]


class Repacker:
    """Made for one run of the collector."""

    def __init__(self, db: Database, storage: Storage) -> None:
        self._db = db
        self._storage = storage

    def run(self, worn: Sequence[tuple[str, int]], marks: Marks) -> None:
        """Repack these packs (key and size), keeping what is marked."""
        for old, names in self._groups(worn, marks):
            self._replace(old, names)

    def _groups(self, worn: Sequence[tuple[str, int]], marks: Marks) -> Iterator[_Gathered]:
        """Old packs, and their marked chunks, enough for one new pack each time."""
        old: list[str] = []
        names: list[bytes] = []
        size = 0
        for key, length in worn:
            entries = read_footer(self._storage.blob, key, length)
            wanted = [name for name, _ in entries if name in marks]
            found = self._storage.index.find(wanted)
            here = [name for name in wanted if name in found and found[name].pack == key]
            old.append(key)
            names.extend(here)
            size += sum(found[name].length for name in here)
            if size >= self._storage.limits.pack_bytes:
                yield old, names
                old, names, size = [], [], 0
        if len(old) > 1 or names:
            yield old, names

    def _replace(self, old: Sequence[str], names: list[bytes]) -> None:
        key = pack.key_of(uuid.uuid4().hex)
        if names:
            plain = self._storage.chunks.read(names)
            stored = codec.compress(plain)
            lengths = [len(data) for data in plain]
            parts, size, entries = pack.assemble(key, names, lengths, stored)
            self._storage.blob.put(key, parts)
        with self._db.write() as tx:
            condemned = sa.update(packs).where(packs.c.key.in_(old), packs.c.deleted_at.is_(None))
            tx.execute(condemned.values(condemned_at=to_micros(tx.now)))
            if names:
                # Rows move because their pack is condemned: see `index.add_pack`.
                add_pack(tx, key, size, entries, sqlite=self._db.is_sqlite)
