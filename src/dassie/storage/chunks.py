"""Reading chunks: batched look-ups, joined reads of packs, and a hash check of every byte.

Used by everything that reads: contents, trees, `check`, the collector's repacking.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dassie.base.hashing import digest
from dassie.blob.api import BlobNotFound, BlobStore
from dassie.storage.codec import decompress
from dassie.storage.errors import CorruptChunk, MissingChunk
from dassie.storage.limits import Limits
from dassie.storage.types import ChunkIndex, ChunkLocation

Located = tuple[bytes, ChunkLocation]


class ChunkReader:
    """Chunks by name. Thread-safe; keeps nothing."""

    def __init__(self, blob: BlobStore, index: ChunkIndex, limits: Limits) -> None:
        self._blob = blob
        self._index = index
        self._limits = limits

    def read(self, hashes: Sequence[bytes]) -> list[bytes]:
        """Plaintexts in the order asked. The caller bounds how much it asks for at once."""
        wanted = list(dict.fromkeys(hashes))
        found: dict[bytes, bytes] = {}
        for attempt in range(3):
            missing = [name for name in wanted if name not in found]
            if not missing:
                break
            places = self.locate(missing)
            try:
                found.update(self._fetch(places))
            except BlobNotFound as error:
                # The collector may have moved the chunks to another pack since the look-up.
                if attempt == 2:
                    raise MissingChunk(missing[0], str(error)) from None
        return [found[name] for name in hashes]

    def locate(self, hashes: list[bytes]) -> list[Located]:
        """Where they lie; raises `MissingChunk` for the first that is nowhere."""
        places = self._index.find(hashes)
        for name in hashes:
            if name not in places:
                raise MissingChunk(name)
        return [(name, places[name]) for name in hashes]

    def read_placed(self, places: list[Located]) -> dict[bytes, bytes]:
        """Chunks whose place is known, before the index knows it."""
        return dict(self._fetch(places))

    def _fetch(self, places: list[Located]) -> Iterator[tuple[bytes, bytes]]:
        for run in joined(places, self._limits.read_gap, self._limits.read_bytes):
            first, last = run[0][1], run[-1][1]
            length = last.offset + last.stored - first.offset
            data = self._blob.get_range(first.pack, first.offset, length)
            for name, place in run:
                start = place.offset - first.offset
                yield name, verified(name, place, data[start : start + place.stored])


def joined(places: list[Located], gap: int, limit: int) -> list[list[Located]]:
    """Chunks that lie near one another in a pack, grouped so that a read fetches a group. Pure."""
    runs: list[list[Located]] = []
    start, end, pack = 0, 0, ""
    for item in sorted(places, key=lambda item: (item[1].pack, item[1].offset)):
        place = item[1]
        stop = place.offset + place.stored
        if place.pack == pack and place.offset - end <= gap and stop - start <= limit:
            runs[-1].append(item)
        else:
            runs.append([item])
            start, pack = place.offset, place.pack
        end = stop
    return runs


def verified(name: bytes, place: ChunkLocation, stored: bytes) -> bytes:
    """The plaintext of a stored chunk, or `CorruptChunk`: never other bytes. Pure."""
    if len(stored) != place.stored:
        raise CorruptChunk(name, place.pack, "the pack ends before it does")
    try:
        plain = decompress(place.codec, stored, place.length)
    except ValueError as error:
        raise CorruptChunk(name, place.pack, str(error)) from None
    if digest(plain) != name:
        raise CorruptChunk(name, place.pack)
    return plain
