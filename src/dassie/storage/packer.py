"""Gathering new chunks into packs, and storing packs in the background.

One `PackPool` per process owns the threads and the memory budget; one `Packer` per upload gathers
chunks. Compression, hashing and the write run without the GIL, beside further ingest. A pack is
stored first and then recorded in the index, so the index never names what is not there.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from dassie.blob.api import BlobStore, Buffer
from dassie.storage import codec, pack
from dassie.storage.limits import Limits
from dassie.storage.types import ChunkIndex

MIN_PACK_BYTES = 512 << 10
_IN_FLIGHT = 2


class PackPool:
    """Threads that seal packs, and the count of plaintext bytes that wait in memory."""

    def __init__(self, blob: BlobStore, index: ChunkIndex, limits: Limits) -> None:
        self._blob = blob
        self._index = index
        self.limits = limits
        self._executor = ThreadPoolExecutor(limits.seal_threads, thread_name_prefix="pack")
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

    def seal(self, chunks: dict[bytes, Buffer], held: int) -> Future[int]:
        """Compress, store and record a pack; the future's result is its size."""
        try:
            return self._executor.submit(self._seal, chunks, held)
        except BaseException:
            self.hold(-held)
            raise

    def _seal(self, chunks: dict[bytes, Buffer], held: int) -> int:
        try:
            plain = list(chunks.values())
            key = pack.key_of(uuid.uuid4().hex)
            parts, size, entries = pack.assemble(
                key, list(chunks), [len(data) for data in plain], codec.compress(plain)
            )
            self._blob.put(key, parts)
            self._index.add_pack(key, size, entries)
            return size
        finally:
            self.hold(-held)

    def close(self) -> None:
        self._executor.shutdown(wait=True)


class Packer:
    """New chunks of one upload. Not thread-safe."""

    def __init__(self, pool: PackPool) -> None:
        self._pool = pool
        self._open: dict[bytes, Buffer] = {}
        self._open_bytes = 0
        self._sealed: list[tuple[dict[bytes, Buffer], Future[int]]] = []
        self.stored_bytes = 0
        """Size of the packs stored so far."""
        pool.enter()

    def add(self, name: bytes, data: Buffer) -> None:
        """Take a chunk that is not stored yet; `data` must not change any more."""
        self._open[name] = data
        size = len(data)
        self._open_bytes += size
        self._pool.hold(size)
        if (
            self._open_bytes >= self._pool.share()
            or len(self._open) >= self._pool.limits.pack_chunks
        ):
            self._seal()

    def get(self, name: bytes) -> Buffer | None:
        """A chunk that was added and may not be in the index yet."""
        data = self._open.get(name)
        if data is None:
            for chunks, _ in self._sealed:
                if (data := chunks.get(name)) is not None:
                    return data
        return data

    @property
    def is_flushed(self) -> bool:
        return not self._open and not self._sealed

    def flush(self) -> None:
        """Return when everything added is stored and recorded."""
        if self._open:
            self._seal()
        self._collect(lambda _: True)

    def close(self) -> None:
        """Drop what is not sealed; wait for what is."""
        self._pool.hold(-self._open_bytes)
        self._open, self._open_bytes = {}, 0
        sealed, self._sealed = self._sealed, []
        for _, future in sealed:
            future.exception()
        self._pool.leave()

    def _seal(self) -> None:
        chunks, held = self._open, self._open_bytes
        self._open, self._open_bytes = {}, 0
        self._sealed.append((chunks, self._pool.seal(chunks, held)))
        self._collect(lambda future: future.done())
        while len(self._sealed) > _IN_FLIGHT or (
            self._sealed and self._pool.held > self._pool.limits.buffer_bytes
        ):
            self._pop()

    def _collect(self, ready: Callable[[Future[int]], bool]) -> None:
        while self._sealed and ready(self._sealed[0][1]):
            self._pop()

    def _pop(self) -> None:
        """Wait for the oldest sealed pack; a failure is raised here and stays until `close`."""
        self.stored_bytes += self._sealed[0][1].result()
        del self._sealed[0]
