"""Reading chunks: batched look-ups, joined reads of packs, and a hash check of every byte.

Used by everything that reads: contents, trees, `check`, the collector's repacking. Behind a network
several reads are under way at a time, in threads that all readers share.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import groupby

from dassie.base.hashing import digest
from dassie.blob.api import BlobNotFound, BlobStore, RangeCache
from dassie.errors import DassieError
from dassie.storage.ahead import Ahead, Fetch
from dassie.storage.codec import decompress
from dassie.storage.errors import CorruptChunk, MissingChunk
from dassie.storage.limits import Limits
from dassie.storage.types import ChunkIndex, ChunkLocation

Located = tuple[bytes, ChunkLocation]
Run = list[Located]
"""Chunks that lie near one another in a pack, in its order: one read."""

_ATTEMPTS = 3
_READ_AGAIN = 3
"""Times, for a chunk that is damaged."""
_NEAR_BYTES = 4 << 10
"""Gap that is read along even where a cache holds the pack."""
_BULK_CHUNK_BYTES = 128 << 10
"""Runs of chunks so large on average are of large files: read in one go, they leave nothing over
that is worth keeping."""


class ChunkReader:
    """Chunks by name. Thread-safe; keeps nothing."""

    def __init__(self, blob: BlobStore, index: ChunkIndex, limits: Limits) -> None:
        self._blob = blob
        self._index = index
        self._cache = blob if isinstance(blob, RangeCache) else None
        self._gap = limits.read_gap if self._cache is None else _NEAR_BYTES
        self._longest = limits.read_bytes
        self._threads: ThreadPoolExecutor | None = None
        if limits.fetch_threads:
            self._threads = ThreadPoolExecutor(limits.fetch_threads, thread_name_prefix="fetch")
        self.ahead = Ahead(limits.ahead_batches, limits.ahead_bytes)

    def close(self) -> None:
        """End the threads; what is under way is waited for."""
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)

    def read(self, hashes: Sequence[bytes]) -> list[bytes]:
        """Plaintexts in the order asked. The caller bounds how much it asks for at once."""
        wanted = list(dict.fromkeys(hashes))
        found: dict[bytes, bytes] = {}
        for attempt in range(_ATTEMPTS):
            missing = [name for name in wanted if name not in found]
            if not missing:
                break
            places = self.locate(missing)
            try:
                for some in self._fetch(places):
                    found.update(some)
            except BlobNotFound as error:
                # The collector may have moved the chunks to another pack since the look-up.
                if attempt == _ATTEMPTS - 1:
                    raise MissingChunk(missing[0], str(error)) from None
        return [found[name] for name in hashes]

    def begin(self, hashes: Sequence[bytes]) -> Fetch:
        """The same in the background, where there are threads for it. Failures come with the
        result."""
        if self._threads is None:
            return _Later(self, hashes)
        try:
            places = self.locate(list(dict.fromkeys(hashes)))
        except DassieError:
            return _Later(self, hashes)
        return _OnTheWay(self, hashes, self._submit(self._threads, places))

    def locate(self, hashes: list[bytes]) -> list[Located]:
        """Where they lie; raises `MissingChunk` for the first that is nowhere."""
        places = self._index.find(hashes)
        for name in hashes:
            if name not in places:
                raise MissingChunk(name)
        return [(name, places[name]) for name in hashes]

    def read_placed(self, places: list[Located]) -> dict[bytes, bytes]:
        """Chunks whose place is known, before the index knows it."""
        found: dict[bytes, bytes] = {}
        for some in self._fetch(places):
            found.update(some)
        return found

    def _fetch(self, places: list[Located]) -> Iterator[dict[bytes, bytes]]:
        """Several reads go to the threads, if there are any; a single one needs no other thread."""
        reads = list(self._reads(places))
        if self._threads is None or len(reads) == 1:
            for runs in reads:
                yield self._read_runs(runs)
            return
        futures = [self._threads.submit(self._read_runs, runs) for runs in reads]
        try:
            for future in futures:
                yield future.result()
        finally:
            _cancel(futures)

    def _submit(
        self, threads: ThreadPoolExecutor, places: list[Located]
    ) -> deque[Future[dict[bytes, bytes]]]:
        return deque(threads.submit(self._read_runs, runs) for runs in self._reads(places))

    def _reads(self, places: list[Located]) -> Iterator[list[Run]]:
        """What is fetched together: runs of one pack that a cache answers, or else each alone."""
        runs = joined(places, self._gap, self._longest)
        if self._cache is None:
            yield from ([run] for run in runs)
            return
        for _, group in groupby(runs, key=lambda run: run[0][1].pack):
            scattered = []
            for run in group:
                if _is_bulk(run):
                    yield [run]
                else:
                    scattered.append(run)
            if scattered:
                yield scattered

    def _read_runs(self, runs: list[Run]) -> dict[bytes, bytes]:
        pack = runs[0][0][1].pack
        spans = [_span(run) for run in runs]
        if self._cache is not None and not _is_bulk(runs[0]):
            parts = self._cache.get_ranges(pack, spans)
        else:
            parts = [self._blob.get_range(pack, offset, length) for offset, length in spans]
        found: dict[bytes, bytes] = {}
        parts.reverse()
        for run, (offset, _) in zip(runs, spans, strict=True):
            data = parts.pop()
            for name, place in run:
                start = place.offset - offset
                try:
                    found[name] = verified(name, place, data[start : start + place.stored])
                except CorruptChunk:
                    found[name] = self._read_again(name, place)
        return found

    def _read_again(self, name: bytes, place: ChunkLocation) -> bytes:
        """A chunk that was damaged may have been so on its way, or in a cache. It is lost when it
        is so again and again."""
        for _ in range(_READ_AGAIN - 1):
            with suppress(CorruptChunk):
                return self._read_anew(name, place)
        return self._read_anew(name, place)

    def _read_anew(self, name: bytes, place: ChunkLocation) -> bytes:
        if self._cache is not None:
            self._cache.forget(place.pack)
        return verified(name, place, self._blob.get_range(place.pack, place.offset, place.stored))


class _Later:
    """Chunks that are fetched when they are asked for."""

    def __init__(self, reader: ChunkReader, hashes: Sequence[bytes]) -> None:
        self._reader = reader
        self._hashes = hashes

    def result(self) -> list[bytes]:
        return self._reader.read(self._hashes)

    def cancel(self) -> None:
        pass


class _OnTheWay:
    """Chunks that threads fetch."""

    def __init__(
        self,
        reader: ChunkReader,
        hashes: Sequence[bytes],
        futures: deque[Future[dict[bytes, bytes]]],
    ) -> None:
        self._reader = reader
        self._hashes = hashes
        self._futures = futures

    def result(self) -> list[bytes]:
        found: dict[bytes, bytes] = {}
        try:
            while self._futures:
                found.update(self._futures.popleft().result())
        except BlobNotFound:
            # Its pack was repacked since; `read` looks again.
            return self._reader.read(self._hashes)
        finally:
            self.cancel()
        return [found[name] for name in self._hashes]

    def cancel(self) -> None:
        _cancel(self._futures)


def _cancel(futures: Iterable[Future[dict[bytes, bytes]]]) -> None:
    for future in futures:
        future.cancel()


def _span(run: Run) -> tuple[int, int]:
    """Offset and length of the read that fetches a run."""
    first, last = run[0][1], run[-1][1]
    return first.offset, last.offset + last.stored - first.offset


def _is_bulk(run: Run) -> bool:
    _, length = _span(run)
    return length >= _BULK_CHUNK_BYTES * len(run)


def joined(places: list[Located], gap: int, limit: int) -> list[Run]:
    """Chunks that lie near one another in a pack, grouped so that a read fetches a group. Pure."""
    runs: list[Run] = []
    start, end, pack = 0, 0, ""
    for item in sorted(places, key=_order):
        place = item[1]
        stop = place.offset + place.stored
        if place.pack == pack and place.offset - end <= gap and stop - start <= limit:
            runs[-1].append(item)
        else:
            runs.append([item])
            start, pack = place.offset, place.pack
        end = stop
    return runs


def _order(item: Located) -> tuple[str, int]:
    return item[1].pack, item[1].offset


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
