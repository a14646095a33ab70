"""Rebuilding the chunk index from the packs themselves, when the database was lost."""

from __future__ import annotations

from dataclasses import dataclass, field

from dassie.blob.api import BlobInfo, BlobStore
from dassie.errors import DassieError
from dassie.meta.database import Database
from dassie.storage import pack
from dassie.storage.errors import CorruptPack
from dassie.storage.index import DatabaseIndex

_TAIL_BYTES = 1 << 20
_RECORD_CHUNKS = 1 << 16


@dataclass(slots=True)
class Report:
    """What was found. `damaged` packs (by key, with the reason) are left alone."""

    packs: int = 0
    chunks: int = 0
    damaged: dict[str, str] = field(default_factory=dict)


def recover(blob: BlobStore, db: Database) -> Report:
    """Enter every pack in the bucket into `packs` and `chunks`. Idempotent; removes nothing."""
    report = Report()
    index = DatabaseIndex(db)
    batch: list[tuple[str, int, list[pack.Entry]]] = []
    for info in blob.list(pack.PREFIX):
        try:
            entries = read_footer(blob, info.key, info)
        except DassieError as error:
            report.damaged[info.key] = str(error)
            continue
        batch.append((info.key, info.size, entries))
        report.packs += 1
        report.chunks += len(entries)
        if sum(len(found) for _, _, found in batch) >= _RECORD_CHUNKS:
            index.add_packs(batch)
            batch = []
    if batch:
        index.add_packs(batch)
    return report


def read_footer(blob: BlobStore, key: str, info: BlobInfo | None = None) -> list[pack.Entry]:
    """What a pack says about itself; raises `CorruptPack`."""
    if info is None:
        info = next((found for found in blob.list(key) if found.key == key), None)
    if info is None:
        raise CorruptPack(key, "it is not in the object store")
    start = max(0, info.size - _TAIL_BYTES)
    tail = blob.get_range(key, start, info.size - start)
    needed = pack.footer_bytes(key, tail[-pack.TRAILER_BYTES :]) + pack.TRAILER_BYTES
    if needed > info.size:
        raise CorruptPack(key, "its footer is longer than the pack")
    if needed > len(tail):
        tail = blob.get_range(key, info.size - needed, needed)
    return pack.parse_footer(key, tail)
