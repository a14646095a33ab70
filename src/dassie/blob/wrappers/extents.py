"""Which ranges of which objects are kept. Pure bookkeeping: no bytes, no locks."""

from __future__ import annotations

import sys
from bisect import bisect, bisect_left
from typing import NamedTuple


class Extent(NamedTuple):
    """A range of an object: from `offset`, `length` bytes. `ends`: the object ends with it."""

    offset: int
    length: int
    ends: bool

    @property
    def end(self) -> int:
        return self.offset + self.length

    @classmethod
    def of(cls, offset: int, asked: int, data: bytes) -> Extent:
        """What a read of `asked` bytes (negative: everything) from `offset` has brought.

        Nothing at all says only that the object ends somewhere before.
        """
        return cls(offset, len(data), asked < 0 or 0 < len(data) < asked)

    def covers(self, offset: int, length: int) -> bool:
        """Whether a read of `length` bytes (negative: everything) from `offset` lies inside."""
        if offset < self.offset:
            return False
        if length < 0:
            return self.ends and self.offset == 0
        return offset + length <= self.end or (self.ends and offset <= self.end)

    def cut(self, data: bytes, offset: int, length: int) -> bytes:
        """Of the extent's `data`, that range."""
        start = offset - self.offset
        stop = len(data) if length < 0 else start + length
        return data if start == 0 and stop >= len(data) else data[start:stop]


class Extents:
    """The extents kept, by object: sorted, and none inside another but at an object's end. So of
    those that start early enough, the last one reaches farthest."""

    def __init__(self) -> None:
        self._by_key: dict[str, list[Extent]] = {}

    def covering(self, key: str, offset: int, length: int) -> Extent | None:
        """One that holds this range, or None."""
        kept = self._by_key.get(key)
        if not kept:
            return None
        last = kept[bisect(kept, (offset, sys.maxsize, True)) - 1]
        return last if last.covers(offset, length) else None

    def add(self, key: str, extent: Extent) -> list[Extent]:
        """Note one more; returns those that lie inside it, which are not needed any longer."""
        kept = self._by_key.setdefault(key, [])
        first = bisect_left(kept, (extent.offset, -1, False))
        stop = first
        while stop < len(kept) and kept[stop].end <= extent.end:
            stop += 1
        inside = kept[first:stop]
        kept[first:stop] = [extent]
        return [old for old in inside if old != extent]

    def remove(self, key: str, extent: Extent) -> None:
        kept = self._by_key.get(key, [])
        place = bisect_left(kept, extent)
        if place < len(kept) and kept[place] == extent:
            del kept[place]
        if not kept:
            self._by_key.pop(key, None)

    def pop(self, key: str) -> list[Extent]:
        """Forget an object; returns what was kept of it."""
        return self._by_key.pop(key, [])
