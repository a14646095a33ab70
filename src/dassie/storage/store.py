"""`Storage`: the one way into immutable storage for everything above it.

Reads go through `read`, `read_many` and `tree`; writes through `session()`. Deleting is the
collector's alone (`storage.gc`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from dassie.blob.api import BlobStore
from dassie.storage.chunks import ChunkReader
from dassie.storage.contents import Group, read_content, read_groups, read_many
from dassie.storage.lease import Sessions
from dassie.storage.limits import Limits
from dassie.storage.nodes import NodeCache, NodeReader
from dassie.storage.packer import PackPool
from dassie.storage.trees import Trees
from dassie.storage.types import ChunkIndex, Content
from dassie.storage.upload import Upload


class Storage:
    """Contents and trees in packs. Thread-safe; an `Upload` is not."""

    def __init__(
        self,
        blob: BlobStore,
        index: ChunkIndex,
        sessions: Sessions,
        *,
        limits: Limits | None = None,
    ) -> None:
        self.blob = blob
        self.index = index
        self.limits = limits or Limits()
        self._sessions = sessions
        self._pool = PackPool(blob, index, self.limits)
        self._cache = NodeCache(self.limits.cache_bytes)
        self.chunks = ChunkReader(blob, index, self.limits)
        self.tree = Trees(NodeReader(self.chunks.read, self._cache))

    @contextmanager
    def session(self) -> Iterator[Upload]:
        """An upload under a lease: the collector keeps off what it stores and what it finds."""
        lease = self._sessions.acquire()
        try:
            upload = Upload(self._pool, self.index, self.chunks, self._cache, lease)
            try:
                yield upload
            finally:
                upload.close()
        finally:
            self._sessions.release(lease)

    def read(self, content: Content, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes, verified, in pieces of at most 1 MiB."""
        return read_content(self.chunks, content, offset, length)

    def read_many(self, contents: Iterable[Content]) -> Iterator[bytes]:
        """Each content whole, in order; meant for small ones, which are fetched together."""
        return read_many(self.chunks, contents)

    def read_groups(self, contents: Iterable[Content]) -> Iterator[Group]:
        """The same for contents of any size: lists of small ones, iterators over the bytes of large
        ones. Consumes `contents` ahead of what it yields."""
        return read_groups(self.chunks, contents)

    def close(self) -> None:
        """Wait for packs on their way."""
        self._pool.close()
        self.chunks.close()
