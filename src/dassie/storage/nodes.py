"""Loading tree nodes by name, through a cache of decoded ones. Used by trees and by edits."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable

from dassie.storage.errors import MissingChunk
from dassie.storage.node import Node, decode


class NodeCache:
    """The most recently used decoded nodes, up to a number of bytes. Thread-safe.

    Nodes are immutable and named by their content, so an entry is never wrong.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._nodes: OrderedDict[bytes, Node] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, ref: bytes) -> Node | None:
        with self._lock:
            node = self._nodes.get(ref)
            if node is not None:
                self._nodes.move_to_end(ref)
            return node

    def add(self, ref: bytes, node: Node) -> None:
        with self._lock:
            if ref in self._nodes:
                return
            self._nodes[ref] = node
            self._bytes += node.weight
            while self._bytes > self._limit and len(self._nodes) > 1:
                _, dropped = self._nodes.popitem(last=False)
                self._bytes -= dropped.weight

    def clear(self) -> None:
        with self._lock:
            self._nodes.clear()
            self._bytes = 0


class NodeReader:
    """Nodes by name. `read` returns the bytes of chunks, verified and in order."""

    def __init__(self, read: Callable[[list[bytes]], list[bytes]], cache: NodeCache) -> None:
        self._read = read
        self._cache = cache

    def get(self, ref: bytes) -> Node:
        node = self._cache.get(ref)
        if node is None:
            node = self._decode(ref, self._read([ref])[0])
        return node

    def prefetch(self, refs: Iterable[bytes]) -> None:
        """Bring those nodes into the cache with few reads."""
        wanted = [ref for ref in refs if self._cache.get(ref) is None]
        if len(wanted) > 1:
            for ref, data in zip(wanted, self._read(wanted), strict=True):
                self._decode(ref, data)

    def _decode(self, ref: bytes, data: bytes) -> Node:
        try:
            node = decode(data)
        except ValueError as error:
            raise MissingChunk(ref, str(error)) from None
        self._cache.add(ref, node)
        return node
