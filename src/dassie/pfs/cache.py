"""What clients keep here for a while: a value by key, with the file sets that it speaks of.

Called by the doors. A cache may forget, so it lives in memory: of one server, until it stops. An
entry keeps its file sets alive and goes with them, half an hour after it was last asked for at the
latest.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from dassie.base.clock import Clock
from dassie.errors import InvalidArgument, NotFound
from dassie.pfs.filesets import MAX_TTL_S, FileSets

MAX_BYTES: Final = 64 << 20
MAX_VALUE_BYTES: Final = 1 << 20
_ENTRY_BYTES: Final = 500
"""What an entry takes beside its texts."""


@dataclass(frozen=True, slots=True)
class _Entry:
    value: bytes
    file_sets: tuple[str, ...]
    tag: str
    size: int
    until: float


class Cache:
    """Thread-safe. Forgets first what was asked for longest ago."""

    def __init__(self, file_sets: FileSets, clock: Clock, *, max_bytes: int = MAX_BYTES) -> None:
        self._file_sets = file_sets
        self._clock = clock
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._size = 0

    def put(self, key: str, value: bytes, file_sets: Sequence[str], tag: str) -> None:
        """Remember; in place of what the key had. The file sets must be there."""
        if not key:
            raise InvalidArgument("no cache key specified")
        size = len(key) + len(value) + sum(map(len, file_sets)) + len(tag)
        if size > MAX_VALUE_BYTES:
            raise InvalidArgument(
                f"the value of cache key {key[:80]!r} has {size} bytes: at most {MAX_VALUE_BYTES}"
            )
        until = self._renewed(file_sets)
        entry = _Entry(value, tuple(file_sets), tag, size + _ENTRY_BYTES, until)
        with self._lock:
            self._drop(key)
            self._entries[key] = entry
            self._size += entry.size
            while self._size > self._max_bytes:
                self._drop(next(iter(self._entries)))

    def get(self, key: str) -> bytes:
        """The value; its file sets live on for as long as any may."""
        with self._lock:
            entry = self._entries.get(key)
        if entry is None or entry.until <= self._clock.monotonic():
            raise NotFound(f"cache key {key[:80]!r} not found")
        renewed = replace(entry, until=self._renewed(entry.file_sets))
        with self._lock:
            if self._entries.get(key) is entry:  # and was not cleared meanwhile
                self._entries[key] = renewed
                self._entries.move_to_end(key)
        return entry.value

    def clear(self, tag_prefix: str) -> None:
        """Forget what is tagged so; everything, for the empty prefix."""
        with self._lock:
            keys = [key for key, one in self._entries.items() if one.tag.startswith(tag_prefix)]
            for key in keys:
                self._drop(key)

    def _renewed(self, file_sets: Sequence[str]) -> float:
        """Until when they live now."""
        until = self._clock.monotonic() + MAX_TTL_S
        for id_ in file_sets:
            self._file_sets.renew(id_, MAX_TTL_S)
        return until

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= entry.size
