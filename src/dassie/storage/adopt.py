"""Packs that are stored and not in the index, while the index names others that are not stored.

That is what a database looks like that was restored from a copy older than the last repacking. Part
of the collector, which would otherwise take such packs for garbage.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from dassie.base.clock import to_micros
from dassie.blob.api import BlobInfo, BlobNotFound, BlobStore, RangeCache
from dassie.meta.database import Database
from dassie.storage import pack
from dassie.storage.errors import CorruptPack
from dassie.storage.index import DatabaseIndex, add_pack
from dassie.storage.recover import read_footer
from dassie.storage.store import Storage
from dassie.storage.tables import packs

_log = logging.getLogger(__name__)


def adopt(
    db: Database, storage: Storage, missing: Sequence[str], unknown: Iterable[BlobInfo]
) -> list[str]:
    """Enter those of the `unknown` packs that hold chunks which the index looks for in `missing`
    ones (keys, as a listing has it); the keys of packs that were entered."""
    lost = {key for key in missing if _is_gone(storage.blob, key)}
    if not lost:
        return []
    index = DatabaseIndex(db)
    adopted = []
    for info in unknown:
        try:
            entries = read_footer(storage.blob, info.key, info.size)
        except (CorruptPack, BlobNotFound):
            continue
        places = index.find([name for name, _ in entries]).values()
        replaced = {place.pack for place in places} & lost
        if replaced:
            _enter(db, info, entries, replaced)
            adopted.append(info.key)
    if adopted:
        _log.warning(
            "the index named packs that are not stored, %s for one: was the database restored from"
            " a copy? Found chunks of theirs in %d packs that it did not know",
            min(lost),
            len(adopted),
        )
    return adopted


def _is_gone(blob: BlobStore, key: str) -> bool:
    """A listing may lag behind."""
    if isinstance(blob, RangeCache):
        blob.forget(key)
    try:
        blob.get_range(key, 0, 1)
    except BlobNotFound:
        return True
    return False


def _enter(db: Database, info: BlobInfo, entries: list[pack.Entry], replaced: set[str]) -> None:
    with db.write() as tx:
        # Rows move because their pack is condemned: see `index.add_pack`.
        condemned = sa.update(packs).where(packs.c.key.in_(replaced), packs.c.deleted_at.is_(None))
        tx.execute(condemned.values(condemned_at=to_micros(tx.now)))
        add_pack(tx, info.key, info.size, entries, sqlite=db.is_sqlite)
