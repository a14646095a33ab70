"""The chunk index on the metadata database: which pack holds which chunk.

Thousands of rows go in or out in one statement: the columns travel as packed buffers (SQLite) or
arrays (PostgreSQL) and are taken apart inside the database. Row by row the driver would give up the
GIL tens of thousands of times, and every time wait to get it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from dassie.base.clock import to_micros
from dassie.errors import Aborted
from dassie.meta.database import Database
from dassie.meta.transaction import Tx
from dassie.storage.tables import packs
from dassie.storage.types import ChunkLocation

Entry = tuple[bytes, ChunkLocation]

_FIND_BATCH = 4096
_NUMBER = "%016d"
"""Numbers travel to SQLite as decimals of this width; SQL cannot unpack binary ones."""

_NUMBERED = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)"
_STANDS, _CONDEMNED, _DELETED = 0, 1, 2
_FOUND = (
    'c.hash, c.pack, c."offset", c.stored, c.length, c.codec, CASE'
    f" WHEN p.deleted_at IS NOT NULL THEN {_DELETED}"
    f" WHEN p.condemned_at IS NOT NULL THEN {_CONDEMNED} ELSE {_STANDS} END"
)
_ON_CONFLICT = """ON CONFLICT (hash) DO UPDATE
SET pack = excluded.pack, "offset" = excluded."offset", stored = excluded.stored,
    length = excluded.length, codec = excluded.codec
WHERE (SELECT condemned_at FROM packs WHERE id = chunks.pack) IS NOT NULL"""

_SQLITE_FIND = (
    f"{_NUMBERED} SELECT {_FOUND} FROM n"  # noqa: S608 - constants only
    " CROSS JOIN chunks c ON c.hash = substr(:hashes, n.i * 32 + 1, 32)"
    " CROSS JOIN packs p ON p.id = c.pack"
)
_SQLITE_ADD = (
    f'{_NUMBERED} INSERT INTO chunks (hash, pack, "offset", stored, length, codec)'  # noqa: S608 - constants only
    " SELECT substr(:hashes, i * 32 + 1, 32), :pack,"
    " CAST(substr(:offsets, i * 16 + 1, 16) AS INTEGER),"
    " CAST(substr(:stored, i * 16 + 1, 16) AS INTEGER),"
    " CAST(substr(:lengths, i * 16 + 1, 16) AS INTEGER),"
    " CAST(substr(:codecs, i * 16 + 1, 16) AS INTEGER)"
    f" FROM n WHERE true {_ON_CONFLICT}"
)
_POSTGRES_FIND = (
    f"SELECT {_FOUND} FROM unnest(%(hashes)s::bytea[]) AS n(h)"  # noqa: S608 - constants only
    " JOIN chunks c ON c.hash = n.h JOIN packs p ON p.id = c.pack"
)
_POSTGRES_ADD = (
    'INSERT INTO chunks (hash, pack, "offset", stored, length, codec)'  # noqa: S608 - constants only
    " SELECT DISTINCT ON (h) h, %(pack)s, o, s, l, c FROM unnest(%(hashes)s::bytea[],"
    " %(offsets)s::bigint[], %(stored)s::bigint[], %(lengths)s::bigint[], %(codecs)s::smallint[])"
    f" AS n(h, o, s, l, c) ORDER BY h {_ON_CONFLICT}"
)


# One statement: on PostgreSQL the collector may be noting the same pack as abandoned just now.
_RECORD_PACK = sa.text(
    "INSERT INTO packs (key, size, chunks, created_at) VALUES (:key, :size, :chunks, :now)"
    " ON CONFLICT (key) DO UPDATE SET size = excluded.size, chunks = excluded.chunks,"
    " condemned_at = NULL WHERE packs.deleted_at IS NULL RETURNING id"
)


class DatabaseIndex:
    """`ChunkIndex` on the tables `packs` and `chunks`. Thread-safe."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._find = _SQLITE_FIND if db.is_sqlite else _POSTGRES_FIND
        self._keys: dict[int, str] = {}
        """Keys of packs by row; they never change."""

    def find(self, hashes: list[bytes]) -> dict[bytes, ChunkLocation]:
        """Locations of those that are stored. What it returns is safe to refer to from a session.

        A pack that the collector has condemned and that is asked for here is wanted again: it is
        reprieved before its chunks are named.
        """
        found: dict[bytes, ChunkLocation] = {}
        for start in range(0, len(hashes), _FIND_BATCH):
            batch = hashes[start : start + _FIND_BATCH]
            places, condemned = self._look_up(batch)
            if condemned:
                self._reprieve(condemned)
                places, _ = self._look_up(batch)
            found.update(places)
        return found

    def _look_up(self, hashes: list[bytes]) -> tuple[dict[bytes, ChunkLocation], set[int]]:
        """Those in packs that stand, and the packs of others that are condemned."""
        params: dict[str, Any] = {"hashes": hashes}
        if self._db.is_sqlite:
            params = {"count": len(hashes), "hashes": b"".join(hashes)}
        with self._db.read() as tx:
            # The driver's own rows: the wrapper's would cost as much as the look-up.
            cursor = tx.conn.exec_driver_sql(self._find, params).cursor
            rows = cursor.fetchall() if cursor is not None else []
            keys = self._keys
            unknown = {row[1] for row in rows} - keys.keys()
            if unknown:
                query = sa.select(packs.c.id, packs.c.key).where(packs.c.id.in_(unknown))
                keys.update((row.id, row.key) for row in tx.execute(query))
        if any(row[6] for row in rows):
            condemned = {row[1] for row in rows if row[6] == _CONDEMNED}
            rows = [row for row in rows if row[6] == _STANDS]
        else:
            condemned = set()
        places = {
            name: ChunkLocation(keys[pack], offset, stored, length, codec)
            for name, pack, offset, stored, length, codec, _ in rows
        }
        return places, condemned

    def _reprieve(self, ids: set[int]) -> None:
        wanted = sa.update(packs).where(packs.c.id.in_(ids), packs.c.deleted_at.is_(None))
        with self._db.write(shared=True) as tx:
            tx.execute(wanted.values(condemned_at=None))

    def add_pack(self, key: str, size: int, entries: list[Entry]) -> None:
        """Record a pack that is durable. Idempotent; what another pack holds keeps its place."""
        self.add_packs([(key, size, entries)])

    def add_packs(self, packs: list[tuple[str, int, list[Entry]]]) -> None:
        """Several packs in one transaction, which writes every page of the index once only."""
        with self._db.write(shared=True) as tx:
            for key, size, entries in packs:
                add_pack(tx, key, size, entries, sqlite=self._db.is_sqlite)


