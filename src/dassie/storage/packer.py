"""Gathering new chunks into packs, and storing packs in the background.

One `PackPool` per process owns the threads and the memory budget; one `Packer` per upload gathers
chunks. Compression, hashing and the write run without the GIL, beside further ingest. A pack is
stored first and recorded in the index later, so the index never names what is not there.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable

from dassie.base.hashing import Hasher
from dassie.blob.api import BlobStore, Buffer
from dassie.errors import DassieError
from dassie.storage import codec, pack
from dassie.storage.limits import Limits
from dassie.storage.types import ChunkIndex, ChunkLocation

MIN_PACK_BYTES = 512 << 10
_INLINE_BYTES = 1 << 20
_HASH_THREADS = 2

Pack = tuple[str, int, list[tuple[bytes, ChunkLocation]]]
"""A stored pack: key, size, and what is where in it."""


@runtime_checkable
class BatchIndex(Protocol):
    """A chunk index that can record several packs at once."""

    def add_packs(self, packs: list[Pack]) -> None: ...


class PackPool:
    """Threads that seal packs, and the count of plaintext bytes that wait in memory."""

    def __init__(self, blob: BlobStore, index: ChunkIndex, limits: Limits) -> None:
        self._blob = blob
        self._index = index
        self._batches = index if isinstance(index, BatchIndex) else None
        self.limits = limits
        self._executor = ThreadPoolExecutor(limits.seal_threads, thread_name_prefix="pack")
        self._hashing = ThreadPoolExecutor(_HASH_THREADS, thread_name_prefix="hash")
        self._lock = threading.Lock()
        self._held = 0
        self._packers = 0

    def enter(self) -> None:
        with self._lock:
            self._packers += 1

    def leave(self) -> None:
        with self._lock:
            self._packers -= 1

    def hold(self, count: int) -> None:
        with self._lock:
            self._held += count

    def share(self) -> int:
        """Bytes one packer may gather: less when many are active or memory runs short."""
        limits = self.limits
        with self._lock:
            fair = limits.buffer_bytes // (2 * max(1, self._packers))
            if self._held > limits.buffer_bytes:
                fair = 0
        return min(limits.pack_bytes, max(fair, MIN_PACK_BYTES))

    @property
    def held(self) -> int:
        return self._held

    def seal(self, chunks: dict[bytes, Buffer], held: int) -> Future[Pack]:
        """Compress and store a pack in the background."""
        try:
            return self._executor.submit(self._seal, chunks, held)
        except BaseException:
            self.hold(-held)
            raise

    def seal_here(self, chunks: dict[bytes, Buffer], held: int) -> Future[Pack]:
        """The same in this thread."""
        future: Future[Pack] = Future()
        try:
            future.set_result(self._seal(chunks, held))
        except DassieError as error:
            future.set_exception(error)
        return future

    def _seal(self, chunks: dict[bytes, Buffer], held: int) -> Pack:
        try:
            plain = list(chunks.values())
            key = pack.key_of(uuid.uuid4().hex)
            parts, size, entries = pack.assemble(
                key, list(chunks), [len(data) for data in plain], codec.compress(plain)
            )
            self._blob.put(key, parts)
            return key, size, entries
        finally:
            self.hold(-held)

    def record(self, packs: list[Pack]) -> None:
        """Enter stored packs in the index: together, where it can, as that costs it much less."""
        if self._batches is not None:
            self._batches.add_packs(packs)
        else:
            for key, size, entries in packs:
                self._index.add_pack(key, size, entries)

    def record_later(self, packs: list[Pack]) -> Future[None]:
        return self._executor.submit(self.record, packs)

    def hash_later(self, whole: Hasher, data: Buffer) -> Future[object]:
        """Go on with a hash in the background; the buffer must not change until it is done."""
        return self._hashing.submit(whole.update, data)

    def close(self) -> None:
        self._hashing.shutdown(wait=True)
        self._executor.shutdown(wait=True)


class Packer:
    """New chunks of one upload. Not thread-safe.

    A chunk goes through four stages: open (gathered), sealed (its pack is being stored), stored
    (its pack waits to be recorded), recorded in the index, and is forgotten here.
    """

    def __init__(self, pool: PackPool) -> None:
        self._pool = pool
        self._open: dict[bytes, Buffer] = {}
        self._open_bytes = 0
        self._sealed: list[tuple[dict[bytes, Buffer], Future[Pack]]] = []
        self._stored: list[Pack] = []
        self._recording: tuple[list[Pack], Future[None]] | None = None
        self._places: dict[bytes, ChunkLocation] = {}
        """Of chunks in packs that are stored and not known to be recorded."""
        self.stored_bytes = 0
        """Size of the packs stored so far."""
        pool.enter()

    def add(self, chunks: dict[bytes, Buffer]) -> int:
        """Take chunks that are not stored yet; the buffers must not change any more.

        Returns how many bytes they are.
        """
        added = sum(map(len, chunks.values()))
        self._pool.hold(added)
        self._open.update(chunks)
        self._open_bytes += added
        limits = self._pool.limits
        if self._open_bytes >= self._pool.share() or len(self._open) >= limits.pack_chunks:
            self._seal()
        return added

    def known(self, names: Iterable[bytes]) -> set[bytes]:
        """Those that were added and may not be in the index yet."""
        pending: list[dict[bytes, Any]] = [
            self._open,
            *(chunks for chunks, _ in self._sealed),
            self._places,
        ]
        return {name for chunks in pending if chunks for name in chunks.keys() & names}

    def get(self, name: bytes) -> Buffer | None:
        """A chunk that was added and whose pack is not stored yet."""
        data = self._open.get(name)
        if data is None:
            for chunks, _ in self._sealed:
                if (data := chunks.get(name)) is not None:
                    return data
        return data

    def place(self, name: bytes) -> ChunkLocation | None:
        """Where a chunk lies whose pack is stored and may not be in the index yet."""
        return self._places.get(name)

    @property
    def is_flushed(self) -> bool:
        return not (self._open or self._sealed or self._stored or self._recording)

    def flush(self) -> None:
        """Return when everything added is stored and recorded."""
        if self._open and not self._sealed and self._open_bytes < _INLINE_BYTES:
            # Handing so little to another thread would take longer than storing it.
            chunks, held = self._open, self._open_bytes
            self._open, self._open_bytes = {}, 0
            self._sealed.append((chunks, self._pool.seal_here(chunks, held)))
        elif self._open:
            self._seal()
        while self._sealed:
            self._pop()
        self._finish_recording()
        if self._stored:
            self._pool.record(self._stored)
            self._stored = []
        self._places = {}

    def close(self) -> None:
        """Drop what is not sealed; wait for what is."""
        self._pool.hold(-self._open_bytes)
        self._open, self._open_bytes = {}, 0
        sealed, self._sealed = self._sealed, []
        for _, future in sealed:
            future.exception()
        if self._recording is not None:
            self._recording[1].exception()
        self._pool.leave()

    def _seal(self) -> None:
        chunks, held = self._open, self._open_bytes
        self._open, self._open_bytes = {}, 0
        self._sealed.append((chunks, self._pool.seal(chunks, held)))
        while self._sealed and (
            self._sealed[0][1].done()
            or len(self._sealed) > self._pool.limits.packs_in_flight
            or self._pool.held > self._pool.limits.buffer_bytes
        ):
            self._pop()

    def _pop(self) -> None:
        """Wait for the oldest sealed pack; a failure is raised here and stays until `close`."""
        stored = self._sealed[0][1].result()
        del self._sealed[0]
        _, size, entries = stored
        self.stored_bytes += size
        self._stored.append(stored)
        self._places.update(entries)
        if sum(len(entries) for _, _, entries in self._stored) >= self._pool.limits.record_chunks:
            self._finish_recording()
            self._recording = (self._stored, self._pool.record_later(self._stored))
            self._stored = []

    def _finish_recording(self) -> None:
        if self._recording is None:
            return
        packs, future = self._recording
        future.result()
        self._recording = None
        for _, _, entries in packs:
            for name, _ in entries:
                del self._places[name]
