"""The disk part of the read cache: one file per block, in a folder of its own.

A file has a checksum for each page, so that a few bytes are verified without reading the rest, and
one over these and its name. A file that is damaged, cut, renamed or gone is a block that is not
kept. After a restart the first use takes over what is there. A full or unwritable disk only stops
the keeping, for a while. Made by `blob.open`; one process at a time uses a folder.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
import time
import uuid
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from dassie.base.hashing import digest
from dassie.blob.wrappers.blocks import BLOCK_BYTES, Block, Range

_log = logging.getLogger(__name__)

_PAGE_BYTES = 16 << 10
_MAGIC = b"DASSIEB1"
_HEADER = struct.Struct("<8sII")
"""Magic, bytes of data, checksum of name and page checksums. These follow; then comes the data."""
_HEADER_MOST = _HEADER.size + 4 * (BLOCK_BYTES // _PAGE_BYTES)
_TEMPORARY = "tmp"
_PAUSE_S = 60.0


class _File:
    """What is known of a block on disk; the checksums once they have been read."""

    __slots__ = ("checksums", "length", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.length = 0
        self.checksums: tuple[int, ...] = ()


class DiskShelf:
    """Blocks in files below `folder`, `capacity` bytes at most."""

    def __init__(
        self, folder: str, capacity: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = Path(folder)
        self.capacity = capacity
        self._clock = clock
        self._lock = threading.Lock()
        self._files: OrderedDict[Block, _File] | None = None
        """By the hash of the object's key, which file names are made of."""
        self._idle_until = 0.0
        self.size = 0

    def read(self, block: Block, ranges: Sequence[Range]) -> list[bytes] | None:
        name = _hashed(block)
        with self._lock:
            files = self._known()
            file = files.get(name)
            if file is None:
                return None
            files.move_to_end(name)
        try:
            found = _read_file(self._path(name), name, file, ranges)
        except OSError:
            found = None
        if found is None:
            self._drop([name])
        return found

    def has(self, block: Block) -> bool:
        with self._lock:
            return _hashed(block) in self._known()

    def keep(self, block: Block, data: bytes) -> None:
        if len(data) > self.capacity // 4 or self._clock() < self._idle_until:
            return
        name = _hashed(block)
        header = _header(name, data)
        if not self._write(self._path(name), header, data):
            return
        size = len(header) + len(data)
        with self._lock:
            files = self._known()
            replaced = files.pop(name, None)
            files[name] = _File(size)
            self.size += size - (replaced.size if replaced else 0)
            surplus = self._surplus(files)
        self._drop(surplus)

    def forget(self, key: str) -> None:
        name, _ = _hashed((key, 0))
        with self._lock:
            found = [block for block in self._known() if block[0] == name]
        self._drop(found)

    def _surplus(self, files: OrderedDict[Block, _File]) -> list[Block]:
        """The blocks used longest ago that are too many."""
        surplus: list[Block] = []
        excess = self.size - self.capacity
        for name, file in files.items():
            if excess <= 0:
                break
            surplus.append(name)
            excess -= file.size
        return surplus

    def _drop(self, names: Sequence[Block]) -> None:
        for name in names:
            with self._lock:
                file = self._known().pop(name, None)
                self.size -= file.size if file is not None else 0
            if file is not None:
                try:
                    self._path(name).unlink(missing_ok=True)
                except OSError:
                    continue  # it cannot be served any more, and the next start tries again

    def _write(self, path: Path, header: bytes, data: bytes) -> bool:
        temporary = self._folder / _TEMPORARY / uuid.uuid4().hex
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.parent.mkdir(exist_ok=True)
            try:
                with temporary.open("xb", buffering=0) as file:
                    if os.writev(file.fileno(), [header, data]) != len(header) + len(data):
                        raise OSError("no space")
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("the read cache cannot write to %s: %s", self._folder, error)
            self._idle_until = self._clock() + _PAUSE_S
            return False
        return True

    def _path(self, name: Block) -> Path:
        return self._folder / name[0][:2] / _file_name(name)

    def _known(self) -> OrderedDict[Block, _File]:
        """What is kept; found out, at the first use, from what an earlier process has left."""
        if self._files is None:
            self._files = OrderedDict()
            for _, size, name in sorted(_left_in(self._folder)):
                self._files[name] = _File(size)
                self.size += size
        return self._files


def _hashed(block: Block) -> Block:
    return digest(block[0].encode()).hex()[:32], block[1]


def _file_name(name: Block) -> str:
    return f"{name[0]}-{name[1]}"


def _left_in(folder: Path) -> Iterator[tuple[float, int, Block]]:
    """Last write, size and name of every file; what was half written goes."""
    for path in folder.glob("*/*"):
        hashed, _, number = path.name.partition("-")
        try:
            if path.parent.name == _TEMPORARY:
                path.unlink()
            elif number.isdigit():
                status = path.stat()
                yield status.st_mtime, status.st_size, (hashed, int(number))
        except OSError:
            continue


def _header(name: Block, data: bytes) -> bytes:
    view = memoryview(data)
    sums = [zlib.crc32(view[at : at + _PAGE_BYTES]) for at in range(0, len(data), _PAGE_BYTES)]
    table = struct.pack(f"<{len(sums)}I", *sums)
    return _HEADER.pack(_MAGIC, len(data), _seal(name, table)) + table


def _seal(name: Block, table: bytes) -> int:
    return zlib.crc32(table, zlib.crc32(_file_name(name).encode()))


def _read_file(path: Path, name: Block, file: _File, ranges: Sequence[Range]) -> list[bytes] | None:
    """Those parts of a block; `None` when they are not what was written."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not file.checksums and not _read_header(descriptor, name, file):
            return None
        found = []
        for start, length in ranges:
            part = _read_pages(descriptor, file, start, min(start + length, file.length))
            if part is None:
                return None
            found.append(part)
        return found
    finally:
        os.close(descriptor)


def _read_header(descriptor: int, name: Block, file: _File) -> bool:
    raw = os.pread(descriptor, _HEADER_MOST, 0)
    if len(raw) < _HEADER.size:
        return False
    magic, length, seal = _HEADER.unpack_from(raw)
    count = -(-length // _PAGE_BYTES)
    table = raw[_HEADER.size : _HEADER.size + 4 * count]
    if magic != _MAGIC or len(table) != 4 * count or _seal(name, table) != seal:
        return False
    # The length first: whoever sees checksums, in another thread, relies on it.
    file.length = length
    file.checksums = struct.unpack(f"<{count}I", table)
    return True


def _read_pages(descriptor: int, file: _File, start: int, end: int) -> bytes | None:
    if start >= end:
        return b""
    first, last = start // _PAGE_BYTES, -(-end // _PAGE_BYTES)
    at = first * _PAGE_BYTES
    length = min(last * _PAGE_BYTES, file.length) - at
    origin = _HEADER.size + 4 * len(file.checksums)
    data = os.pread(descriptor, length, origin + at)
    view = memoryview(data)
    for i, page in enumerate(range(0, length, _PAGE_BYTES), first):
        if zlib.crc32(view[page : page + _PAGE_BYTES]) != file.checksums[i]:
            return None
    return data[start - at : end - at] if len(data) == length else None
