"""What lies in a local folder: names and stat results, directory by directory.

Called by `upload.py`. Looking at 100,000 files takes about as long as importing gRPC, so `scan` can
do its work in a forked process while the parent imports and connects; that is why this module
imports nothing big. It reads no file and decides nothing about uploading.
"""

from __future__ import annotations

import os
import stat
import struct
import sys
import threading
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO

from dassie.errors import InvalidArgument

COLUMNS = 5
"""Device, inode, size, mtime_ns, ctime_ns."""
_SIZE_COLUMN = 2
_HEADER = struct.Struct("<IIIII")
_END = 0xFFFFFFFF
_SAME_NAMES = b"\0"
_REFUSED = 2
"""Exit status of the forked process after an error that has words."""


@dataclass(frozen=True, slots=True)
class Known:
    """A directory after its last upload: `names` joined by NUL, `stats` as in `Directory`."""

    names: bytes
    stats: bytes


@dataclass(slots=True)
class Directory:
    """The regular files of one directory.

    path: relative to the folder, ``""`` for the folder itself, no trailing slash.
    names: sorted, joined by NUL.  stats: `COLUMNS` arrays of 64-bit integers, one after the other.
    changed: indexes of the files whose stat result differs from what was known, or that are new.
    passed_over: names that are neither regular files nor directories, with the reason.
    """

    path: str
    names: bytes
    stats: bytes
    changed: array[int]
    passed_over: list[str] = field(default_factory=list)

    def file_names(self) -> list[str]:
        return self.names.decode().split("\0") if self.names else []

    def column(self, number: int) -> array[int]:
        """One column of `stats`."""
        length = len(self.stats) // COLUMNS
        values = array("q")
        values.frombytes(self.stats[number * length : (number + 1) * length])
        return values

    def sizes(self) -> array[int]:
        return self.column(_SIZE_COLUMN)


def scan(root: str, known: Mapping[str, Known]) -> Iterator[Directory]:
    """Every directory below `root` that holds files, parents first, in order of their names."""
    pending = [""]
    while pending:
        path = pending.pop()
        directory, children = _look(root, path, known.get(path))
        pending.extend(sorted(children, reverse=True))
        if directory.names or directory.passed_over:
            yield directory


def scan_ahead(root: str, known: Mapping[str, Known]) -> Iterator[Directory]:
    """As `scan`, from a forked process that starts at once, where forking is safe; else as `scan`.

    Safe means: no other thread, hence no lock that the child could inherit in a locked state.
    """
    if threading.active_count() > 1 or "grpc" in sys.modules or not hasattr(os, "fork"):
        return scan(root, known)
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        _child(root, known, write_end)
    os.close(write_end)
    return _received(root, pid, read_end, known)


def _look(root: str, path: str, known: Known | None) -> tuple[Directory, list[str]]:
    """One directory and the relative paths of those directly below it."""
    folder = f"{root}/{path}" if path else root
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        names = sorted(os.listdir(descriptor))  # noqa: PTH208 - of an open one
        results = list(map(partial(os.lstat, dir_fd=descriptor), names))
        children: list[str] = []
        passed_over: list[str] = []
        if {result.st_mode >> 12 for result in results} - {stat.S_IFREG >> 12}:
            names, results = _only_files(path, descriptor, (names, results), children, passed_over)
    finally:
        os.close(descriptor)
    blob = _joined(folder, names)
    stats = b"".join(
        (
            array("Q", [result.st_dev for result in results]).tobytes(),
            array("Q", [result.st_ino for result in results]).tobytes(),
            array("q", [result.st_size for result in results]).tobytes(),
            array("q", [result.st_mtime_ns for result in results]).tobytes(),
            array("q", [result.st_ctime_ns for result in results]).tobytes(),
        )
    )
    changed = _changed(names, blob, stats, known)
    return Directory(path, blob, stats, changed, passed_over), children


def _only_files(
    path: str,
    descriptor: int,
    found: tuple[list[str], list[os.stat_result]],
    children: list[str],
    passed_over: list[str],
) -> tuple[list[str], list[os.stat_result]]:
    """The regular files among `found`; links to files count as the file they point to.

    A link to a directory is passed over: it may lead out of the folder, or round in a circle.
    """
    names, results = [], []
    for name, result in zip(*found, strict=True):
        if stat.S_ISDIR(result.st_mode):
            children.append(f"{path}/{name}" if path else name)
            continue
        if stat.S_ISLNK(result.st_mode):
            try:
                result = os.stat(name, dir_fd=descriptor)
            except OSError:
                passed_over.append(f"{name} (a broken link)")
                continue
        if stat.S_ISREG(result.st_mode):
            names.append(name)
            results.append(result)
        else:
            kind = "a link to a directory" if stat.S_ISDIR(result.st_mode) else "not a regular file"
            passed_over.append(f"{name} ({kind})")
    return names, results


