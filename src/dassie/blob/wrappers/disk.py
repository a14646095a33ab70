"""The disk part of the read cache: one file per range, in a folder of its own.

A file begins with a hash over its name and its bytes, checked at every read, so a file that was
damaged, cut short or renamed is never served. Names alone say what there is: after a restart the
first use reads them, oldest use first. A full or unwritable disk only stops the keeping, for a
while. Made by `blob.open` for `wrappers.cache`; one process at a time uses a folder.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

from dassie.base.hashing import digest, hasher
from dassie.blob.wrappers.extents import Extent, Extents

_HASH_BYTES = 32
_PAUSE_S = 60.0
_TEMPORARY = "tmp"


class DiskShelf:
    """Ranges in files below `folder`, `capacity` bytes at most."""

    def __init__(
        self, folder: str, capacity: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = Path(folder)
        self._capacity = capacity
        self._clock = clock
        self._lock = threading.Lock()
        self._extents = Extents()
        self._files: OrderedDict[tuple[str, Extent], int] = OrderedDict()
        self._scanned = False
        self._idle_until = 0.0
        self.size = 0

    def find(self, key: str, offset: int, length: int) -> bytes | None:
        name = _name(key)
        with self._lock:
            self._scan()
            extent = self._extents.covering(name, offset, length)
            if extent is None:
                return None
            self._files.move_to_end((name, extent))
        path = self._path(name, extent)
        data = _verified(path, name, extent)
        if data is None:
            with self._lock:
                self._remove(name, extent)
            return None
        return extent.cut(data, offset, length)

    def keep(self, key: str, extent: Extent, data: bytes) -> None:
        size = len(data) + _HASH_BYTES
        if size > self._capacity // 4 or self._clock() < self._idle_until:
            return
        name = _name(key)
        with self._lock:
            self._scan()
        if not self._write(self._path(name, extent), name, extent, data):
            self._idle_until = self._clock() + _PAUSE_S
            return
        with self._lock:
            for inside in self._extents.add(name, extent):
                self._remove(name, inside, noted=False)
            self._note(name, extent, size)
            while self.size > self._capacity:
                oldest, least = next(iter(self._files))
                self._remove(oldest, least)

    def drop(self, key: str) -> None:
        name = _name(key)
        with self._lock:
            self._scan()
            for extent in self._extents.pop(name):
                self._remove(name, extent, noted=False)

    def _note(self, name: str, extent: Extent, size: int) -> None:
        self.size += size - self._files.pop((name, extent), 0)
        self._files[name, extent] = size

    def _remove(self, name: str, extent: Extent, *, noted: bool = True) -> None:
        if noted:
            self._extents.remove(name, extent)
        self.size -= self._files.pop((name, extent), 0)
        try:
            self._path(name, extent).unlink(missing_ok=True)
        except OSError:
            return  # it cannot be served any more, and the next start tries again

    def _path(self, name: str, extent: Extent) -> Path:
        end = "e" if extent.ends else "m"
        return self._folder / name[:2] / f"{name}-{extent.offset:x}-{extent.length:x}-{end}"

    def _write(self, path: Path, name: str, extent: Extent, data: bytes) -> bool:
        temporary = self._folder / _TEMPORARY / uuid.uuid4().hex
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.parent.mkdir(exist_ok=True)
            with temporary.open("wb") as file:
                file.write(_seal(name, extent, data))
                file.write(data)
            temporary.replace(path)
        except OSError:
            try:
                temporary.unlink(missing_ok=True)
            except OSError:
                return False
            return False
        return True

    def _scan(self) -> None:
        """Find out, once, what an earlier process has left."""
        if self._scanned:
            return
        self._scanned = True
        found = sorted(_left_in(self._folder))
        for _, size, name, extent in found:
            for inside in self._extents.add(name, extent):
                self._remove(name, inside, noted=False)
            self._note(name, extent, size)
        while self.size > self._capacity:
            oldest, least = next(iter(self._files))
            self._remove(oldest, least)


def _name(key: str) -> str:
    return digest(key.encode()).hex()[:32]


def _seal(name: str, extent: Extent, data: bytes) -> bytes:
    """Hash over what the file says it is, and its bytes."""
    sealing = hasher()
    sealing.update(f"{name} {extent.offset} {extent.length} {extent.ends}\n".encode())
    sealing.update(data)
    return sealing.digest()


def _verified(path: Path, name: str, extent: Extent) -> bytes | None:
    """The bytes of a kept range, or None when the file is not what it should be."""
    try:
        content = path.read_bytes()
        os.utime(path)
    except OSError:
        return None
    data = content[_HASH_BYTES:]
    if len(data) != extent.length or _seal(name, extent, data) != content[:_HASH_BYTES]:
        return None
    return data


def _left_in(folder: Path) -> Iterator[tuple[float, int, str, Extent]]:
    """Last use, size, name and extent of every file; what was half written goes."""
    try:
        folders = [entry for entry in os.scandir(folder) if entry.is_dir()]
    except OSError:
        return
    for entry in folders:
        for file in os.scandir(entry):
            try:
                if entry.name == _TEMPORARY:
                    Path(file.path).unlink()
                    continue
                name, offset, length, end = file.name.split("-")
                extent = Extent(int(offset, 16), int(length, 16), end == "e")
                status = file.stat()
            except (OSError, ValueError):
                continue
            yield status.st_mtime, status.st_size, name, extent
