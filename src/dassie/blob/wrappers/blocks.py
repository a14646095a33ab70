"""What the read cache keeps are blocks of objects: here is what a place for them does, and the one
in memory. `disk` is the other.

A block is `BLOCK_BYTES` of an object from a multiple of that; the last one is shorter.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

BLOCK_BYTES = 1 << 20

Block = tuple[str, int]
"""Object key, and the block's number in the object."""
Range = tuple[int, int]
"""Offset in a block, and length."""


class Shelf(Protocol):
    """A place that keeps blocks. Thread-safe, bounded in bytes; may lose anything at any time."""

    capacity: int
    """In bytes."""

    def read(self, block: Block, ranges: Sequence[Range]) -> list[bytes] | None:
        """Those parts, cut to the block's end; `None` when the block is not kept."""

    def has(self, block: Block) -> bool: ...

    def keep(self, block: Block, data: bytes) -> None:
        """Remember a block, at the cost of those used longest ago."""

    def forget(self, key: str) -> None:
        """Drop what is kept of an object."""


class MemoryShelf:
    """Blocks in memory."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._blocks: OrderedDict[Block, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self.size = 0

    def read(self, block: Block, ranges: Sequence[Range]) -> list[bytes] | None:
        with self._lock:
            data = self._blocks.get(block)
            if data is None:
                return None
            self._blocks.move_to_end(block)
        return [data[start : start + length] for start, length in ranges]

    def has(self, block: Block) -> bool:
        return block in self._blocks

    def keep(self, block: Block, data: bytes) -> None:
        with self._lock:
            self.size += len(data) - len(self._blocks.pop(block, b""))
            self._blocks[block] = data
            while self.size > self.capacity:
                _, dropped = self._blocks.popitem(last=False)
                self.size -= len(dropped)

    def forget(self, key: str) -> None:
        with self._lock:
            for block in [block for block in self._blocks if block[0] == key]:
                self.size -= len(self._blocks.pop(block))
