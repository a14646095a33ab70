"""What roots reach: the mark phase of the collector.

Tree nodes and chunk lists are visited once each and remembered exactly; leaving one out would leave
out all below it. Chunks of content are remembered in a Bloom filter: a false positive only keeps a
chunk a little longer, and ten million chunks take 20 MB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dassie.storage import chunklist
from dassie.storage.errors import MissingChunk
from dassie.storage.node import Node, decode
from dassie.storage.types import Content, Dir

Read = Callable[[list[bytes]], list[bytes]]

_BATCH = 256
_BITS_PER_CHUNK = 16
_PROBES = 4


class Marks:
    """A set of chunk names; may claim to hold a few that it does not."""

    def __init__(self, expected: int) -> None:
        bits = max(1 << 16, expected * _BITS_PER_CHUNK)
        self._mask = (1 << bits.bit_length()) - 1
        self._bits = bytearray((self._mask + 1) // 8)
        self._exact: set[bytes] = set()

    def visit(self, name: bytes) -> bool:
        """Add a chunk that refers to others; whether it is new."""
        if name in self._exact:
            return False
        self._exact.add(name)
        return True

    def add(self, name: bytes) -> None:
        for i in self._places(name):
            self._bits[i >> 3] |= 1 << (i & 7)

    def __contains__(self, name: bytes) -> bool:
        if name in self._exact:
            return True
        return all(self._bits[i >> 3] & (1 << (i & 7)) for i in self._places(name))

    def _places(self, name: bytes) -> list[int]:
        # The name is a good hash already: its parts serve as hashes of it.
        mask = self._mask
        return [
            int.from_bytes(name[at : at + 8], "little") & mask for at in range(0, 8 * _PROBES, 8)
        ]


def mark(read: Read, roots: Iterable[Dir | Content], marks: Marks) -> None:
    """Add everything that `roots` reach. Raises `DataLoss` when something on the way cannot be
    read: then nothing is known about what lies behind it."""
    nodes: list[bytes] = []
    lists: list[bytes] = []

    def reach(content: Content | Dir) -> None:
        if isinstance(content, Dir):
            if content.ref is not None and marks.visit(content.ref):
                nodes.append(content.ref)
        elif content.ref is not None:
            if marks.visit(content.ref):
                lists.append(content.ref)
        elif content.size:
            marks.add(content.hash)

    for root in roots:
        reach(root)
    while nodes or lists:
        batch, nodes[-_BATCH:] = nodes[-_BATCH:], []
        for ref, data in zip(batch, read(batch), strict=True):
            _mark_node(_decoded(ref, data), marks, nodes, lists)
        batch, lists[-_BATCH:] = lists[-_BATCH:], []
        for ref, data in zip(batch, read(batch), strict=True):
            _mark_list(ref, data, marks, lists)


def _decoded(ref: bytes, data: bytes) -> Node:
    try:
        return decode(data)
    except ValueError as error:
        raise MissingChunk(ref, str(error)) from None


def _mark_node(node: Node, marks: Marks, nodes: list[bytes], lists: list[bytes]) -> None:
    for i, key in enumerate(node.keys):
        ref = node.ref(i)
        if ref is None:
            if node.sizes[i]:
                marks.add(node.hash(i))
        elif marks.visit(ref):
            (nodes if node.level or key[-1] == "/" else lists).append(ref)


def _mark_list(ref: bytes, data: bytes, marks: Marks, lists: list[bytes]) -> None:
    try:
        listing = chunklist.decode(data)
    except ValueError as error:
        raise MissingChunk(ref, str(error)) from None
    for name, _ in listing.items:
        if not listing.level:
            marks.add(name)
        elif marks.visit(name):
            lists.append(name)