def add_pack(tx: Tx, key: str, size: int, entries: Sequence[Entry], *, sqlite: bool) -> None:
    """The same, inside a transaction: also for the collector's repacking and for recovery."""
    row = {"key": key, "size": size, "chunks": len(entries), "now": to_micros(tx.now)}
    pack = tx.execute(_RECORD_PACK, row).scalar()
    if pack is None:
        raise Aborted(f"pack {key!r} was collected before its upload finished: upload again")
    if not entries:
        return
    if sqlite:
        tx.conn.exec_driver_sql(_SQLITE_ADD, {"pack": pack, **_packed(entries)})
    else:
        tx.conn.exec_driver_sql(_POSTGRES_ADD, {"pack": pack, **_columns(entries)})


def _columns(entries: Sequence[Entry]) -> dict[str, Any]:
    entries = sorted(entries, key=itemgetter(0))  # neighbours in the index are written together
    return {
        "hashes": [name for name, _ in entries],
        "offsets": [at.offset for _, at in entries],
        "stored": [at.stored for _, at in entries],
        "lengths": [at.length for _, at in entries],
        "codecs": [at.codec for _, at in entries],
    }


def _packed(entries: Sequence[Entry]) -> dict[str, Any]:
    columns = _columns(entries)
    layout = _NUMBER * len(entries)
    return {
        "count": len(entries),
        "hashes": b"".join(columns["hashes"]),
        **{
            # Bytes, not text: SQLite would count characters from the start for every row.
            name: (layout % tuple(columns[name])).encode()
            for name in ("offsets", "stored", "lengths", "codecs")
        },
    }