def _joined(folder: str, names: list[str]) -> bytes:
    try:
        folder.encode()
        return "\0".join(names).encode()
    except UnicodeEncodeError:
        bad = next((f"{folder}/{name}" for name in names if not _is_text(name)), folder)
        raise InvalidArgument(
            f"the name {os.fsencode(bad)!r} is not valid UTF-8: rename it to upload it"
        ) from None


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _changed(names: list[str], blob: bytes, stats: bytes, known: Known | None) -> array[int]:
    count = len(names)
    if known is None:
        return array("I", range(count))
    if known.names == blob:
        if known.stats == stats:
            return array("I")
        return array("I", sorted(_differing(stats, known.stats, count)))
    before = dict(zip(known.names.decode().split("\0"), _rows(known.stats), strict=False))
    rows = _rows(stats)
    return array("I", [index for index in range(count) if before.get(names[index]) != rows[index]])


def _differing(stats: bytes, before: bytes, count: int) -> set[int]:
    indexes: set[int] = set()
    for start in range(0, len(stats), 8 * count):
        new, old = stats[start : start + 8 * count], before[start : start + 8 * count]
        if new != old:
            pairs = zip(memoryview(new).cast("q"), memoryview(old).cast("q"), strict=True)
            indexes.update(index for index, (one, two) in enumerate(pairs) if one != two)
    return indexes


def _rows(stats: bytes) -> list[tuple[int, ...]]:
    view = memoryview(stats).cast("q")
    count = len(view) // COLUMNS
    return list(zip(*(view[n * count : (n + 1) * count] for n in range(COLUMNS)), strict=True))


# --- between the two processes -------------------------------------------------------------------
#
# A record is a header of five lengths and as many byte strings: path, names, stats, changed,
# passed_over. When the names are those known, only the changed rows travel.


def _child(root: str, known: Mapping[str, Known], write_end: int) -> None:
    """The forked process: scan, send, and leave without running anybody's exit handlers."""
    status = 1
    try:
        with os.fdopen(write_end, "wb", buffering=1 << 20) as pipe:
            for directory in scan(root, known):
                _send(pipe, directory, known.get(directory.path))
            pipe.write(_HEADER.pack(_END, 0, 0, 0, 0))
        status = 0
    except BrokenPipeError:
        pass  # the parent has lost interest
    except (OSError, InvalidArgument):
        status = _REFUSED
    finally:
        os._exit(status)


def _send(pipe: BinaryIO, directory: Directory, known: Known | None) -> None:
    names, stats = directory.names, directory.stats
    if known is not None and known.names == names:
        names, stats = _SAME_NAMES, _picked(stats, directory.changed)
    parts = (
        directory.path.encode("utf-8", "surrogateescape"),
        names,
        stats,
        directory.changed.tobytes(),
        "\0".join(directory.passed_over).encode("utf-8", "surrogateescape"),
    )
    pipe.write(_HEADER.pack(*map(len, parts)))
    pipe.write(b"".join(parts))


def _picked(stats: bytes, indexes: array[int]) -> bytes:
    """The rows of `indexes`, still by columns."""
    if not indexes:
        return b""
    view = memoryview(stats).cast("q")
    count = len(view) // COLUMNS
    return b"".join(
        array("q", [view[n * count + index] for index in indexes]).tobytes() for n in range(COLUMNS)
    )


def _patched(before: bytes, indexes: array[int], rows: bytes) -> bytes:
    """`before` with the rows of `indexes` replaced."""
    if not indexes:
        return before
    stats = array("q")
    stats.frombytes(before)
    count, new = len(stats) // COLUMNS, memoryview(rows).cast("q")
    for n in range(COLUMNS):
        for position, index in enumerate(indexes):
            stats[n * count + index] = new[n * len(indexes) + position]
    return stats.tobytes()


def _received(
    root: str, pid: int, read_end: int, known: Mapping[str, Known]
) -> Iterator[Directory]:
    try:
        with os.fdopen(read_end, "rb", buffering=1 << 20) as pipe:
            while header := pipe.read(_HEADER.size):
                lengths = _HEADER.unpack(header)
                if lengths[0] == _END:
                    return
                yield _decoded([pipe.read(length) for length in lengths], known)
    finally:
        _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status) == _REFUSED:
        for _ in scan(root, known):
            pass  # scanned again, to have the error itself
    raise OSError(f"reading {root} failed (scanner ended with status {status})")


def _decoded(parts: list[bytes], known: Mapping[str, Known]) -> Directory:
    path = parts[0].decode("utf-8", "surrogateescape")
    changed = array("I")
    changed.frombytes(parts[3])
    names, stats = parts[1], parts[2]
    if names == _SAME_NAMES:
        names, stats = known[path].names, _patched(known[path].stats, changed, stats)
    passed_over = parts[4].decode("utf-8", "surrogateescape")
    return Directory(path, names, stats, changed, passed_over.split("\0") if passed_over else [])
