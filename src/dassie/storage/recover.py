"""Rebuilding the chunk index from the packs themselves, when the database was lost."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from dassie.blob.api import BlobInfo, BlobNotFound, BlobStore, RangeCache
from dassie.errors import DassieError
from dassie.meta.database import Database
from dassie.storage import pack
from dassie.storage.errors import CorruptPack
from dassie.storage.index import DatabaseIndex

_TAIL_BYTES = 1 << 20
_RECORD_CHUNKS = 1 << 16
_READERS = 8
_WINDOW = 16


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
    for info, entries in _footers(blob, blob.list(pack.PREFIX)):
        if isinstance(entries, DassieError):
            report.damaged[info.key] = str(entries)
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


def _footers(
    blob: BlobStore, packs: Iterator[BlobInfo]
) -> Iterator[tuple[BlobInfo, list[pack.Entry] | DassieError]]:
    """What each pack says about itself, in order; several are asked at a time."""

    def read(info: BlobInfo) -> list[pack.Entry] | DassieError:
        try:
            return read_footer(blob, info.key, info.size)
        except (CorruptPack, BlobNotFound) as error:
            return error

    with ThreadPoolExecutor(_READERS, thread_name_prefix="recover") as threads:
        while window := list(islice(packs, _WINDOW)):
            yield from zip(window, threads.map(read, window), strict=True)


def read_footer(blob: BlobStore, key: str, size: int) -> list[pack.Entry]:
    """What a pack of that many bytes says about itself; raises `CorruptPack`."""
    try:
        return _read_footer(blob, key, size)
    except CorruptPack:
        # It may have been damaged on its way, or in a cache.
        if isinstance(blob, RangeCache):
            blob.forget(key)
        return _read_footer(blob, key, size)


def _read_footer(blob: BlobStore, key: str, size: int) -> list[pack.Entry]:
    start = max(0, size - _TAIL_BYTES)
    tail = blob.get_range(key, start, size - start)
    needed = pack.footer_bytes(key, tail[-pack.TRAILER_BYTES :]) + pack.TRAILER_BYTES
    if needed > size:
        raise CorruptPack(key, "its footer is longer than the pack")
    if needed > len(tail):
        tail = blob.get_range(key, size - needed, needed)
    return pack.parse_footer(key, tail)
